"""Sources: kinds of place that can name mirrors for an artifact. Pure: they open nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from surefetch.events import Attempt
from surefetch.model import Artifact, Lookup, Mirror

#: What a lookup gave; None: it failed.
Answers = Mapping[Lookup, bytes | None]


class Source(Protocol):
    """A kind of place. Third parties prove theirs with `tests/contract/source_tests.py`."""

    name: str

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name what must be seen next before (more) mirrors can be named; empty when nothing is left to see.

        Lookups that stand in `answers` already are not named again. A source that asks several places in
        order names one at a time; the next one is asked only when no mirror of those before is usable.
        """
        ...

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the mirrors that are known from the artifact and from the answers so far, best first."""
        ...


@runtime_checkable
class TellsMisses(Protocol):
    """A source that can tell which places answered well and do not have the artifact."""

    def misses(self, artifact: Artifact, answers: Answers) -> list[Attempt]:
        """Give an attempt for each place that answered and had nothing usable for the artifact."""
        ...


def misses(sources: Sequence[Source], artifact: Artifact, answers: Answers) -> list[Attempt]:
    """Gather what all sources tell of places that answered and do not have the artifact."""
    candid = [source for source in sources if isinstance(source, TellsMisses)]
    return [attempt for source in candid for attempt in source.misses(artifact, answers)]
