"""Reading an answer: its head, what it says of the file, and whether it is what was asked for. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import structs

from surefetch.events import Failure
from surefetch.model import Artifact, Struct

#: Statuses of answers with bytes of the file; a proxy that may have changed them says 203 (RFC 9110, 15.3.4).
CARRYING: Final = frozenset({200, 203, 206})
#: Statuses that lead elsewhere (RFC 9110, 15.4), 300 to the server's own choice; 304 to 306 lead nowhere.
REDIRECTS: Final = frozenset({300, 301, 302, 303, 307, 308})
#: Names that end so hold their own compression: servers label them with the encoding by mistake.
_COMPRESSED: Final = {"gzip": (".gz", ".tgz", ".gzip"), "br": (".br",), "zstd": (".zst",), "bzip2": (".bz2",)}
#: Values of Content-Encoding that name no coding: a proxy's, an upload's (S3 keeps `aws-chunked`), a charset.
_NO_CODING: Final = frozenset({"", "identity", "none", "binary", "8bit", "utf-8", "utf8", "aws-chunked"})
#: Headers in which caches tell what they did; some copied what they keep from a cache behind them.
_CACHES: Final = frozenset({"cache-status", "x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status"})
_MARKUP: Final = (".html", ".htm", ".xhtml", ".xml", ".svg", ".rss")
_ENOUGH_TO_SNIFF: Final = 256  # bytes
#: What looks wrong is read whole if it has so many bytes at most: pages have fewer.
DOUBTED_BYTES: Final = 1 << 20


class Head(Struct, frozen=True, kw_only=True):
    """The head of the last answer on a connection, and of the proxy's last answer to CONNECT before it."""

    status: int
    reason: str
    version: str
    headers: tuple[tuple[str, str], ...]  # names in lower case, in order
    proxy_headers: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """Return a header's value, "" if it is not there; of several the first."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""


class Accepted(Struct, frozen=True, kw_only=True):
    """The answer carries bytes of the artifact."""

    start: int  # of the first byte it carries
    stop: int | None  # where its body ends; None: it does not say
    size: int | None  # of the whole artifact, if it says
    takes_ranges: bool
    validator: str | None
    encoding: str = ""  # that it says to be in although nobody asked


class Refused(Struct, frozen=True, kw_only=True):
    """The answer is not to be taken. An empty cause leaves it to the status."""

    cause: str = ""
    detail: str = ""
    failure: Failure | None = None  # None: as the table of causes has it
    doubted: Accepted | None = None  # what it is if its bytes are right nevertheless


class Redirected(Struct, frozen=True, kw_only=True):
    """The answer leads elsewhere."""

    location: str


Verdict = Accepted | Refused | Redirected


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for, as far as an answer is held against it."""

    artifact: Artifact
    start: int
    stop: int | None  # None: to the end
    has_range: bool  # a Range header was sent
    validator: str | None = None  # sent with it as If-Range

    @property
    def byte_range(self) -> str | None:
        """The Range header's bytes, e.g. `0-99` or `100-`; None if it is not sent."""
        if not self.has_range:
            return None
        return f"{self.start}-{'' if self.stop is None else self.stop - 1}"


def parse_head(lines: Sequence[bytes]) -> Head | None:
    """Read the header lines that libcurl handed over, interim answers and the proxy's before the last.

    Returns:
        None when there is no whole status line yet.
    """
    starts = [index for index, line in enumerate(lines) if line[:5] == b"HTTP/"]
    if not starts:
        return None
    version, _, rest = _text(lines[starts[-1]]).partition(" ")
    status, _, reason = rest.partition(" ")
    if not status.isdigit():
        return None
    return Head(
        status=int(status),
        reason=reason,
        version=version.removeprefix("HTTP/"),
        headers=_fields(lines[starts[-1] + 1 :]),
        proxy_headers=_fields(_before_last(lines, starts)) if len(starts) > 1 else (),
    )


def _before_last(lines: Sequence[bytes], starts: Sequence[int]) -> list[bytes]:
    """Return the header lines before the last answer, but those of a proxy's question that was answered."""
    heads = [lines[start:stop] for start, stop in pairwise(starts)]
    return [line for first, *rest in heads if b" 407" not in first for line in rest]


def weigh(head: Head, wanted: Wanted) -> Verdict:
    """Hold an answer's head against what was asked for."""
    if head.status in REDIRECTS and head.get("location"):
        return Redirected(location=head.get("location"))
    if head.status not in CARRYING:
        return Refused()
    verdict = _weigh_part(head, wanted) if head.status == 206 else _weigh_whole(head, wanted)
    encoding = _unasked_encoding(head, wanted.artifact.name)
    if not encoding:
        return verdict
    accepted = structs.replace(verdict, encoding=encoding) if isinstance(verdict, Accepted) else None
    if accepted and is_promised(accepted, wanted.artifact):
        return accepted
    detail = f"Content-Encoding: {encoding}"
    return Refused(cause="body.unasked-encoding", detail=detail, doubted=accepted)


def is_promised(verdict: Accepted, artifact: Artifact) -> bool:
    """Whether an answer has the promised size and will be proven: no look or label speaks against it."""
    return artifact.digest is not None and artifact.size is not None and verdict.size == artifact.size


def may_be_right(verdict: Accepted, wanted: Wanted) -> bool:
    """Whether an answer that looks wrong is worth reading whole: its digest may be the promised one."""
    artifact = wanted.artifact
    sizes = [size for size in (verdict.size, artifact.size) if size is not None]
    is_whole = verdict.start == 0 == wanted.start and not wanted.has_range
    return is_whole and artifact.digest is not None and max(sizes, default=0) <= DOUBTED_BYTES


def is_right(data: bytes | bytearray, artifact: Artifact) -> bool:
    """Whether these are the bytes that an artifact's digest names."""
    digest = artifact.digest
    if digest is None:
        return False
    return hashlib.new(digest.algorithm, data, usedforsecurity=False).hexdigest() == digest.hex


def misfit(size: int | None, artifact: Artifact) -> Refused | None:
    """Say what is wrong with the size that a server names for the whole file, if anything."""
    if size is None:
        return None
    promised = artifact.size if artifact.size is not None else artifact.max_size
    if promised is None or size == promised:
        return None
    detail = f"the server has {size:,} bytes, the file {promised:,}"
    if size > promised:
        return Refused(cause="body.too-large", detail=detail)
    if artifact.size is not None:
        # Said beforehand, it is no cut connection: asking again will not help.
        cause = "body.empty" if size == 0 else "body.truncated"
        return Refused(cause=cause, detail=detail, failure=Failure.CORRUPT)
    return None


def sniff(first: bytes, content_type: str, name: str) -> Refused | None:
    """Recognise a page or a pointer that came instead of the file, by its first bytes.

    Args:
        first: The first bytes of the file.
        content_type: The answer's.
        name: The artifact's; one that is markup itself is not judged.
    """
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:2048].lower()
    if first.startswith(b"version https://git-lfs.github.com/spec/"):
        return Refused(cause="body.lfs-pointer", detail=first[:200].decode("latin-1").strip())
    if name.lower().endswith(_MARKUP):
        return None
    is_page = text.startswith((b"<!doctype html", b"<html", b"<head"))
    says_page = content_type.lower().startswith(("text/html", "application/xhtml"))
    if is_page or (says_page and text.startswith(b"<") and (b"<html" in text or b"<head" in text)):
        return Refused(cause="body.html", detail=page_title(first))
    return None


def needs_more(first: bytes) -> bool:
    """Whether the first bytes are too few to tell a page or a pointer from the file."""
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    return len(first) < _ENOUGH_TO_SNIFF and (not text or text[:1] in b"<v")


def page_title(page: bytes) -> str:
    """Return a web page's title in quotes, or "" if it has none."""
    found = re.search(rb"<title[^>]*>(.*?)</title", page, re.IGNORECASE | re.DOTALL)
    if not found:
        return ""
    return f"“{' '.join(found[1].decode('utf-8', 'replace').split())[:120]}”"


def retry_after(value: str, date: str, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        value: The header's value; "" where there is none.
        date: The answer's Date: the clock that a date is to be held against.
        now: Seconds since 1970 by this machine's clock, for answers without.

    Returns:
        Seconds to wait, at least 0; None when it says nothing that can be read.
    """
    value = value.strip()
    if value.isdigit():
        return float(value[:9])
    until = _seconds(value)
    return None if until is None else max(0.0, until - clock(date, now))


def clock(date: str, now: float) -> float:
    """Return what a server's clock says by its Date header; where it says nothing, `now`."""
    said = _seconds(date)
    return now if said is None else said


def size_beyond(status: int | None, content_range: str) -> int | None:
    """Return the size of a file that has nothing at the place asked for (RFC 9110, 14.4), if that is told."""
    found = re.fullmatch(r"bytes\s+\*/(\d+)", content_range.strip(), re.IGNORECASE)
    return int(found[1]) if found and status == 416 else None


def is_stored(head: Head) -> bool:
    """Whether an answer says that a cache had kept it: by its age (RFC 9111, 5.1), or as a hit (RFC 9211)."""
    return any(name == "age" or (name in _CACHES and "hit" in text.lower()) for name, text in head.headers)


def strong_validator(head: Head) -> str | None:
    """Return what If-Range takes: a strong ETag, else the date of last change (RFC 9110, 13.1.5)."""
    tag = head.get("etag")
    if tag.startswith('"'):
        return tag
    return head.get("last-modified") or None


def _weigh_part(head: Head, wanted: Wanted) -> Verdict:
    value = head.get("content-range")
    if not value and not wanted.has_range and not head.get("content-type").startswith("multipart/"):
        return _weigh_whole(head, wanted)  # it only chose another number for the whole file
    found = re.fullmatch(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", value.strip(), re.IGNORECASE)
    if not found:
        return Refused(cause="http.range-lie", detail=f"206 with Content-Range `{value}`")
    start, stop = int(found[1]), int(found[2]) + 1
    size = None if found[3] == "*" else int(found[3])
    if start != wanted.start or stop <= start or (wanted.stop is not None and stop > wanted.stop):
        asked = f"{wanted.start}-{'' if wanted.stop is None else wanted.stop - 1}"
        return Refused(cause="http.range-lie", detail=f"asked for bytes {asked}, `{value}` came")
    length = _length(head)
    if length is not None and length != stop - start:
        return Refused(cause="http.range-lie", detail=f"`{value}` with {length:,} bytes")
    if refused := misfit(size, wanted.artifact):
        return refused
    return Accepted(start=start, stop=stop, size=size, takes_ranges=True, validator=strong_validator(head))


def _weigh_whole(head: Head, wanted: Wanted) -> Verdict:
    size = _length(head)
    if refused := misfit(size, wanted.artifact):
        is_part = wanted.has_range and wanted.stop is not None and size == wanted.stop - wanted.start
        return _called_all(refused) if is_part else refused
    validator = strong_validator(head)
    # The whole file in place of a range says that ranges are not taken, unless it is another version than the
    # one that If-Range was for (RFC 9110, 13.1.5).
    is_other = wanted.validator is not None and validator not in (None, wanted.validator)
    return Accepted(
        start=0,
        stop=size,
        size=size,
        takes_ranges=(is_other or not wanted.has_range) and "bytes" in head.get("accept-ranges").lower(),
        validator=validator,
    )


def _called_all(refused: Refused) -> Refused:
    """A server sends the part that was asked for, and calls it the whole file."""
    return Refused(cause="http.range-lie", detail=f"status 200 for a part: {refused.detail}")


def _unasked_encoding(head: Head, name: str) -> str:
    """Return the coding that an answer says to be in, beside that of the file itself; "" for none."""
    named = [part.strip().removeprefix("x-") for part in head.get("content-encoding").lower().split(",")]
    encoding = ", ".join(part for part in named if part not in _NO_CODING)
    return "" if name.lower().endswith(_COMPRESSED.get(encoding, ())) else encoding


def _length(head: Head) -> int | None:
    value = head.get("content-length").strip()
    return int(value) if value.isdigit() and not head.get("transfer-encoding") else None


def _seconds(date: str) -> float | None:
    """Read an HTTP date as seconds since 1970."""
    if not date:
        return None
    from email.utils import parsedate_to_datetime  # few servers send one where it is looked at

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _fields(lines: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    parted = [line.partition(":") for line in b"".join(lines).decode("latin-1").split("\n")]
    return tuple([(name.strip().lower(), value.strip()) for name, colon, value in parted if colon])


def _text(line: bytes) -> str:
    return line.decode("latin-1").rstrip("\r\n")
