"""How many connections a host has while many small artifacts wait for it."""

from __future__ import annotations

from typing import Final

from surefetch.plan.policy import SLOW, SLOW_LEFT, Limits

#: More are tried where so many small artifacts wait for each connection, and when each has had two answers.
CROWD: Final = 2
ROUNDS: Final = 2
#: They are kept where the host answers more often by this share of what could be had in proportion.
GAIN: Final = 0.3
#: Seconds over which a shared connection is measured.
MEASURED: Final = 0.5


class Spread:
    """Mutable: measures how often a host answers small requests, before and with more connections.

    With few connections to a far host, round trips are what takes time. Where the link or the host is busy
    all the time, more of them bring nothing, and it has as many as before.
    """

    def __init__(self) -> None:
        self.connections = 0  # 0: the usual number
        self._is_over = False
        self._answers = 0
        self._since: float | None = None  # the answers are counted from
        self._before: tuple[int, float] | None = None  # connections, answers a second

    def answered(self, has: int, waiting: int, now: float, limits: Limits) -> bool:
        """Note an answer to a small request; return whether there are more connections from now on.

        Args:
            has: Connections that the host may have.
            waiting: Artifacts that wait for it.
            now: The time.
            limits: The planner's.
        """
        if self._is_over:
            return False
        self._answers += 1
        if self._since is None:
            if self._before is None or self._answers >= ROUNDS * has:  # new connections take so long to make
                self._since, self._answers = now, 0
            return False
        if self._answers < ROUNDS * has or now <= self._since:
            return False
        rate = self._answers / (now - self._since)
        if self._before and not self._pays(has, rate, *self._before):
            self.connections, self._is_over = self._before[0], True
            return False
        if waiting < CROWD * has:
            return False
        self._before = has, rate
        self.connections, self._answers, self._since = min(2 * has, limits.wire), 0, None
        return True

    def _pays(self, has: int, rate: float, had: int, rate_then: float) -> bool:
        return rate >= rate_then * (1 + GAIN * (has / had - 1))


class Sharing:
    """Mutable: measures how fast a connection is that small requests share, and when more of them are needed.

    On a link that loses packets all that share a connection wait for each lost one, and it is held down as if
    it were alone: 900 files of 30 KB over 50 ms and 0.5 % loss took 49 s.
    """

    def __init__(self) -> None:
        self._is_divided = False
        self._bytes = 0
        self._since: float | None = None

    def came(self, count: int, left: int, now: float) -> bool:
        """Note bytes; return whether they show that more connections are needed.

        Args:
            count: How many came.
            left: How many are still to come, by guess.
            now: The time.
        """
        if self._is_divided:
            return False
        self._since = now if self._since is None else self._since
        self._bytes += count
        seconds = now - self._since
        if seconds < MEASURED:
            return False
        rate = self._bytes / seconds
        self._bytes, self._since = 0, now
        self._is_divided = rate < SLOW and left > SLOW_LEFT * rate
        return self._is_divided
