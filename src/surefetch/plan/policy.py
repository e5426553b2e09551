"""Patience as a table: which failure earns another try, after how long, and what it says of the host."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from surefetch.events import Failure, Phase
from surefetch.model import Struct

#: Connections per host unless told otherwise: as many as browsers make.
CONNECTIONS: Final = 6
#: The same while many small artifacts wait for a host: as many as the strictest of download tools allow.
MANY: Final = 16


class Limits(Struct, frozen=True, kw_only=True, dict=True):
    """Times and counts that the planner keeps to. Seconds unless named otherwise."""

    connect_timeout: float = 8.0
    first_byte_timeout: float = 9.0
    stall_timeout: float = 8.0
    escalate_after: float = 2.0  # without a byte from any active form
    scan_head_start: float = 0.3  # for files on this machine, before a mirror is asked
    deadline: float = 0.0  # for the whole fetch; 0: none
    waited: float = 0.0  # before it, for another process that fetches the same
    patience: float = 16.0  # without a byte from any mirror of an artifact; then none is waited for
    alone: float = 17.0  # likewise, from the only mirror there is
    missed: float = 16.0  # a host that cannot be reached so soon after its last byte is waited for
    slowest: float = 2e3  # bytes per second of all mirrors together that are waited for; 0: any
    longest_pause: float = 15.0  # that a server may ask for in all; one that asks for more is dropped
    jobs: int = 8  # large artifacts fetched at once; SMALL_JOBS small ones count as one
    connections: int = CONNECTIONS  # per host
    many: int = MANY  # likewise, while many small artifacts wait for it and it answers
    streams: int = 64  # per host that multiplexes, for small requests
    mirrors: int = 6  # asked at once for one artifact
    compares: bool = False  # the edges carry out requests that compare

    @cached_property  # asked for at each look at a host
    def wire(self) -> int:
        """Connections per host that the edges may make: small requests beyond them wait there."""
        return max(self.connections, self.many)


class Patience(Struct, frozen=True, kw_only=True):
    """What a failure is worth."""

    retries: int  # further tries of the same mirror
    pause: float  # seconds before the first of them; doubles each time
    spoils_host: bool = False  # it speaks of the host, not of the one file
    host_retries: int = 0  # times that the host may fail so in a row, beside the first


PATIENCE: Final[dict[Failure, Patience]] = {
    Failure.NAME: Patience(retries=0, pause=0, spoils_host=True),
    Failure.CONNECT: Patience(retries=1, pause=1.0, spoils_host=True, host_retries=1),
    Failure.TLS: Patience(retries=0, pause=0, spoils_host=True),
    Failure.PROXY: Patience(retries=0, pause=0, spoils_host=True),
    Failure.AUTH: Patience(retries=0, pause=0),
    Failure.MISSING: Patience(retries=0, pause=0),
    Failure.BUSY: Patience(retries=4, pause=1.0, spoils_host=True, host_retries=8),
    Failure.SERVER: Patience(retries=3, pause=0.5),
    Failure.GATEWAY: Patience(retries=3, pause=0.5),
    Failure.TIMEOUT: Patience(retries=1, pause=0.5, spoils_host=True, host_retries=1),
    Failure.CUT: Patience(retries=4, pause=0.2),
    Failure.CORRUPT: Patience(retries=0, pause=0),
    Failure.POLICY: Patience(retries=0, pause=0),
    Failure.LOCAL: Patience(retries=0, pause=0),
}

#: Failures of which some hosts have a few among many answers, and the longest pause after one, then.
BY_CHANCE: Final = frozenset({Failure.BUSY, Failure.SERVER, Failure.GATEWAY})
CHANCE_PAUSE: Final = 2.0
#: The longest pause after a host refused again and again, where it did not say for how long.
BUSY_PAUSE: Final = 8.0
#: The longest pause between two tries of a host that is away.
MISSED_PAUSE: Final = 2.0
#: Seconds that a mirror is left alone that has no more of a file of which it gave bytes, try by try.
TAKEN_BACK: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
#: The same where it refuses. Servers that shut somebody out for too many requests do so for 10 s, by default,
#: and anew at each request (Apache's mod_evasive).
SHUT_OUT: Final = (0.5, 2.0, 11.0)
#: Causes that say so beside failures of names and connections.
_AWAY: Final = frozenset({"proxy.name", "proxy.unreachable", "proxy.upstream"})

#: What giving up in a phase means: (failure, cause).
GIVEN_UP: Final[dict[Phase, tuple[Failure, str]]] = {
    Phase.QUEUED: (Failure.TIMEOUT, "transfer.no-first-byte"),
    Phase.RESOLVE: (Failure.NAME, "dns.timeout"),
    Phase.CONNECT: (Failure.CONNECT, "connect.timeout"),
    Phase.TLS: (Failure.CONNECT, "connect.timeout"),
    Phase.WAIT: (Failure.TIMEOUT, "transfer.no-first-byte"),
    Phase.BODY: (Failure.TIMEOUT, "transfer.stalled"),
}

#: Artifacts up to this size are fetched by one request, and many of them at once.
SMALL_BYTES: Final = 1 << 20
#: Below this many bytes per second, and with SLOW_LEFT seconds to go, all connections are tried at once:
#: loss holds a connection down (at 1 % and 80 ms to 0.2 MB/s), and trying them one by one takes too long.
SLOW: Final = 2e6
SLOW_LEFT: Final = 1.5
#: Small artifacts that count as one large one.
SMALL_JOBS: Final = 8
#: A host is dropped for all artifacts when more than half of its requests fail, and more than this many.
HOST_BUDGET: Final = 30
#: Failures in a row count afresh when this share of the artifact, or so many bytes, came since the first.
PROGRESS: Final = 0.01
PROGRESS_BYTES: Final = 1 << 20


def pause(failure: Failure, failures: int, jitter: float) -> float | None:
    """Seconds to leave a mirror alone after its nth failure in a row, or None to drop it.

    Args:
        failure: The last failure.
        failures: How many in a row, at least 1.
        jitter: In [0, 1): spreads callers that failed together.
    """
    patience = PATIENCE[failure]
    if failures > patience.retries:
        return None
    return patience.pause * float(2 ** (failures - 1)) * (0.5 + jitter)


def asked_pause(seconds: float, jitter: float) -> float:
    """Seconds to leave a mirror alone that asked for some (RFC 9110, 10.2.3): never less, spread a little."""
    return seconds + jitter * min(1.0, 0.1 + seconds / 4)


def missed_pause(tries: int, jitter: float) -> float:
    """Seconds to leave a host alone that is away, after its nth try."""
    return min(MISSED_PAUSE, 0.5 * 2.0 ** (tries - 1)) * (0.5 + jitter)


def is_away(failure: Failure, cause: str) -> bool:
    """Whether a failure says that a host, or the way to it, is away: it can come back."""
    return failure in (Failure.NAME, Failure.CONNECT, Failure.GATEWAY) or cause in _AWAY


def is_page(cause: str) -> bool:
    """Whether a page came instead of a file, e.g. for a login, for maintenance, for too many requests."""
    return cause in ("body.html", "body.login-page", "body.quota-page")


def denies(failure: Failure, cause: str) -> bool:
    """Whether a host says that a file is not for us: it is forbidden, or a page came instead."""
    return failure is Failure.AUTH or is_page(cause)


def takes_back(failure: Failure) -> bool:
    """Whether a failure says that a mirror has no such file: no last word of one that gave some of it."""
    return failure in (Failure.MISSING, Failure.AUTH, Failure.CORRUPT)


def is_refusal(failure: Failure, cause: str) -> bool:
    """Whether a failure may be a server's way to say that it takes no further request beside others."""
    if cause == "http.range-lie":  # it took it, and sends other bytes
        return False
    return failure in (Failure.SERVER, Failure.GATEWAY, Failure.CUT) or takes_back(failure)


def weighed(failure: Failure, cause: str) -> Failure:
    """Return the class that a failure is judged by: a connection that timed out speaks of the host."""
    return Failure.CONNECT if failure is Failure.TIMEOUT and cause.startswith("connect.") else failure
