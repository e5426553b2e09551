"""Name the bytes: say what came instead of a file, by its first bytes, its length and where it came from."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Callable
from typing import Final

from surefetch.diagnose.findings import Finding
from surefetch.diagnose.tables import Marker, markers
from surefetch.diagnose.words import clean
from surefetch.model import Artifact, Struct

#: Magic numbers at offset 0, longest first where one begins like another: bytes -> kind.
#: gzip RFC 1952; zip APPNOTE 4.3; xz file format 1.1; zstd RFC 8878; IDX: two zeros, type, rank.
MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x93NUMPY": "npy",
    b"\x00\x00\x08\x01": "idx",
    b"\x00\x00\x08\x02": "idx",
    b"\x00\x00\x08\x03": "idx",
    b"\x00\x00\x08\x04": "idx",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF8": "gif",
    b"!<arch>\n": "deb",
    b"MATLAB 5.0": "mat",
    b"%PDF": "pdf",
    b"\x80\x02": "pickle",
    b"\x80\x03": "pickle",
    b"\x80\x04": "pickle",
    b"\x80\x05": "pickle",
    b"\x7fELF": "program",
    b"MZ": "program",
    b"SQLite format 3\x00": "sqlite",
}
#: What a file of this name begins with, by the end of its name.
SUFFIXES: Final = {
    ".gz": "gzip", ".tgz": "gzip", ".zip": "zip", ".npz": "zip", ".whl": "zip", ".jar": "zip", ".npy": "npy",
    ".bz2": "bzip2", ".tbz2": "bzip2", ".xz": "xz", ".txz": "xz", ".zst": "zstd", ".7z": "7z", ".rar": "rar",
    ".parquet": "parquet", ".arrow": "arrow", ".h5": "hdf5", ".hdf5": "hdf5", ".png": "png", ".jpg": "jpeg",
    ".jpeg": "jpeg", ".deb": "deb", ".pkl": "pickle", ".pickle": "pickle", ".pdf": "pdf", ".tar": "tar",
    "ubyte": "idx", ".idx": "idx", ".json": "json", ".html": "html", ".htm": "html", ".xml": "xml",
    ".csv": "text", ".tsv": "text", ".txt": "text", ".arff": "text", ".data": "text",
    ".jsonl": "json", ".md": "text",
}  # fmt: skip
#: Suffixes that are one compression around something else.
WRAPPINGS: Final = {
    ".tgz": ".tar",
    ".tbz2": ".tar",
    ".txz": ".tar",
    ".gz": "",
    ".bz2": "",
    ".xz": "",
    ".zst": "",
}
#: What must stand at the end of a whole file of this kind, within the last bytes.
ENDINGS: Final = {"zip": b"PK\x05\x06", "parquet": b"PAR1", "png": b"IEND", "jpeg": b"\xff\xd9"}
_TEXT_KINDS: Final = {"html", "xml", "json", "text"}
_STORAGE: Final = re.compile(
    r"<error\b.{0,200}?<code>\s*([^<]+?)\s*</code>(.*?<message>\s*([^<]{0,300}))?", re.S | re.I
)
#: Where S3, Google and Azure put what the message leaves out, and lines of it that only they can read.
_STORAGE_DETAIL: Final = re.compile(r"<(details|authenticationerrordetail|endpoint)>\s*([^<]{0,300})", re.I)
_STORAGE_NUMBERS: Final = re.compile(r"^(requestid|time):.*$", re.M | re.I)
_STORAGE_CAUSES: Final = {
    "slowdown": "http.rate-limited", "serverbusy": "http.rate-limited", "requesttimetooskewed": "local.clock",
}  # fmt: skip

Lookup = Callable[[str], str | None]


class Sample(Struct, frozen=True, kw_only=True):
    """Some bytes that should have been a file, and what is known of them."""

    head: bytes  # the first bytes, a few KiB
    tail: bytes = b""  # the last bytes, if they were kept
    length: int | None = None  # bytes in all, if known
    name: str = ""  # the wanted file's name
    size: int | None = None  # bytes that it should have
    content_type: str = ""
    url: str = ""  # that it came from, after redirects
    headers: str = ""  # `name: value` lines


def name_bytes(
    head: bytes,
    *,
    length: int | None,
    expected: Artifact | None = None,
    content_type: str = "",
    url: str = "",
    tail: bytes = b"",
    digest: str = "",
    lookup: Lookup | None = None,
) -> Finding:
    """Say what some bytes are that are not the wanted file.

    Args:
        head: The first bytes, at least 512 where there are as many.
        length: Bytes in all, None if not known.
        expected: The artifact that they should have been.
        content_type: What the server called them.
        url: Where they came from, after redirects.
        tail: The last bytes, if at hand.
        digest: Hexadecimal digest of the whole, if known.
        lookup: Gives the name of a known file for a digest: `"mnist: t10k-labels-idx1-ubyte.gz"`.
    """
    if digest and lookup and (known := lookup(digest)):
        return Finding(cause="body.wrong-file", detail=f"these bytes are another known file: {known}")
    name = expected.name if expected else url.partition("?")[0].rpartition("/")[2]
    size = expected.size if expected else None
    sample = Sample(
        head=head, tail=tail, length=length, name=name, size=size, content_type=content_type, url=url
    )
    return name_sample(sample)


def name_sample(sample: Sample) -> Finding:
    """Say what a sample is; the cause is `body.corrupt` when nothing more can be told."""
    for rule in (_empty, _page, _wrapped_page, _other_kind, _unwrapped, _cut, _damaged):
        if finding := rule(sample):
            return finding
    return Finding(cause="body.corrupt", detail=_sizes(sample))


def kind_of(head: bytes) -> str:
    """Return the kind of file that begins like this, or ""."""
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":  # POSIX.1-1988 tar
        return "tar"
    text = text_of(head)
    if text is None:
        return ""
    start = text.lstrip().lower()[:2000]
    if _looks_like_html(start):
        return "html"
    if start.startswith(("<?xml", "<error")):
        return "xml"
    return "json" if start[:1] in "{[" and start else "text"


def expected_kind(name: str) -> str:
    """Return the kind of file that this name promises, or ""."""
    lower = name.lower()
    for suffix, kind in SUFFIXES.items():
        if lower.endswith(suffix):
            return kind
    return ""


def text_of(head: bytes) -> str | None:
    """Decode the head if it is text, else None. Byte order marks and Latin-1 are understood."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and not head.startswith(b"\xff\xfe\x00\x00"):
        return head[: len(head) & ~1].decode("utf-16", "replace")
    if b"\x00" in head[:1024]:
        return None
    controls = sum(byte < 9 or 13 < byte < 32 for byte in head[:1024])
    if controls > 2:
        return None
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    # A sample may end inside a character; more than that is Latin-1, or no text at all.
    return text if text.count("\ufffd") * 10 <= max(len(text), 30) else None


def title_of(text: str) -> str:
    """Return a web page's title, entities resolved, at most 80 characters, or ""."""
    match = re.search(r"<title[^>]*>(.*?)(</title|\Z)", text, re.IGNORECASE | re.DOTALL)
    words = " ".join(html.unescape(match.group(1)).split()) if match else ""
    return words if len(words) <= 80 else words[:79] + "…"


def find_marker(text: str, *, headers: str = "", url: str = "", page_only: bool = False) -> Marker | None:
    """Return the first row of the markers' table that fits a page, or None."""
    title = title_of(text)
    for marker in markers():
        if page_only and not (marker.body or marker.title):
            continue
        if marker.matches(body=text, title=title, headers=headers, url=url):
            return marker
    return None


def find_storage_error(text: str) -> Finding | None:
    """Return what a storage service's error document says, or None."""
    match = _STORAGE.search(text)
    return _storage_error(match) if match else None


def came(name: str) -> str:
    """Say that somebody's page, or a page that has a name of its own, came; or who answered."""
    if name.startswith("the "):
        return f"{name}, answered" if "," in name else f"{name} answered"
    return f"{name} came" if name.startswith(("a ", "an ")) else f"a page of {name} came"


def said_in(text: str) -> str:
    """Return what an answer says, in quotes: a page's title, a service's message, a line of text; or ""."""
    if title := title_of(text):
        return f"“{title}”"
    start = text.lstrip()[:1]
    if start in "{[":
        return _json_words(text) if start else ""
    return "" if start == "<" else _quoted(text)


def _empty(sample: Sample) -> Finding | None:
    if sample.length == 0 or (not sample.head and not sample.length):
        return Finding(cause="body.empty", detail="0 bytes came")
    if sample.head and not sample.head.strip(b"\x00") and expected_kind(sample.name) not in ("", "tar"):
        return Finding(
            cause="body.corrupt", detail="it begins with nothing but zero bytes: a file that was never filled"
        )
    if sample.head and not sample.head.strip() and (sample.length or 0) <= len(sample.head):
        return Finding(cause="body.empty", detail=f"{sample.length} bytes of blank space came")
    return None


def _page(sample: Sample) -> Finding | None:
    """Text where none was promised: a pointer, an error document, a page."""
    text = text_of(sample.head)
    if text is None or not text.strip():
        return None
    kind, expected = kind_of(sample.head), expected_kind(sample.name)
    if kind == expected and kind != "text" and not _STORAGE.search(text):
        return None
    if storage := find_storage_error(text):
        return storage
    marker = find_marker(text, headers=sample.headers, url=sample.url)
    is_small = (sample.length or len(sample.head)) <= 2048
    if kind in ("html", "xml") or (
        marker and (is_small or kind == "json") and expected not in ("text", "json")
    ):
        return _named_page(text, marker, sample)
    if marker and marker.cause == "body.lfs-pointer":
        return _named_page(text, marker, sample)
    if "html" in sample.content_type.lower() and expected not in ("", "html"):
        return _named_page(text, marker, sample)
    if kind == "json" and expected not in ("json", "text", "") and is_small:
        return Finding(cause="body.storage-error", detail=f"a JSON message came: {_json_words(text)}")
    if kind == "text" and expected not in _TEXT_KINDS and expected and is_small:
        if not _is_inner_text(sample.name):
            return Finding(cause="body.html", detail=f"a text came instead of the file: {_quoted(text)}")
    return None


def _wrapped_page(sample: Sample) -> Finding | None:
    """A page that was compressed on the way and saved so, or one compression too many."""
    if kind_of(sample.head) != "gzip":
        return None
    inner = _inflate(sample.head)
    if inner is None:
        return None
    expected, inner_kind = expected_kind(sample.name), kind_of(inner)
    if inner_kind == "gzip" and not sample.name.lower().endswith(".gz.gz"):
        return Finding(cause="body.double-encoded", detail="gzip inside gzip: it was compressed twice")
    if (
        inner_kind in ("html", "xml")
        and expected != inner_kind
        and not _inner_name(sample.name).endswith((".html", ".xml", ".svg", ".htm"))
    ):
        finding = name_sample(
            Sample(
                head=inner, name="x.bin", content_type=sample.content_type, url=sample.url, length=len(inner)
            )
        )
        return Finding(cause=finding.cause, detail=f"{finding.detail} (gzip-compressed)")
    if expected and expected != "gzip" and expected == inner_kind:
        return Finding(
            cause="body.double-encoded",
            detail=f"it came gzip-compressed; inside is what `{sample.name}` begins with",
        )
    return None


def _other_kind(sample: Sample) -> Finding | None:
    """Another kind of file than the name promises."""
    kind, expected = kind_of(sample.head), expected_kind(sample.name)
    if not expected or kind == expected or (kind == "" and expected not in MAGIC.values()):
        return None
    if expected in ("gzip", "bzip2", "xz", "zstd"):
        inner = expected_kind(_inner_name(sample.name))
        if (kind and kind == inner) or (kind in ("idx", "tar", "text") and kind == (inner or kind)):
            return Finding(
                cause="body.decompressed",
                detail=f"it begins as {_article(kind)}, already without its {expected} compression",
            )
    if (
        sample.head[:4] in (b"\x1f\xef\xbf\xbd", b"PK\xef\xbf\xbd")
        or b"\xef\xbf\xbd\xef\xbf\xbd" in sample.head[:64]
    ):
        return Finding(
            cause="body.corrupt",
            detail="it was read as text on the way, which destroys it (U+FFFD at its start)",
        )
    if kind == "" or (kind in _TEXT_KINDS and expected in _TEXT_KINDS):
        return None
    return Finding(
        cause="body.wrong-file",
        detail=f"it begins as {_article(kind)} where {_article(expected)} was promised",
    )


def _unwrapped(sample: Sample) -> Finding | None:
    """Another length, and another beginning than the name promises: it was not cut, it is another file."""
    expected = expected_kind(sample.name)
    if (
        sample.length in (None, sample.size)
        or expected not in MAGIC.values()
        or kind_of(sample.head) == expected
    ):
        return None
    is_packed = expected in ("gzip", "bzip2", "xz", "zstd")
    detail = f"it does not begin as {_article(expected)} does (it begins {_hex(sample.head)})"
    if is_packed:
        detail += f", so it came without its {expected} compression, or is another file"
    return Finding(cause="body.decompressed" if is_packed else "body.wrong-file", detail=detail)


def _cut(sample: Sample) -> Finding | None:
    """Too short or too long, by the size promised or by what must stand at the end."""
    length, size = sample.length, sample.size
    if length is not None and size is not None and length != size:
        cause = "body.truncated" if length < size else "body.too-large"
        return Finding(cause=cause, detail=f"{_spaced(length)} bytes came, the file has {_spaced(size)}")
    kind = kind_of(sample.head)
    tail = sample.tail or (sample.head if sample.length == len(sample.head) else b"")
    ending = ENDINGS.get(kind)
    if size is None and tail and ending and ending not in tail:
        return Finding(
            cause="body.truncated",
            detail=f"the {kind} file has no end: it was cut after {sample.length} bytes",
        )
    if size is None and kind == "gzip" and length == len(sample.head) and _is_cut_gzip(sample.head):
        return Finding(
            cause="body.truncated", detail=f"the gzip stream has no end: it was cut after {length} bytes"
        )
    return None


def _damaged(sample: Sample) -> Finding | None:
    kind, expected = kind_of(sample.head), expected_kind(sample.name)
    if expected in MAGIC.values() and kind != expected:
        return Finding(
            cause="body.corrupt",
            detail=f"it does not begin as {_article(expected)} does (it begins {_hex(sample.head)})",
        )
    return None


def _named_page(text: str, marker: Marker | None, sample: Sample) -> Finding:
    title = title_of(text)
    said = f"“{title}”" if title else ""
    if marker is None:
        detail = f"a web page came, titled {said}" if said else f"a web page came{_untitled(text)}"
        return Finding(cause="body.html", detail=detail)
    if marker.cause == "body.lfs-pointer":
        return Finding(cause=marker.cause, detail=_pointer_words(text, marker.name))
    words = said or _quoted(text) if marker.cause.startswith(("service.", "http.")) else said
    return Finding(cause=marker.cause, detail=": ".join(filter(None, (came(marker.name), words))))


def _storage_error(match: re.Match[str]) -> Finding:
    more = _STORAGE_DETAIL.search(match.string, match.end(1))
    said = f"{match.group(3) or ''}\n{more.group(2) if more else ''}"
    code, message = match.group(1).strip(), " ".join(_STORAGE_NUMBERS.sub("", said).split())
    cause = _STORAGE_CAUSES.get(code.lower(), "body.storage-error")
    return Finding(
        cause=cause, detail=f"the storage service says {code}" + (f": {message}" if message else "")
    )


def _pointer_words(text: str, name: str) -> str:
    oid = re.search(r"oid sha256:([0-9a-f]{64})", text)
    size = re.search(r"^size (\d+)", text, re.MULTILINE)
    points = f" to sha256 {oid.group(1)}" if oid else ""
    return f"a {name} pointer{points}" + (f" of {size.group(1)} bytes" if size else "")


def _looks_like_html(start: str) -> bool:
    opening = re.match(
        r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype html|html|head|body|title|meta|script|center|h1)\b",
        start,
        re.S,
    )
    return opening is not None or bool(
        re.search(r"<html[\s>]|<head>|</title>", start) and start.startswith("<")
    )


def _inflate(data: bytes) -> bytes | None:
    """Decompress what a gzip head gives, at most 4 KiB; None if it is no gzip."""
    try:
        return zlib.decompressobj(31).decompress(data, 4096) or None
    except zlib.error:
        return None


def _is_cut_gzip(data: bytes) -> bool:
    decompressor = zlib.decompressobj(31)
    try:
        decompressor.decompress(data, 1 << 24)
    except zlib.error:
        return False
    return not decompressor.eof and not decompressor.unconsumed_tail


def _inner_name(name: str) -> str:
    lower = name.lower()
    for suffix, replacement in WRAPPINGS.items():
        if lower.endswith(suffix):
            return lower.removesuffix(suffix) + replacement
    return lower


def _is_inner_text(name: str) -> bool:
    return expected_kind(_inner_name(name)) in _TEXT_KINDS and _inner_name(name) != name.lower()


def _json_words(text: str) -> str:
    match = re.search(r'"(?:error_description|message|error|detail|msg|title)"\s*:\s*"([^"]{1,200})"', text)
    return f"“{match.group(1)}”" if match else _quoted(text)


def _untitled(text: str) -> str:
    """What tells a page without a title from others: where it sends browsers on, or its words."""
    if leads := re.search(r"http-equiv=[\"']?refresh[^>]*?url=[\"']?([^\"'>\s?#]+)", text, re.IGNORECASE):
        return f" that leads on to `{clean(leads.group(1))}`"
    words = _quoted(text)
    return f": {words}" if words != "“”" else ""


def _quoted(text: str) -> str:
    words = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    return f"“{words[:79]}…”" if len(words) > 80 else f"“{words}”"


def _sizes(sample: Sample) -> str:
    if sample.length is not None and sample.length == sample.size:
        return "the right number of bytes came, but not the right ones"
    return f"{sample.length} bytes came" if sample.length else "other bytes came"


def _hex(head: bytes) -> str:
    return head[:4].hex(" ")


def _article(kind: str) -> str:
    words = {
        "text": "plain text",
        "json": "JSON",
        "html": "a web page",
        "idx": "an IDX file",
        "tar": "a tar archive",
    }
    return words.get(kind, f"{'an' if kind[:1] in 'aeh' and kind != 'hdf5' else 'a'} {kind} file")


def _spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")
