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
#: After so many refusals with no answer in between it is no matter of how often it is asked.
IN_VAIN: Final = 3
#: Every so many seconds without a refusal more is asked for: much more until it refuses for the first time.
STEP: Final = 0.2
PROBE: Final = 1.5
CREEP: Final = 1.05
#: Requests that may go out together are those of so many seconds.
TOGETHER: Final = 0.005
#: Of a token, as sums of fractions go.
NEARLY: Final = 1e-6
#: Above this many a second a host is left to itself again.
PLENTY: Final = 10_000.0


class Pace:
    """Mutable token bucket: each request takes a token, and time brings new ones. Off until a host refuses.

    A host that limits requests to so many a second lets some pass at once, then refuses. Leaving it alone for
    a second and beginning anew gives those few in each second; asking a little more slowly than it refuses
    gives nearly all that it allows. The rate is found as TCP finds that of a link: up until a refusal, then
    back (AIMD; RFC 5681, 3.1, is its model).
    """

    def __init__(self) -> None:
        self.rate = math.inf  # requests per second
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

    def took(self) -> None:
        """Note a request."""
        self._tokens -= self.is_on

    def refused(self, began: float, now: float) -> bool:
        """Note that there were too many; return whether requests are paced from now on.

        Args:
            began: When the request began. Those that were under way at the last refusal are part of it.
            now: The time.
        """
        if began < self._refused_at:
            return self.is_on
        seconds, answers = now - (now if self._since is None else self._since), self._answers
        self._refused_at = self._since = now
        self._answers = 0
        self._in_vain += 1
        if self._in_vain > IN_VAIN:
            self.rate = math.inf
        elif seconds >= SECONDS and answers >= ANSWERS:
            self._is_probing = self._is_probing and not self.is_on
            self.rate = BACK * min(self.rate, answers / seconds)
        elif self.is_on:
            self._is_probing = False
            self.rate *= HALF
        self._tokens, self._filled_at, self._raised_at = 0.0, now, now
        return self.is_on

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
