"""Sources: kinds of place that can name mirrors for an artifact. Pure: they open nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from surefetch.model import Artifact, Lookup, Mirror

#: What a lookup gave; None: it failed.
Answers = Mapping[Lookup, bytes | None]


class Source(Protocol):
    """A kind of place. Third parties prove theirs with `tests/contract/source_tests.py`."""

    name: str

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name what must be seen next before mirrors can be named; empty when nothing (more) is needed.

        Lookups that stand in `answers` already are not named again. A source that asks several places in
        order names one at a time and stops when one of them answered its question.
        """
        ...

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the mirrors that are known from the artifact and from the answers so far, best first."""
        ...
