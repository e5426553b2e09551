"""Patience as a table: which failure earns another try, after how long, and what it says of the host."""

from __future__ import annotations

from typing import Final

from surefetch.events import Failure, Phase
from surefetch.model import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Times and counts that the planner keeps to. Seconds unless named otherwise."""

    connect_timeout: float = 8.0
    first_byte_timeout: float = 10.0
    stall_timeout: float = 8.0
    escalate_after: float = 2.0  # without a byte from any active form
    scan_head_start: float = 0.3  # for files on this machine, before a mirror is asked
    deadline: float = 0.0  # for the whole fetch; 0: none
    jobs: int = 8  # artifacts fetched at once
    connections: int = 4  # per host


class Patience(Struct, frozen=True, kw_only=True):
    """What a failure is worth."""

    retries: int  # further tries of the same mirror
    pause: float  # seconds before the first of them; doubles each time
    spoils_host: bool = False  # it speaks of the host, not of the one file


PATIENCE: Final[dict[Failure, Patience]] = {
    Failure.NAME: Patience(retries=0, pause=0, spoils_host=True),
    Failure.CONNECT: Patience(retries=1, pause=1.0, spoils_host=True),
    Failure.TLS: Patience(retries=0, pause=0, spoils_host=True),
    Failure.PROXY: Patience(retries=0, pause=0, spoils_host=True),
    Failure.AUTH: Patience(retries=0, pause=0),
    Failure.MISSING: Patience(retries=0, pause=0),
    Failure.BUSY: Patience(retries=4, pause=1.0, spoils_host=True),
    Failure.SERVER: Patience(retries=2, pause=0.5),
    Failure.TIMEOUT: Patience(retries=1, pause=0.5),
    Failure.CUT: Patience(retries=4, pause=0.2),
    Failure.CORRUPT: Patience(retries=0, pause=0),
    Failure.POLICY: Patience(retries=0, pause=0),
    Failure.LOCAL: Patience(retries=0, pause=0),
}

#: What giving up in a phase means: (failure, cause).
GIVEN_UP: Final[dict[Phase, tuple[Failure, str]]] = {
    Phase.QUEUED: (Failure.TIMEOUT, "transfer.no-first-byte"),
    Phase.RESOLVE: (Failure.NAME, "dns.timeout"),
    Phase.CONNECT: (Failure.CONNECT, "connect.timeout"),
    Phase.TLS: (Failure.TLS, "connect.timeout"),
    Phase.WAIT: (Failure.TIMEOUT, "transfer.no-first-byte"),
    Phase.BODY: (Failure.TIMEOUT, "transfer.stalled"),
}


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
