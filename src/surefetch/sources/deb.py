"""The `deb` source: a Debian package that carries a dataset, found through apt, fetched by us."""

from __future__ import annotations

import re

from surefetch.events import Attempt
from surefetch.model import Artifact, Lookup, Mirror, Struct
from surefetch.sources import Answers
from surefetch.sources.urls import local_path, split_userinfo

# `apt-get download --print-uris`: 'URI' FILE SIZE HASH (apt-get(8), --print-uris)
_LINE = re.compile(r"'(?P<url>[^']+)' (?P<name>\S+) (?P<size>\d+) (?P<hash>\S+)")


class PrintedUri(Struct, frozen=True, kw_only=True):
    """One line of apt's answer."""

    url: str
    size: int
    sha256: str | None


class Deb:
    """Names the URLs that apt would fetch a package from, if apt means the pinned file."""

    name = "deb"

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name the command that has apt print the URLs of the package."""
        if not artifact.deb or _lookup(artifact) in answers:
            return []
        return [_lookup(artifact)]

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name what apt printed; the machine's own apt settings vouch for the host."""
        found = [uri for uri in _printed(artifact, answers) if _fits(uri, artifact)]
        return [_mirror(uri.url) for uri in found if uri.url.startswith(("https://", "http://", "file:"))]

    def misses(self, artifact: Artifact, answers: Answers) -> list[Attempt]:
        """Tell that apt answered with another file, or with none."""
        answer = answers.get(_lookup(artifact)) if artifact.deb else None
        if answer is None or self.mirrors(artifact, answers):
            return []
        others = [uri.sha256 or uri.url for uri in _printed(artifact, answers)]
        detail = f"apt knows another file: {', '.join(others)}" if others else "apt printed no URL"
        return [
            Attempt(
                mirror=f"apt: {artifact.deb}",
                cause="source.not-in-index",
                detail=detail,
                artifact=artifact.name,
                source=self.name,
            )
        ]


def parse_uris(text: str) -> list[PrintedUri]:
    """Read what `apt-get download --print-uris` printed; lines of another kind are passed over."""
    matches = [_LINE.match(line) for line in text.splitlines()]
    return [
        PrintedUri(url=match["url"], size=int(match["size"]), sha256=_sha256(match["hash"]))
        for match in matches
        if match
    ]


def _lookup(artifact: Artifact) -> Lookup:
    return Lookup(source="deb", kind="command", target=f"apt-print-uris {artifact.deb}")


def _printed(artifact: Artifact, answers: Answers) -> list[PrintedUri]:
    answer = answers.get(_lookup(artifact)) if artifact.deb else None
    return parse_uris(answer.decode("utf-8", "replace")) if answer else []


def _fits(uri: PrintedUri, artifact: Artifact) -> bool:
    if uri.sha256 and artifact.sha256:
        return uri.sha256 == artifact.sha256
    return artifact.size in (None, uri.size)


def _sha256(text: str) -> str | None:
    algorithm, _, value = text.partition(":")
    return value.lower() if algorithm.upper() == "SHA256" else None


def _mirror(url: str) -> Mirror:
    if url.startswith("file:"):
        return Mirror(url=local_path(url), source="deb", is_local=True)
    return Mirror(url=split_userinfo(url)[0], source="deb", may_be_private=True)
