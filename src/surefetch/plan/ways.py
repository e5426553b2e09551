"""Ways to what is missing: which form can give which tensor, counted so that an event costs little."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from surefetch.model import Form
from surefetch.plan.artifact import ArtifactPlan, State


class Way:
    """Mutable account of one form's way to one target (a tensor, or an artifact wanted as such)."""

    __slots__ = ("counts", "form", "inputs", "is_barred", "is_deriving", "shut", "target", "waiting")

    def __init__(self, form: FormPlan, target: str, inputs: tuple[ArtifactPlan, ...]) -> None:
        self.form, self.target, self.inputs = form, target, inputs
        self.waiting = sum(plan.state is not State.PROVEN for plan in inputs)
        self.shut = 0  # inputs that cannot be had any more
        self.is_barred = False  # it was tried and failed
        self.is_deriving = False
        self.counts = False  # its inputs are being fetched for it


class FormPlan:
    """Mutable account of one form: whether it is being tried, and its ways."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.is_active = False
        self.ways: list[Way] = []


class Ways:
    """Mutable: all ways to what is missing, and which artifacts they need."""

    def __init__(
        self,
        missing: Iterable[str],
        forms: Iterable[Form],
        plans: dict[str, ArtifactPlan],
        changed: Callable[[ArtifactPlan], None],
    ) -> None:
        """Lay out the ways.

        Args:
            missing: Tensors and artifacts that are wanted.
            forms: The dataset's, the preferred first. An artifact that is wanted as such is a way of its own.
            plans: By the artifact's name.
            changed: Called with each artifact that begins or ceases to be needed.
        """
        self.missing = set(missing)
        self.uncovered = set(missing)  # no active form can give them
        self.deriving = 0
        self.forms: list[FormPlan] = []
        self._changed = changed
        self._cover = dict.fromkeys(self.missing, 0)
        self._of_target: dict[str, list[Way]] = {name: [] for name in self.missing}
        self._ready: list[Way] = []  # all inputs are here
        for form in forms:
            self._lay_out(form, plans)

    def activate(self, form: FormPlan) -> None:
        """Have a form tried."""
        form.is_active = True
        for way in form.ways:
            self._recount(way)

    def is_promising(self, form: FormPlan) -> bool:
        """Whether a form could give something that is missing."""
        return any(self.is_possible(way) for way in form.ways)

    def is_possible(self, way: Way) -> bool:
        """Whether a way may still lead to something that is missing."""
        return not way.is_barred and not way.shut and way.target in self.missing

    def got(self, target: str) -> None:
        """Note that a target is here."""
        self.missing.discard(target)
        self.uncovered.discard(target)
        for way in self._of_target.get(target, ()):
            self._stop_deriving(way)
            self._recount(way)
            for plan in way.inputs:
                plan.want -= 1
                self._changed(plan)

    def failed(self, form: str, target: str) -> None:
        """Note that a derivation failed: the form cannot give this target."""
        for way in self._of_target.get(target, ()):
            if way.form.form.name == form:
                self._stop_deriving(way)
                way.is_barred = True
                self._recount(way)

    def proven(self, plan: ArtifactPlan) -> None:
        """Note that an artifact is here."""
        for way in plan.ways:
            way.waiting -= 1
            if not way.waiting:
                self._ready.append(way)

    def set_open(self, plan: ArtifactPlan, is_open: bool) -> None:
        """Note whether an artifact can still be had."""
        if plan.is_open == is_open:
            return
        plan.is_open = is_open
        for way in plan.ways:
            way.shut += -1 if is_open else 1
            self._recount(way)

    def take_ready(self) -> list[Way]:
        """Return the ways of active forms whose inputs are all here, each once, to be derived now."""
        due, later = [], []
        for way in self._ready:
            if not self.is_possible(way):
                continue
            is_free = not any(other.is_deriving for other in self._of_target[way.target])
            if way.form.is_active and is_free:
                way.is_deriving = True
                self.deriving += 1
                due.append(way)
            else:
                later.append(way)
        self._ready = later
        return due

    def _lay_out(self, form: Form, plans: dict[str, ArtifactPlan]) -> None:
        account = FormPlan(form)
        for target, recipe in form.gives.items():
            if target in self.missing:
                names = dict.fromkeys(part.input for part in recipe) if recipe else {target: None}
                way = Way(account, target, tuple(plans[name] for name in names))
                account.ways.append(way)
                self._of_target[target].append(way)
                for plan in way.inputs:
                    plan.ways.append(way)
                    plan.want += 1
                if not way.waiting:
                    self._ready.append(way)
        if account.ways:
            self.forms.append(account)

    def _recount(self, way: Way) -> None:
        counts = way.form.is_active and self.is_possible(way)
        if counts == way.counts:
            return
        way.counts = counts
        change = 1 if counts else -1
        self._cover[way.target] += change
        if way.target in self.missing:
            if self._cover[way.target]:
                self.uncovered.discard(way.target)
            else:
                self.uncovered.add(way.target)
        for plan in way.inputs:
            plan.need += change
            self._changed(plan)

    def _stop_deriving(self, way: Way) -> None:
        if way.is_deriving:
            way.is_deriving = False
            self.deriving -= 1
