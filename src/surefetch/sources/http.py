"""The `http` source: the URLs that the catalog and the user name for an artifact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from surefetch.model import Artifact, Lookup, Mirror
from surefetch.sources import Answers
from surefetch.sources.urls import below, last_segment, rewritten, split_userinfo

#: The key of `extra` for mirrors that may have any artifact.
ANY = "*"


class Http:
    """Names an artifact's URLs: the user's first, then the catalog's, with the rewriting rules applied."""

    name = "http"

    def __init__(
        self, rewrite: Mapping[str, str] | None = None, extra: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Take what the user set.

        Args:
            rewrite: URL prefix -> prefix of an artifact proxy. The proxy's URL is asked first; the original
                stays behind it, for the day the proxy does not have the file.
            extra: Artifact name, or `*` for all, -> URLs that the user named. Under `*` a URL that ends in
                the artifact's name is the file itself; any other is a folder that holds it.
        """
        self._rewrite = dict(rewrite or {})
        self._extra = {name: tuple(urls) for name, urls in (extra or {}).items()}

    def lookups(self, artifact: Artifact, answers: Answers) -> list[Lookup]:
        """Name nothing: all is known from the artifact."""
        return []

    def mirrors(self, artifact: Artifact, answers: Answers) -> list[Mirror]:
        """Name the user's mirrors, then the catalog's; each URL once, without user and password."""
        named: dict[str, Mirror] = {}
        for mirror in (*self._from_user(artifact), *self._from_catalog(artifact)):
            named.setdefault(mirror.url, mirror)
        return list(named.values())

    def _from_user(self, artifact: Artifact) -> Iterator[Mirror]:
        urls = [
            *self._extra.get(artifact.name, ()),
            *(file_at(url, artifact) for url in self._extra.get(ANY, ())),
        ]
        for url in urls:
            yield from named_mirrors(url, "user", self._rewrite, may_be_private=True)

    def _from_catalog(self, artifact: Artifact) -> Iterator[Mirror]:
        for url in artifact.urls:
            yield from named_mirrors(url, self.name, self._rewrite)


def named_mirrors(
    url: str, source: str, rules: Mapping[str, str], *, may_be_private: bool = False
) -> Iterator[Mirror]:
    """Give the mirror of a URL, behind the one that the rewriting rules make of it."""
    if (other := rewritten(url, rules)) is not None:
        yield Mirror(url=split_userinfo(other)[0], source=source, may_be_private=True)
    yield Mirror(url=split_userinfo(url)[0], source=source, may_be_private=may_be_private)


def file_at(url: str, artifact: Artifact) -> str:
    """Return the URL of a file at a mirror that the user named: of a folder, or the file itself."""
    return url if last_segment(url) == artifact.name else below(url, artifact.name)
