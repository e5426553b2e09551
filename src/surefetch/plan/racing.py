"""Whom to ask beside those who are asked: for bytes that come late, for a size that nobody tells."""

from __future__ import annotations

from typing import Final

from surefetch.events import Order, Shorten
from surefetch.model import PIECE_BYTES
from surefetch.plan import segments
from surefetch.plan.account import UNKNOWN_RATE, Account
from surefetch.plan.mirrors import Candidate
from surefetch.plan.running import WINDOW, Ending, Running

#: After this many seconds of silence the same mirror may be asked once more, over another connection.
SAME_AGAIN: Final = 2.0
#: Where all that were asked are silent, one more mirror is asked after so many seconds.
ONE_MORE: Final = 0.8
#: Where a mirror gives bytes and says not how many, another one is asked for the size after so many seconds.
ASK_SIZE: Final = 0.1
#: A mirror that takes no ranges may go on over what others would bring when so many seconds are left to it.
GO_ON: Final = 0.5
#: One that takes them may do so over those of its mirror that together give less than this share of its rate.
ECLIPSED: Final = 0.25
#: A request that gives bytes is raced for so many at most; of more, a part is taken over.
RACE_BYTES: Final = 4 << 20
#: With less than this to go, both run a race to its end.
RACE_END: Final = 512 << 10
#: A request that ends within so many seconds cannot be told to go on any more.
TOLD: Final = 0.05
#: A request that is silent for so many seconds has lost its race (healthy mirrors pause for up to a second).
RACE_SILENCE: Final = 1.25
#: Where both that race need more seconds than this, a third may take the place of one.
ANEW: Final = 1.0
#: A request gets no bytes back from another mirror that gives them at more than one over this times its rate.
SLOWER: Final = 0.5


class Racing(Account):
    """Mutable: has a second mirror bring what the first one brings too late."""

    def _race(self, ready: list[Candidate], now: float, belief: float) -> list[Order]:
        """Ask a second mirror for bytes that seem to take much longer than it would."""
        runs = [r for r in self.running.values() if not (r.ending or r.twin or r.asks_size)]
        if not runs:
            return self._ask_one_more(ready, now) if self._is_in_budget() else []
        victim = max(runs, key=lambda run: self._eta(run, now, belief))
        silence = now - victim.last_byte
        if silence < SAME_AGAIN and (
            ready == [victim.candidate] or not self._is_in_budget() or self._is_answering(victim)
        ):
            return []
        count = victim.left
        if victim.stop is not None and not count:
            return []
        if victim.opened_at is not None and (
            victim.stop is None or (count > RACE_BYTES and now - victim.last_byte < SAME_AGAIN)
        ):
            return []
        able = [rival for rival in ready if self._may_race(rival, victim, now)]
        rival = self._best_rival(able, victim, now, belief)
        return self._begin_race(victim, rival, now) if rival else []

    def _best_rival(
        self, able: list[Candidate], victim: Running, now: float, belief: float
    ) -> Candidate | None:
        """Return who should bring a request's bytes first, where that is much earlier than it would."""
        promises = {rival: self._promise(rival, victim.at, belief) for rival in able}
        pace = self._pace(victim, now, belief)
        worth = [r for r, promise in promises.items() if segments.is_worth_a_race(victim.left, pace, promise)]
        return min(worth, key=lambda r: promises[r].wait + victim.left / promises[r].rate, default=None)

    def _race_anew(self, ready: list[Candidate], now: float, belief: float) -> list[Order]:
        """Put somebody else in the place of the slower of two that race, where both take long."""
        for run in self.running.values():
            twin = run.twin
            if not twin or run.ending or twin.ending or self._is_answering(run) or not run.left:
                continue
            slower, faster = sorted((run, twin), key=lambda one: -self._eta(one, now, belief))
            others = [c for c in ready if c not in (run.candidate, twin.candidate)]
            able = [c for c in others if c.running < c.lanes and self._room(c) > 0]
            is_silent = now - max(run.last_byte, twin.last_byte) >= SAME_AGAIN
            if (is_silent or self._is_in_budget()) and self._eta(faster, now, belief) > ANEW:
                rival = self._best_rival(able, faster, now, belief)
                if rival:
                    slower.twin = faster.twin = None
                    return [*self._break_off(slower, Ending.LOST), *self._begin_race(faster, rival, now)]
        return []

    def _is_in_budget(self) -> bool:
        """Whether another request for bytes that are on their way is no burden: of thousands it could be."""
        return self._is_splittable() or self._shared.hosts.may_race

    def _count_race(self) -> None:
        if not self._is_splittable():
            self._shared.hosts.races += 1

    def _may_race(self, rival: Candidate, victim: Running, now: float) -> bool:
        if self._room(rival) <= 0:
            return False
        if rival is victim.candidate:
            heard = max(victim.last_byte, victim.served_at(self._limits))
            # Once, until it gives a byte; the only one there is again and again, beside the one that is kept.
            may_again = not rival.silences or (victim is self._sole_hope() and rival.running == 1)
            return may_again and now - heard >= SAME_AGAIN
        return rival.running < rival.lanes

    def _begin_race(self, victim: Running, rival: Candidate, now: float) -> list[Order]:
        self._count_race()
        orders = self._begin(rival, victim.at, victim.stop, now)
        run = self._newest()
        run.twin, victim.twin = victim, run
        run.overlaps = victim.overlaps = True
        return orders

    def _has_lost(self, run: Running, other: Running, now: float) -> bool:
        """Whether a race is decided: the other goes on and this one is silent, or it is too long for both."""
        if run is self._sole_hope():
            return False
        if now - run.last_byte >= RACE_SILENCE:
            # One that is as silent has won nothing: a mirror that needs long to begin must be let begin.
            return other.opened_at is not None and now - run.last_byte > now - other.last_byte
        if run.opened_at is None or other.opened_at is None or other.left < RACE_END:
            return False
        if now - max(run.opened_at, other.opened_at) < WINDOW:  # the newer one has shown nothing yet
            return False
        mine, others = (self._eta(one, now, UNKNOWN_RATE) for one in (run, other))
        return (mine, run.request.id) > (others, other.request.id)

    def _is_answering(self, run: Running) -> bool:
        """Whether it brings a piece that was wrong: one mirror shall answer for all of it."""
        return run.at // PIECE_BYTES in self._rounds

    def _ask_one_more(self, ready: list[Candidate], now: float) -> list[Order]:
        """Ask a mirror that nobody asked yet where all that were asked are silent."""
        runs = [r for r in self.running.values() if not r.ending]
        fresh = [c for c in ready if not (c.running or c.failures) and self._room(c) > 0]
        if not runs or not fresh or any(now - run.last_byte < ONE_MORE for run in runs):
            return []
        self._count_race()
        orders = self._begin(fresh[0], runs[0].at, runs[0].stop, now)
        self._newest().overlaps = runs[0].overlaps = True
        return orders

    def _ask_size(self, ready: list[Candidate], now: float) -> list[Order]:
        """Ask somebody else for one byte where nobody says how many there are: then others can help."""
        runs = [run for run in self.running.values() if not run.ending]
        if self.size is not None or any(run.opened_at is None or run.asks_size for run in runs):
            return []
        if not any(run.gained and now - run.began >= ASK_SIZE for run in runs):
            return []
        for candidate in ready:
            is_fresh = candidate.takes_ranges is None and not (candidate.failures or candidate.running)
            if is_fresh and self._room(candidate) > 0:
                orders = self._begin(candidate, 0, 1, now)
                self._newest().asks_size = True
                return orders
        return []

    def _let_go_on(self, now: float) -> list[Order]:
        """Let who is about to end go on over what would come later without.

        Who takes no ranges would begin anew if it was asked again; anybody else would have to get up to speed
        over a new connection, because the one of a request that was shortened is closed.
        """
        runs = [run for run in self.running.values() if not (run.ending or run.asks_size)]
        if self.size is None:
            return []
        orders: list[Order] = []
        for run in runs:
            if run.opened_at is None or run.ending or run.twin:
                continue
            if run.candidate.takes_ranges is not True:
                orders += self._go_on(run, [other for other in runs if other is not run], now)
            elif others := self._eclipsed(run, now):
                orders += self._go_on(run, others, now)
        return orders

    def _eclipsed(self, run: Running, now: float) -> list[Running]:
        """Requests of its mirror that were to make it faster, and give next to nothing beside it."""
        asked = run.request.stop or self.size or 0
        if run.stop is None or run.stop >= asked:
            return []
        others = [other for other in self.running.values() if other is not run and not other.ending]
        own = [other for other in others if other.candidate is run.candidate]
        # Perhaps it looks at its connections one by one.
        is_ignored = all(other.opened_at is None and other.is_quiet(now) for other in own)
        if not (is_ignored or self._widening.is_vain(run.candidate)):
            return []
        beside = sum(other.meter.rate(now, 0.0) for other in own)
        is_much = beside < ECLIPSED * run.meter.rate(now, 0.0)
        return [other for other in own if is_much and (other.stop or asked) <= asked]

    def _go_on(self, run: Running, others: list[Running], now: float) -> list[Order]:
        """Let one request go on where it is about to end, or others have brought what it was for."""
        assert self.size is not None
        if run.stop is None or now - run.went_on < GO_ON:  # what is taken from it again stays taken
            return []
        belief = self._belief([run, *others], now)
        if self._eta(run, now, belief) > GO_ON and not self.spans.covers(run.at, run.stop):
            return []
        pace = self._pace(run, now, belief)
        later = []
        takes_ranges = run.candidate.takes_ranges is True
        for other in others:
            end = other.stop or self.size
            together = pace.wait + (end - run.at) / pace.rate
            alone = min(self._eta(one, now, belief) for one in (other, other.twin or other))
            if takes_ranges and other.opened_at is not None:  # new as it is, it shows how it does
                alone = other.left / max(1.0, other.meter.rate(now, 0.0))
            share = 1.0 if other.is_quiet(now) else segments.RACE
            is_worth_it = together < share * alone and alone - together >= segments.LEAST_SAVED
            if other.at >= run.stop and is_worth_it and not other.ending:
                later.append(other)
        gaps = [] if takes_ranges else self._gaps()
        stop = max([*(other.stop or self.size for other in later), *(gap[1] for gap in gaps)], default=0)
        if stop <= run.stop:
            return []
        for other in others:
            other.overlaps |= run.stop <= other.at < stop
        run.shortest, run.stop, run.overlaps, run.went_on = run.stop, stop, True, now
        orders = [order for other in later for order in self._break_off(other, Ending.LOST)]
        if takes_ranges:
            self._widening.undo(run.candidate)
        return [*orders, Shorten(id=run.request.id, stop=stop)]

    def _give_back(self, run: Running) -> list[Order]:
        """Break off a request that was not worth it, and let the one before it go on over its bytes."""
        for other in self.running.values():
            if self._is_slower(other, run.candidate):
                continue
            if other.stop == run.at and other.opened_at is not None and not (other.ending or other.twin):
                asked = other.request.stop or self.size or 0
                rate = other.meter.rate(other.last_byte, 0.0)
                if asked < (run.stop or 0) or other.left < TOLD * rate:  # it might end before it is told
                    return []
                other.shortest, other.stop = other.stop, run.stop
                other.overlaps = True  # the first bytes of the other may come yet
                shorten = Shorten(id=other.request.id, stop=run.stop or 0)
                return [*self._break_off(run, Ending.UNWANTED), shorten]
        return []

    def _take_in(self, candidate: Candidate) -> list[Order]:
        """Let requests go on over what none is asked for, where a mirror takes no more and nobody is idle."""
        others = [other for other in self._usable() if other is not candidate]
        if self.size is None or any(o.running < o.lanes and self._room(o) > 0 for o in others):
            return []
        orders: list[Order] = []
        gaps = dict(self._gaps())
        for run in self.running.values():
            stop = min(gaps.get(run.stop or 0, 0), run.request.stop or self.size)
            may_end = run.left < TOLD * run.meter.rate(run.last_byte, 0.0)  # before it is told
            if run.opened_at is None or run.ending or run.twin or may_end or stop <= (run.stop or 0):
                continue
            run.shortest, run.stop, run.overlaps = run.stop, stop, True
            orders.append(Shorten(id=run.request.id, stop=stop))
        return orders

    def _is_slower(self, run: Running, candidate: Candidate) -> bool:
        """Whether another mirror would give a request's bytes much sooner than it does."""
        rate = run.meter.rate(run.last_byte, 0.0)
        return run.candidate is not candidate and rate < SLOWER * candidate.belief(UNKNOWN_RATE)
