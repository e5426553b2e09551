"""How many connections a host has while many small artifacts wait for it: more are kept if they pay."""

from __future__ import annotations

from typing import Final

from surefetch.plan.policy import Limits

#: More are tried where so many small artifacts wait for each connection, and when each has had two answers.
CROWD: Final = 2
ROUNDS: Final = 2
#: They are kept where the host answers more often by this share of what could be had in proportion.
GAIN: Final = 0.3


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
