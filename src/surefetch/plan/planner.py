"""The planner: from what is missing to orders, form by form, until everything is proven or no way is left."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from surefetch.events import (
    OF_REQUESTS,
    Answered,
    Attempt,
    Derive,
    Derived,
    Discarded,
    Disproven,
    Done,
    Event,
    Failed,
    Finished,
    Halted,
    Look,
    LookupFailed,
    NotDerived,
    OfRequest,
    Order,
    PieceJudged,
    Proven,
    Received,
    Request,
    Tick,
    Wait,
)
from surefetch.model import Artifact, Dataset, Form, Lookup, Mirror, Struct
from surefetch.plan.account import LATE
from surefetch.plan.artifact import ArtifactPlan, Held, Shared, State
from surefetch.plan.hosts import Hosts
from surefetch.plan.policy import Limits
from surefetch.plan.running import Ending
from surefetch.plan.turns import Turns
from surefetch.plan.ways import FormPlan, Ways
from surefetch.sources import Source, misses

#: States in which no further byte is needed. A constant: Python 3.11 takes long to find a member of an enum.
_HERE = (State.PROVEN, State.PROVING)
#: Kinds of lookup that stay on this machine and are answered in milliseconds.
LOCAL_LOOKUPS = frozenset({"places", "scan"})
#: Artifacts whose sources are asked before the first request; then half as many at each look at the network.
FIRST = 64
#: How far away a form is whose mirrors nobody knows before an index is asked (`_distance`).
BEHIND_LOOKUP = 2
#: A form crawls when so many seconds are left at its rate, and no more than CRAWL bytes come per second.
CRAWL_SECONDS = 30.0
CRAWL = 100e3
#: Over so many seconds less than `Limits.slowest` must have come, and more than MOST be left at that rate.
SLOW_SECONDS, MOST = 14.0, 120.0
#: Bytes that a file counts for, then, beside its own: hosts may take few requests a second, however small.
FILE_WORTH = 64 << 10


class Goal(Struct, frozen=True, kw_only=True):
    """What is wanted of a dataset: the missing tensors, or named artifacts."""

    dataset: Dataset
    tensors: frozenset[str] = frozenset()
    artifacts: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()  # artifacts that the store has already
    held_ranges: Mapping[str, Held] = {}  # artifact -> what an earlier run left in a part taken over
    is_offline: bool = False  # nothing beyond this machine is asked


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
        self.is_done = False
        self.attempts: list[Attempt] = []  # every attempt so far that did not go well, in time
        self._sources, self._limits, self._rank = sources, limits or Limits(), rank
        self._hosts = Hosts()
        shared = Shared(
            hosts=self._hosts,
            ids=itertools.count(1),
            limits=self._limits,
            jitter=jitter,
            rank=rank,
            attempts=self.attempts,
        )
        self._plans = {artifact.name: ArtifactPlan(artifact, shared) for artifact in _needed(goal)}
        for name in goal.held:
            if name in self._plans:
                self._plans[name].state = State.PROVEN
        self._dirty: OrderedDict[ArtifactPlan, None] = OrderedDict()  # pops its first in one step
        self._unexamined: deque[ArtifactPlan] = deque()
        self._owner: dict[int, ArtifactPlan] = {}
        wanted = set(goal.tensors) | (set(goal.artifacts) - set(goal.held))
        self._ways = Ways(wanted, _forms(goal), self._plans, self._touch)
        self._turns = Turns(self._limits)
        self._proving: set[ArtifactPlan] = set()
        self._answers: dict[Lookup, bytes | None] = {}
        self._asking: set[Lookup] = set()
        self._scanning = 0  # of them on this machine
        self._askers: dict[Lookup, dict[ArtifactPlan, None]] = {}
        self._began = self._since = self._last_byte = self._silent_since = 0.0
        self._crawl_at, self._crawl_bytes, self._bytes = 0.0, 0, 0
        self._slow_at, self._slow_worth, self._proven = 0.0, 0, 0
        self._is_scanning = self._has_walked = False
        self._halted: Halted | None = None

    @property
    def missing(self) -> set[str]:
        """Wanted tensors and artifacts that are not here yet."""
        return self._ways.missing

    @property
    def told_bytes(self) -> int | None:
        """Bytes of all wanted files, as promised or as mirrors tell; None while one is not known."""
        sizes = [self._plans[name].size for name in self.goal.artifacts]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def start(self, now: float) -> list[Order]:
        """Give the first orders: what is on this machine is looked at before any mirror is asked."""
        self._began = self._since = self._last_byte = self._crawl_at = self._slow_at = now
        self._silent_since = now
        plans = [plan for plan in self._plans.values() if plan.want and plan.state is not State.PROVEN]
        if not self.goal.tensors:  # without forms to choose from, the small ones can wait
            plans.sort(key=lambda plan: -plan.artifact.bound)
        self._unexamined.extend(plans)
        orders = self._meet(len(plans) if self.goal.tensors else FIRST)
        self._is_scanning = bool(self._asking)
        return orders + self._advance(now)

    def _meet(self, count: int) -> list[Order]:
        """Ask the sources about some more artifacts: of thousands not all before the first request."""
        orders: list[Order] = []
        for _ in range(min(count, len(self._unexamined))):
            plan = self._unexamined.popleft()
            plan.is_examined = True
            self._examine(plan)
            if plan.artifact.name in self.goal.held_ranges:
                plan.resume(self.goal.held_ranges[plan.artifact.name])
            orders += self._look(plan, local_only=True)
            self._touch(plan)
        return orders

    def handle(self, event: Event, now: float) -> list[Order]:
        """Take in what happened and say what is to be done."""
        return self.handle_all((event,), now)

    def handle_all(self, events: Iterable[Event], now: float) -> list[Order]:
        """Take in all that happened since the last orders, in order, and say what is to be done."""
        if self.is_done:
            return []
        orders = [order for event in events for order in self._take(event, now)]
        return orders + self._meet(FIRST // 2) + self._advance(now)

    def _take(self, event: Event, now: float) -> list[Order]:
        if isinstance(event, OF_REQUESTS):
            return self._to_owner(event, now)
        match event:
            case Tick():
                pass
            case Answered():
                self._answered(event.lookup, event.answer)
            case LookupFailed():
                self._lookup_failed(event)
            case Derived():
                self._ways.got(event.tensor)
            case NotDerived():
                self._not_derived(event)
            case Halted():
                self._halted = event
            case Proven() | Disproven() | PieceJudged():
                return self._judged(event, now)
            case Discarded():
                self._plans[event.artifact.name].discarded(event.start, event.stop)
        return []

    # --- taking in ----------------------------------------------------------------------------------------

    def _to_owner(self, event: OfRequest, now: float) -> list[Order]:
        id = event.id  # noqa: A001 - the events' own word
        plan = self._owner.get(id)
        if plan is None:
            return []
        if isinstance(event, Received):
            self._came(event.stop - event.start, now)
            orders = plan.handle(event, now)
            if plan.is_due(now):
                self._touch(plan)
            return orders
        if isinstance(event, Finished) and id in plan.running:
            self._came(event.stop - plan.running[id].position, now)
        orders = plan.handle(event, now)
        if id not in plan.running:
            del self._owner[id]
        if isinstance(event, (Finished, Failed)):
            self._note(plan)
        if orders or plan.is_due(now):
            self._touch(plan)
        return orders

    def _came(self, count: int, now: float) -> None:
        if count > 0:
            self._since = self._last_byte = now
            self._bytes += count

    def _judged(self, event: Proven | Disproven | PieceJudged, now: float) -> list[Order]:
        plan = self._plans[event.artifact.name]
        orders = plan.handle(event, now)
        if not isinstance(event, PieceJudged):
            self._proving.discard(plan)
        if isinstance(event, Proven):
            self._proven += 1
            self._ways.proven(plan)
        self._note(plan)
        self._touch(plan)
        return orders

    def _answered(self, lookup: Lookup, answer: bytes | None) -> None:
        if lookup in self._asking:
            self._asking.discard(lookup)
            self._scanning -= lookup.kind in LOCAL_LOOKUPS
        self._answers[lookup] = answer
        for plan in self._askers.pop(lookup, {}):
            self._examine(plan)
            self._touch(plan)

    def _lookup_failed(self, event: LookupFailed) -> None:
        self.attempts.append(
            Attempt(
                mirror=event.lookup.target,
                cause=event.cause,
                detail=event.detail,
                source=event.lookup.source,
                seconds=event.seconds,
            )
        )
        self._answered(event.lookup, None)

    def _not_derived(self, event: NotDerived) -> None:
        self._ways.failed(event.form, event.tensor)
        self.attempts.append(
            Attempt(
                mirror=f"form {event.form}", cause=event.cause, detail=event.detail, artifact=event.tensor
            )
        )

    # --- deciding -----------------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Order]:
        orders: list[Order] = []
        self._hosts.look(now, self._limits)
        self._is_scanning = self._is_scanning and self._scans(now)
        if not self._has_walked and now - self._last_byte >= self._limits.escalate_after:
            orders += self._walk()
        if self._is_too_slow(now):
            orders += self._give_up(Ending.SLOW, now)
        if self._is_all_silent(now):
            orders += self._give_up(Ending.SILENT, now)
            self._silent_since = now  # those whose turn comes now are waited for as long
        while self.missing and not self._halted and not self._is_late(now):
            self._activate(now)
            orders += self._derive()
            orders += self._work(now)
            if not self.missing:
                break
            if not self._is_stuck():
                return [*orders, *self._wait(now)]
            if not self._activate_next(now):
                break
        return orders + self._finish(now)

    def _activate(self, now: float) -> None:
        """Have a form for everything that is missing; add another one beside those that give too little."""
        if self._is_scanning:  # a form that is here is nearer than any other
            return
        while self._ways.uncovered and self._activate_next(now):
            pass
        if self._ways.deriving:
            return
        if now - self._last_byte >= self._limits.escalate_after:
            # However many near forms take their time to fail: an index is asked after one such pause.
            self._activate_next(now, nearness=BEHIND_LOOKUP)
        if now - self._since >= self._limits.escalate_after or self._crawls(now):
            self._since = self._crawl_at = now
            self._crawl_bytes = self._bytes
            self._activate_next(now)

    def _activate_next(self, now: float, nearness: int = 0) -> bool:
        """Activate the nearest form that could give something missing; False when there is none.

        Args:
            now: The time.
            nearness: Only forms at least so far away, as `_distance` counts it.
        """
        idle = [
            form
            for form in self._ways.forms
            if not form.is_active
            and self._ways.is_promising(form)
            and (not nearness or self._distance(form)[0] >= nearness)
        ]
        if not idle:
            return False
        self._ways.activate(min(idle, key=self._distance) if len(idle) > 1 else idle[0])
        self._since = now
        return True

    def _crawls(self, now: float) -> bool:
        """Whether the active forms give bytes, but so few that another form should be tried beside them."""
        seconds = now - self._crawl_at
        if seconds < 3 * self._limits.escalate_after or all(form.is_active for form in self._ways.forms):
            return False
        rate = (self._bytes - self._crawl_bytes) / seconds
        self._crawl_at, self._crawl_bytes = now, self._bytes
        left = sum(plan.artifact.bound - plan.received for plan in self._turns.live if plan.need)
        return rate < CRAWL and left > CRAWL_SECONDS * rate

    def _is_all_silent(self, now: float) -> bool:
        """Whether nobody has given a byte for too long, whatever form was tried."""
        if self._bytes or now - self._silent_since < self._limits.patience:
            return False
        if any(not form.is_active and self._ways.is_promising(form) for form in self._ways.forms):
            return False
        return not any(plan.is_patient(now) for plan in self._turns.live)

    def _is_too_slow(self, now: float) -> bool:
        """Whether bytes come, but all of them together so slowly that they are not worth waiting for."""
        worth = self._bytes + FILE_WORTH * self._proven
        seconds, came = now - self._slow_at, worth - self._slow_worth
        if seconds < SLOW_SECONDS:
            return False
        self._slow_at, self._slow_worth = now, worth
        if not came or came >= self._limits.slowest * seconds or self._proving or self._ways.deriving:
            return False
        needed = [plan for plan in self._turns.live if plan.need]
        left = sum(plan.artifact.bound - plan.received for plan in needed)
        return (left + FILE_WORTH * (len(needed) - 1)) * seconds > MOST * came

    def _give_up(self, ending: Ending, now: float) -> list[Order]:
        """Wait no longer for anybody who is asked; those who wait for their turn hear of it, too."""
        orders = []
        for plan in list(self._turns.live):
            if ending is Ending.SLOW and plan.seconds(now) < SLOW_SECONDS:
                continue  # what was measured is not of it
            orders += plan.give_up(ending, now)
            self._touch(plan)
        return orders

    def _distance(self, form: FormPlan) -> tuple[int, int, float, int]:
        """How far away a form is: lookups needed, then what it can give, then bytes to fetch.

        Bytes count by powers of two; among forms of about the same size the catalog's order decides.
        """
        ways = [way for way in form.ways if self._ways.is_possible(way)]
        inputs = {plan: None for way in ways for plan in way.inputs if plan.state is not State.PROVEN}
        needs_lookup = any(not plan.is_usable for plan in inputs)
        is_remote = any(not mirror.is_local for plan in inputs for mirror in plan.mirrors[:1])
        rank = sum(min(map(self._rank, plan.mirrors), default=0.0) for plan in inputs)
        left = sum(plan.artifact.bound - plan.received for plan in inputs)
        return (BEHIND_LOOKUP if needs_lookup else int(is_remote), -len(ways), rank, left.bit_length())

    def _derive(self) -> list[Order]:
        orders: list[Order] = []
        for way in self._ways.take_ready():
            if way.target in self.goal.artifacts:
                self._ways.got(way.target)
                continue
            name = way.form.form.name
            orders.append(Derive(tensor=way.target, form=name, recipe=way.form.form.gives[way.target]))
        return orders

    def _work(self, now: float) -> list[Order]:
        """Step every artifact that something happened to, and those that get a slot or room through that."""
        orders: list[Order] = []
        for plan in self._turns.awake(now):
            self._touch(plan)
        while True:
            while self._dirty:
                plan, _ = self._dirty.popitem(last=False)
                orders += self._step(plan, now)
            self._settle_hosts()
            if self._dirty:
                continue
            if self._is_scanning or (next_plan := self._turns.admit()) is None:
                return orders
            self._touch(next_plan)

    def _step(self, plan: ArtifactPlan, now: float) -> list[Order]:
        """Let one artifact go on, and find its place until something happens to it again."""
        is_proven = plan.state is State.PROVEN
        if not plan.is_examined and plan.want and not is_proven:
            return []
        if is_proven or not plan.need:
            self._turns.leave(plan)
            return plan.stop()
        if plan.state not in _HERE:
            if not plan.has_slot:
                return self._line_up(plan, now)
            if plan.is_usable and (hosts := plan.line_up(now)):  # those before it took the room
                self._turns.park(plan, hosts)
                return []
        orders = plan.step(now)
        for order in orders:
            if isinstance(order, Request):
                self._owner[order.id] = plan
        self._note(plan)
        self._place(plan, now)
        return orders

    def _line_up(self, plan: ArtifactPlan, now: float) -> list[Order]:
        """Let an artifact wait for a slot, or for room; look for mirrors if it has none."""
        self._note(plan)
        if plan.is_usable:
            if hosts := plan.line_up(now):
                self._turns.park(plan, hosts)
            else:
                self._turns.enqueue(plan)
            return []
        plan.line_up(now)
        self._turns.leave(plan)
        return [] if self._is_scanning else self._look(plan)

    def _place(self, plan: ArtifactPlan, now: float) -> None:
        if plan.state is State.PROVING:
            self._proving.add(plan)
            self._turns.leave(plan)
            return
        if not plan.need:
            self._touch(plan)
            return
        if plan.state is State.EXHAUSTED:
            self._turns.leave(plan)
            self._touch(plan)  # for its lookups
            return
        if plan.blocked:
            self._turns.park(plan, plan.blocked)
        until = plan.wakes_at(now)
        if until is not None:
            self._turns.sleep(plan, until, keeps_slot=bool(plan.running) or plan.is_parked)

    def _settle_hosts(self) -> None:
        """Tell everybody whom it concerns of hosts that have room again, or are out."""
        dropped, self._hosts.dropped = self._hosts.dropped, []
        for host in dropped:
            for plan in host.plans:
                if plan.state is not State.PROVEN:
                    self._note(plan)
                    self._touch(plan)
        freed, self._hosts.freed = self._hosts.freed, []
        for host in dict.fromkeys([*freed, *dropped]):
            self._turns.unpark(host, self._limits)

    def _touch(self, plan: ArtifactPlan) -> None:
        self._dirty[plan] = None

    def _note(self, plan: ArtifactPlan) -> None:
        """Tell the ways whether an artifact can still be had."""
        self._ways.set_open(plan, plan.state in _HERE or plan.is_usable or bool(plan.lookups))

    # --- lookups ------------------------------------------------------------------------------------------

    def _examine(self, plan: ArtifactPlan) -> None:
        """Ask the sources what they know of an artifact by now."""
        for source in self._sources:
            mirrors = source.mirrors(plan.artifact, self._answers)
            allowed = [mirror for mirror in mirrors if mirror.is_local or not self.goal.is_offline]
            plan.offer(sorted(allowed, key=self._rank))
        plan.lookups = [
            lookup
            for source in self._sources
            for lookup in source.lookups(plan.artifact, self._answers)
            if lookup not in self._answers and (lookup.kind in LOCAL_LOOKUPS or not self.goal.is_offline)
        ]
        for lookup in plan.lookups:
            self._askers.setdefault(lookup, {})[plan] = None
        self._note(plan)

    def _look(self, plan: ArtifactPlan, *, local_only: bool = False) -> list[Order]:
        """Order the lookups that are due for an artifact."""
        orders: list[Order] = []
        for lookup in plan.lookups:
            if lookup not in self._asking and (lookup.kind in LOCAL_LOOKUPS or not local_only):
                self._asking.add(lookup)
                self._scanning += lookup.kind in LOCAL_LOOKUPS
                orders.append(Look(lookup=lookup))
        return orders

    def _walk(self) -> list[Order]:
        """Look through this machine's folders for copies, beside mirrors that give nothing."""
        self._has_walked = True
        plans = [plan for plan in self._turns.live if plan.need]
        return [order for plan in plans for order in self._look(plan, local_only=True)]

    def _scans(self, now: float) -> bool:
        """Whether files on this machine are being looked for, and nobody else is to be asked yet."""
        if self._scanning and now - self._began < self._limits.scan_head_start:
            return True
        for plan in self._plans.values():
            if plan.need:
                self._touch(plan)
        return False

    # --- the end ------------------------------------------------------------------------------------------

    def _is_stuck(self) -> bool:
        """Whether nothing is under way and nothing will come of waiting."""
        is_waiting = self._turns.live or self._proving or self._asking or self._ways.deriving
        return not (is_waiting or self._unexamined)

    def _is_late(self, now: float) -> bool:
        return bool(self._limits.deadline) and now - self._began >= self._limits.deadline

    def _finish(self, now: float) -> list[Order]:
        self.is_done = True
        if self.missing and self._limits.deadline and not (self._halted or self._is_stuck()):
            waited = self._limits.waited
            after = f" after {waited:.1f} s of waiting for another process" if waited else ""
            detail = f"{self._limits.deadline:g} s{after}"
            self.attempts.append(Attempt(mirror="deadline", cause=LATE, detail=detail))
            for plan in self._turns.live:
                plan.tell_late(now)
        orders = [order for plan in self._plans.values() for order in plan.stop()]
        for plan in self._plans.values():
            if plan.want and plan.state is not State.PROVEN:
                self.attempts += misses(self._sources, plan.artifact, self._answers)
        if self._halted:
            cause, detail = self._halted.cause, self._halted.detail
            # Requests that ended by it are no fault of their mirrors.
            self.attempts[:] = [a for a in self.attempts if (a.cause, a.detail) != (cause, detail)]
            self.attempts.append(Attempt(mirror="this machine", cause=cause, detail=detail))
        return [*orders, Done(missing=tuple(sorted(self.missing)), attempts=tuple(self.attempts))]

    def _wait(self, now: float) -> list[Order]:
        if self._unexamined:
            return [Wait(until=now)]
        times = [self._turns.next_time(), self._hosts.next_time(now)]
        if any(not form.is_active for form in self._ways.forms):
            times += [
                self._since + self._limits.escalate_after,
                self._last_byte + self._limits.escalate_after,
            ]
        if not self._has_walked:
            times.append(self._last_byte + self._limits.escalate_after)
        if self._is_scanning:
            times.append(self._began + self._limits.scan_head_start)
        if self._limits.deadline:
            times.append(self._began + self._limits.deadline)
        later = [time for time in times if time is not None and time > now]
        return [Wait(until=min(later))] if later else []


def _needed(goal: Goal) -> list[Artifact]:
    """Artifacts that could be of use."""
    if goal.tensors:
        return list(goal.dataset.artifacts)
    return [artifact for artifact in goal.dataset.artifacts if artifact.name in goal.artifacts]


def _forms(goal: Goal) -> list[Form]:
    """The dataset's forms; artifacts that are wanted as such are one more, which needs no recipe."""
    files = Form(name="files", gives=dict.fromkeys(sorted(goal.artifacts), ()))
    return [form for form in goal.dataset.forms if goal.tensors & set(form.gives)] + [files]


__all__ = ["Goal", "Held", "Planner"]
