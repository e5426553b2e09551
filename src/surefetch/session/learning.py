"""Learning files at first sight: fetched once from one address each, kept under the digests found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urldefrag

from surefetch.errors import IntegrityError, SurefetchError, UsageError
from surefetch.model import COMMAND_LINE, PIECE_BYTES, Artifact, Dataset, Struct
from surefetch.session.get import obtain
from surefetch.session.targets import UNKNOWN_BOUND, Target, check_url, file_name
from surefetch.sources.urls import split_userinfo

if TYPE_CHECKING:
    from surefetch.session.bench import Bench
    from surefetch.session.facade import Session

#: Files from this size on get digests of their pieces, in bytes.
PIECES_FROM: Final = 4 << 20
#: Of larger files no pieces are noted: 4096 of them are a quarter of a megabyte of catalog.
PIECES_UP_TO: Final = 4096 * PIECE_BYTES


class Learned(Struct, frozen=True, kw_only=True):
    """One file as it came from one address."""

    url: str
    name: str  # the end of the URL's path
    sha256: str
    size: int  # bytes
    path: str  # of its blob
    is_joined: bool = False  # of several answers, between which the server may have changed the file


def learn(session: Session, urls: Sequence[str], title: str, *, takes_pages: bool = False) -> list[Learned]:
    """Fetch each URL once, whatever it gives, and keep it in the store.

    Args:
        session: Its settings and store.
        urls: Where the files are; each is asked alone, because nothing would prove bytes of two.
        title: What the person calls them, for messages.
        takes_pages: A web page is taken for the file that is wanted.

    Returns:
        One row for each URL, in order.

    Raises:
        UsageError: A URL is no web address, or has a password in it.
        FetchError: One of them could not be had, or a web page came instead.
    """
    plain = list(dict.fromkeys(map(_plain, urls)))
    artifacts = tuple(_artifact(number, url, takes_pages) for number, url in enumerate(plain, 1))
    dataset = Dataset(name=title, version="", artifacts=artifacts, origin=COMMAND_LINE)
    names = frozenset(artifact.name for artifact in artifacts)
    target = Target(dataset=dataset, artifacts=names, mirrors=tuple(plain), learns=True)
    try:
        bench, _ = obtain(session, target)
    except SurefetchError as error:
        raise _with_advice(error) from error
    return [_learned(url, bench, artifact.name) for url, artifact in zip(plain, artifacts, strict=True)]


def describe(learned: Sequence[Learned]) -> tuple[Artifact, ...]:
    """Describe what was learned: URLs that end in the same file name are mirrors of one artifact.

    Raises:
        IntegrityError: Two of them gave different bytes.
    """
    by_name: dict[str, list[Learned]] = {}
    for file in learned:
        by_name.setdefault(file.name, []).append(file)
    return tuple(_described(name, files) for name, files in by_name.items())


def _plain(url: str) -> str:
    check_url(url)
    address, userinfo = split_userinfo(urldefrag(url).url)
    if userinfo is not None:
        raise UsageError(
            f"the address of `{file_name(url)}` has a user name or password in it, and a catalog may not",
            hint="put them into `~/.netrc` (machine HOST login NAME password WORD) and leave them out here",
        )
    return address


def _artifact(number: int, url: str, takes_pages: bool) -> Artifact:
    # Of a file that is named as markup the engine takes a page for what it should be.
    suffix = ".html" if takes_pages else ""
    return Artifact(name=f"{number} {file_name(url)}{suffix}", form="file", max_size=UNKNOWN_BOUND)


def _learned(url: str, bench: Bench, name: str) -> Learned:
    path = Path(bench.files[name])
    return Learned(
        url=url,
        name=file_name(url),
        sha256=bench.digests[name].hex,
        size=path.stat().st_size,
        path=str(path),
        is_joined=bench.is_joined(name),
    )


def _described(name: str, files: Sequence[Learned]) -> Artifact:
    first = files[0]
    for other in files[1:]:
        if other.sha256 != first.sha256:
            raise IntegrityError(
                f"two files are called `{name}` and differ: `{first.url}` has sha256 {first.sha256} "
                f"({first.size} bytes), `{other.url}` has {other.sha256} ({other.size} bytes)",
                code="body.wrong-file",
                hint="add them under two names if both are meant; otherwise leave out the one that is wrong",
            )
    return Artifact(
        name=name,
        form="files",
        size=first.size,
        sha256=first.sha256,
        urls=tuple(file.url for file in files),
        pieces=_pieces(Path(first.path)) if PIECES_FROM <= first.size <= PIECES_UP_TO else (),
    )


def _pieces(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        return tuple(hashlib.sha256(block).hexdigest() for block in iter(lambda: file.read(PIECE_BYTES), b""))


def _with_advice(error: SurefetchError) -> SurefetchError:
    """Say how a page is added all the same."""
    if error.code != "body.html":
        return error
    advice = "copy the address of the file itself; `--force` adds the page, if that is what you want"
    return type(error)(error.message, code=error.code, hint=advice, attempts=error.attempts, **error.details)
