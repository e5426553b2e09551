"""The `caches` and `user` sources: copies in other tools' caches, and where the user points to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from surefetch.events import Attempt
from surefetch.layouts.places import is_of_another
from surefetch.model import Artifact, Lookup, Mirror
from surefetch.scan import fits
from surefetch.sources import Answers


class Caches:
    """Names copies in frameworks' caches: at the exact places they would be, then anywhere there by size.

    The planner's `places` lookup is a few `stat` calls; `scan` is a bounded walk through those folders, named
    only when no exact place had the file.
    """

    name = "caches"

    def __init__(self, dataset: str) -> None:
        """Take the dataset's name: the folders to walk through are known by it."""
        self._dataset = dataset

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name the exact places of the file, then the walk that all artifacts of the dataset share."""
        places = self._places(artifact)
        if places not in answers:
            return [places]
        if self._found(artifact, [places], answers) or self._scan() in answers:
            return []
        return [self._scan()]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the copies found, those at exact places first."""
        paths = self._found(artifact, [self._places(artifact), self._scan()], answers)
        own = [path for path in paths if not is_of_another(path, self._dataset)]
        return [Mirror(url=path, source=self.name, is_local=True) for path in own]

    def _places(self, artifact: Artifact) -> Lookup:
        return Lookup(source=self.name, kind="places", target=artifact.name)

    def _scan(self) -> Lookup:
        return Lookup(source=self.name, kind="scan", target=self._dataset)

    def _found(self, artifact: Artifact, lookups: Sequence[Lookup], answers: Answers) -> list[str]:
        return _fitting(artifact, [answers.get(lookup) for lookup in lookups])


class User:
    """Names copies in what the user gave with `--from`: a USB stick, a folder, a download by hand."""

    name = "user"

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths, absolute."""
        self._walks = [Lookup(source=self.name, kind="scan", target=path) for path in paths]

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name the walk through each path that has not been seen yet."""
        return [walk for walk in self._walks if walk not in answers]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the files of the artifact's size (of its name, where the size is unknown)."""
        paths = _fitting(artifact, [answers.get(walk) for walk in self._walks])
        return [Mirror(url=path, source=self.name, is_local=True) for path in paths]

    def misses(self, artifact: Artifact, answers: Answers) -> list[Attempt]:
        """Tell which of the user's paths have no file that could be the artifact."""
        return [
            Attempt(
                mirror=walk.target,
                cause="source.no-copy",
                detail=_wanted_text(artifact),
                artifact=artifact.name,
                source=self.name,
            )
            for walk in self._walks
            if answers.get(walk) is not None and not _fitting(artifact, [answers.get(walk)])
        ]


def encode_files(files: Sequence[tuple[str, int]]) -> bytes:
    """Write the answer to a `places` or `scan` lookup: absolute path and size in bytes of each file."""
    return msgspec.json.encode(files)


def _fitting(artifact: Artifact, answers: Sequence[bytes | None]) -> list[str]:
    files = [file for answer in answers if answer for file in _decode_files(answer)]
    return list(dict.fromkeys(path for path, size in files if fits(artifact, path, size)))


@lru_cache(maxsize=64)  # the planner asks at each event
def _decode_files(answer: bytes) -> list[tuple[str, int]]:
    try:
        return msgspec.json.decode(answer, type=list[tuple[str, int]])
    except msgspec.MsgspecError:  # no answer of ours: it names nothing
        return []


def _wanted_text(artifact: Artifact) -> str:
    if artifact.size is not None:
        return f"no file of {artifact.size} bytes there"
    return f"no file named {artifact.name} there"
