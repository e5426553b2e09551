"""The planner: from what is missing to orders, form by form, until everything is proven or no way is left."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from surefetch.events import (
    Answered,
    Attempt,
    Derive,
    Derived,
    Disproven,
    Done,
    Event,
    Halted,
    Look,
    LookupFailed,
    NotDerived,
    Order,
    Proven,
    Received,
    Request,
    Wait,
)
from surefetch.model import Dataset, Form, Lookup, Mirror, Struct
from surefetch.plan.artifact import ArtifactPlan, State
from surefetch.plan.hosts import Hosts
from surefetch.plan.policy import Limits
from surefetch.sources import Source

#: Kinds of lookup that stay on this machine and are answered in milliseconds.
LOCAL_LOOKUPS = frozenset({"places", "scan"})


class Goal(Struct, frozen=True, kw_only=True):
    """What is wanted of a dataset: the missing tensors, or named artifacts."""

    dataset: Dataset
    tensors: frozenset[str] = frozenset()
    artifacts: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()  # artifacts that the store has already


class FormPlan:
    """Mutable account of one form: whether it is being tried, and which tensors it cannot give."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.is_active = False
        self.since = 0.0
        self.cannot_give: set[str] = set()
        self.deriving: set[str] = set()

    def can_give(self, missing: Iterable[str]) -> list[str]:
        """Which of the missing tensors it may still give, in the recipe's order."""
        wanted = set(missing)
        return [tensor for tensor in self.form.gives if tensor in wanted - self.cannot_give]


class Planner:
    """State machine: events in, orders out. Ends with one `Done`."""

    def __init__(
        self,
        goal: Goal,
        sources: Sequence[Source],
        limits: Limits | None = None,
        jitter: Callable[[], float] = lambda: 0.5,
        rank: Callable[[Mirror], float] = lambda mirror: 0.0,
    ) -> None:
        """Take the goal.

        Args:
            goal: What is wanted.
            sources: Asked for mirrors, nearest first.
            limits: Times and counts.
            jitter: Gives numbers in [0, 1).
            rank: Smaller is better; from the history of the mirror's host.
        """
        self.goal = goal
        self.missing = set(goal.tensors) | set(goal.artifacts)
        self.is_done = False
        self._sources, self._limits, self._rank = sources, limits or Limits(), rank
        hosts, ids = Hosts(), itertools.count(1)
        self._plans = {
            artifact.name: ArtifactPlan(artifact, hosts, ids, self._limits, jitter)
            for artifact in goal.dataset.artifacts
        }
        for name in goal.held:
            self._plans[name].state = State.PROVEN
        self._owner: dict[int, ArtifactPlan] = {}
        self._forms = [FormPlan(form) for form in self._candidate_forms()]
        self._answers: dict[Lookup, bytes | None] = {}
        self._asking: dict[Lookup, float] = {}
        self._attempts: list[Attempt] = []
        self._last_byte = self._began = 0.0
        self._halted: Halted | None = None

    def start(self, now: float) -> list[Order]:
        """Give the first orders: what is on this machine is looked at before any mirror is asked."""
        self._began = self._last_byte = now
        for plan in self._plans.values():
            self._offer(plan)
        return self._advance(now)

    def handle(self, event: Event, now: float) -> list[Order]:
        """Take in what happened and say what is to be done."""
        if self.is_done:
            return []
        orders: list[Order] = []
        match event:
            case Answered():
                self._answered(event.lookup, event.answer)
            case LookupFailed():
                self._lookup_failed(event)
            case Derived():
                self._derived(event.tensor)
            case NotDerived():
                self._not_derived(event)
            case Halted():
                self._halted = event
            case Proven() | Disproven():
                orders += self._plans[event.artifact.name].handle(event, now)
                self.missing.discard(event.artifact.name) if isinstance(event, Proven) else None
            case _:
                orders += self._to_owner(event, now)
        return orders + self._advance(now)

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt so far that did not go well."""
        return [*self._attempts, *(attempt for plan in self._plans.values() for attempt in plan.attempts)]

    # --- taking in ----------------------------------------------------------------------------------------

    def _to_owner(self, event: Event, now: float) -> list[Order]:
        plan = self._owner.get(getattr(event, "id", 0))
        if plan is None:
            return []
        if isinstance(event, Received):
            self._last_byte = now
        return plan.handle(event, now)

    def _answered(self, lookup: Lookup, answer: bytes | None) -> None:
        self._asking.pop(lookup, None)
        self._answers[lookup] = answer
        for plan in self._plans.values():
            self._offer(plan)

    def _lookup_failed(self, event: LookupFailed) -> None:
        self._attempts.append(
            Attempt(
                mirror=event.lookup.target,
                cause=event.cause,
                detail=event.detail,
                source=event.lookup.source,
                seconds=event.seconds,
            )
        )
        self._answered(event.lookup, None)

    def _derived(self, tensor: str) -> None:
        self.missing.discard(tensor)
        for form in self._forms:
            form.deriving.discard(tensor)

    def _not_derived(self, event: NotDerived) -> None:
        for form in self._forms:
            if form.form.name == event.form:
                form.deriving.discard(event.tensor)
                form.cannot_give.add(event.tensor)
        self._attempts.append(
            Attempt(
                mirror=f"form {event.form}", cause=event.cause, detail=event.detail, artifact=event.tensor
            )
        )

    # --- deciding -----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Order]:
        if not self.missing or self._halted or self._is_late(now):
            return self._finish()
        orders: list[Order] = []
        self._activate(now)
        for form in self._forms:
            if form.is_active:
                orders += self._derive(form)
        orders += self._stop_unwanted()
        orders += self._look(now)
        orders += self._fetch(now)
        if self._is_stuck():
            return self._advance(now) if self._activate_next(now) else orders + self._finish()
        return orders + self._wait(now)

    def _activate(self, now: float) -> None:
        """Have a form for everything that is missing; add another one beside those that give no byte."""
        while not self._is_covered() and self._activate_next(now):
            pass
        since = max([self._last_byte, *(form.since for form in self._forms if form.is_active)])
        if now - since >= self._limits.escalate_after and not self._is_deriving():
            self._activate_next(now)

    def _activate_next(self, now: float) -> bool:
        """Activate the nearest form that could give something missing; False when there is none."""
        idle = [form for form in self._forms if not form.is_active and self._is_promising(form)]
        if not idle:
            return False
        nearest = min(idle, key=self._distance)
        nearest.is_active, nearest.since = True, now
        return True

    def _is_covered(self) -> bool:
        """Whether the active forms could give everything that is missing."""
        covered: set[str] = set()
        for form in self._forms:
            if form.is_active and self._is_alive(form):
                covered.update(form.can_give(self.missing))
        return self.missing <= covered

    def _is_promising(self, form: FormPlan) -> bool:
        return bool(form.can_give(self.missing)) and self._is_alive(form)

    def _is_alive(self, form: FormPlan) -> bool:
        return any(self._is_possible(form, tensor) for tensor in form.can_give(self.missing))

    def _is_possible(self, form: FormPlan, tensor: str) -> bool:
        return all(self._is_open(self._plans[name]) for name in self._inputs(form, tensor))

    def _is_open(self, plan: ArtifactPlan) -> bool:
        """Whether the artifact is here, on its way, or may still be found."""
        if plan.state in (State.PROVEN, State.PROVING):
            return True
        return plan.is_usable or bool(self._unanswered(plan)) or self._is_being_looked_up(plan)

    def _distance(self, form: FormPlan) -> tuple[int, int, float, int]:
        """How far away a form is: lookups needed, then what it can give, then bytes to fetch.

        Bytes count by powers of two; among forms of about the same size the catalog's order decides.
        """
        names = {name for tensor in form.can_give(self.missing) for name in self._inputs(form, tensor)}
        plans = [self._plans[name] for name in names if self._plans[name].state is not State.PROVEN]
        needs_lookup = any(not plan.is_usable for plan in plans)
        is_remote = any(not mirror.is_local for plan in plans for mirror in plan.mirrors[:1])
        rank = sum(min(map(self._rank, plan.mirrors), default=0.0) for plan in plans)
        left = sum(plan.artifact.bound - plan.received for plan in plans)
        return (
            2 if needs_lookup else int(is_remote),
            -len(form.can_give(self.missing)),
            rank,
            left.bit_length(),
        )

    def _derive(self, form: FormPlan) -> list[Order]:
        orders: list[Order] = []
        for tensor in form.can_give(self.missing):
            inputs = self._inputs(form, tensor)
            is_ready = all(self._plans[name].state is State.PROVEN for name in inputs)
            if is_ready and not any(tensor in other.deriving for other in self._forms):
                if tensor in self.goal.artifacts:
                    self.missing.discard(tensor)
                    continue
                form.deriving.add(tensor)
                orders.append(Derive(tensor=tensor, form=form.form.name, recipe=form.form.gives[tensor]))
        return orders

    def _look(self, now: float) -> list[Order]:
        """Order the lookups that are due: local ones for everything, others for what active forms need."""
        orders: list[Order] = []
        for plan in self._plans.values():
            due = self._unanswered(plan)
            if plan not in self._needed() or self._has_usable_mirror(plan):
                due = [lookup for lookup in due if lookup.kind in LOCAL_LOOKUPS and plan in self._wanted()]
            for lookup in due:
                if lookup not in self._asking:
                    self._asking[lookup] = now
                    orders.append(Look(lookup=lookup))
        return orders

    def _fetch(self, now: float) -> list[Order]:
        if self._is_scanning(now):
            return []
        orders: list[Order] = []
        for plan in self._needed():
            running = sum(other.request_id is not None for other in self._plans.values())
            if running >= self._limits.jobs and plan.request_id is None:
                continue
            for order in plan.step(now):
                if isinstance(order, Request):
                    self._owner[order.id] = plan
                orders.append(order)
        return orders

    def _stop_unwanted(self) -> list[Order]:
        wanted = self._wanted()
        return [order for plan in self._plans.values() if plan not in wanted for order in plan.stop()]

    def _is_stuck(self) -> bool:
        """Whether nothing is under way and nothing will come of waiting."""
        busy = (State.PROVING, State.FETCHING)
        is_fetching = any(plan.state in busy and plan.is_usable for plan in self._needed())
        is_proving = any(plan.state is State.PROVING for plan in self._plans.values())
        return not (is_fetching or is_proving or self._asking or self._is_deriving())

    def _finish(self) -> list[Order]:
        self.is_done = True
        orders = [order for plan in self._plans.values() for order in plan.stop()]
        attempts = self.attempts
        if self._halted:
            attempts.append(
                Attempt(mirror="this machine", cause=self._halted.cause, detail=self._halted.detail)
            )
        return [*orders, Done(missing=tuple(sorted(self.missing)), attempts=tuple(attempts))]

    def _wait(self, now: float) -> list[Order]:
        times = [time for plan in self._needed() if (time := plan.wakes_at()) is not None]
        if any(self._is_promising(form) and not form.is_active for form in self._forms):
            since = max([self._last_byte, *(form.since for form in self._forms if form.is_active)])
            times.append(since + self._limits.escalate_after)
        if self._is_scanning(now):
            times.append(self._began + self._limits.scan_head_start)
        if self._limits.deadline:
            times.append(self._began + self._limits.deadline)
        later = [time for time in times if time > now]
        return [Wait(until=min(later))] if later else []

    # --- reading the state ----------------------------------------------------------------------------------

    def _candidate_forms(self) -> list[Form]:
        """The dataset's forms; for artifacts that are wanted as such, each is a form of its own."""
        forms = [form for form in self.goal.dataset.forms if self.goal.tensors & set(form.gives)]
        for name in sorted(self.goal.artifacts):
            forms.append(Form(name=f"file {name}", gives={name: ()}))
        return forms

    def _inputs(self, form: FormPlan, tensor: str) -> list[str]:
        parts = form.form.gives[tensor]
        return list(dict.fromkeys(part.input for part in parts)) if parts else [tensor]

    def _needed(self) -> list[ArtifactPlan]:
        """Artifacts that active forms need and do not have, the largest first."""
        names = {
            name: None
            for form in self._forms
            if form.is_active
            for tensor in form.can_give(self.missing)
            if self._is_possible(form, tensor)
            for name in self._inputs(form, tensor)
        }
        plans = [self._plans[name] for name in names if self._plans[name].state is not State.PROVEN]
        return sorted(plans, key=lambda plan: -plan.artifact.bound)

    def _wanted(self) -> list[ArtifactPlan]:
        """Artifacts that any form could still use for something missing."""
        names = {
            name
            for form in self._forms
            for tensor in form.can_give(self.missing)
            for name in self._inputs(form, tensor)
        }
        return [
            plan for name, plan in self._plans.items() if name in names and plan.state is not State.PROVEN
        ]

    def _unanswered(self, plan: ArtifactPlan) -> list[Lookup]:
        return [
            lookup
            for source in self._sources
            for lookup in source.lookups(plan.artifact, self._answers)
            if lookup not in self._answers
        ]

    def _is_being_looked_up(self, plan: ArtifactPlan) -> bool:
        return any(lookup in self._asking for lookup in self._unanswered(plan))

    def _has_usable_mirror(self, plan: ArtifactPlan) -> bool:
        return plan.is_usable

    def _offer(self, plan: ArtifactPlan) -> None:
        for source in self._sources:
            plan.offer(sorted(source.mirrors(plan.artifact, self._answers), key=self._rank))

    def _is_scanning(self, now: float) -> bool:
        is_asking = any(lookup.kind in LOCAL_LOOKUPS for lookup in self._asking)
        return is_asking and now - self._began < self._limits.scan_head_start

    def _is_deriving(self) -> bool:
        return any(form.deriving for form in self._forms)

    def _is_late(self, now: float) -> bool:
        return bool(self._limits.deadline) and now - self._began >= self._limits.deadline


__all__ = ["Goal", "Planner"]
