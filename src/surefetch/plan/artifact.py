"""The plan for one artifact: which mirror to ask for which bytes, until they are proven or no way is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from surefetch.events import (
    Attempt,
    Cancel,
    Cancelled,
    Discard,
    Disproven,
    Event,
    Failed,
    Failure,
    Finished,
    Opened,
    Order,
    PieceJudged,
    Prove,
    Proven,
    Received,
    Request,
    Shorten,
)
from surefetch.model import PIECE_BYTES, Artifact, Lookup, Mirror, Struct
from surefetch.plan import segments
from surefetch.plan.blame import Blame, Measure, Verdict
from surefetch.plan.hosts import Host, Hosts
from surefetch.plan.mirrors import Candidate, Roster
from surefetch.plan.policy import GIVEN_UP, PROGRESS, SMALL_BYTES, Limits, asked_pause, weighed
from surefetch.plan.running import Ending, Running
from surefetch.plan.segments import Pace
from surefetch.plan.spans import Spans
from surefetch.plan.widening import Widening

if TYPE_CHECKING:
    from surefetch.plan.ways import Way

#: What is assumed of a mirror that nothing is known about.
UNKNOWN_FIRST_BYTE: Final = 0.3  # seconds
UNKNOWN_RATE: Final = 1e6  # bytes per second
#: A mirror that failed gets segments of at most this many bytes until it has given some.
START_SMALL: Final = 1 << 20
#: A request that lost its race after so many seconds of silence counts as a failure of its mirror.
SILENT: Final = 3.0
#: After this many seconds of silence the same mirror may be asked once more, over another connection.
SAME_AGAIN: Final = 2.0
#: A request that gives bytes is raced for so many at most; of more, a part is taken over.
RACE_BYTES: Final = 4 << 20
#: With less than this to go, both run a race to its end.
RACE_END: Final = 512 << 10
#: A request that is silent for so many seconds has lost its race (healthy mirrors pause for up to a second).
RACE_SILENCE: Final = 1.25
#: Seconds between two looks at whether somebody could help.
LOOK_AGAIN: Final = 0.1
#: Seconds of bytes from which a rate is read.
LEAST_MEASURED: Final = 0.05
#: Seconds after which to look although nothing happened.
HELP_AFTER: Final = 0.2
#: Pieces that several mirrors may have spoilt are fetched again so often before one of them is dropped.
PIECE_ROUNDS: Final = 6


class State(Enum):
    """How an artifact stands."""

    IDLE = "idle"  # may be asked for
    FETCHING = "fetching"
    PROVING = "proving"
    PROVEN = "proven"
    EXHAUSTED = "exhausted"  # no mirror is left


class Held(Struct, frozen=True, kw_only=True):
    """What an earlier run left of an artifact."""

    ranges: tuple[tuple[int, int], ...]
    validators: Mapping[str, str] = {}  # URL -> validator that its mirror had


class Shared(Struct, frozen=True, kw_only=True):
    """What all artifacts of one fetch share."""

    hosts: Hosts
    ids: Iterator[int]
    limits: Limits
    jitter: Callable[[], float]
    rank: Callable[[Mirror], float]
    attempts: list[Attempt]


class ArtifactPlan:
    """State machine for one artifact; changes with each event.

    Attributes:
        artifact: The artifact.
        state: How it stands.
        size: Its size: promised, or told by a mirror, or None.
        spans: Which bytes are here, and who gave them.
        running: Requests under way, by number.
        blocked: Hosts that it would have asked at the last step if they had room.
    """

    def __init__(self, artifact: Artifact, shared: Shared) -> None:
        self.artifact = artifact
        self.state = State.IDLE
        self.size = artifact.size
        self.spans: Spans[Candidate] = Spans()
        self.running: dict[int, Running] = {}
        self.blocked: list[Host] = []
        self.last_byte = float("-inf")
        self._shared, self._limits = shared, shared.limits
        self._roster = Roster(shared.hosts)
        self._blame = Blame()
        self._widening = Widening()
        self._rounds: dict[int, int] = {}  # piece -> times that it was wrong
        self._look_at = float("-inf")  # not worth looking for more to do before
        # Kept by the planner:
        self.need = self.want = 0  # ways that need it, that could use it
        self.ways: list[Way] = []
        self.lookups: list[Lookup] = []  # not answered yet
        self.is_open = True
        self.is_queued = self.is_parked = self.has_slot = False
        self.wakes: float | None = None

    # --- what the planner asks ----------------------------------------------------------------------------

    @property
    def mirrors(self) -> list[Mirror]:
        """Its mirrors, the best first."""
        return [candidate.mirror for candidate in self._roster.candidates]

    @property
    def received(self) -> int:
        """Bytes that are here."""
        return self.spans.total

    @property
    def is_small(self) -> bool:
        """Whether one request is right for it."""
        return self.artifact.bound <= SMALL_BYTES

    @property
    def is_usable(self) -> bool:
        """Whether a mirror is left that may be asked, now or after a pause."""
        if self.state is State.EXHAUSTED:
            return False
        return bool(self.running) or any(not c.is_out for c in self._roster.candidates)

    def offer(self, mirrors: Iterable[Mirror]) -> None:
        """Add mirrors, in order of preference; a local one goes first. Known ones are passed over."""
        new = self._roster.offer(mirrors, self._shared.rank)
        for candidate in new:
            candidate.host.plans.append(self)
        if any(not candidate.is_out for candidate in new) and self.state is State.EXHAUSTED:
            self.state = State.IDLE

    def resume(self, held: Held) -> None:
        """Take in what an earlier run left; called once the mirrors are known, before the first step."""
        for url, validator in held.validators.items():
            self._roster.earlier(url, validator)
        giver = self._roster.earlier(next(iter(held.validators)) if len(held.validators) == 1 else "", None)
        limit = self.size if self.size is not None else self.artifact.bound
        for start, stop in held.ranges:
            giver.given += self.spans.add(start, min(stop, limit) if limit else stop, giver)

    # --- events -------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Order]:
        """Take in an event that concerns this artifact and say what follows from it alone."""
        if isinstance(event, Received):
            if run := self.running.get(event.id):
                self._received(run, event, now)
            return []
        self._look_at = float("-inf")
        match event:
            case Proven():
                self._proven()
            case Disproven():
                return self._disproven(event)
            case PieceJudged():
                is_news = not event.is_right and self.state in (State.IDLE, State.FETCHING)
                return self._piece_wrong(event.index, "body.corrupt") if is_news else []
            case Opened() | Finished() | Failed() | Cancelled() if event.id in self.running:
                return self._answered(self.running[event.id], event, now)
        return []

    def _answered(self, run: Running, event: Event, now: float) -> list[Order]:
        match event:
            case Opened():
                return self._opened(run, event, now)
            case Finished():
                self._finished(run, event.stop, now)
            case Failed():
                self._failed(run, event.failure, event.cause, event.detail, now, event.retry_after)
            case Cancelled():
                self._cancelled(run, event, now)
        return []

    def _opened(self, run: Running, event: Opened, now: float) -> list[Order]:
        candidate = run.candidate
        candidate.host.worked(now - run.began)
        candidate.host.is_multiplexed |= event.is_multiplexed
        if event.takes_ranges or self._is_range(run.request):
            candidate.takes_ranges = event.takes_ranges
        run.opened(event.start, now)
        if run.ending:
            return []
        if ending := self._weigh_size(candidate, event.size):
            return self._break_off(run, ending)
        orders = self._weigh_validator(run, event.validator)
        if event.start != run.request.start:
            orders += self._began_elsewhere(run)
        elif run.stop is None:
            run.stop = self.size
        return orders

    def _weigh_size(self, candidate: Candidate, size: int | None) -> Ending | None:
        """Hold the size that a mirror tells against what is known."""
        if size is None:
            return None
        candidate.size = size
        if self.size is None and (not self.artifact.bound or size <= self.artifact.bound):
            self.size = size
        if size == self.size:
            return None
        return Ending.OTHER_SIZE if self.artifact.size is None else Ending.WRONG_SIZE

    def _weigh_validator(self, run: Running, validator: str | None) -> list[Order]:
        """Forget what a mirror gave of a file that it has replaced since."""
        candidate = run.candidate
        before, candidate.validator = candidate.validator, validator or candidate.validator
        if before is None or validator is None or before == validator or candidate.is_fickle:
            return []
        candidate.changes += 1
        stale = self.spans.remove_giver(candidate)
        for giver in self.spans.givers():
            if giver.mirror.source == "":  # an earlier run's bytes may be of the file that was
                stale += self.spans.remove_giver(giver)
        return [self._forget(start, stop) for start, stop in stale]

    def _began_elsewhere(self, run: Running) -> list[Order]:
        """A mirror sends the whole file where a range was asked for: take it if nobody does better."""
        others = any(other is not run and not other.ending for other in self.running.values())
        better = any(c.takes_ranges is not False and c is not run.candidate for c in self._usable())
        return self._break_off(run, Ending.NO_RANGES) if others or better else []

    def _received(self, run: Running, event: Received, now: float) -> None:
        candidate, host = run.candidate, run.candidate.host
        candidate.given += self.spans.add(event.start, event.stop, candidate)
        run.advanced(event.stop, now)
        self.last_byte = host.last_byte = now
        host.in_row = 0
        if candidate.failures and event.stop - run.request.start >= self._progress():
            candidate.failures = 0

    def _finished(self, run: Running, stop: int, now: float) -> None:
        candidate = run.candidate
        candidate.given += self.spans.add(run.position, stop, candidate)
        self.last_byte = candidate.host.last_byte = now
        if self.size is None and run.stop is None:
            self.size = candidate.size = stop
        self._release(run, now)
        if run.stop is not None and stop < run.stop:
            self._judge(run, Failure.CUT, "body.truncated", f"{stop:,} of {run.stop:,} bytes came", now, None)
        else:
            candidate.failures = 0

    def _failed(
        self,
        run: Running,
        failure: Failure,
        cause: str,
        detail: str,
        now: float,
        retry_after: float | None,
    ) -> None:
        self._release(run, now)
        failure = weighed(failure, cause)
        host = run.candidate.host
        is_giving = host.open > 0 and now - host.last_byte < SAME_AGAIN
        if failure in (Failure.BUSY, Failure.CONNECT) and is_giving:
            # It gives over other connections: it is not gone, it does not want more of us at once.
            host.most = max(1, min(host.open, host.most or host.open))
            self._widening.refused(run.candidate)
            host.leave(now + max(0.5, asked_pause(retry_after or 0.0, self._shared.jitter())))
            return
        self._judge(run, failure, cause, detail, now, retry_after)

    def _judge(
        self,
        run: Running,
        failure: Failure,
        cause: str,
        detail: str,
        now: float,
        retry_after: float | None,
    ) -> None:
        """Say what a failure means for the mirror and for its host."""
        candidate = run.candidate
        self._tell(candidate, cause, detail, now - run.began, run.at - run.request.start)
        if candidate.host.failed(failure, cause, run.began, now):
            self._shared.hosts.dropped.append(candidate.host)
        if cause == "http.range-lie" and self._is_range(run.request) and candidate.takes_ranges is not False:
            candidate.takes_ranges = False  # the whole file may be right
            return
        candidate.failed(failure, self._shared.jitter(), retry_after, now, self._limits)

    def _cancelled(self, run: Running, event: Cancelled, now: float) -> None:
        silence = now - run.last_byte
        self._release(run, now)
        is_silent = run.ending is Ending.SILENT or (run.ending is Ending.LOST and silence >= SILENT)
        if is_silent:
            failure, cause = GIVEN_UP[event.phase]
            self._judge(run, failure, cause, f"nothing for {silence:.0f} s", now, None)
        elif run.ending is Ending.WRONG_SIZE:
            detail = f"it has {run.candidate.size:,} bytes, not {self.size:,}"
            self._judge(run, Failure.CORRUPT, "body.wrong-file", detail, now, None)
        elif run.ending is Ending.OTHER_SIZE:
            detail = f"it has {run.candidate.size:,} bytes, another mirror has {self.size or 0:,}"
            self._tell(run.candidate, "body.wrong-file", detail, now - run.began, 0)
        elif run.ending is None:
            self._judge(run, Failure.CUT, "connect.reset", "it was broken off", now, None)

    # --- proof --------------------------------------------------------------------------------------------

    def _proven(self) -> None:
        self.state = State.PROVEN
        if culprit := self._blame.suspect:
            self._drop(culprit, "body.corrupt", "without its bytes the file is right")

    def _disproven(self, event: Disproven) -> list[Order]:
        self.state = State.IDLE
        if event.wrong_pieces:
            return [order for index in event.wrong_pieces for order in self._piece_wrong(index, event.cause)]
        others = [c for c in self._roster.candidates if not c.is_out]
        verdict = self._blame.judge(self.spans.given(), others, self._total_rate)
        if verdict.measure is Measure.DROP:
            self._drop(verdict.candidate, event.cause, event.detail or f"its digest is {event.actual}")
            return self._start_over()
        for giver in self.spans.givers():
            giver.is_suspect = True
        return self._carry_out(verdict)

    def _carry_out(self, verdict: Verdict) -> list[Order]:
        """Forget the bytes that a verdict casts doubt on."""
        one = verdict.candidate
        doubtful = [g for g in self.spans.givers() if (g is one) == (verdict.measure is Measure.LEAVE_OUT)]
        gone = [stretch for giver in doubtful for stretch in self.spans.remove_giver(giver)]
        return [self._forget(start, stop) for start, stop in gone]

    def _start_over(self) -> list[Order]:
        stop = self.spans.end
        self.spans.remove(0, stop)
        self.size = self.artifact.size
        return [self._forget(0, stop)] if stop else []

    def _piece_wrong(self, index: int, cause: str) -> list[Order]:
        """Fetch one piece again, and drop the mirror that gave it."""
        start, stop = index * PIECE_BYTES, min((index + 1) * PIECE_BYTES, self.artifact.bound)
        if not self.spans.covers(start, stop):
            return []  # known already: it is being fetched again
        givers = self.spans.givers(start, stop)
        self._rounds[index] = self._rounds.get(index, 0) + 1
        is_last = not any(c not in givers and not c.is_out for c in self._roster.candidates)
        if len(givers) == 1 or self._rounds[index] >= PIECE_ROUNDS:
            culprit = max(givers, key=lambda giver: giver.rank)
            if not is_last or self._rounds[index] > 1:  # the last one may have been spoilt on the way, once
                self._drop(culprit, cause, f"piece {index} is wrong")
            else:
                self._tell(culprit, cause, f"piece {index} is wrong", 0.0, 0)
        for giver in givers:
            giver.is_suspect = True
        self.spans.remove(start, stop)
        return [self._forget(start, stop)]

    def _drop(self, candidate: Candidate, cause: str, detail: str) -> None:
        if not candidate.is_dropped or not candidate.mirror.source:
            self._tell(candidate, cause, detail, 0.0, candidate.given)
        candidate.is_dropped = True

    # --- what is to be done -------------------------------------------------------------------------------

    def step(self, now: float) -> list[Order]:
        """Say what is to be done now: begin requests, shorten or break off others, prove."""
        self.blocked = []
        if self.state not in (State.IDLE, State.FETCHING):
            return self._stop_dropped()
        orders = self._watch(now)
        if self.size is not None and self.spans.total == self.size:
            self.state = State.PROVING
            late = [run for run in self.running.values() if run.stop is None or run.at < run.stop]
            orders += [order for run in late for order in self._break_off(run, Ending.LOST)]
            return [*orders, Prove(artifact=self.artifact)]
        if self.running and now < self._look_at:
            return orders
        self._look_at = now + LOOK_AGAIN
        orders += self._cull(now)
        orders += self._fill(now)
        if self.running or self._waiting():
            self.state = State.FETCHING
        else:
            self.state = State.EXHAUSTED
        return orders

    def is_due(self, now: float) -> bool:
        """Whether a step could find something to do."""
        return now >= self._look_at or self.spans.total == self.size

    def stop(self) -> list[Order]:
        """Break off: the artifact is no longer wanted."""
        return self._stop(Ending.UNWANTED)

    def wakes_at(self, now: float) -> float | None:
        """When `step` should be called again if nothing happens; None: no need."""
        if self.state not in (State.IDLE, State.FETCHING):
            return None
        times = [run.limit(self._limits) for run in self.running.values() if not run.ending]
        if times and self._could_help():
            times.append(now + HELP_AFTER)
        times += [ready for c in self._waiting() if (ready := c.ready()) > now]
        return min(times, default=None)

    def _could_help(self) -> bool:
        """Whether there is somebody to ask beside those who are."""
        return len(self._roster.candidates) > 1 or any(
            run.candidate.host.room(self._limits) > 0 for run in self.running.values()
        )

    def _watch(self, now: float) -> list[Order]:
        orders = self._stop_dropped()
        for run in self.running.values():
            if not run.ending and now >= run.limit(self._limits):
                orders += self._break_off(run, Ending.SILENT)
        return orders

    def _stop_dropped(self) -> list[Order]:
        """Do not wait for an answer of a host that is known to be no good."""
        waiting = [r for r in self.running.values() if r.candidate.host.dropped and r.opened_at is None]
        return [order for run in waiting for order in self._break_off(run, Ending.DROPPED)]

    def _cull(self, now: float) -> list[Order]:
        """Break off requests whose bytes others have brought, or that may not be used any more."""
        orders: list[Order] = []
        for run in self.running.values():
            if run.stop is not None and run.at < run.stop and self.spans.covers(run.at, run.stop):
                orders += self._break_off(run, Ending.LOST)
            elif run.candidate.is_dropped or not self._blame.allows(run.candidate):
                orders += self._break_off(run, Ending.LOST)
            elif run.twin and not run.twin.ending and self._has_lost(run, run.twin, now):
                orders += self._break_off(run, Ending.LOST)
        return orders

    def _has_lost(self, run: Running, other: Running, now: float) -> bool:
        """Whether a race is decided: the other goes on and this one is silent, or it is too long for both."""
        if now - run.last_byte >= RACE_SILENCE:
            return now - run.last_byte > now - other.last_byte
        if run.opened_at is None or other.opened_at is None or other.left < RACE_END:
            return False
        mine, others = (self._eta(one, now, UNKNOWN_RATE) for one in (run, other))
        return (mine, run.request.id) > (others, other.request.id)

    def _stop(self, ending: Ending) -> list[Order]:
        return [order for run in self.running.values() for order in self._break_off(run, ending)]

    def _break_off(self, run: Running, ending: Ending) -> list[Order]:
        if run.ending:
            return []
        run.ending = ending
        return [Cancel(id=run.request.id)]

    # --- whom to ask --------------------------------------------------------------------------------------

    def _waiting(self) -> list[Candidate]:
        """Mirrors that may be asked, now or after a pause."""
        return [c for c in self._roster.candidates if not c.is_out]

    def _usable(self) -> list[Candidate]:
        """Mirrors that may be asked in this round, the best first; those that take no ranges last."""
        allowed = [
            c
            for c in self._roster.candidates
            if not c.is_out and self._blame.allows(c) and (self.size is None or c.size in (None, self.size))
        ]
        return sorted(allowed, key=_preference)

    def _fill(self, now: float) -> list[Order]:
        """Begin as many requests as are worth it."""
        usable, orders = self._usable(), []
        if not usable and not self.running:
            orders += self._reopen()
            usable = self._usable()
        runs = [run for run in self.running.values() if not run.ending]
        if runs and self._is_splittable():
            left = (self.size or 0) - self.spans.total
            reserve = len(usable) > self._breadth()
            self._widening.consider(now, self.spans.total, left, runs, self._limits, reserve)
        ready = [c for c in usable if c.running or c.ready() <= now]
        belief = self._belief(runs, now)
        idle = self._idle(ready)
        while idle:
            work = self._work(idle, now, belief)
            if not work:
                break
            orders += work
            idle = self._idle(ready)
        return orders + self._race(ready, now, belief)

    def _reopen(self) -> list[Order]:
        """Nobody may be asked in this round: let in those who were put aside, if there are any."""
        others = [c for c in self._roster.candidates if not c.is_out]
        if not others:
            return []
        if self._blame.is_searching:
            verdict = self._blame.reopen(others)
            return self._carry_out(verdict) if verdict else []
        if self.artifact.size is None:
            return self._start_over()
        return []

    def _is_splittable(self) -> bool:
        return self.size is not None and self.size > SMALL_BYTES

    def _breadth(self) -> int:
        """Mirrors to ask at once."""
        if self.size is None or not self._is_splittable():
            return 1
        usual = min(self._limits.mirrors, self.size // segments.FIRST_SEGMENT)
        return max(1, usual) + self._widening.breadth

    def _idle(self, ready: list[Candidate]) -> list[Candidate]:
        """Mirrors that should have one more request than they have, each as often as it should."""
        is_busy = any(not run.ending for run in self.running.values())
        asked = ready[:1] if ready and ready[0].mirror.is_local else ready
        able = [c for c in asked if c.running or c.host.room(self._limits) > 0]
        if not able and not is_busy:
            self.blocked = [candidate.host for candidate in asked]
        if not able or not self._is_splittable():
            return [] if is_busy else able[:1]
        idle = []
        for candidate in able[: self._breadth()]:
            lanes = 1 if candidate.takes_ranges is False else candidate.lanes
            wanted = lanes - candidate.running
            idle += [candidate] * max(0, min(wanted, candidate.host.room(self._limits)))
        return idle

    def _work(self, idle: list[Candidate], now: float, belief: float) -> list[Order]:
        """Give one of the idle mirrors something to do: a gap, or a part of what another one has."""
        candidate = idle[0]
        if self.size is None:
            start = self.spans.gaps(0, self.spans.end + 1)[0][0]
            return self._begin(candidate, start, None, now)
        gaps = self._gaps()
        if not gaps:
            return self._take_over(idle, now, belief)
        start, stop = self._share(gaps, idle, belief)
        return self._begin(candidate, start, stop, now)

    def _gaps(self) -> list[segments.Range]:
        """What is neither here nor asked for."""
        assert self.size is not None
        asked = [(run.at, run.stop or self.size) for run in self.running.values() if not run.ending]
        return segments.subtract(self.spans.gaps(0, self.size), asked)

    def _share(self, gaps: list[segments.Range], idle: list[Candidate], belief: float) -> segments.Range:
        gap, candidate = gaps[0], idle[0]
        if not self._is_splittable():
            return gap
        grain = segments.grain_of(self.size or 0, bool(self.artifact.pieces))
        if len(gaps) < len(idle):
            count = sum(stop - start for start, stop in gaps)
            others = sum(c.belief(belief) for c in idle[1:]) * (gap[1] - gap[0]) / count
            least = max(segments.LEAST_TAKEN, grain)
            gap = segments.share(gap, candidate.belief(belief), others, least)
        piece = gap[0] // PIECE_BYTES
        if piece in self._rounds:  # one mirror shall answer for it
            return gap[0], min(gap[1], (piece + 1) * PIECE_BYTES)
        if candidate.failures and self.running:
            return gap[0], min(gap[1], gap[0] + START_SMALL)
        return gap

    def _take_over(self, idle: list[Candidate], now: float, belief: float) -> list[Order]:
        """Shorten the request that will take longest, and give its rest to an idle mirror."""
        grain = segments.grain_of(self.size or 0, bool(self.artifact.pieces))
        runs = [
            run
            for run in self.running.values()
            if not run.ending and not run.twin and run.at // PIECE_BYTES not in self._rounds
        ]
        for victim in sorted(runs, key=lambda run: -self._eta(run, now, belief))[:2]:
            for candidate in dict.fromkeys(idle):
                point = segments.take_over(
                    (victim.at, victim.stop or 0),
                    self._pace(victim, now, belief),
                    self._promise(candidate, victim.at, belief),
                    grain,
                )
                if point is not None:
                    stop, victim.stop = victim.stop, point
                    shorten = Shorten(id=victim.request.id, stop=point)
                    return [shorten, *self._begin(candidate, point, stop, now)]
        return []

    def _race(self, ready: list[Candidate], now: float, belief: float) -> list[Order]:
        """Ask a second mirror for bytes that seem to take much longer than it would."""
        runs = [r for r in self.running.values() if not r.ending and not r.twin]
        if not runs or not self._shared.hosts.may_race:
            return []
        victim = max(runs, key=lambda run: self._eta(run, now, belief))
        pace = self._pace(victim, now, belief)
        count = victim.left
        if victim.stop is not None and not count:
            return []
        if victim.opened_at is not None and (
            victim.stop is None or (count > RACE_BYTES and now - victim.last_byte < SAME_AGAIN)
        ):
            return []
        for rival in ready:
            if not self._may_race(rival, victim, now):
                continue
            if segments.is_worth_a_race(count, pace, self._promise(rival, victim.at, belief)):
                return self._begin_race(victim, rival, now)
        return []

    def _may_race(self, rival: Candidate, victim: Running, now: float) -> bool:
        if rival.host.room(self._limits) <= 0:
            return False
        if rival is victim.candidate:
            return now - victim.last_byte >= SAME_AGAIN
        return rival.running < rival.lanes

    def _begin_race(self, victim: Running, rival: Candidate, now: float) -> list[Order]:
        self._shared.hosts.races += 1
        orders = self._begin(rival, victim.at, victim.stop, now)
        run = next(reversed(self.running.values()))
        run.twin, victim.twin = victim, run
        return orders

    def _begin(self, candidate: Candidate, start: int, stop: int | None, now: float) -> list[Order]:
        """Ask for [start, stop); a mirror that takes no ranges is asked for everything, as far as `stop`."""
        is_plain = candidate.takes_ranges is False
        request = Request(
            id=next(self._shared.ids),
            artifact=self.artifact,
            mirror=candidate.mirror,
            start=0 if is_plain else start,
            stop=self.size if is_plain else stop,
            validator=None if candidate.is_fickle else candidate.validator,
        )
        self.running[request.id] = Running(request, candidate, start, stop, now)
        candidate.running += 1
        candidate.host.open += 1
        self._shared.hosts.requests += 1
        self.state = State.FETCHING
        if is_plain and stop is not None and stop != self.size:
            return [request, Shorten(id=request.id, stop=stop)]
        return [request]

    # --- helpers ------------------------------------------------------------------------------------------

    def _release(self, run: Running, now: float) -> None:
        del self.running[run.request.id]
        if run.twin:
            run.twin.twin = None
        candidate = run.candidate
        candidate.running -= 1
        candidate.host.open -= 1
        self._shared.hosts.freed.append(candidate.host)
        if (
            run.opened_at is not None
            and now - run.opened_at > LEAST_MEASURED
            and not run.request.mirror.is_local
        ):
            rate = run.meter.rate(now, 0.0)
            if rate > 0:
                candidate.rate = rate
                candidate.host.rate = rate

    def _is_range(self, request: Request) -> bool:
        return request.start > 0 or (request.stop is not None and request.stop != self.artifact.size)

    def _progress(self) -> float:
        """Bytes after which a request counts as having worked."""
        return max(1.0, self.size * PROGRESS) if self.size else float(segments.GRAIN)

    def _belief(self, runs: list[Running], now: float) -> float:
        """Bytes per second to expect of a connection that nothing is known about: what the others give."""
        rates = [run.meter.rate(run.last_byte, UNKNOWN_RATE) for run in runs if run.opened_at is not None]
        return sum(rates) / len(rates) if rates else UNKNOWN_RATE

    def _total_rate(self, candidate: Candidate) -> float:
        """Bytes per second to expect of a mirror over all connections that it may have."""
        return candidate.belief(UNKNOWN_RATE) * max(1, candidate.lanes)

    def _pace(self, run: Running, now: float, belief: float) -> Pace:
        candidate = run.candidate
        return run.pace(now, candidate.belief(belief), candidate.first_byte(UNKNOWN_FIRST_BYTE))

    def _promise(self, candidate: Candidate, start: int, belief: float) -> Pace:
        """What to expect of a new request for bytes from `start` on."""
        rate = candidate.belief(belief)
        skipped = start if candidate.takes_ranges is False else 0
        return Pace(candidate.first_byte(UNKNOWN_FIRST_BYTE) + skipped / rate, rate)

    def _eta(self, run: Running, now: float, belief: float) -> float:
        pace = self._pace(run, now, belief)
        return pace.wait + run.left / pace.rate

    def _forget(self, start: int, stop: int) -> Discard:
        return Discard(artifact=self.artifact, start=start, stop=stop)

    def _tell(self, candidate: Candidate, cause: str, detail: str, seconds: float, count: int) -> None:
        self._shared.attempts.append(
            Attempt(
                mirror=candidate.mirror.url,
                cause=cause,
                detail=detail,
                artifact=self.artifact.name,
                source=candidate.mirror.source,
                seconds=seconds,
                bytes=max(0, count),
            )
        )


def _preference(candidate: Candidate) -> tuple[object, ...]:
    """Local ones first, those in doubt last, else as they are ranked."""
    doubt = bool(candidate.failures or candidate.host.in_row)
    is_plain = candidate.takes_ranges is False
    return (not candidate.mirror.is_local, is_plain, candidate.is_suspect, doubt, candidate.rank)
