"""Pages of package indexes, read without trust: JSON (PEP 691), HTML (PEP 503), and folder listings."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import msgspec

from surefetch.model import ALGORITHMS, Struct
from surefetch.sources.urls import file_url, joined, last_segment, local_path

#: A page is read up to this many bytes; the largest known pages have about 40 MB as HTML.
MAX_PAGE_BYTES: Final = 64 << 20
#: What to ask an index for: pip's own header (PEP 691, "Version + Format Selection").
ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
)
_HASH = re.compile(rf"[#&]({'|'.join(ALGORITHMS)})=([0-9a-fA-F]+)")
_ANCHOR = re.compile(rb"<a[\s>]", re.IGNORECASE)
_LOCATION, _PRIVATE = b"Content-Location: ", b"\r\nIs-Private: 1"
#: The head of a page, or one anchor: more than this of it is not parsed (old parsers took quadratic time).
_MAX_PIECE_BYTES = 32 << 10


class Needle(Struct, frozen=True, kw_only=True):
    """What a page is searched for: an entry with the name, a digest or, in a folder, the size."""

    name: str
    digests: frozenset[str] = frozenset()  # hexadecimal, of any algorithm
    size: int | None = None  # bytes


class ListedFile(Struct, frozen=True, kw_only=True):
    """A file that an index or a folder lists."""

    name: str
    url: str  # absolute; of a `file:` index a `file:` URL
    hashes: dict[str, str] = {}  # algorithm -> hexadecimal, lower case
    size: int | None = None  # bytes


class Page(Struct, frozen=True, kw_only=True):
    """What a page says of the file that was looked for."""

    files: tuple[ListedFile, ...] = ()  # those that may be it, in the page's order
    count: int = 0  # of all files on the page
    problem: str = ""  # why it could not be read
    is_private: bool = False  # it came from a private network


def enclose(body: bytes, url: str, *, is_private: bool = False) -> bytes:
    """Put before a page where it finally came from.

    A page that was not redirected, from a public address, may be given as it is.

    Args:
        body: The page.
        url: Where it came from after redirects: its relative links lead from there.
        is_private: It came from an address inside a private network, and so may its files.
    """
    return _LOCATION + url.encode() + (_PRIVATE if is_private else b"") + b"\r\n\r\n" + body


def read_page(answer: bytes, url: str, needle: Needle) -> Page:
    """Read the entries of a page that may be the file looked for.

    Only entries that mention the needle are decoded, so that a page of 50,000 files costs little more than a
    search through its bytes.

    Args:
        answer: The page as it came, or `enclose`d: JSON, HTML, or the JSON list of [name, size] of a folder
            (an empty name: the place is the file itself).
        url: Where it was asked for.
        needle: What is looked for.
    """
    head, body = _opened(answer)
    base = head.get("content-location", url)
    page = _read(body, base, needle)
    return msgspec.structs.replace(page, is_private=True) if "is-private" in head else page


def _read(body: bytes, base: str, needle: Needle) -> Page:
    text = body[:MAX_PAGE_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[":
        return _read_listing(text, base, needle)
    if text[:1] == b"{":
        return _read_json(text, base, needle)
    return _read_html(text, base, needle)


def _opened(answer: bytes) -> tuple[dict[str, str], bytes]:
    """Take an enclosed page apart: what stands before it, by name in lower case, and the page."""
    if not answer.startswith(_LOCATION):
        return {}, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode("utf-8", "replace").splitlines()]
    return {name.lower(): value for name, _, value in lines}, body


def _read_listing(text: bytes, base: str, needle: Needle) -> Page:
    try:
        rows = msgspec.json.decode(text, type=list[tuple[str, int]])
    except msgspec.MsgspecError as error:
        return Page(problem=f"the listing cannot be read: {error}")
    folder = (local_path(base) if base.startswith("file:") else base).rstrip("/")
    files = tuple(
        ListedFile(name=name, url=file_url(f"{folder}/{name}" if name else folder), size=size)
        for name, size in rows
        if name == needle.name or size == needle.size
    )
    return Page(files=files, count=len(rows))


def _read_json(text: bytes, base: str, needle: Needle) -> Page:
    try:
        page = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        return Page(problem=f"the page cannot be read as JSON: {error}")
    rows = page.get("files") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        return Page(problem="the page lists no `files` (PEP 691)")
    files = [_json_file(row, base, needle) for row in rows]
    return Page(files=tuple(file for file in files if file), count=len(rows))


def _json_file(row: Any, base: str, needle: Needle) -> ListedFile | None:
    if not isinstance(row, dict) or not isinstance(row.get("url"), str):
        return None
    link, name, size = row["url"], row.get("filename"), row.get("size")
    name = name if isinstance(name, str) else last_segment(link)
    hashes = _clean(row.get("hashes"))
    if name != needle.name and needle.digests.isdisjoint(hashes.values()):
        return None
    url = joined(base, link)
    if url is None:
        return None
    is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return ListedFile(name=name, url=url.partition("#")[0], hashes=hashes, size=size if is_size else None)


def _clean(hashes: Any) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return {
        name: value.lower() for name, value in hashes.items() if name in ALGORITHMS and isinstance(value, str)
    }


_TITLE = re.compile(rb"<title[^>]*>([^<]*)", re.IGNORECASE)


def _read_html(text: bytes, base: str, needle: Needle) -> Page:
    starts = [match.start() for match in _ANCHOR.finditer(text)]
    head = text[: starts[0]] if starts else text
    base = joined(base, _Links.of(head).base) or base
    files = [
        _html_file(link, base, needle)
        for anchor in _mentioning(text, starts, needle)
        for link in _Links.of(anchor).links
    ]
    title = _TITLE.search(head)
    problem = ""
    if (
        title
        and not starts
        and not title.group(1).strip().lower().startswith((b"links for", b"simple index"))
    ):
        words = " ".join(title.group(1).decode("utf-8", "replace").split())[:80]
        problem = f"what came is no listing, but a web page titled “{words}”"
    return Page(files=tuple(file for file in files if file), count=len(starts), problem=problem)


def _mentioning(text: bytes, starts: list[int], needle: Needle) -> Iterator[bytes]:
    """Cut the page before each anchor and give the cuts that mention the needle."""
    spellings = {needle.name, quote(needle.name), *needle.digests}
    wanted = re.compile(b"|".join(re.escape(text.encode()) for text in sorted(spellings)), re.IGNORECASE)
    for start, stop in pairwise([*starts, len(text)]):
        if wanted.search(text, start, stop):
            yield text[start:stop]


def _html_file(link: str, base: str, needle: Needle) -> ListedFile | None:
    url = joined(base, link)
    if url is None:
        return None
    plain, _, fragment = url.partition("#")
    hashes = {match[1]: match[2].lower() for match in _HASH.finditer(f"#{fragment}")}
    name = last_segment(plain)
    if name != needle.name and needle.digests.isdisjoint(hashes.values()):
        return None
    return ListedFile(name=name, url=plain, hashes=hashes)


class _Links(HTMLParser):
    """Gathers the links of a piece of HTML; malformed markup is passed over, as browsers do."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.base = ""

    @classmethod
    def of(cls, text: bytes) -> _Links:
        links = cls()
        # The parser's assertions are about markup (`<![x`), not about itself; what it had read stays read.
        with contextlib.suppress(AssertionError):
            links.feed(text[:_MAX_PIECE_BYTES].decode("utf-8", "replace"))
        return links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href")
        if tag == "a" and link:
            self.links.append(link)
        elif tag == "base" and link and not self.base:
            self.base = link
