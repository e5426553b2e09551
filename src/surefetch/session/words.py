"""Attempts in plain words, for screens."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from surefetch.causes import table
from surefetch.events import Attempt


def describe_attempts(attempts: Sequence[Attempt], *, verbose: bool = False) -> list[str]:
    """Say each attempt in a line: place, meaning, what was seen. Alike ones of one place stand once.

    Args:
        attempts: In the order in which they were made.
        verbose: Each on its own, with the file and the seconds.
    """
    if verbose:
        return [_line(attempt) + _extra(attempt) for attempt in attempts]
    grouped: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        grouped.setdefault((_place(attempt), attempt.cause), []).append(attempt)
    return [
        _line(group[0]) + (f" ({len(group)} times)" if len(group) > 1 else "") for group in grouped.values()
    ]


def _line(attempt: Attempt) -> str:
    row = table().get(attempt.cause)
    meaning = row.sentence if row else attempt.cause or "it worked"
    return f"{_place(attempt)}: {meaning}{': ' + attempt.detail if attempt.detail else ''}"


def _place(attempt: Attempt) -> str:
    host = urlsplit(attempt.mirror).hostname if "://" in attempt.mirror else None
    return host or attempt.mirror


def _extra(attempt: Attempt) -> str:
    file = f"  {attempt.artifact}" if attempt.artifact else ""
    return f"  [{attempt.cause}]{file}  {attempt.seconds:.1f} s"
