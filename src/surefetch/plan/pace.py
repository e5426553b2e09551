"""How many requests a second a host is asked that has said there were too many of them."""

from __future__ import annotations

import math
from typing import Final

#: A rate is read from so many answers and so many seconds at least.
ANSWERS: Final = 2
SECONDS: Final = 0.1
#: What is asked for of the rate at which a host answered, until it refused.
BACK: Final = 0.9
#: The same where it refused again at once.
HALF: Final = 0.5
#: So many a second are asked for at least.
LEAST: Final = 1.0
#: After so many refusals with no answer in between it is no matter of how often it is asked.
IN_VAIN: Final = 3
#: Every so many seconds without a refusal more is asked for: much more until it refuses for the first time.
STEP: Final = 0.2
PROBE: Final = 1.5
CREEP: Final = 1.05
#: Requests that may go out together are those of so many seconds.
TOGETHER: Final = 0.005
#: Where a host refuses again at less than this share of the rate that it answered at before, so many times as
#: much is asked of it, for so many requests: most of them are refused, or the rate is not what it minds.
SLOWER: Final = 0.95
TRIAL: Final = 8
REQUESTS: Final = 40
#: A trial has failed when so many were refused, and more than this share.
REFUSED: Final = 8
MOST: Final = 0.6
#: What may be refused without a pace beyond the share that was refused in the trial.
MORE: Final = 0.25
#: Of a token, as sums of fractions go.
NEARLY: Final = 1e-6
#: Above this many a second a host is left to itself again.
PLENTY: Final = 10_000.0


class _Trial:
    """Mutable: what comes of asking more often than the pace that was found."""

    def __init__(self, rate: float, most: float) -> None:
        self.rate = rate  # to go back to
        self.refused = self.answered = 0
        self.most = most  # what may be refused, as a share

    @property
    def share(self) -> float:
        """What is refused."""
        return self.refused / max(1, self.refused + self.answered)

    @property
    def has_failed(self) -> bool:
        """Whether the host minds."""
        return self.refused >= REFUSED and self.share > self.most

    @property
    def is_over(self) -> bool:
        """Whether it has not failed, and will not."""
        return self.refused + self.answered >= REQUESTS and not self.has_failed


class Pace:
    """Mutable token bucket: each request takes a token, and time brings new ones. Off until a host refuses.

    A host that limits requests to so many a second lets some pass at once, then refuses. Leaving it alone for
    a second and beginning anew gives those few in each second; asking a little more slowly than it refuses
    gives nearly all that it allows. The rate is found as TCP finds that of a link: up until a refusal, then
    back (AIMD; RFC 5681, 3.1, is its model).

    One of many machines behind a name may be out of order, too, and refuse its share however slowly it is
    asked. That is found out by a trial: where few are refused at a multiple of the rate, it is not what the
    host minds. It may be how many are asked at once, which shows when nothing is paced any more.

    Attributes:
        rate: Requests per second; inf while it is off.
        is_by_chance: Whether what it refuses has nothing to do with how often it is asked.
    """

    def __init__(self) -> None:
        self.rate = math.inf
        self.is_by_chance = False
        self._trial: _Trial | None = None
        self._before = 0.0  # answers a second, at the last refusal
        self._slower = 0  # refusals at a lower rate than at the one before
        self._patience = 1  # so many of them lead to a trial; doubles each time
        self._tokens = 0.0
        self._filled_at = self._raised_at = 0.0
        self._since: float | None = None  # time of the first answer, or of the last refusal
        self._answers = 0  # since then
        self._refused_at = -math.inf
        self._in_vain = 0  # refusals since the last answer
        self._is_probing = True

    @property
    def is_on(self) -> bool:
        """Whether requests are counted."""
        return self.rate < math.inf

    @property
    def room(self) -> float:
        """How many requests may go out now."""
        return int(self._tokens + NEARLY) if self.is_on else math.inf

    def answered(self, now: float) -> None:
        """Note an answer that was no refusal."""
        self._since = now if self._since is None else self._since
        self._answers += 1
        self._in_vain = 0
        if self._trial:
            self._trial.answered += 1
            if self._trial.is_over:
                most = self._trial.most if self.is_by_chance else self._trial.share + MORE
                self._trial = _Trial(math.inf, most)
                self.is_by_chance, self.rate = True, math.inf

    def took(self) -> None:
        """Note a request."""
        self._tokens -= self.is_on

    def refused(self, began: float, now: float, *, is_odd: bool = False) -> bool:
        """Note that there were too many; return whether requests are paced from now on.

        Args:
            began: When the request began. Those that were under way at the last refusal are part of it.
            now: The time.
            is_odd: Hardly any other was under way.
        """
        if self._trial:
            self._try(self._trial, now)
            return not self.is_by_chance
        if began < self._refused_at:
            return self.is_on
        seconds, answers = now - (now if self._since is None else self._since), self._answers
        self._refused_at = self._since = now
        self._answers = 0
        self._in_vain += 1
        if self._in_vain > IN_VAIN:
            self.rate = math.inf
        elif seconds >= SECONDS and answers >= ANSWERS:
            before, self._before = self._before, answers / seconds
            self._slower += is_odd and self._before < SLOWER * before
            self._is_probing = self._is_probing and not self.is_on
            self.rate = max(LEAST, BACK * min(self.rate, self._before))
        elif self.is_on:
            self._slower += is_odd
            self._is_probing = False
            self.rate = max(LEAST, self.rate * HALF)
        if self._slower >= self._patience:
            self._trial = _Trial(self.rate, MOST)
            self._slower, self._patience = 0, 2 * self._patience
            self.rate *= TRIAL
        self._tokens, self._filled_at, self._raised_at = 0.0, now, now
        return self.is_on

    def _try(self, trial: _Trial, now: float) -> None:
        """Note a refusal while more is asked for."""
        trial.refused += 1
        if not trial.has_failed:
            return
        self.is_by_chance = False
        self._trial, self.rate = None, trial.rate
        self._tokens, self._filled_at, self._raised_at = 0.0, now, now
        self._refused_at = self._since = now
        self._answers = 0

    def fill(self, now: float) -> None:
        """Let time bring tokens, and after a while a higher rate."""
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if now - self._raised_at >= STEP:
            self.rate *= PROBE if self._is_probing else CREEP
            self._raised_at = now
        if self.rate > PLENTY:
            self.rate = math.inf

    def next_at(self, now: float) -> float:
        """When there are tokens again: not one by one where they come fast."""
        return now if self.room >= 1 else now + (self._most - self._tokens) / self.rate

    @property
    def _most(self) -> float:
        return max(1.0, TOGETHER * self.rate)
