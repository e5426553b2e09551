"""A simulated world for the planner: mirrors with habits, sources with lookups, a clock that is a number."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from surefetch.events import (
    Answered,
    Cancel,
    Cancelled,
    Derive,
    Derived,
    Discard,
    Disproven,
    Done,
    Event,
    Failed,
    Failure,
    Finished,
    Look,
    LookupFailed,
    NotDerived,
    Opened,
    Order,
    Phase,
    Prove,
    Proven,
    Received,
    Request,
    Shorten,
    Tick,
    Wait,
)
from surefetch.model import Artifact, Digest, Lookup, Mirror
from surefetch.plan.planner import Goal, Planner
from surefetch.plan.policy import Limits
from surefetch.sources import Answers


@dataclass
class Habit:
    """How a simulated mirror behaves."""

    rate: float = 1e6  # bytes per second
    latency: float = 0.05  # seconds to the first byte
    fails: tuple[Failure, str] | None = None  # fails with this before any byte
    is_silent: bool = False  # takes the request and never answers
    stalls_after: int | None = None  # bytes
    cuts_after: int | None = None  # bytes, each time
    is_wrong: bool = False  # serves other bytes


@dataclass
class FakeSource:
    """A source of the simulated world: mirrors known at once, or after a lookup."""

    name: str
    known: Mapping[str, list[str]] = field(default_factory=dict)  # artifact -> URLs
    behind: Mapping[str, tuple[str, list[str]]] = field(
        default_factory=dict
    )  # artifact -> lookup target, URLs

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        if artifact.name not in self.behind:
            return []
        lookup = Lookup(source=self.name, kind="index", target=self.behind[artifact.name][0])
        return [] if lookup in answers else [lookup]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        urls = list(self.known.get(artifact.name, []))
        if artifact.name in self.behind:
            target, found = self.behind[artifact.name]
            if answers.get(Lookup(source=self.name, kind="index", target=target)) is not None:
                urls += found
        return [Mirror(url=url, source=self.name) for url in urls]


class World:
    """Runs a planner against habits; keeps a log of all orders and events."""

    def __init__(
        self,
        goal: Goal,
        sources: list[FakeSource],
        habits: Mapping[str, Habit],
        *,
        derive: Callable[[Derive], Event] | None = None,
        lookup_seconds: float = 0.1,
        lookups_fail: frozenset[str] = frozenset(),
        limits: Limits | None = None,
        seed: int = 0,
    ) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.planner = Planner(goal, sources, limits or Limits(), self.random.random)
        self.orders: list[tuple[float, Order]] = []
        self.events: list[tuple[float, Event]] = []
        self.done: Done | None = None
        self._habits, self._derive = habits, derive or self._derive_well
        self._lookup_seconds, self._lookups_fail = lookup_seconds, lookups_fail
        self._queue: list[tuple[float, int, Event]] = []
        self._serial = itertools.count()
        self._ended: set[int] = set()
        self._givers: dict[str, set[str]] = {}
        self._phases: dict[int, Phase] = {}

    def run(self, steps: int = 20_000) -> Done:
        """Run to the end; fails the test when there is none."""
        self._carry_out(self.planner.start(self.now))
        for _ in range(steps):
            if self.done:
                return self.done
            assert self._queue, "the planner waits for nothing"
            self.now, _, event = heapq.heappop(self._queue)
            if isinstance(event, Opened | Received | Finished | Failed | Cancelled):
                if event.id in self._ended:
                    continue
                if isinstance(event, Opened):
                    self._phases[event.id] = Phase.BODY
                if isinstance(event, Finished | Failed | Cancelled):
                    self._ended.add(event.id)
            self.events.append((self.now, event))
            self._carry_out(self.planner.handle(event, self.now))
        raise AssertionError("no end in sight")

    def asked(self, kind: type[Order]) -> list[Order]:
        """All orders of a kind, in time."""
        return [order for _, order in self.orders if isinstance(order, kind)]

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            self.orders.append((self.now, order))
            match order:
                case Request():
                    self._serve(order)
                case Cancel():
                    phase = self._phases.get(order.id, Phase.WAIT)
                    self._later(0.0, Cancelled(id=order.id, phase=phase))
                case Prove():
                    self._later(0.01, self._prove(order.artifact))
                case Derive():
                    self._later(0.01, self._derive(order))
                case Look():
                    self._later(self._lookup_seconds, self._look(order.lookup))
                case Wait():
                    self._later(max(0.0, order.until - self.now), Tick())
                case Discard():
                    self._givers.pop(order.artifact.name, None)
                case Done():
                    self.done = order
                case Shorten():
                    raise AssertionError("this world has no segments")

    def _serve(self, request: Request) -> None:
        habit = self._habits[request.mirror.url]
        if habit.fails:
            failure, cause = habit.fails
            self._later(habit.latency, Failed(id=request.id, failure=failure, cause=cause))
            return
        if habit.is_silent:
            return
        size = request.artifact.size or 0
        opened = Opened(
            id=request.id,
            start=request.start,
            size=size,
            takes_ranges=True,
            validator='"v1"',
            seconds=habit.latency,
        )
        self._later(habit.latency, opened)
        name = request.artifact.name
        self._givers.setdefault(name, set()).add("wrong" if habit.is_wrong else "right")
        stop = request.stop or size
        time, at = habit.latency, request.start
        while at < stop:
            if habit.stalls_after is not None and at - request.start >= habit.stalls_after:
                return
            if habit.cuts_after is not None and at - request.start >= habit.cuts_after:
                self._later(time, Failed(id=request.id, failure=Failure.CUT, cause="body.truncated"))
                return
            step = min(stop - at, max(1, (stop - request.start) // 8))
            time += step / habit.rate
            self._later(time, Received(id=request.id, start=at, stop=at + step))
            at += step
        self._later(time, Finished(id=request.id, stop=stop))

    def _prove(self, artifact: Artifact) -> Event:
        right = Digest(algorithm="sha256", hex="a" * 64)
        if self._givers.get(artifact.name) == {"right"}:
            return Proven(artifact=artifact, digest=right)
        return Disproven(artifact=artifact, actual=Digest(algorithm="sha256", hex="b" * 64))

    def _look(self, lookup: Lookup) -> Event:
        if lookup.target in self._lookups_fail:
            return LookupFailed(lookup=lookup, failure=Failure.CONNECT, cause="connect.refused")
        return Answered(lookup=lookup, answer=b"page")

    def _derive_well(self, order: Derive) -> Event:
        return Derived(tensor=order.tensor, form=order.form, sha256="c" * 64)

    def _later(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._serial), event))


def fail_derivation(
    form: str, tensor: str, cause: str = "body.content-mismatch"
) -> Callable[[Derive], Event]:
    """A derivation that works but for one tensor of one form."""

    def derive(order: Derive) -> Event:
        if (order.form, order.tensor) == (form, tensor):
            return NotDerived(tensor=order.tensor, form=order.form, cause=cause)
        return Derived(tensor=order.tensor, form=order.form, sha256="c" * 64)

    return derive
