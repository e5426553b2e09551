"""How many requests an artifact has at once: more are tried, and kept where they raised the total rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from surefetch.events import Disordered
from surefetch.plan.hosts import TRY_AGAIN
from surefetch.plan.mirrors import Candidate
from surefetch.plan.policy import CONNECTIONS, SLOW, SLOW_LEFT, Limits
from surefetch.plan.running import Running

#: Above this many bytes per second one connection is not what limits us (1 Gbit/s; then disk and hash do).
FAST: Final = 100e6
#: Over all mirrors of one artifact as many requests at once as so many hosts usually have, but USUAL of each:
#: when one of three mirrors falls silent, the others take its place. Who sets more per host has them of each.
HOSTS: Final = 2
USUAL: Final = 4
#: A mirror that gives less than this share of the best one's rate does not count among them.
LITTLE: Final = 0.25
#: Seconds to go, or nothing is tried.
WORTHWHILE: Final = 0.7
#: Intervals measured before a change is judged to have brought nothing: a new connection starts slowly.
INTERVALS: Final = 3
#: What counts as a rise of the total rate, as one in proportion, and as a rate that has settled.
RISE: Final = 1.15
PROPORTION: Final = 0.75
SETTLED: Final = 1.25
#: Seconds of an interval at least. It is no shorter than the time to the first byte, about two round trips: a
#: connection that starts slowly doubles its rate in each, and must not seem to have settled meanwhile.
INTERVAL: Final = 0.04
#: Seconds to the first byte below which connections cost so little that all are tried at once.
NEAR: Final = 0.02
#: Where all have given bytes and fall silent together for so many seconds, and for so many times as long as
#: the first byte took, each request may have had its share (nginx's `limit_rate` sends what fits, then
#: nothing for as long as that should have taken): others may be had meanwhile.
HUSH: Final = 0.1
HUSH_TIMES: Final = 3.0
#: A hush is no shorter than this share of the time that passed since they began.
HUSH_SHARE: Final = 0.2
#: A new connection that took so many times as long as those before it, and so many seconds more, has waited
#: in a queue: the link is full, and nothing is to be gained. After so many of them no more are tried.
QUEUED: Final = 1.3
QUEUED_SECONDS: Final = 0.03
QUEUED_OFTEN: Final = 2
#: Below this share of the rate at which a link was full it is full no more: somebody else had filled it.
EMPTIED: Final = 0.6
#: All give less than this share of what they gave before, for so many seconds: some servers slow each request
#: down after a while.
SUNK: Final = 0.5
SUNK_SECONDS: Final = 0.5
#: A connection that loses one of n packets sends MATHIS * sqrt(n) in each round trip (Mathis et al. 1997).
MATHIS: Final = 1.22
SEGMENT_BYTES: Final = 1448
#: Where packets wait for a larger share of the shortest round trip than this, they were lost to a queue that
#: we have filled. At 50 Mbit/s and 80 ms, with 100 ms of buffer, it was 1.2; with random loss 0 to 0.3. What
#: waits fills the link while the sender goes on with 0.7 of its window (1.36 * 0.7 = 0.95; RFC 9438, 4.6).
FULL: Final = 0.36
#: The same where a larger share of the link was used than this: a short queue overflows before the link is
#: full. With 20 ms of buffer it was 0.37 to 0.62; with random loss mostly below 0.25.
USED: Final = 0.3
#: Where a larger share than this was used, one connection fills the link, and keeps so much of it after a
#: loss if nothing waited.
ALL: Final = 0.6
KEPT: Final = 0.7
#: All that give more than this share of what the link can carry, by how fast packets came in a row, need no
#: others: what they cost (new connections fill queues first) is more than what is left.
NEARLY: Final = 0.7


class Trial:
    """Mutable account of one attempt to be faster with more requests."""

    def __init__(self, base: dict[Candidate, float], before: dict[Candidate, int], count: int) -> None:
        self.base = base  # bytes per second of each mirror, before
        self.before = before  # requests at once of each mirror, before
        self.count = count  # of all, before
        self.intervals = 0


class Widening:
    """Mutable: measures the total rate of one artifact and decides on the number of requests per mirror."""

    def __init__(self) -> None:
        self.breadth = 0  # mirrors beyond the usual number
        self.has_sunk = False  # all give much less than before
        self._peak = 0.0  # bytes per second of all, while that was measured twice
        self._sunk_at = math.inf  # since when they give less
        self._trial: Trial | None = None
        self._began = 0.0
        self._marks: dict[
            Running, tuple[float, int]
        ] = {}  # (time of the last byte, position) of each request
        self._rates: list[float] = []
        self._is_settling = False  # the set of requests has just changed
        self._queued: dict[Candidate, int] = {}  # requests of each mirror that have waited in a queue
        self._base = 0.0  # bytes per second of all before the last trial that waited in a queue
        self._full_rate = 0.0  # bytes per second of all when more requests brought nothing
        self._capacity = 0.0  # bytes per second that the link can carry, 0 while unknown
        self._capacity_until = 0.0

    def consider(self, now: float, left: int, runs: Sequence[Running], limits: Limits, reserve: bool) -> None:
        """Measure, and change the numbers of requests (`Candidate.lanes`, `breadth`) where that may pay.

        Args:
            now: The time.
            left: Bytes that are not here.
            runs: Requests under way.
            limits: The planner's.
            reserve: Whether there are mirrors that are not asked yet.
        """
        giving = [run for run in runs if run.opened_at is not None]
        for run in giving:
            run.candidate.is_full &= now < run.candidate.full_until
        if len(giving) == len(runs) and self.hushed_at(runs) <= now:
            self._open_more(giving, limits)
            return
        coming = [run for run in runs if run.opened_at is None and not run.candidate.silences]
        if not giving or any(not run.is_quiet(now) for run in coming):
            self._marks = {}
            return
        if self._marks.keys() != set(giving):
            self._mark(now, giving)
            self._is_settling = True
            return
        if any(run.last_byte <= self._marks[run][0] and not run.is_quiet(now) for run in giving):
            return  # it may give in bursts
        if self._is_settling:  # what came since the last mark is partly from before the change
            self._mark(now, giving)
            self._is_settling = False
            return
        if now - self._began < max(INTERVAL, *(run.candidate.host.distance for run in giving)):
            return
        rates = self._measure(giving)
        self._rates.append(sum(rates.values()))
        self._mark(now, giving)
        self._look_for_room(rates)
        self._look_for_sinking(now)
        if self._trial:
            self._judge(self._trial, rates, len(giving), now, limits)
        else:
            self._try(left, rates, len(giving), limits, reserve)

    def hushed_at(self, runs: Sequence[Running]) -> float:
        """When all are silent for long enough to ask for more, if no byte comes before; inf: never."""
        if not runs or not all(run.gained for run in runs):
            return math.inf
        usual = max(run.candidate.host.first_byte for run in runs)
        last = max(run.last_byte for run in runs)
        passed = last - min(run.began for run in runs)
        return last + max(HUSH, HUSH_TIMES * usual, HUSH_SHARE * passed)

    def refused(self, candidate: Candidate) -> None:
        """Note that a host did not take one more request."""
        candidate.is_full, candidate.full_until = True, candidate.host.more_at
        candidate.lanes = max(1, candidate.running)

    def is_vain(self, candidate: Candidate) -> bool:
        """Whether nothing shows yet, or any more, that a mirror is faster with more than one request."""
        if candidate.is_full and candidate.full_times:
            return True
        return self._trial is not None and self._trial.count == 1 and candidate in self._trial.before

    def undo(self, candidate: Candidate) -> None:
        """Give a mirror as many requests as it had, if more are being tried: they bring nothing."""
        if self._trial and candidate in self._trial.before:
            candidate.lanes = self._trial.before.pop(candidate)
            if not self._trial.before:
                self._trial, self._rates = None, []

    def replace(self, others: Sequence[Candidate], limits: Limits) -> None:
        """Let the mirrors that give have the requests of one that is out; together no more than before."""
        giving = [candidate for candidate in others if candidate.running]
        most = most_lanes(len(giving), limits)
        for candidate in giving:
            if candidate.lanes >= min(USUAL, limits.connections) and not candidate.is_full:
                candidate.lanes = max(candidate.lanes, most)

    def is_crowded(self, candidate: Candidate, seconds: float, round_trip: float, now: float) -> bool:
        """Whether a new request, opened after `seconds`, shows that the link was full without it.

        Its mirror goes back to as many requests as it had. Not so while a mirror's first request is awaited.
        Where its round trip is known (not 0), it tells a full link from a host that takes its time to answer.
        """
        usual = candidate.host.first_byte
        if usual and round_trip and candidate.host.round_trip:
            seconds, usual = 2 * round_trip, 2 * candidate.host.round_trip
        if not usual or seconds <= QUEUED * usual + QUEUED_SECONDS:
            return False
        if self._trial and candidate in self._trial.before:
            self._base = sum(self._trial.base.values())
            self.undo(candidate)
            self._queued[candidate] = self._queued.get(candidate, 0) + 1
        elif candidate in self._queued and candidate.running > candidate.lanes:  # others of that trial
            self._queued[candidate] += 1
        else:
            return False
        if self._queued[candidate] >= QUEUED_OFTEN and not candidate.is_full:
            candidate.filled(now)
            self._full_rate = self._base
        return candidate in self._queued and candidate.running > candidate.lanes

    def disordered(self, run: Running, event: Disordered, left: int, now: float, limits: Limits) -> None:
        """Give a mirror all its connections at once if a lost packet shows that one will be slow.

        None more if it shows that one fills the link; `_look_for_room` finds where that was wrong.

        Args:
            run: The only request under way: what others do to the link is not known.
            event: What was seen of it.
            left: Bytes that are not here.
            now: The time.
            limits: The planner's.
        """
        if event.used:
            self._capacity = event.recent * SEGMENT_BYTES / event.round_trip / event.used
            self._capacity_until = now + TRY_AGAIN
        is_queue_full = event.queued > FULL * event.round_trip
        if is_queue_full or event.used > ALL:
            run.candidate.filled(now)
            kept = 1.0 if is_queue_full else KEPT
            self._full_rate = kept * event.recent * SEGMENT_BYTES / event.round_trip
            self._trial, self._marks, self._rates = None, {}, []
        if event.round_trip < NEAR or is_queue_full or event.used > USED:
            return
        rate = MATHIS * SEGMENT_BYTES * math.sqrt(event.segments) / event.round_trip
        if rate < SLOW and left > WORTHWHILE * rate:
            run.candidate.lanes = max(run.candidate.lanes, most_lanes(1, limits))
            self._trial, self._marks, self._rates = None, {}, []

    def _mark(self, now: float, runs: Sequence[Running]) -> None:
        self._began = now
        self._marks = {run: (run.last_byte, run.position) for run in runs}

    def _measure(self, runs: Sequence[Running]) -> dict[Candidate, float]:
        """Bytes per second of each mirror since the mark, by the times at which its bytes came."""
        rates: dict[Candidate, float] = {}
        for run in runs:
            time, position = self._marks[run]
            seconds = run.last_byte - time
            rate = (run.position - position) / seconds if seconds > 0 else 0.0
            rates[run.candidate] = rates.get(run.candidate, 0.0) + rate
        return rates

    def _look_for_room(self, rates: dict[Candidate, float]) -> None:
        """Forget that more requests brought nothing where those that left room for them give less by now."""
        if len(self._rates) >= 2 and max(self._rates[-2:]) < EMPTIED * self._full_rate:
            for candidate in rates:
                candidate.is_full &= math.isinf(candidate.full_until)
            self._full_rate = 0.0

    def _look_for_sinking(self, now: float) -> None:
        last = self._rates[-2:]
        self._peak = max(self._peak, min(last))
        is_rising = last[-1] > SETTLED * last[0]  # new connections are coming up to speed
        is_low = max(last) < SUNK * self._peak and not is_rising
        self._sunk_at = min(self._sunk_at, now) if is_low else math.inf
        if now - self._sunk_at >= SUNK_SECONDS:
            self.has_sunk, self._peak, self._sunk_at = True, 0.0, math.inf

    def _open_more(self, runs: Sequence[Running], limits: Limits) -> None:
        """Let mirrors have more requests while those under way are silent; near ones have short ones."""
        candidates = {run.candidate for run in runs}
        most = most_lanes(len(candidates), limits)
        before = {c: c.lanes for c in candidates if not c.is_full and c.lanes < most}
        is_near = all(candidate.host.first_byte < NEAR for candidate in candidates)
        for candidate in candidates:
            candidate.sips |= is_near
        self._widen(before, most if is_near else 0, most)
        self._trial, self._marks, self._rates = None, {}, []

    def _try(
        self, left: int, rates: dict[Candidate, float], count: int, limits: Limits, reserve: bool
    ) -> None:
        is_near = all(candidate.host.distance < NEAR for candidate in rates)
        last = self._rates[-1 if is_near else -2 :]  # what starts slowly is up to speed soon where it is near
        if (len(last) < 2 and not is_near) or last[-1] > SETTLED * last[0]:
            return
        rate = sum(last) / len(last)
        seconds = left / max(rate, 1.0)
        if rate > FAST or seconds < WORTHWHILE:
            return
        if rate > NEARLY * self._capacity and self._began < self._capacity_until:
            return
        most = _most(rates, limits)
        able = [c for c, own in rates.items() if own and not c.is_full and c.host.room(limits) > 0]
        before = {candidate: candidate.lanes for candidate in able if candidate.lanes < most}
        if not before and not reserve:
            return
        is_slow = rate / count < SLOW and seconds > SLOW_LEFT
        self._widen(before, most if is_slow or is_near else 0, most)
        self.breadth += 2 if reserve else 0
        self._trial, self._marks, self._rates = Trial(rates, before, count), {}, []

    def _judge(
        self, trial: Trial, rates: dict[Candidate, float], count: int, now: float, limits: Limits
    ) -> None:
        if count <= trial.count:  # none could be begun, or others have ended: it tells nothing
            for candidate, lanes in trial.before.items():
                candidate.lanes = lanes
            self._trial, self._rates = None, []
            return
        trial.intervals += 1
        # A mirror that fell silent meanwhile says nothing of the others.
        base = sum(rate for candidate, rate in trial.base.items() if rates.get(candidate))
        rise = self._rates[-1] / max(1.0, base)
        if rise >= RISE:
            for candidate in trial.before:
                candidate.host.lanes = max(candidate.host.lanes, candidate.lanes)
            self._trial = None
            most = _most(rates, limits)
            more = {c: c.lanes for c in trial.before if c.lanes < most and c.host.room(limits) > 0}
            if more and rise >= PROPORTION * count / trial.count:  # each connection has its own cap
                self._widen(more, most, most)
                self._trial = Trial(rates, more, count)
            self._marks, self._rates = {}, []
        elif trial.intervals >= INTERVALS:
            for candidate, lanes in trial.before.items():
                candidate.lanes = lanes
                if rates.get(candidate):
                    candidate.filled(now)
            self._full_rate = max(self._rates)
            self._trial, self._rates = None, []

    def _widen(self, lanes: dict[Candidate, int], least: int, most: int) -> None:
        for candidate, before in lanes.items():
            candidate.lanes = min(max(2 * before, least), most)


def _most(rates: dict[Candidate, float], limits: Limits) -> int:
    """Requests at once for each mirror; one that gives little beside the others does not count."""
    best = max(rates.values(), default=0.0)
    giving = sum(rate > LITTLE * best for rate in rates.values())
    return most_lanes(giving, limits)


def most_lanes(mirrors: int, limits: Limits) -> int:
    """Requests at once for each of so many mirrors of one artifact; what was set beyond is for each."""
    usual = max(USUAL, HOSTS * CONNECTIONS // max(1, mirrors))
    return min(limits.connections, usual + max(0, limits.connections - CONNECTIONS))
