"""How many requests an artifact has at once: more are tried, and kept where they raised the total rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from surefetch.plan.mirrors import Candidate
from surefetch.plan.policy import Limits
from surefetch.plan.running import Running

#: Above this many bytes per second one connection is not what limits us (1 Gbit/s; then disk and hash do).
FAST: Final = 100e6
#: Below this many bytes per second, and with SLOW_LEFT seconds to go, all connections are tried at once:
#: loss holds a connection down (at 1 % and 80 ms to 0.2 MB/s), and trying them one by one takes too long.
SLOW: Final = 1e6
SLOW_LEFT: Final = 3.0
#: Seconds to go, or nothing is tried.
WORTHWHILE: Final = 1.0
#: Intervals measured before a change is judged to have brought nothing: a new connection starts slowly.
INTERVALS: Final = 3
#: What counts as a rise of the total rate, and as a rate that has settled.
RISE: Final = 1.1
SETTLED: Final = 1.25
#: Seconds of an interval at least.
INTERVAL: Final = 0.1


class Trial:
    """Mutable account of one attempt to be faster with more requests."""

    def __init__(self, base: float, before: dict[Candidate, int]) -> None:
        self.base = base  # bytes per second in all, before
        self.before = before  # requests at once, before
        self.intervals = 0


class Widening:
    """Mutable: measures the total rate of one artifact and decides on the number of requests per mirror."""

    def __init__(self) -> None:
        self.breadth = 0  # mirrors beyond the usual number
        self._trial: Trial | None = None
        self._mark: tuple[float, int] | None = None  # (time, bytes here)
        self._rates: list[float] = []

    def consider(
        self, now: float, total: int, left: int, runs: Sequence[Running], limits: Limits, reserve: bool
    ) -> None:
        """Measure, and change the numbers of requests (`Candidate.lanes`, `breadth`) where that may pay.

        Args:
            now: The time.
            total: Bytes that are here.
            left: Bytes that are not.
            runs: Requests under way.
            limits: The planner's.
            reserve: Whether there are mirrors that are not asked yet.
        """
        pause = max(INTERVAL, *(run.candidate.host.first_byte / 2 for run in runs))
        if any(run.opened_at is None or now - run.opened_at < pause for run in runs):
            self._mark = None
            return
        if self._mark is None:
            self._mark = (now, total)
            return
        seconds = now - self._mark[0]
        if seconds < pause:
            return
        self._rates.append((total - self._mark[1]) / seconds)
        self._mark = (now, total)
        if self._trial:
            self._judge(self._trial)
        else:
            self._try(left, runs, limits, reserve)

    def refused(self, candidate: Candidate) -> None:
        """Note that a host did not take one more request."""
        candidate.is_full = True
        candidate.lanes = max(1, candidate.running)

    def _try(self, left: int, runs: Sequence[Running], limits: Limits, reserve: bool) -> None:
        if len(self._rates) < 2 or self._rates[-1] > SETTLED * self._rates[-2]:
            return
        rate = (self._rates[-1] + self._rates[-2]) / 2
        seconds = left / max(rate, 1.0)
        if rate > FAST or seconds < WORTHWHILE:
            return
        asked = {run.candidate for run in runs}
        before = {c: c.lanes for c in asked if not c.is_full and c.lanes < limits.connections}
        is_slow = rate / len(runs) < SLOW and seconds > SLOW_LEFT
        for candidate in before:
            candidate.lanes = limits.connections if is_slow else min(2 * candidate.lanes, limits.connections)
        if reserve:
            self.breadth += 2
        elif not before:
            return
        self._trial, self._mark, self._rates = Trial(rate, before), None, []

    def _judge(self, trial: Trial) -> None:
        trial.intervals += 1
        if self._rates[-1] >= RISE * trial.base:
            for candidate in trial.before:
                candidate.host.lanes = max(candidate.host.lanes, candidate.lanes)
            self._trial, self._rates = None, []
            return
        if trial.intervals < INTERVALS:
            return
        for candidate, lanes in trial.before.items():
            candidate.lanes, candidate.is_full = lanes, True
        self._trial, self._rates = None, []
