"""Metalink 4 (RFC 5854): files, digests, pieces and mirrors as XML; read with care, and written.

Of a description only what proves and finds files is taken: names, sizes, digests, pieces, URLs. Signatures
and torrents (`metaurl`) are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree
from xml.parsers import expat

from surefetch.catalog.imports import plain_names
from surefetch.catalog.rules import is_file_name
from surefetch.catalog.urls import unreadable
from surefetch.errors import CatalogError
from surefetch.model import ALGORITHMS, PIECE_BYTES, Artifact, Dataset

#: Of the XML namespace (RFC 5854, 4).
NAMESPACE: Final = "urn:ietf:params:xml:ns:metalink"
#: Bytes of a description at most: the pieces of 100 GB take 10 MB of it.
DOCUMENT_BYTES: Final = 32 << 20
#: Bytes of a file whose size it does not tell, at most.
UNKNOWN_BOUND: Final = 1 << 40
DEPTH: Final = 16  # of elements in elements; the format has 5
FILES: Final = 10_000
URLS: Final = 1_000  # of one file

#: Their names of digest algorithms (IANA, "Hash Function Textual Names") and ours.
_HASHES: Final = {"sha-256": "sha256", "sha-1": "sha1", "md5": "md5"}
#: Those that are read: Metalink 3 and many programs leave the hyphen out.
_READ: Final = {**_HASHES, "sha256": "sha256", "sha1": "sha1"}
_LAST: Final = 999_999  # the priority of what has none (RFC 5854, 4.2.16.1)
#: Spaces are escaped on the wire; line breaks are none of an address.
_URL: Final = re.compile(r"https?://[^\s/?#@\\]+([/?][^\r\n\t#\\]*)?", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # no XML (XML 1.0, 2.2)


def parse_metalink(data: bytes, origin: str) -> Dataset:
    """Read a Metalink 4 description.

    Args:
        data: The whole document.
        origin: The path it came from; names the dataset, which has no version.

    Returns:
        A dataset of files without tensors; each has a digest and its web mirrors, the preferred ones first.
        Pieces are kept where they are of PIECE_BYTES and SHA-256.

    Raises:
        CatalogError: It is no Metalink 4, has a DTD, breaks a bound, or describes a file without digest.
    """
    root = _read_xml(data, origin)
    if root.tag != _name("metalink"):
        raise _no_metalink(root, origin)
    elements = root.findall(_name("file"))
    if not 0 < len(elements) <= FILES:
        raise _error(origin, "file", f"1 to {FILES} files", len(elements))
    names = _file_names([element.get("name", "") for element in elements], origin)
    artifacts = tuple(_artifact(element, name, origin) for element, name in zip(elements, names, strict=True))
    return Dataset(name=origin, version="", artifacts=artifacts, origin=origin)


def write_metalink(dataset: Dataset, artifacts: Sequence[Artifact], generator: str) -> str:
    """Write a Metalink 4 description of some artifacts of a dataset.

    Args:
        dataset: Its title, version, licence and homepage stand with each file.
        artifacts: Each with a digest and an address at least.
        generator: Who writes, e.g. `surefetch/1.0`.
    """
    root = ElementTree.Element("metalink", xmlns=NAMESPACE)
    _add(root, "generator", generator)
    for artifact in artifacts:
        _add_file(root, dataset, artifact)
    ElementTree.indent(root)
    text = ElementTree.tostring(
        root, encoding="us-ascii"
    ).decode()  # UTF-8 too, whatever a console makes of it
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


# --- XML, without what makes it dangerous ----------------------------------------------------------------


def _read_xml(data: bytes, origin: str) -> ElementTree.Element:
    """Parse XML that has no DTD: without one there are no entities to expand or to fetch (XML 1.0, 4)."""
    if len(data) > DOCUMENT_BYTES:
        raise _error(origin, "", f"{DOCUMENT_BYTES} bytes at most", len(data))
    builder, depth = ElementTree.TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise _error(origin, "", f"{DEPTH} elements in one another at most")
        builder.start(_braced(tag), attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_braced(tag))

    def refuse(*_: object) -> None:
        raise _error(origin, "", "XML without a DTD: no `<!DOCTYPE`, no entities")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _error(origin, "", f"XML: {error}") from error
    return builder.close()


def _braced(tag: str) -> str:
    return "{" + tag if "}" in tag else tag


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


# --- one file --------------------------------------------------------------------------------------------


def _artifact(element: ElementTree.Element, name: str, origin: str) -> Artifact:
    digests = _digests(element, name, origin)
    if not digests:
        raise _error(origin, f"file `{name}`", f"a hash of {', '.join(_HASHES)}")
    size = _size(element, name, origin)
    return Artifact(
        name=name,
        form="files",
        size=size,
        max_size=UNKNOWN_BOUND if size is None else None,
        sha256=digests.get("sha256"),
        sha1=digests.get("sha1"),
        md5=digests.get("md5"),
        urls=_urls(element),
        pieces=_pieces(element, size),
    )


def _file_names(names: Sequence[str], origin: str) -> list[str]:
    """Give each file a plain name; folders in it are left out where the names stay different."""
    plain = plain_names(names)
    found = [plain[name] for name in names]
    for given, name in zip(names, found, strict=True):
        if not is_file_name(name):
            raise _error(origin, "file", "a name that can be a file's", given)
    if len({name.casefold() for name in found}) < len(found):
        raise _error(origin, "file", "names that differ")
    return found


def _digests(element: ElementTree.Element, name: str, origin: str) -> dict[str, str]:
    """The digests of known algorithms: hexadecimal, of the right length."""
    digests: dict[str, str] = {}
    for child in element.findall(_name("hash")):
        algorithm, text = _READ.get(child.get("type", "").lower(), ""), _text(child).lower()
        if not (algorithm and re.fullmatch(f"[0-9a-f]{{{ALGORITHMS[algorithm]}}}", text)):
            continue
        if digests.setdefault(algorithm, text) != text:
            raise _error(origin, f"file `{name}`", f"one {child.get('type')}", "two that differ")
    return digests


def _size(element: ElementTree.Element, name: str, origin: str) -> int | None:
    child = element.find(_name("size"))
    if child is None:
        return None
    if not re.fullmatch(r"\d{1,15}", _text(child), re.ASCII):
        raise _error(origin, f"file `{name}`, size", "a number of bytes", _text(child))
    return int(_text(child))


def _urls(element: ElementTree.Element) -> tuple[str, ...]:
    """The web addresses, the preferred ones first; of equals in the order of the document."""
    children = element.findall(_name("url"))[:URLS]
    ranked = sorted(children, key=_priority)
    texts = (_text(child).partition("#")[0] for child in ranked)  # a fragment is no part of what is fetched
    return tuple(dict.fromkeys(text for text in texts if _is_url(text)))


def _is_url(text: str) -> bool:
    return bool(_URL.fullmatch(text)) and not unreadable(text)


def _priority(element: ElementTree.Element) -> int:
    text = element.get("priority", "")
    return int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else _LAST


def _pieces(element: ElementTree.Element, size: int | None) -> tuple[str, ...]:
    """The pieces, if they are ours: other lengths would prove nothing piece by piece here."""
    for child in element.findall(_name("pieces")):
        digests = tuple(_text(item).lower() for item in child.findall(_name("hash")))
        is_ours = (
            child.get("length") == str(PIECE_BYTES) and _READ.get(child.get("type", "").lower()) == "sha256"
        )
        if is_ours and size and len(digests) == math.ceil(size / PIECE_BYTES) and _are_hex(digests):
            return digests
    return ()


def _are_hex(digests: Sequence[str]) -> bool:
    return all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def _text(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


# --- writing ---------------------------------------------------------------------------------------------


def _add_file(root: ElementTree.Element, dataset: Dataset, artifact: Artifact) -> None:
    file = ElementTree.SubElement(root, "file", name=artifact.name)
    _add(file, "identity", dataset.title or dataset.name)
    _add(file, "version", dataset.version)
    _add(file, "copyright", dataset.license)
    if artifact.size is not None:
        _add(file, "size", str(artifact.size))
    for theirs, ours in _HASHES.items():
        _add(file, "hash", getattr(artifact, ours) or "", type=theirs)
    if artifact.pieces:
        pieces = ElementTree.SubElement(file, "pieces", length=str(PIECE_BYTES), type="sha-256")
        for digest in artifact.pieces:
            _add(pieces, "hash", digest)
    for priority, url in enumerate(artifact.urls, 1):
        _add(file, "url", url, priority=str(priority))


def _add(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    if text:
        element = ElementTree.SubElement(parent, tag, attributes)
        element.text = _CONTROL.sub("\ufffd", text)


# --- errors ----------------------------------------------------------------------------------------------


def _no_metalink(root: ElementTree.Element, origin: str) -> CatalogError:
    if root.tag == "{http://www.metalinker.org/}metalink":
        return _error(origin, "", "Metalink 4 (RFC 5854); this is Metalink 3")
    return _error(origin, "", f"a `metalink` element of `{NAMESPACE}`", root.tag)


def _error(origin: str, key: str, expected: str, got: object = None) -> CatalogError:
    place = f", {key}" if key else ""
    seen = "" if got is None else f", and `{str(got)[:80]}` is there"
    return CatalogError(
        f"Metalink `{origin}`{place}: expected {expected}{seen}",
        hint="get the description again from where it is published, or tell its author",
        file=origin,
        key=key,
        expected=expected,
    )
