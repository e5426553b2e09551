"""The planner's limits, by the settings and by what this process may have open."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from surefetch.plan.policy import CONNECTIONS, MANY, Limits
from surefetch.settings import Settings
from surefetch.store.files import most_open

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: Files of what this process may have open, for each job: many small artifacts are fetched as one.
HANDLES_OF_JOB = 32
#: Likewise for each connection to a host from which many small files are wanted.
HANDLES_OF_CONNECTION = 16
#: Where the rate is limited, a host gets as many requests at once as can have so many bytes a second each:
#: one whose turn comes too seldom looks like one that gives nothing.
LEAST_RATE = 4 << 10


def limits_of(session: Session, waited: float = 0.0) -> Limits:
    """Return the planner's limits by the session's settings, when `waited` seconds are gone already."""
    settings, usual = session.settings, Limits()
    is_timed = bool(settings.deadline)  # then that is how long is waited, whatever comes in it
    patience = settings.first_byte_timeout + min(settings.first_byte_timeout, settings.stall_timeout) - 1
    is_short = settings.first_byte_timeout < Settings().first_byte_timeout  # who set that is in a hurry
    is_short |= settings.stall_timeout < Settings().stall_timeout
    most = max(1, settings.limit_rate // LEAST_RATE) if settings.limit_rate else sys.maxsize
    return Limits(
        connect_timeout=settings.connect_timeout,
        first_byte_timeout=settings.first_byte_timeout,
        stall_timeout=settings.stall_timeout,
        deadline=round(max(0.1, settings.deadline - waited), 1) if waited and is_timed else settings.deadline,
        patience=patience,
        alone=patience if is_short else max(patience, settings.deadline, usual.alone),
        waited=waited,
        missed=max(settings.deadline, usual.missed),
        slowest=0.0 if is_timed or settings.limit_rate else usual.slowest,
        longest_pause=max(settings.deadline, usual.longest_pause),
        jobs=min(settings.jobs, max(1, most_open() // HANDLES_OF_JOB)),
        connections=settings.connections or min(CONNECTIONS, most),
        many=settings.connections or min(MANY, most_open() // HANDLES_OF_CONNECTION, most),
        streams=min(usual.streams, most),
        compares=True,
    )
