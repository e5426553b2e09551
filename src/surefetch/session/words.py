"""Attempts in plain words, for screens."""

from __future__ import annotations

from collections.abc import Sequence

from surefetch.causes import table
from surefetch.diagnose import verdict as diagnose
from surefetch.events import Attempt


def describe_attempts(attempts: Sequence[Attempt], *, verbose: bool = False) -> list[str]:
    """Say each attempt in a line: place, meaning, what was seen. Alike ones of one place stand once.

    Args:
        attempts: In the order in which they were made.
        verbose: Each on its own, with the file and the seconds.
    """
    if not verbose:
        return diagnose.describe_attempts(attempts)
    return [_line(attempt) for attempt in attempts if attempt.cause]


def _line(attempt: Attempt) -> str:
    """One attempt with everything that is known of it."""
    row = table().get(attempt.cause)
    detail = f": {attempt.detail}" if attempt.detail else ""
    file = f"{attempt.artifact}  " if attempt.artifact else ""
    meaning = row.sentence if row else attempt.cause
    return (
        f"{diagnose.place_of(attempt)}: {meaning}{detail}  [{attempt.cause}]  {file}{attempt.seconds:.1f} s"
    )
