"""A simulated network: mirrors with habits, links that connections share, a clock that is a number.

Bytes flow like a fluid: a connection gets its fair share of its mirror's link and of the client's link, at
most its own cap, from its first byte on. Rates change only where something begins, ends, pauses or grows.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from surefetch.events import (
    Cancelled,
    Disordered,
    Event,
    Failed,
    Failure,
    Finished,
    Opened,
    Phase,
    Received,
    Request,
)

#: What a TCP connection sends in its first round trip (RFC 6928: ten segments), doubled in each one after.
FIRST_WINDOW = 14_600
#: `Received` comes after this many seconds at first, then more rarely, so that long transfers stay cheap.
REPORT, RAREST_REPORT, RARER = 0.02, 0.4, 1.12
#: Wrong bytes everywhere.
ALL = ((0, 1 << 62),)


@dataclass(eq=False)
class Habit:
    """How a simulated mirror behaves. Mirrors that share one habit share its link."""

    rate: float = 1e6  # bytes per second of its link
    latency: float = 0.05  # seconds of a round trip
    setup: int = 0  # round trips to make a connection, before the one of the request
    per_connection: float = math.inf  # bytes per second of one connection at most, by a cap or by loss
    slow_start: bool = False
    loses_after: int | None = None  # packets of each connection; the first that is lost is told
    slowed_to: float = math.inf  # bytes per second of each connection from then on
    tires_after: float | None = None  # seconds that a connection gives bytes before it is slowed down, too
    queued: float = 0.0  # seconds that packets wait on the way when it is
    used: float = 0.2  # share of the link that is used then
    jitter: float = 0.0  # seconds that an answer may be late
    late: tuple[float, float] = (0.0, 0.0)  # share of answers that need so many seconds more
    queue: float = 0.0  # seconds that it waits while others fill the link
    beside: float = 1.0  # share of the link that a connection has at most while an older one gives
    pauses: tuple[float, float] | None = None  # (seconds between them on average, seconds each)
    fails: tuple[Failure, str] | None = None  # fails with this before any byte
    retry_after: float | None = None  # said with it
    fails_until: float = math.inf  # works from this time on
    away: tuple[float, float] | None = (
        None  # breaks all off at this time and cannot be reached until that one
    )
    away_as: tuple[Failure, str] = (Failure.CONNECT, "connect.refused")  # what is told then
    moody: tuple[float, Failure, str] | None = None  # share of requests that fail with this before any byte
    flaky: float = 0.0  # share of requests that break, half of them before the first byte
    is_silent: bool = False  # takes the request and never answers
    stalls_after: int | None = None  # bytes of each request
    stalls_at: float | None = None  # time from which on it gives no byte
    stalls_until: float = math.inf  # from this time on it does again, over new connections
    cuts_after: int | None = None  # bytes, each time
    cuts_ranges_after: int | None = None  # likewise, where a range was asked for
    cuts_within: bool = False  # each answer, anywhere in what was asked for
    is_wrong: bool = False  # serves other bytes
    wrong: tuple[tuple[int, int], ...] = ()  # serves other bytes here
    takes_ranges: bool = True
    lies_about_ranges: bool = False
    ranges_as: tuple[Failure, str] | None = None  # what requests for a range get
    spoils_ranges: bool = False  # answers them with other bytes
    tells_size: bool = True
    other_size: int | None = None  # serves a file of this size, and not ours
    replaced_at: float | None = None  # serves another file of the same size from this time on
    most: int | None = None  # connections at once; more are told to come back later
    most_as: tuple[Failure, str] = (Failure.BUSY, "http.unavailable")  # or this is what they get
    notices: float = 0.0  # seconds until it counts a connection no more that was closed amid an answer
    most_until: float = math.inf  # takes as many as come from this time on
    most_requests: tuple[float, int] | None = (
        None  # per second, beyond so many at once; more are told that, too
    )
    told: str = "http.rate-limited"  # the cause, then

    def __post_init__(self) -> None:
        self.flows: list[Flow] = []  # that give bytes
        self.is_paused = False
        self.busy = 0  # connections with a request
        self.idle = 0  # connections that could be used again
        self.filled, self.filled_at = 0.0, 0.0  # requests that count against `most_requests`, and when

    def is_too_much(self, now: float) -> bool:
        """Whether one more request at this time is beyond `most_requests` (a leaky bucket)."""
        if self.most_requests is None:
            return False
        rate, at_once = self.most_requests
        self.filled = max(0.0, self.filled - (now - self.filled_at) * rate)
        self.filled_at = now
        if self.filled >= at_once:
            return True
        self.filled += 1
        return False


@dataclass(eq=False)
class Giver:
    """Whose bytes they are, and which of them are wrong."""

    habit: Habit
    version: int
    wrong: tuple[tuple[int, int], ...]


@dataclass(eq=False)
class Flow:
    """One request."""

    request: Request
    habit: Habit
    at: float = 0.0  # bytes up to here have arrived at `since`
    stop: int = 0
    end: int = 0  # where the answer ends by itself
    limit: float = math.inf  # at which byte `then` happens
    then: str = ""
    told: int = 0
    giver: Giver | None = None
    phase: Phase = Phase.QUEUED
    asked_at: float = 0.0
    cap: float = math.inf
    rate: float = 0.0
    since: float = 0.0
    interval: float = REPORT
    report_at: float = math.inf
    due: float = math.inf
    is_over: bool = False
    has_lost: bool = False
    is_ignored: bool = False
    is_warm: bool = False  # over a connection that has its window already
    queued: float = 0.0  # seconds that it waited while others filled the link

    def position(self, now: float) -> float:
        return min(self.at + self.rate * (now - self.since), float(self.stop), self.limit)


class Network:
    """Carries requests. Mutable; `advance` brings the next event."""

    def __init__(
        self,
        client_rate: float,
        connections: int,
        chance: random.Random,
        sizes: Callable[[Request], int],
    ) -> None:
        """Make a network.

        Args:
            client_rate: Bytes per second of the client's own link.
            connections: Requests to one origin that are on the wire at once; others wait.
            chance: Where luck comes from.
            sizes: Gives the true size of a request's artifact.
        """
        self.now = 0.0
        self.most_open: dict[str, int] = {}  # requests of each origin, those that waited included
        self.waiting: dict[str, list[Flow]] = {}
        self._connections = connections
        self._client_rate, self._chance, self._sizes = client_rate, chance, sizes
        self._timers: list[tuple[float, int, Callable[[], Event | None]]] = []
        self._serial = itertools.count()
        self._active: dict[int, Flow] = {}
        self._flows: list[Flow] = []  # that give bytes
        self._open: dict[str, int] = {}
        self._pausing: set[Habit] = set()

    # --- orders -------------------------------------------------------------------------------------------

    def begin(self, request: Request, habit: Habit) -> None:
        """Put a request on the wire, when there is a connection free."""
        flow = self._active[request.id] = Flow(request, habit)
        origin = request.mirror.origin
        waiting = self.waiting.setdefault(origin, [])
        waiting.append(flow)
        count = self._open.get(origin, 0) + len(waiting)
        self.most_open[origin] = max(count, self.most_open.get(origin, 0))
        self._send(origin)

    def _send(self, origin: str) -> None:
        while self.waiting[origin] and self._open.get(origin, 0) < self._connections:
            self._open[origin] = self._open.get(origin, 0) + 1
            self._ask(self.waiting[origin].pop(0))

    def _ask(self, flow: Flow) -> None:
        habit = flow.habit
        flow.phase, flow.asked_at = Phase.CONNECT, self.now
        habit.busy += 1
        flow.is_warm = habit.idle > 0 and not flow.request.is_anew
        trips = 1 if flow.is_warm else 1 + habit.setup
        habit.idle -= flow.is_warm
        seconds = habit.latency * trips + habit.jitter * self._chance.random()
        if self._chance.random() < habit.late[0]:
            seconds += habit.late[1]
        flow.queued = habit.queue * (habit.busy > 1)
        seconds += flow.queued
        if habit.pauses and habit not in self._pausing:
            self._pausing.add(habit)
            self.later(self._chance.expovariate(1 / habit.pauses[0]), lambda: self._pause(habit, True))
        self.later(seconds, lambda: self._answer(flow))

    def shorten(self, number: int, stop: int) -> None:
        """Let a request end earlier, or go on again, as far as it was asked for."""
        flow = self._active.get(number)
        if flow is None:
            return
        flow.stop = min(flow.end, stop) if flow.end else stop
        if flow in self._flows:
            flow.at, flow.since = max(flow.position(self.now), flow.at), self.now
            flow.stop = max(flow.stop, math.ceil(flow.at))
            self._share()

    def cancel(self, number: int) -> None:
        """Break a request off."""
        flow = self._active.get(number)
        if flow is not None:
            phase, told = flow.phase, self._flush(flow)
            self._end(flow, keeps=False)
            for event in [*told, Cancelled(id=number, phase=phase)]:
                self.later(0.0, lambda event=event: event)  # type: ignore[misc] # bound now

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._active

    # --- time ---------------------------------------------------------------------------------------------

    def later(self, seconds: float, action: Callable[[], Event | None]) -> None:
        """Do something after a while; what it returns is an event."""
        heapq.heappush(self._timers, (self.now + seconds, next(self._serial), action))

    def next_time(self) -> float:
        """When something happens next."""
        flow = min((flow.due for flow in self._flows), default=math.inf)
        return min(flow, self._timers[0][0] if self._timers else math.inf)

    def advance(self) -> list[Event]:
        """Go to the next time at which something happens; return what that is (it may be nothing to tell)."""
        self.now = self.next_time()
        events: list[Event] = []
        while self._timers and self._timers[0][0] <= self.now:
            event = heapq.heappop(self._timers)[2]()
            if event is not None:
                events.append(event)
        for flow in [flow for flow in self._flows if flow.due <= self.now]:
            events += self._milestone(flow)
        return events

    # --- answers ------------------------------------------------------------------------------------------

    def _answer(self, flow: Flow) -> Event | None:
        habit, request = flow.habit, flow.request
        if flow.is_over:
            return None
        flow.phase = Phase.WAIT
        if habit.fails and self.now < habit.fails_until:
            return self._fail(flow, *habit.fails, retry_after=habit.retry_after)
        if habit.away and habit.away[0] <= self.now < habit.away[1]:
            return self._fail(flow, *habit.away_as)
        if habit.most is not None and habit.busy > habit.most and self.now < habit.most_until:
            return self._fail(flow, *habit.most_as)
        if habit.is_too_much(self.now):
            return self._fail(flow, Failure.BUSY, habit.told, retry_after=habit.retry_after)
        if habit.moody and self._chance.random() < habit.moody[0]:
            return self._fail(flow, *habit.moody[1:], retry_after=habit.retry_after)
        if habit.is_silent or (
            habit.stalls_at is not None and habit.stalls_at <= self.now < habit.stalls_until
        ):
            return None
        breaks = self._chance.random() < habit.flaky
        if breaks and self._chance.random() < 0.5:
            return self._fail(flow, Failure.SERVER, "http.server-error")
        size = habit.other_size or self._sizes(request)
        is_range = bool(request.start) or request.stop not in (None, request.artifact.size)
        if is_range and (habit.lies_about_ranges or habit.ranges_as):
            return self._fail(flow, *(habit.ranges_as or (Failure.CORRUPT, "http.range-lie")))
        return self._open_flow(flow, size, breaks)

    def _open_flow(self, flow: Flow, size: int, breaks: bool) -> Event:
        habit, request = flow.habit, flow.request
        version = int(habit.replaced_at is not None and self.now >= habit.replaced_at)
        is_range = request.start > 0 or request.stop not in (None, request.artifact.size)
        validator = f'"v{version}"'
        is_fresh = request.validator in (None, validator)
        takes = habit.takes_ranges and is_fresh
        start = request.start if takes else 0
        flow.end = (request.stop or size) if takes and is_range else size
        flow.stop = min(flow.stop or request.stop or flow.end, flow.end)
        flow.at, flow.told, flow.since, flow.phase = float(start), start, self.now, Phase.BODY
        is_wrong = habit.is_wrong or bool(habit.other_size) or version > 0
        is_wrong |= habit.spoils_ranges and is_range
        flow.giver = Giver(habit, version, ALL if is_wrong else habit.wrong)
        self._set_trap(flow, start, breaks)
        if habit.slow_start and not flow.is_warm:
            flow.cap = FIRST_WINDOW / max(habit.latency, 0.001)
            self.later(habit.latency, lambda: self._grow(flow))
        if habit.loses_after is not None:
            # Ten packets in the first round trip, twice as many in each one after.
            trips = math.log2(1 + habit.loses_after / 10)
            self.later((trips + 0.5) * habit.latency, lambda: self._lose(flow))
        if habit.tires_after is not None:
            self.later(0.0 if flow.is_warm else habit.tires_after, lambda: self._tire(flow))
        flow.report_at = self.now + flow.interval
        self._flows.append(flow)
        habit.flows.append(flow)
        self._share()
        return Opened(
            id=request.id,
            start=start,
            size=size if habit.tells_size else None,
            takes_ranges=takes if is_range else habit.takes_ranges,
            validator=validator,
            seconds=self.now - flow.asked_at,
            round_trip=0.0 if flow.is_warm else habit.latency + flow.queued,
        )

    def _set_trap(self, flow: Flow, start: int, breaks: bool) -> None:
        habit = flow.habit
        if habit.cuts_within and flow.stop:
            flow.limit, flow.then = start + self._chance.randint(0, flow.stop - start), "cut"
        if habit.cuts_after is not None:
            flow.limit, flow.then = start + habit.cuts_after, "cut"
        is_range = flow.request.start > 0 or flow.request.stop not in (None, flow.request.artifact.size)
        if habit.cuts_ranges_after is not None and is_range:
            flow.limit, flow.then = start + habit.cuts_ranges_after, "cut"
        if habit.stalls_after is not None and start + habit.stalls_after < flow.limit:
            flow.limit, flow.then = start + habit.stalls_after, "stall"
        if breaks:
            limit = start + self._chance.random() * (flow.stop - start)
            if limit < flow.limit:
                flow.limit, flow.then = limit, "cut"
        if habit.stalls_at is not None and self.now < habit.stalls_until:
            self.later(max(0.0, habit.stalls_at - self.now), lambda: self._freeze(flow, "stall"))
        if habit.away and self.now < habit.away[0]:
            self.later(habit.away[0] - self.now, lambda: self._freeze(flow, "cut"))

    def _freeze(self, flow: Flow, then: str) -> None:
        if not flow.is_over:
            flow.limit, flow.then = flow.position(self.now), then
            flow.habit.idle = 0
            self._share()

    def _lose(self, flow: Flow) -> Event | None:
        habit = flow.habit
        if flow.is_over:
            return None
        flow.has_lost, flow.cap = True, habit.slowed_to
        self._share()
        return Disordered(
            id=flow.request.id,
            segments=habit.loses_after or 1,
            round_trip=habit.latency,
            queued=habit.queued,
            recent=(habit.loses_after or 1) // 2,
            used=habit.used,
        )

    def _tire(self, flow: Flow) -> None:
        if not flow.is_over:
            flow.has_lost, flow.cap = True, flow.habit.slowed_to
            self._share()

    def _grow(self, flow: Flow) -> None:
        """A connection's window doubles with each round trip, until something else holds it back."""
        if flow.is_over or flow.has_lost:
            return
        flow.cap *= 2
        if flow.cap < min(flow.habit.rate, flow.habit.per_connection, self._client_rate):
            self.later(flow.habit.latency, lambda: self._grow(flow))
        else:
            flow.cap = math.inf
        self._share()

    def _pause(self, habit: Habit, is_paused: bool) -> None:
        assert habit.pauses
        habit.is_paused = is_paused
        if not self._active:
            self._pausing.discard(habit)
            habit.is_paused = False
            return
        seconds = habit.pauses[1] if is_paused else self._chance.expovariate(1 / habit.pauses[0])
        self.later(seconds, lambda: self._pause(habit, not is_paused))
        self._share()

    # --- flow ---------------------------------------------------------------------------------------------

    def _share(self) -> None:
        """Give every flow its share, and find out what will happen to it next."""
        now = self.now
        wanted: list[float] = []
        for flow in self._flows:
            flow.at, flow.since = flow.position(now), now
        for flow in self._flows:
            habit = flow.habit
            if habit.is_paused or (flow.at >= flow.limit and flow.then == "stall"):
                wanted.append(0.0)
                continue
            most = habit.rate if flow is habit.flows[0] else habit.beside * habit.rate
            wanted.append(min(flow.cap, habit.per_connection, most))
        for habit in {flow.habit for flow in self._flows if len(flow.habit.flows) > 1}:
            indices = [i for i, flow in enumerate(self._flows) if flow.habit is habit]
            fair = _fill(habit.rate, [wanted[i] for i in indices])
            for index, rate in zip(indices, fair, strict=True):
                wanted[index] = rate
        for flow, rate in zip(self._flows, _fill(self._client_rate, wanted), strict=True):
            flow.rate = rate
            self._schedule(flow)

    def _schedule(self, flow: Flow) -> None:
        mark = min(float(flow.stop), flow.limit)
        if flow.at >= flow.stop or (flow.then != "stall" and flow.at >= flow.limit):
            flow.due = self.now
        elif flow.rate <= 0:
            flow.due = flow.report_at if int(flow.position(self.now)) > flow.told else math.inf
        elif flow.then == "stall" and flow.at >= flow.limit:
            flow.due = math.inf
        else:
            flow.due = min(flow.report_at, flow.since + (mark - flow.at) / flow.rate)

    def _milestone(self, flow: Flow) -> list[Event]:
        if flow.is_over:
            return []
        at = flow.position(self.now)
        near = 1e-6 * max(1.0, flow.rate)
        if at >= flow.limit - near and flow.then:
            at = flow.at = min(flow.limit, float(flow.stop))
        elif at >= flow.stop - near:
            at = flow.at = float(flow.stop)
        flow.since = max(flow.since, self.now)
        flow.at = at
        events = self._flush(flow)
        number = flow.request.id
        if flow.then == "cut" and at >= flow.limit:
            self._end(flow, keeps=False)
            return [*events, Failed(id=number, failure=Failure.CUT, cause="body.truncated")]
        if at >= flow.stop:
            self._end(flow, keeps=flow.stop >= flow.end)
            return [Finished(id=number, stop=flow.stop)]  # it tells the last bytes, too
        flow.interval = min(RAREST_REPORT, flow.interval * RARER)
        flow.report_at = self.now + flow.interval
        if flow.then == "stall" and at >= flow.limit:
            self._share()
        else:
            self._schedule(flow)
        return events

    def _flush(self, flow: Flow) -> list[Event]:
        at = int(flow.position(self.now) + 1e-6)
        if flow.giver is None or at <= flow.told:
            return []
        event = Received(id=flow.request.id, start=flow.told, stop=at)
        flow.told = at
        self.on_bytes(flow, event)
        return [event]

    def on_bytes(self, flow: Flow, event: Received) -> None:
        """Take bytes in: set by the owner."""

    def _fail(
        self, flow: Flow, failure: Failure, cause: str, retry_after: float | None = None
    ) -> Event | None:
        if failure is Failure.TIMEOUT:  # the connection is not looked at, until it is given up
            flow.is_ignored = True
            flow.habit.busy -= 1
            return None
        self._end(flow, keeps=failure in (Failure.BUSY, Failure.SERVER, Failure.MISSING))
        return Failed(id=flow.request.id, failure=failure, cause=cause, retry_after=retry_after)

    def _end(self, flow: Flow, *, keeps: bool) -> None:
        flow.is_over = True
        del self._active[flow.request.id]
        origin = flow.request.mirror.origin
        if flow.phase is Phase.QUEUED:
            self.waiting[origin].remove(flow)
            return
        self._open[origin] -= 1
        is_counted = bool(flow.habit.notices) and flow.giver is not None and not keeps
        if is_counted:
            self.later(flow.habit.notices, lambda: self._leave(flow.habit))
        flow.habit.busy -= not (flow.is_ignored or is_counted)
        flow.habit.idle += keeps
        if flow.giver is not None:
            self._flows.remove(flow)
            flow.habit.flows.remove(flow)
            self._share()
        self._send(origin)

    def _leave(self, habit: Habit) -> None:
        habit.busy -= 1


def _fill(capacity: float, wanted: list[float]) -> list[float]:
    """Share a capacity: nobody gets more than wanted, and nobody less than others who want more."""
    if sum(wanted) <= capacity:
        return wanted
    given = [0.0] * len(wanted)
    left, count = capacity, len(wanted)
    for index in sorted(range(len(wanted)), key=wanted.__getitem__):
        given[index] = min(wanted[index], left / count)
        left -= given[index]
        count -= 1
    return given
