"""The `peer` source: a lab's or a class's mirror that serves a store's `blobs-v1/` folder."""

from __future__ import annotations

from collections.abc import Sequence

from surefetch.model import Artifact, Lookup, Mirror
from surefetch.sources import Answers
from surefetch.sources.urls import below, split_userinfo


class Peer:
    """Names the blob with the artifact's digest on each mirror of the settings."""

    name = "peer"

    def __init__(self, bases: Sequence[str]) -> None:
        """Take the base URLs: of a store's folder, or of its `blobs-v1/` itself."""
        self._bases = tuple(split_userinfo(base)[0] for base in bases)

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name nothing: a blob's name is its digest."""
        return []

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name one mirror for each base; none for an artifact without SHA-256, the only name blobs have."""
        if not artifact.sha256:
            return []
        urls = dict.fromkeys(blob_url(base, artifact.sha256) for base in self._bases)
        return [Mirror(url=url, source=self.name, may_be_private=True) for url in urls]


def blob_url(base: str, sha256: str) -> str:
    """Give the URL of a blob below a base URL."""
    path = base.partition("?")[0].rstrip("/")
    folder = "" if path.endswith("/blobs-v1") else "blobs-v1/"
    return below(base, f"{folder}sha256/{sha256[:2]}/{sha256}")
