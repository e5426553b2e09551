"""A simulated world for the planner: a network of mirrors, sources, a store that proves honestly."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from surefetch.events import (
    Answered,
    Cancel,
    Cancelled,
    Derive,
    Derived,
    Differed,
    Discard,
    Discarded,
    Disordered,
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
    PieceJudged,
    Prove,
    Proven,
    Received,
    Request,
    Shorten,
    Tick,
    Wait,
)
from surefetch.model import PIECE_BYTES, Artifact, Digest, Lookup, Mirror
from surefetch.plan.planner import Goal, Planner
from surefetch.plan.policy import SMALL_BYTES, Limits
from surefetch.plan.spans import Spans
from surefetch.sources import Answers
from tests.fakes.network import ALL, Flow, Giver, Habit, Network

RIGHT = Digest(algorithm="sha256", hex="a" * 64)
WRONG = Digest(algorithm="sha256", hex="b" * 64)


@dataclass
class FakeSource:
    """A source of the simulated world: mirrors known at once, or after a lookup."""

    name: str
    known: Mapping[str, list[str]] = field(default_factory=dict)  # artifact -> URLs
    behind: Mapping[str, tuple[str, list[str]]] = field(
        default_factory=dict
    )  # artifact -> lookup target, URLs
    kind: str = "index"  # of its lookups
    is_local: bool = False  # its mirrors are paths

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        if artifact.name not in self.behind:
            return []
        lookup = Lookup(source=self.name, kind=self.kind, target=self.behind[artifact.name][0])
        return [] if lookup in answers else [lookup]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        urls = list(self.known.get(artifact.name, []))
        if artifact.name in self.behind:
            target, found = self.behind[artifact.name]
            if answers.get(Lookup(source=self.name, kind=self.kind, target=target)) is not None:
                urls += found
        return [Mirror(url=url, source=self.name, is_local=self.is_local) for url in urls]


class Part:
    """What is here of one artifact: whose bytes they are. The first bytes stay."""

    def __init__(self, artifact: Artifact, size: int) -> None:
        self.artifact, self.size = artifact, size
        self.spans: Spans[Giver] = Spans()
        self.judged: set[int] = set()  # pieces

    def is_right(self, start: int, stop: int) -> bool:
        """Whether the bytes [start, stop) are here and right."""
        if not self.spans.covers(start, stop):
            return False
        return not any(
            low < min(high, stop) and max(first, start) < last
            for first, last, giver in self.spans
            for low, high in giver.wrong
            if max(first, low, start) < min(last, high, stop)
        )

    def wrong_pieces(self) -> tuple[int, ...] | None:
        """Which pieces are wrong; None if the artifact has no pieces."""
        if not self.artifact.pieces:
            return None
        return tuple(
            index for index in range(len(self.artifact.pieces)) if not self.is_right(*self.piece(index))
        )

    def piece(self, index: int) -> tuple[int, int]:
        """Where a piece lies."""
        return index * PIECE_BYTES, min((index + 1) * PIECE_BYTES, self.size)


class World:
    """Runs a planner against habits; logs all orders and events, and watches what must always hold."""

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
        client_rate: float = 1e12,
        sizes: Mapping[str, int] | None = None,
        seed: int = 0,
        keeps_log: bool = True,
    ) -> None:
        """Make a world.

        Args:
            goal: What the planner is to get.
            sources: Whom it asks for mirrors.
            habits: How the mirror of each URL behaves; the same object at two URLs is one link.
            derive: Carries out derivations; None: they all work.
            lookup_seconds: How long a lookup takes.
            lookups_fail: Targets of lookups that fail.
            limits: The planner's.
            client_rate: Bytes per second of the client's link.
            sizes: True sizes of artifacts that promise none.
            seed: Of all luck.
            keeps_log: Whether `orders` and `events` are kept.
        """
        self.random = random.Random(seed)
        self.limits = limits or Limits()
        self.planner = Planner(goal, sources, self.limits, self.random.random)
        self.orders: list[tuple[float, Order]] = []
        self.events: list[tuple[float, Event]] = []
        self.done: Done | None = None
        self.received = 0  # bytes that came over the wire
        self._habits, self._derive = habits, derive or _derive_well
        self._lookup_seconds, self._lookups_fail = lookup_seconds, lookups_fail
        self._sizes = sizes or {}
        self._network = Network(
            client_rate,
            self.limits.wire,
            self.random,
            lambda request: self._size(request.artifact),
        )
        self._network.on_bytes = self._on_bytes  # type: ignore[method-assign] # that is what it is for
        self._parts: dict[str, Part] = {}
        self._requests: dict[int, Request] = {}
        self._ended: set[int] = set()
        self._differed: set[int] = set()
        self._pending: list[Event] = []  # told before what comes next
        self._wake_at = float("inf")
        self._keeps_log = keeps_log

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self._network.now

    def run(self, steps: int = 200_000) -> Done:
        """Run to the end; fails the test when there is none."""
        self._carry_out(self.planner.start(0.0))
        for _ in range(steps):
            if self.done:
                assert self._network.is_idle, "requests are under way after the end"
                return self.done
            time = self._network.next_time()
            assert min(time, self._wake_at) < float("inf"), "the planner waits for nothing"
            if self._wake_at < time:
                self._network.now, self._wake_at = self._wake_at, float("inf")
                self._tell(Tick())
                continue
            for event in self._network.advance():
                while self._pending:
                    self._tell(self._pending.pop(0))
                self._tell(event)
        raise AssertionError("no end in sight")

    def asked(self, kind: type[Order]) -> list[Order]:
        """All orders of a kind, in time, but for requests that reach nobody."""
        found = [order for _, order in self.orders if isinstance(order, kind)]
        return [order for order in found if not (isinstance(order, Request) and order.elsewhere)]

    def most_open(self) -> dict[str, int]:
        """Requests at once that each origin had at most."""
        return self._network.most_open

    def part(self, name: str) -> Part:
        """What is here of an artifact."""
        return self._part(self.planner.goal.dataset.artifact(name))

    def giver(self, url: str, *, is_wrong: bool = False) -> Giver:
        """Somebody to have given bytes before the start."""
        return Giver(self._habits[url], 0, ALL if is_wrong else ())

    # --- events -------------------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if self.done:
            return
        if isinstance(event, Opened | Received | Disordered | Finished | Failed | Cancelled):
            assert event.id not in self._ended, "an ended request goes on"
            if isinstance(event, Finished | Failed | Cancelled):
                self._ended.add(event.id)
        if self._keeps_log:
            self.events.append((self.now, event))
        self._carry_out(self.planner.handle(event, self.now))

    def _on_bytes(self, flow: Flow, event: Received) -> None:
        assert flow.giver
        part = self._part(flow.request.artifact)
        if flow.request.compares:
            self._compare(part, flow, event)
            return
        part.spans.add(event.start, event.stop, flow.giver)
        self.received += event.stop - event.start
        for index in range(event.start // PIECE_BYTES, -(-event.stop // PIECE_BYTES)):
            if part.artifact.pieces and index not in part.judged and part.spans.covers(*part.piece(index)):
                part.judged.add(index)
                self._network.later(0.01, lambda index=index: self._judge(part, index))  # type: ignore[misc] # bound now

    def _compare(self, part: Part, flow: Flow, event: Received) -> None:
        """Tell the first byte that differs from what is here. Wrong bytes of two mirrors differ, too."""
        assert flow.giver
        self.received += event.stop - event.start
        found = [
            max(low, first, event.start)
            for low, high, giver in part.spans
            if giver.habit is not flow.giver.habit
            for first, last in (*giver.wrong, *flow.giver.wrong)
            if max(low, first, event.start) < min(high, last, event.stop)
        ]
        if found and flow.request.id not in self._differed:
            self._differed.add(flow.request.id)
            start = min(found)
            stop = min(start + 4096, flow.request.stop or part.size)
            self._pending.append(Differed(id=flow.request.id, start=start, stop=stop))

    def _judge(self, part: Part, index: int) -> Event | None:
        if index not in part.judged:
            return None
        is_right = part.is_right(*part.piece(index))
        return PieceJudged(artifact=part.artifact, index=index, is_right=is_right)

    # --- orders -------------------------------------------------------------------------------------------

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            assert self.done is None, "an order after the end"
            if self._keeps_log:
                self.orders.append((self.now, order))
            match order:
                case Wait():
                    assert order.until >= self.now
                    self._wake_at = order.until
                case Request():
                    self._begin(order)
                case Cancel():
                    assert order.id in self._requests
                    self._network.cancel(order.id)
                case Shorten():
                    request = self._requests[order.id]
                    assert request.start < order.stop
                    self._network.shorten(order.id, order.stop)
                case Prove():
                    self._network.later(0.01, lambda order=order: self._prove(order.artifact))  # type: ignore[misc] # bound now
                case Derive():
                    self._network.later(0.01, lambda order=order: self._derive(order))  # type: ignore[misc] # bound now
                case Look():
                    self._network.later(
                        self._lookup_seconds,
                        lambda order=order: self._look(order.lookup),  # type: ignore[misc] # bound now
                    )
                case Discard():
                    self._discard(order)
                case Done():
                    self.done = order

    def _begin(self, request: Request) -> None:
        assert request.id not in self._requests, "a number given twice"
        stop, size = request.stop, request.artifact.size
        assert 0 <= request.start < (stop if stop is not None else 1 << 62), "an empty request"
        assert stop is None or size is None or stop <= size, "a request beyond the end"
        self._requests[request.id] = request
        if request.elsewhere:  # each name leads to one machine
            alone = Failed(id=request.id, failure=Failure.MISSING, cause="", is_alone=True)
            self._network.later(0.0, lambda: alone)
            return
        self._network.begin(request, self._habits[request.mirror.url])
        waiting = self._network.waiting[request.mirror.origin]
        assert len(waiting) <= self.limits.wire, "more requests than a host may have"
        is_small = all(flow.request.artifact.bound <= SMALL_BYTES for flow in waiting)
        assert is_small, "a large artifact waits for a connection"

    def _discard(self, order: Discard) -> None:
        part = self._part(order.artifact)
        part.spans.remove(order.start, order.stop)
        first, last = order.start // PIECE_BYTES, -(-order.stop // PIECE_BYTES)
        part.judged = {index for index in part.judged if not first <= index < last}
        done = Discarded(artifact=order.artifact, start=order.start, stop=order.stop)
        self._network.later(0.0, lambda: done)  # what was written before is told before

    def _prove(self, artifact: Artifact) -> Event:
        part = self._part(artifact)
        is_whole = part.spans.end == part.size and part.spans.covers(0, part.size)
        assert is_whole or artifact.size is None, "proof was ordered while bytes are missing"
        if is_whole and part.is_right(0, part.size):
            return Proven(artifact=artifact, digest=RIGHT)
        return Disproven(artifact=artifact, actual=WRONG, wrong_pieces=part.wrong_pieces())

    def _look(self, lookup: Lookup) -> Event:
        if lookup.target in self._lookups_fail:
            return LookupFailed(lookup=lookup, failure=Failure.CONNECT, cause="connect.refused")
        return Answered(lookup=lookup, answer=b"page")

    def _part(self, artifact: Artifact) -> Part:
        if artifact.name not in self._parts:
            self._parts[artifact.name] = Part(artifact, self._size(artifact))
        return self._parts[artifact.name]

    def _size(self, artifact: Artifact) -> int:
        return artifact.size if artifact.size is not None else self._sizes[artifact.name]


def _derive_well(order: Derive) -> Event:
    return Derived(tensor=order.tensor, form=order.form, sha256="c" * 64)


def fail_derivation(
    form: str, tensor: str, cause: str = "body.content-mismatch"
) -> Callable[[Derive], Event]:
    """A derivation that works but for one tensor of one form."""

    def derive(order: Derive) -> Event:
        if (order.form, order.tensor) == (form, tensor):
            return NotDerived(tensor=order.tensor, form=order.form, cause=cause)
        return Derived(tensor=order.tensor, form=order.form, sha256="c" * 64)

    return derive


__all__ = ["FakeSource", "Habit", "World", "fail_derivation"]
