"""Which mirror to ask for which bytes next: gaps, then parts of others' segments."""

from __future__ import annotations

import math
from typing import Final

from surefetch.events import Order, Shorten
from surefetch.model import PIECE_BYTES
from surefetch.plan import segments
from surefetch.plan.blame import Measure, Verdict
from surefetch.plan.mirrors import Candidate
from surefetch.plan.racing import TOLD, Racing
from surefetch.plan.running import WINDOW, Ending, Running

#: A mirror that failed gets segments of at most this many bytes until it has given some; one whose requests
#: have their bytes at once, none that are longer.
START_SMALL: Final = 1 << 20
#: What is taken over is shared evenly with mirrors that give at least this share of its taker's rate.
PEER: Final = 0.5
#: A host that is silent for the usual time, and answered in this share of it before, is asked anew then.
PROMPT: Final = 0.25
#: A request that gives little by now is begun anew where it would take more than so many seconds.
ANEW_LEFT: Final = 3.0
#: Its mirror is asked for little at once from then on where it gives so many times as much as older ones.
FRESHER: Final = 2.0
#: A mirror that takes no ranges gets the first bytes, and the others those behind, where that should be over
#: in this share of the time, and so many seconds earlier.
FRONT: Final = 0.9
FRONT_SAVED: Final = 0.2


class Filling(Racing):
    """Mutable: finds work for idle mirrors, and takes it from requests that are too slow."""

    def _watch(self, now: float) -> list[Order]:
        orders = self._stop_dropped()
        for run in self.running.values():
            if not run.ending and now >= run.limit(self._limits) and not self._is_last_hope(run):
                orders += self._break_off(run, Ending.SILENT)
        if now < self._silent_since + self._limits.patience:  # as at nearly every look: no more to weigh
            return orders
        return orders + (self.give_up(Ending.SILENT, now) if now >= self._patient_until() else [])

    def _is_last_hope(self, run: Running) -> bool:
        """Whether nobody else can be asked: who takes long to begin or to go on would take as long again."""
        hope, candidate, host = self._sole_hope(), run.candidate, run.candidate.host
        if hope is None or (self._is_range(run.request) and not candidate.gave_range):  # it may mind ranges
            return False
        if hope.opened_at is not None:
            is_shared = self.shares and host.is_multiplexed  # there it is the connection that fell silent
            return run is hope and host.last_byte <= run.last_byte and not is_shared
        # Where it gives others, or did so at once before, something is amiss with the connection, for once.
        is_odd = host.last_byte > run.began or 0 < host.first_byte < PROMPT * self._limits.first_byte_timeout
        return not is_odd or candidate.failures > 0

    def give_up(self, ending: Ending, now: float) -> list[Order]:
        """Wait no longer for those who are asked; where all are silent, for none who gave no byte lately."""
        hope = self._sole_hope() if ending is Ending.SILENT else None
        if hope:
            hope.candidate.host.is_mute = True
        for candidate in self._waiting():
            if not self._blame.allows(candidate):
                self._silent_since = now  # it was left out: when its turn comes it is waited for as long
                continue
            never_gave = candidate.host.was_asked and candidate.host.last_byte < 0
            # One that is there and gave some of this very file may put off the rest, at each try for longer.
            is_put_off = 0 <= candidate.last_byte <= now - self._limits.missed and not candidate.host.is_away
            is_silent = ending is Ending.SILENT and (never_gave or is_put_off)
            candidate.is_dropped |= candidate.running > 0 or is_silent
        return self._stop(ending)

    def _patient_until(self) -> float:
        """When all have been silent for too long to be waited for; a pause that was asked for counts not."""
        silent, gone = max(0.0, self._silent_since), -math.inf
        for candidate in self._waiting():
            if candidate.asked:
                silent = max(silent, candidate.ready())
            if candidate.host.is_away:
                gone = max(gone, candidate.host.last_byte)
        for run in self.running.values():
            silent = max(silent, run.served_at(self._limits))
        may_be_all = self.size is None and self.spans.total > 0
        patience = self._limits.alone if self._sole_hope() and not may_be_all else self._limits.patience
        return max(silent + patience, gone + self._limits.missed)

    def _stop_dropped(self) -> list[Order]:
        """Do not wait for an answer of a host that is known to be no good."""
        orders: list[Order] = []
        for run in self.running.values():
            if run.candidate.host.dropped and run.opened_at is None:
                orders += self._break_off(run, Ending.DROPPED)
        return orders

    def _cull(self, now: float) -> list[Order]:
        """Break off requests whose bytes others have brought, or that may not be used any more."""
        orders: list[Order] = []
        for run in self.running.values():
            if (
                run.overlaps
                and run.stop is not None
                and run.at < run.stop
                and self.spans.covers(run.at, run.stop)
            ):
                orders += self._break_off(run, Ending.LOST)
            elif self._is_refused(run.candidate):
                orders += self._break_off(run, Ending.LOST)
            elif run.twin and not run.twin.ending and self._has_lost(run, run.twin, now):
                orders += self._break_off(run, Ending.LOST)
        return orders

    def _is_refused(self, candidate: Candidate) -> bool:
        """Whether what a mirror still sends is not wanted. After one wrong piece it is: each is judged."""
        return (candidate.is_dropped and candidate.strikes != 1) or not self._blame.allows(candidate)

    def _fill(self, now: float) -> list[Order]:
        """Begin as many requests as are worth it."""
        usable, orders = self._usable(), []
        if not usable and not self.running:
            orders += self._reopen()
            usable = self._usable()
        if len(usable) == 1 and not self.running and self.size is not None and not self._is_splittable():
            return orders + self._ask_only(usable[0], now)
        runs = [run for run in self.running.values() if not run.ending]
        if runs and self._is_splittable():
            left = (self.size or 0) - self.spans.total
            reserve = len(usable) > self._breadth()
            self._widening.consider(now, left, runs, self._limits, reserve)
            orders += self._begin_anew(runs, now)
        is_hushed = self._hushed_at() <= now
        quiet = {run.candidate for run in runs if run.is_quiet(now) and not is_hushed}
        ready = [c for c in usable if c not in quiet and self._may_ask(c, now)]
        belief = self._belief(runs, now)
        orders += self._give_front(ready, now, belief)
        idle = self._idle(ready)
        while idle:
            work = self._work(idle, now, belief)
            if not work:
                break
            orders += work
            idle = self._idle(ready)
        ready += [c for c in usable if c in quiet and self._may_ask(c, now)]
        beside = self._ask_size(ready, now) or self._race(ready, now, belief)
        return orders + (beside or self._race_anew(ready, now, belief))

    def _ask_only(self, candidate: Candidate, now: float) -> list[Order]:
        """Ask the only mirror for a small file, as nearly all are: the rest of a look would find the same."""
        if candidate.ready() > now:
            return []
        if self._room(candidate) <= 0 and (
            not self.is_small or candidate.host.queue(self._limits, shares=self.shares) <= 0
        ):
            self.blocked = [candidate.host]
            self._silent_since = math.inf  # nobody is asked: whoever has no room is not silent
            return []
        gaps = self._gaps()
        return self._begin(candidate, *gaps[0], now) if gaps else []

    def _begin_anew(self, runs: list[Running], now: float) -> list[Order]:
        """End a request where all have become slow: the next one may be as fast as they were at first."""
        orders: list[Order] = []
        for run in runs:
            orders += self._compare_with_older(run, runs, now)
        if not self._widening.has_sunk:
            return orders
        self._widening.has_sunk = False
        slow = [run for run in runs if run.opened_at is not None and run.stop and not run.twin]
        if tired := [run for run in slow if run.candidate.sips]:  # new requests over old connections are slow
            for run in tired:
                run.candidate.tires = True
                orders += self._end_soon(run, now)
            return orders
        victim = max(slow, key=lambda run: run.left / run.rate(now, 0.0), default=None)
        if victim is None or victim.candidate.takes_ranges is not True:
            return orders
        if victim.left < max(START_SMALL, ANEW_LEFT * victim.rate(now, 0.0)):
            return orders
        victim.candidate.anew_at = now
        return [*orders, *self._end_soon(victim, now)]

    def _compare_with_older(self, run: Running, runs: list[Running], now: float) -> list[Order]:
        """Ask for little at once where a new request is faster than those that were begun before it."""
        candidate = run.candidate
        if run.began < candidate.anew_at or run.opened_at is None or now - run.opened_at < WINDOW:
            return []
        candidate.anew_at = math.inf
        others = [one for one in runs if one.candidate is candidate and one is not run]
        if not others or run.rate(now, 0.0) < FRESHER * max(one.rate(now, 0.0) for one in others):
            return []
        candidate.sips = True
        older = [one for one in others if one.opened_at is not None and not one.twin]
        return [order for one in older for order in self._end_soon(one, now)]

    def _end_soon(self, run: Running, now: float) -> list[Order]:
        stop = run.at + max(segments.GRAIN, int(TOLD * run.rate(now, 0.0)))
        return self._shorten(run, stop) if run.stop and stop < run.stop else []

    def _may_ask(self, candidate: Candidate, now: float) -> bool:
        """Whether a mirror may be asked: while it gives, pauses after its failures do not count."""
        if candidate.ready() <= now:
            return True
        runs = [run for run in self.running.values() if run.candidate is candidate]
        return any(run.opened_at is not None for run in runs) if candidate.failures else bool(runs)

    def _hushed_at(self) -> float:
        """When more may be asked for while all are silent; inf: never."""
        runs = [run for run in self.running.values() if not run.ending]
        return self._widening.hushed_at(runs) if self._is_splittable() else math.inf

    def _reopen(self) -> list[Order]:
        """Nobody may be asked in this round: let in those who were put aside, if there are any."""
        others = [c for c in self._roster.candidates if not c.is_out]
        if not others:
            return self._give_another_chance()
        if self._blame.is_searching:
            verdict = self._blame.reopen(others)
            return self._carry_out(verdict) if verdict else []
        if self.artifact.size is None:
            return self._start_over()
        return []

    def _reserves(self) -> list[Candidate]:
        """Mirrors that may have the right bytes although what came of them, or of one machine, was wrong."""
        there = [c for c in self._roster.candidates if not c.host.dropped]
        return [c for c in there if c.is_reserve] or [c for c in there if c.may_be_elsewhere]

    def _give_another_chance(self) -> list[Order]:
        """Nobody else is left: ask past caches on the way, then other machines of the same names."""
        reserves = self._reserves()
        is_spoilt = any(candidate.is_reserve for candidate in reserves)  # by what a cache keeps
        for candidate in reserves:
            candidate.give_another_chance()
        return self._start_over() if is_spoilt else []

    def _carry_out(self, verdict: Verdict) -> list[Order]:
        """Forget the bytes that a verdict casts doubt on."""
        one = verdict.candidate
        leaves_out = verdict.measure is Measure.LEAVE_OUT
        doubtful = [giver for giver in self.spans.givers() if (giver is one) == leaves_out]
        if not leaves_out and len(doubtful) == 1:
            self._blame.doubted = doubtful[0]
        gone = [stretch for giver in doubtful for stretch in self.spans.remove_giver(giver)]
        return [self._forget(start, stop) for start, stop in gone]

    def _start_over(self) -> list[Order]:
        has_bytes = self.spans.end > 0 or bool(self.running)  # of which some may not have been told yet
        stop = max(self.spans.end, self.artifact.bound)
        self.spans.remove(0, stop)
        self.size = self.artifact.size
        return [self._forget(0, stop)] if has_bytes else []

    def _breadth(self) -> int:
        """Mirrors to ask at once."""
        if self.size is None or not self._is_splittable():
            return 1
        usual = min(self._limits.mirrors, self.size // segments.FIRST_SEGMENT)
        return max(1, usual) + self._widening.breadth

    def _idle(self, ready: list[Candidate]) -> list[Candidate]:
        """Mirrors that should have one more request than they have, each as often as it should."""
        is_busy = any(not (run.ending or run.asks_size) for run in self.running.values())
        asked = ready[:1] if ready and ready[0].mirror.is_local else ready
        can_split = self._is_splittable()
        able = [c for c in asked if (can_split and c.running) or self._room(c) > 0]
        if not able and self.is_small:
            able = [c for c in asked if c.host.queue(self._limits, shares=self.shares) > 0]
        if not able and not is_busy:
            self.blocked = [candidate.host for candidate in asked]
            if asked:
                self._silent_since = math.inf  # nobody is asked: whoever has no room is not silent
        if not able or not can_split:
            return [] if is_busy else able[:1]
        idle = []
        for candidate in able[: self._breadth()]:
            lanes = 1 if candidate.takes_ranges is False else candidate.lanes
            wanted = lanes - candidate.running
            idle += [candidate] * max(0, min(wanted, self._room(candidate)))
        return idle

    def _give_front(self, ready: list[Candidate], now: float, belief: float) -> list[Order]:
        """Have a mirror that takes no ranges bring the first bytes, and the others those behind."""
        runs = [run for run in self.running.values() if not (run.ending or run.asks_size)]
        plain = [c for c in ready if c.takes_ranges is False and self._room(c) > 0]
        if not (plain and runs and self._is_splittable()):
            return []
        if any(run.candidate.takes_ranges is False for run in runs):
            return []
        candidate = max(plain, key=lambda c: c.belief(belief))
        promise = self._promise(candidate, 0, belief)
        rate = sum(self._pace(run, now, belief).rate for run in runs if not run.is_quiet(now))
        if not rate:
            return []
        missing = self.spans.gaps(0, self.size or 0)
        stop = segments.front(missing, promise, rate)
        alone = sum(b - a for a, b in missing) / rate
        together = promise.wait + stop / promise.rate
        is_little = stop - missing[0][0] < START_SMALL or alone - together < FRONT_SAVED
        if is_little or together > FRONT * alone:
            return []
        orders = []
        for run in runs:
            is_first = self._eta(run, now, belief) <= promise.wait + run.at / promise.rate
            if run.at + START_SMALL < stop and not (is_first or run.twin or self._is_answering(run)):
                orders += self._break_off(run, Ending.LOST)
        return orders + self._begin(candidate, missing[0][0], stop, now)

    def _work(self, idle: list[Candidate], now: float, belief: float) -> list[Order]:
        """Give one of the idle mirrors something to do: a gap, or a part of what another one has."""
        candidate = idle[0]
        if self.size is None:
            start = self.spans.gaps(0, self.spans.end + 1)[0][0]
            return self._begin(candidate, start, None, now)
        gaps = self._gaps()
        if not gaps:
            return self._take_over(idle, now, belief)
        if gaps[0][0] // PIECE_BYTES in self._rounds and self._is_splittable():
            candidate = max(idle, key=lambda one: one.belief(belief))  # nobody will help it
        start, stop = self._share(gaps, idle, belief)
        return self._begin(candidate, start, stop, now)

    def _share(self, gaps: list[segments.Range], idle: list[Candidate], belief: float) -> segments.Range:
        gap, candidate = gaps[0], idle[0]
        if not self._is_splittable():
            return gap
        piece = gap[0] // PIECE_BYTES
        if piece in self._rounds:  # one mirror shall answer for it
            return gap[0], min(gap[1], (piece + 1) * PIECE_BYTES)
        grain = segments.grain_of(self.size or 0, bool(self.artifact.pieces))
        if len(gaps) < len(idle):
            count = sum(stop - start for start, stop in gaps)
            others = sum(c.belief(belief) for c in idle[1:]) * (gap[1] - gap[0]) / count
            least = max(segments.LEAST_TAKEN, grain)
            gap = segments.share(gap, candidate.belief(belief), others, least)
        return self._portion(gap, candidate)

    def _portion(self, part: segments.Range, candidate: Candidate) -> segments.Range:
        """Return what of a part a mirror is asked for at once."""
        if candidate.sips or self._is_doubted(candidate):
            return part[0], min(part[1], part[0] + START_SMALL)
        return part

    def _is_doubted(self, candidate: Candidate) -> bool:
        """Whether not much should depend on a mirror."""
        return bool(candidate.failures or candidate.silences) and bool(self.running)

    def _take_over(self, idle: list[Candidate], now: float, belief: float) -> list[Order]:
        """Shorten the request that will take longest, and give its rest to an idle mirror."""
        grain = segments.grain_of(self.size or 0, bool(self.artifact.pieces))
        runs = [
            run
            for run in self.running.values()
            if not run.ending and not run.twin and run.at // PIECE_BYTES not in self._rounds
        ]
        etas = {run: self._eta(run, now, belief) for run in runs}
        longest = max(etas.values(), default=0.0)
        alike = sum(eta >= longest / 2 for eta in etas.values())
        for victim in sorted(runs, key=lambda run: -etas[run])[:2]:
            pace = self._pace(victim, now, belief)
            for candidate in dict.fromkeys(idle):
                promise = self._promise(candidate, victim.at, belief)
                peers = [other for other in idle if other.belief(belief) >= PEER * promise.rate]
                together = max(1, len(peers) // max(1, alike))  # so many share what is taken over
                taken = segments.take_over((victim.at, victim.stop or 0), pace, promise, grain, together)
                if taken and self._is_doubted(candidate):
                    taken = [(max(taken[0][0], taken[-1][1] - START_SMALL), taken[-1][1])]
                if taken:
                    takers = sorted(peers, key=lambda other: other is not candidate)
                    return [*self._shorten(victim, taken[0][0]), *self._hand_out(taken, takers, now)]
        return self._answer_anew(idle, now, belief)

    def _answer_anew(self, idle: list[Candidate], now: float, belief: float) -> list[Order]:
        """Have the quickest mirror bring a piece that was wrong from its start, where another needs long."""
        rival = max(idle, key=lambda one: one.belief(belief))
        for run in self.running.values():
            start = run.at // PIECE_BYTES * PIECE_BYTES
            stop = run.stop or 0
            is_alone = run.candidate is not rival and not (run.ending or run.twin)
            if not (is_alone and self._is_answering(run)) or not start < stop <= start + PIECE_BYTES:
                continue
            promise = self._promise(rival, start, belief)
            anew, late = promise.wait + (stop - start) / promise.rate, self._eta(run, now, belief)
            if anew < segments.RACE * late and late - anew >= segments.LEAST_SAVED:
                self.spans.remove(start, stop)
                return [
                    *self._break_off(run, Ending.LOST),
                    self._forget(start, stop),
                    *self._begin(rival, start, stop, now),
                ]
        return []

    def _shorten(self, run: Running, stop: int) -> list[Order]:
        run.stop = stop
        return [Shorten(id=run.request.id, stop=stop)]

    def _hand_out(self, parts: list[segments.Range], takers: list[Candidate], now: float) -> list[Order]:
        """Begin a request for each part, as far as there is room; what is left over is a gap."""
        orders: list[Order] = []
        for part, candidate in zip(parts, takers, strict=False):
            if self._room(candidate) > 0:
                orders += self._begin(candidate, *self._portion(part, candidate), now)
        return orders
