"""A limit on how fast all connections together receive."""

from __future__ import annotations

from typing import Final

#: Seconds' worth of bytes that may come at once after a while without any.
BURST_SECONDS: Final = 0.1
#: Bytes are read in stretches of so many seconds, within these bounds.
READ_SECONDS: Final = 0.01
LEAST_READ, MOST_READ = 1 << 10, 512 << 10
#: What the system may take in ahead of us, on each connection: so many seconds' worth, but as much as this.
AHEAD_SECONDS: Final = 0.5
LEAST_AHEAD: Final = 64 << 10


class Throttle:
    """Mutable token bucket: bytes that came are owed, and none are taken until time has paid for them.

    None of any body, then one stretch of each in turn: TCP holds the senders back. Names, connections, TLS
    and heads go on all the while, or servers would look as if they did not answer. A share for each request
    would not do: small files end before they have used theirs, and those that wait have one, too.
    """

    def __init__(self, bytes_per_second: int) -> None:
        """Make a bucket; 0: no limit."""
        self.is_on = bytes_per_second > 0
        self._rate = bytes_per_second
        self._paid_until = float("-inf")  # the time that has paid for all that came

    @property
    def read_bytes(self) -> int:
        """How much to read at once."""
        if not self.is_on:
            return MOST_READ
        return int(min(max(self._rate * READ_SECONDS, LEAST_READ), MOST_READ))

    @property
    def ahead_bytes(self) -> int:
        """The receive buffer of a connection; 0: as the system thinks best."""
        return int(max(self._rate * AHEAD_SECONDS, LEAST_AHEAD)) if self.is_on else 0

    def took(self, count: int, now: float) -> None:
        """Note bytes that came, where there is a limit."""
        self._paid_until = max(self._paid_until, now - BURST_SECONDS) + count / self._rate

    def pause(self, now: float) -> float:
        """Seconds for which nothing is to be taken; 0: none."""
        return max(0.0, self._paid_until - now)
