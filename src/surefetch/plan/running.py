"""Requests under way and how fast they are."""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from surefetch.events import Request
from surefetch.plan.mirrors import Candidate
from surefetch.plan.policy import Limits
from surefetch.plan.segments import GRAIN, Pace

#: A rate is measured over this many seconds at least, and twice as many at most.
WINDOW: Final = 0.4
#: A new connection is believed to be as fast as others for this many seconds' worth of bytes.
BELIEF: Final = 0.15
#: The same for so many times as long as its first byte takes: it starts slowly. At 300 ms and
#: 5 MB/s that takes 2 s, and who was believed to be slow meanwhile had its bytes taken away.
YOUTH: Final = 3.0
#: Silence is no sign of a stall before this many seconds; then the same silence again is expected.
BREATH: Final = 0.3
#: Seconds after which requests that began before a host's last byte are taken for passed over by it.
PASSED_OVER: Final = 2.0
#: The same where the host has given parts of the same file.
PASSED_OVER_BESIDE: Final = 0.5
#: One that is broken off anywhere brings the file nearer where it brought one in so many bytes. With a fourth
#: two of 200 files were given up from mirrors that break off at random, and eight where another was busy.
ENOUGH: Final = 16
#: Seconds of silence after which a mirror gets no further request while others give.
QUIET: Final = 0.4


class Ending(Enum):
    """Why we broke a request off."""

    SILENT = "silent"  # nothing came for too long
    SLOW = "slow"  # all of them together would take too long
    LOST = "lost"  # another request brought its bytes first
    UNWANTED = "unwanted"  # the artifact is not needed any more
    DROPPED = "dropped"  # its host turned out to be no good
    NO_RANGES = "no ranges"  # it began from byte 0 where others can do better
    WRONG_SIZE = "wrong size"  # it has another file
    OTHER_SIZE = "other size"  # it has another file than a mirror before it; nobody knows which is right


class Meter:
    """Mutable measure of a rate, over the last WINDOW seconds or a little more."""

    __slots__ = ("_newer", "_newer_at", "_older", "_older_at", "_value")

    def __init__(self, value: float, now: float) -> None:
        self._older = self._newer = self._value = value
        self._older_at = self._newer_at = now

    def note(self, value: float, now: float) -> None:
        """Note where the count stands."""
        if now - self._newer_at >= WINDOW:
            self._older, self._older_at = self._newer, self._newer_at
            self._newer, self._newer_at = self._value, now
        self._value = value

    def rate(self, now: float, belief: float) -> float:
        """Units per second; `belief` is what to assume while next to nothing was measured."""
        seconds = now - self._older_at
        return (self._value - self._older + belief * BELIEF) / (seconds + BELIEF)


class Running:
    """Mutable account of one request under way."""

    __slots__ = (
        "asks_size", "at", "began", "beside", "candidate", "ending", "gained", "last_byte", "meter",
        "opened_at", "overlaps", "position", "request", "shortest", "stop", "twin", "went_on",
    )  # fmt: skip

    def __init__(
        self, request: Request, candidate: Candidate, start: int, stop: int | None, now: float
    ) -> None:
        self.request = request
        self.candidate = candidate
        self.position = request.start  # of the next byte expected
        self.at = start  # of the next byte of use: a mirror that takes no ranges sends others before
        self.stop = stop  # as it stands; None: to an end that nobody knows
        self.shortest: int | None = None  # an end that was ordered before `stop` was, and may have come about
        self.began = self.last_byte = now
        self.beside = candidate.host.open  # other requests of its host, when it began
        self.opened_at: float | None = None
        self.ending: Ending | None = None  # set when it was broken off
        self.went_on = -math.inf  # when it was let go on over what others had
        self.twin: Running | None = None  # another request for the same bytes
        self.gained = 0  # bytes that were not here before
        self.asks_size = False  # its bytes are not what it is for
        self.overlaps = False  # others may bring, or have brought, some of its bytes
        self.meter = Meter(self.position, now)

    @property
    def left(self) -> int:
        """Bytes it still has to bring; 0 where nobody knows."""
        return max(0, self.stop - self.at) if self.stop is not None else 0

    @property
    def brings_on(self) -> bool:
        """Whether it brought enough to say that each request like it brings the file nearer."""
        wanted = GRAIN if self.stop is None else (self.gained + self.left) // ENOUGH
        return self.gained >= max(1, min(GRAIN, wanted))

    def limit(self, limits: Limits) -> float:
        """When to give up on it unless something happens."""
        if self.opened_at is not None:
            return max(self.last_byte, self.served_at(limits)) + limits.stall_timeout
        usual = max(self.began, self.served_at(limits)) + limits.first_byte_timeout
        return min(usual, self._passed_over_at(limits))

    def _passed_over_at(self, limits: Limits) -> float:
        """When its host seems to keep to other connections that are idle; inf: it does not."""
        host = self.candidate.host
        is_part = self.candidate.last_byte > self.began  # others of the same file were not
        is_behind = host.last_byte > self.began and (host.passes_over or (is_part and not host.giving))
        if not is_behind or self.candidate.excuses or host.is_multiplexed or host.is_crowded(limits):
            return math.inf
        return host.last_byte + max(PASSED_OVER_BESIDE if is_part else PASSED_OVER, 4 * host.first_byte)

    def served_at(self, limits: Limits) -> float:
        """When its host last had to do with another request, while this one may have waited for that."""
        host = self.candidate.host
        if host.is_multiplexed and self.request.artifact.may_share:
            return max(host.shared_until, host.last_byte if host.is_shared else -math.inf)
        if self.opened_at is not None:
            return -math.inf
        return max(host.crowded_until, host.last_byte if host.is_crowded(limits) else -math.inf)

    def opened(self, position: int, now: float) -> None:
        """Note that its bytes begin."""
        self.position = position
        host = self.candidate.host
        host.giving += self.opened_at is None
        host.most_giving = max(host.most_giving, host.giving)
        self.opened_at = self.last_byte = now
        self.meter = Meter(position, now)

    def advanced(self, position: int, now: float) -> None:
        """Note that bytes came, up to `position`."""
        self.position = position
        self.at = max(self.at, position)
        self.last_byte = now
        self.meter.note(position, now)

    def is_quiet(self, now: float) -> bool:
        """Whether it should have given a byte by now; nothing more is asked of its mirror meanwhile."""
        if self.opened_at is not None:
            return now - self.last_byte > QUIET
        return now - self.began > max(QUIET, 2 * self.candidate.host.first_byte)

    def rate(self, now: float, belief: float) -> float:
        """Bytes per second, never 0; `belief` is assumed of a connection that has shown nothing."""
        if self.opened_at is None:
            return belief
        youth = max(2 * BELIEF, YOUTH * self.candidate.host.distance)
        if now - self.opened_at < youth and now - self.last_byte < BREATH:
            return max(belief, self.meter.rate(now, belief))
        return max(1.0, self.meter.rate(now, 0.0))

    def wait(self, now: float, first_byte: float) -> float:
        """Seconds until its next byte, by guess: what was silent for long will be so for as long again."""
        if self.opened_at is None:
            waited = now - self.began
            return max(first_byte - waited, waited if waited > first_byte else 0.0)
        silence = now - self.last_byte
        return silence if silence > BREATH else 0.0

    def pace(self, now: float, belief: float, first_byte: float) -> Pace:
        """What to expect of it from now on."""
        rate = self.rate(now, belief)
        return Pace(self.wait(now, first_byte) + max(0, self.at - self.position) / rate, rate)
