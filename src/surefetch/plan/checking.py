"""A second opinion on every byte, where those of several mirrors are wrong together: who is it?"""

from __future__ import annotations

from typing import Final

from surefetch.events import Differed, Order
from surefetch.plan.filling import Filling
from surefetch.plan.mirrors import Candidate
from surefetch.plan.running import Ending, Running
from surefetch.plan.segments import LEAST_TAKEN, Range, subtract
from surefetch.plan.spans import Spans

#: Stretches that are compared at a time, for each request under way.
STRETCHES: Final = 4
#: Mirrors with less than this share of the best one's rate give no opinion.
SLOWEST: Final = 0.2
#: Seconds of silence after which an opinion is not waited for. Healthy mirrors pause for one.
UNHEARD: Final = 1.5


class Check:
    """Mutable account of one check: every byte is asked of another mirror than the one that gave it."""

    def __init__(self) -> None:
        self.confirmed: Spans[Candidate] = Spans()  # who else gave the same bytes
        self.doubt: Differed | None = None  # two mirrors differ here; a third decides
        self.giver: Candidate | None = None
        self.checker: Candidate | None = None


class Checking(Filling):
    """Mutable: compares what mirrors give, to find the one that lies."""

    def _begin_check(self) -> bool:
        """Begin a check if enough mirrors can be asked; return whether it has begun."""
        able = self._able()
        if not self._limits.compares or self._has_checked or len(able) < 3 or not self._is_splittable():
            return False
        self._check = Check()
        return True

    def _end_check(self) -> list[Order]:
        """Go back to fetching; no second check of the same bytes."""
        self._check, self._has_checked = None, True
        return self._stop(Ending.UNWANTED)

    def _work_on_check(self, now: float) -> list[Order]:
        """Ask for what is to be compared next."""
        check = self._check
        assert check
        orders = self._leave_silent(now)
        able = [c for c in self._able() if c.ready() <= now]
        if check.doubt:
            return orders if self.running else self._ask_third(check, check.doubt, able, now)
        for candidate in able:
            room = min(candidate.lanes - candidate.running, self._room(candidate))
            if room <= 0 and not candidate.running and self._stretch(check, candidate, len(able)):
                self.blocked.append(candidate.host)
            for _ in range(max(0, room)):
                stretch = self._stretch(check, candidate, len(able))
                if stretch is None:
                    break
                orders += self._begin(candidate, *stretch, now, compares=True)
        if orders or self.running:
            self.blocked = []
        return orders

    def _leave_silent(self, now: float) -> list[Order]:
        """Wait no longer for the opinion of mirrors that give nothing."""
        asked = [run for run in self.running.values() if not run.ending]
        silent = [run for run in asked if now - run.last_byte >= UNHEARD]
        for run in silent:
            run.candidate.silences += 1
        return [order for run in silent for order in self._break_off(run, Ending.LOST)]

    def _differed(self, run: Running, event: Differed) -> list[Order]:
        """Take in that a mirror gave other bytes than are here."""
        check = self._check
        if check is None or run.ending:
            return []
        check.confirmed.remove(event.start, run.request.stop or event.stop)
        if check.doubt:  # the third gave other bytes, too
            return self._convict(check, check.giver)
        check.doubt, check.checker = event, run.candidate
        check.giver = self.spans.givers(event.start, event.stop)[0]
        return self._stop(Ending.UNWANTED)

    def _compared(self, run: Running) -> list[Order]:
        """Take in that all bytes of a request were those that are here."""
        check = self._check
        if check is None or check.doubt is None:
            return []
        return self._convict(check, check.checker)

    def _convict(self, check: Check, liar: Candidate | None) -> list[Order]:
        """Leave a mirror out, and forget what it gave as far as nobody else gave the same."""
        assert liar
        self._check = None
        self._blame.leave_out(liar)
        check.confirmed.remove_giver(liar)
        sure = [(start, stop) for start, stop, _ in check.confirmed]
        gone = subtract([(start, stop) for start, stop, giver in self.spans if giver is liar], sure)
        for start, stop in gone:
            self.spans.remove(start, stop)
        return [*self._stop(Ending.UNWANTED), *(self._forget(start, stop) for start, stop in gone)]

    def _ask_third(self, check: Check, doubt: Differed, able: list[Candidate], now: float) -> list[Order]:
        others = [candidate for candidate in able if candidate not in (check.giver, check.checker)]
        for candidate in others:
            if self._room(candidate) > 0:
                return self._begin(candidate, doubt.start, doubt.stop, now, compares=True)
        self.blocked = [candidate.host for candidate in others]
        return []

    def _able(self) -> list[Candidate]:
        """Mirrors whose opinion is worth waiting for."""
        usable = [c for c in self._usable() if c.takes_ranges is not False and c.given and not c.silences]
        best = max((self._total_rate(c) for c in usable), default=0.0)
        return [c for c in usable if self._total_rate(c) >= SLOWEST * best]

    def _stretch(self, check: Check, candidate: Candidate, count: int) -> Range | None:
        """Find bytes that another mirror gave and nobody else has confirmed yet."""
        asked = [(run.at, run.stop or run.at) for run in self.running.values() if not run.ending]
        sure = [(start, stop) for start, stop, _ in check.confirmed]
        others = [(start, stop) for start, stop, giver in self.spans if giver is not candidate]
        left = subtract(others, [*asked, *sure])
        if not left:
            return None
        start, stop = max(left, key=lambda stretch: stretch[1] - stretch[0])
        longest = max(LEAST_TAKEN, (self.size or 0) // (STRETCHES * count * max(1, candidate.lanes)))
        return start, min(stop, start + longest)
