"""The sources of one fetch, by settings and by what the user named, nearest first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from surefetch.model import COMMAND_LINE
from surefetch.session.targets import Target
from surefetch.sources import Source
from surefetch.sources.http import ANY, Http
from surefetch.sources.urls import rewritten

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: From so many files on a dataset is not looked for in other tools' caches.
MANY = 64
#: Sources that open no socket.
LOCAL = frozenset({"caches", "user"})


def make_sources(
    session: Session, target: Target, local: Sequence[str | os.PathLike[str]] = ()
) -> list[Source]:
    """Make the sources that settings allow, in the settings' order; what the user named goes first.

    Raises:
        StoreError: A path of `local` does not exist.
    """
    settings = session.settings
    if target.learns:
        return [] if settings.offline else [Http(extra=_single_urls(target, settings.rewrite))]
    named = [_user(local)] if local else []
    names = [name for name in settings.sources if not (settings.offline and name not in LOCAL)]
    made = [maker(session, target) for name in names if (maker := MAKERS.get(name))]
    return [*named, *(source for source in made if source is not None)]


def _caches(session: Session, target: Target) -> Source | None:
    """Other tools' caches; not for a file that no catalog knows: nothing tells where they would keep it.

    Nor for datasets of very many files: no framework keeps those file by file, a look for each costs more
    than the file, and among many small files equal sizes mean nothing.
    """
    if not target.dataset.version or len(target.dataset.artifacts) > MANY:
        return None
    from surefetch.sources.caches import Caches

    return Caches(target.dataset.name)


def _peer(session: Session, target: Target) -> Source | None:
    if not session.settings.mirror:
        return None
    from surefetch.sources.peer import Peer

    return Peer(session.settings.mirror)


def _package(session: Session, target: Target) -> Source | None:
    if not any(artifact.package for artifact in target.dataset.artifacts):
        return None
    from surefetch.sources.package import Package

    return Package(session.settings.rewrite)


def _deb(session: Session, target: Target) -> Source | None:
    if not any(artifact.deb for artifact in target.dataset.artifacts):
        return None
    from surefetch.sources.deb import Deb

    return Deb()


def _http(session: Session, target: Target) -> Source:
    return Http(session.settings.rewrite, _named_urls(target))


#: Name in the settings -> what makes the source; None from it: the source could not help with this target.
MAKERS: dict[str, Callable[[Session, Target], Source | None]] = {
    "caches": _caches,
    "http": _http,
    "peer": _peer,
    "package": _package,
    "deb": _deb,
}


def _user(local: Sequence[str | os.PathLike[str]]) -> Source:
    from surefetch.sources.caches import User

    return User([_existing(path) for path in local])


def _single_urls(target: Target, rewrite: Mapping[str, str]) -> dict[str, list[str]]:
    """One URL for each artifact: nothing would prove bytes that came from two."""
    pairs = zip(target.dataset.artifacts, target.mirrors, strict=True)
    return {artifact.name: [rewritten(url, rewrite) or url] for artifact, url in pairs}


def _named_urls(target: Target) -> dict[str, list[str]]:
    """The user's URLs: of one file where one file is wanted, else of folders and files alike."""
    if not target.is_single_file:
        return {ANY: list(target.mirrors)}
    # What was asked for by its address is a file wherever that ends: `https://host/files/5/download/`.
    asked = target.mirrors[:1] if target.dataset.origin == COMMAND_LINE else ()
    files = [url for url in target.mirrors if url in asked or not _is_folder(url)]
    (name,) = target.artifacts
    return {name: files, ANY: [url for url in target.mirrors if url not in files]}


def _is_folder(url: str) -> bool:
    path = urlsplit(url).path
    return not path or path.endswith("/")


def _existing(path: str | os.PathLike[str]) -> str:
    from surefetch.errors import StoreError
    from surefetch.store.files import told

    absolute = Path(path).expanduser().absolute()
    hint = "name a file or folder that is there and that you may read"
    with told(absolute, "looked at", hint):
        is_there = absolute.exists()
    if not is_there:
        raise StoreError(f"`{absolute}` does not exist", code="local.path", hint=hint)
    return str(absolute)
