"""Other projects' lists of files as catalog files: pooch registries and Croissant descriptions."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from surefetch.catalog.read import parse_catalog
from surefetch.catalog.rules import is_file_name
from surefetch.catalog.write import write_catalog
from surefetch.errors import CatalogError
from surefetch.model import ALGORITHMS, Artifact, Dataset

#: The bound of files whose size the list does not tell, in bytes.
UNKNOWN_BOUND: Final = 2 << 30
#: Stands in a URL's path as it is (RFC 3986, 3.3), and `%`, which is taken for a quoted one.
_UNQUOTED: Final = "/:@!$&'()*+,;=~%"
_WEB: Final = re.compile(r"https?://")


def import_pooch_registry(
    text: str,
    *,
    name: str,
    base_url: str,
    version: str = "1",
    urls: Mapping[str, str] | None = None,
    max_size: int = UNKNOWN_BOUND,
) -> str:
    """Turn a pooch registry into a catalog file.

    Args:
        text: Lines of `FILE HASH [URL]`; a hash is `algorithm:hex` or a bare SHA-256 (pooch's
            `load_registry`).
        name: The dataset's name.
        base_url: Where files without a URL of their own lie; `{version}` in it is replaced, as pooch does.
        version: The version of the data.
        urls: URLs of single files, by their name in the registry.
        max_size: Bytes at most, for every file: a registry tells no sizes.

    Raises:
        CatalogError: A line cannot be read, or the result breaks a rule of catalogs.
    """
    rows = [_registry_row(line, number) for number, line in enumerate(text.splitlines(), 1)]
    found = {row[0]: row for row in rows if row}
    base, given = base_url.replace("{version}", version), urls or {}
    names = plain_names(list(found))
    artifacts = tuple(
        Artifact(
            name=names[file],
            form="files",
            max_size=max_size,
            sha256=digest.get("sha256"),
            sha1=digest.get("sha1"),
            md5=digest.get("md5"),
            urls=(given.get(file) or url or f"{base.removesuffix('/')}/{quote(file, safe=_UNQUOTED)}",),
        )
        for file, digest, url in found.values()
    )
    comment = "Imported from a pooch registry, which tells digests and no sizes."
    return seal(Dataset(name=name, version=version, artifacts=artifacts), comment)


def import_croissant(text: str, *, name: str = "", max_size: int = UNKNOWN_BOUND) -> str:
    """Turn a Croissant description (JSON-LD) into a catalog file.

    Only files with an address and a digest are taken: the `sha256` of many descriptions is no digest but the
    address of a discussion about it, and such a file is named at the top as left out.

    Args:
        text: The description.
        name: The dataset's name; else the description's, reduced to what a name may have.
        max_size: Bytes at most, for files whose size it does not tell.

    Raises:
        CatalogError: It is no Croissant description, or none of its files has an address and a digest.
    """
    content = _read_json(text)
    objects = [entry for entry in _list(content.get("distribution")) if isinstance(entry, dict)]
    files = [entry for entry in objects if _kind(entry) == "FileObject" and not entry.get("containedIn")]
    reasons = {_label(entry): _why_not(entry) for entry in files}
    taken = [entry for entry in files if not reasons[_label(entry)]]
    left = [f"Left out: {label}: {reason}." for label, reason in reasons.items() if reason]
    if not taken:
        raise CatalogError(
            "the Croissant description has no file with an address and a digest"
            + "".join(f"; {x}" for x in left),
            hint="`surefetch catalog add URL --name NAME` learns digests at first sight",
            file="Croissant",
            key="distribution",
            expected="a FileObject with `contentUrl` and a hexadecimal `sha256` or `md5`",
        )
    names = plain_names([_label(entry) for entry in taken])
    artifacts = tuple(_croissant_artifact(entry, names[_label(entry)], max_size) for entry in taken)
    dataset = Dataset(
        name=name or slug(_text(content.get("name"))),
        version=re.sub(r"[^A-Za-z0-9._+-]+", "-", _text(content.get("version"))).strip("-.") or "1",
        title=_text(content.get("name")),
        description=_text(content.get("description")),
        homepage=_text(content.get("url")),
        license=", ".join(map(_text, _list(content.get("license")))),
        citation=_text(content.get("citeAs") or content.get("citation")),
        artifacts=artifacts,
    )
    return seal(dataset, "\n".join(["Imported from a Croissant description.", *left]))


def seal(dataset: Dataset, comment: str = "") -> str:
    """Write a catalog file and read it back, so that no file is written that would be refused.

    Raises:
        CatalogError: The dataset breaks a rule of catalogs.
    """
    text = write_catalog(dataset, comment)
    parse_catalog(text, dataset.name or "the new catalog")
    return text


def slug(text: str) -> str:
    """Reduce any text to what may name a dataset; empty if nothing is left."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:100]


def plain_names(paths: Sequence[str]) -> dict[str, str]:
    """Give each path a plain file name: its last part, or all its parts where several end alike."""
    last = {path: path.rstrip("/").rpartition("/")[2] for path in paths}
    count = Counter(name.casefold() for name in last.values())
    return {
        path: name if count[name.casefold()] == 1 and is_file_name(name) else _joined(path)
        for path, name in last.items()
    }


# --- pooch -----------------------------------------------------------------------------------------------


def _registry_row(line: str, number: int) -> tuple[str, dict[str, str], str] | None:
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if len(words) not in (2, 3):
        raise _registry_error(number, "`FILE HASH` or `FILE HASH URL`")
    algorithm, separator, digest = words[1].rpartition(":")
    if (algorithm if separator else "sha256").lower() not in ALGORITHMS:
        raise _registry_error(number, f"a digest of {', '.join(ALGORITHMS)}, not of {algorithm}")
    return words[0], {algorithm.lower() or "sha256": digest.lower()}, words[2] if len(words) == 3 else ""


def _registry_error(number: int, expected: str) -> CatalogError:
    return CatalogError(
        f"line {number} of the registry: expected {expected}",
        hint="correct that line, or leave it out",
        file="registry",
        key=f"line {number}",
        expected=expected,
    )


def _joined(path: str) -> str:
    return re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*]+', "_", path).strip(" ._")


# --- Croissant -------------------------------------------------------------------------------------------


def _read_json(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _croissant_error(f"it is not JSON: {error}") from error
    if not isinstance(content, dict) or "distribution" not in content:
        raise _croissant_error("it has no `distribution`")
    return content


def _croissant_error(reason: str) -> CatalogError:
    return CatalogError(
        f"the Croissant description cannot be used: {reason}",
        hint="get the description again from where it is published, or tell its author",
        file="Croissant",
        key="",
        expected="JSON-LD with a `distribution`",
    )


def _croissant_artifact(entry: Mapping[str, Any], name: str, max_size: int) -> Artifact:
    size, digests = _size(_text(entry.get("contentSize"))), _digests(entry)
    return Artifact(
        name=name,
        form="files",
        size=size,
        max_size=max_size if size is None else None,
        sha256=digests.get("sha256"),
        sha1=digests.get("sha1"),
        md5=digests.get("md5"),
        urls=(_text(entry.get("contentUrl")),),
        encoding=", ".join(map(_text, _list(entry.get("encodingFormat")))),
    )


def _why_not(entry: Mapping[str, Any]) -> str:
    if not _WEB.match(_text(entry.get("contentUrl"))) or "git+https" in _list(entry.get("encodingFormat")):
        return "it has no address of a file"
    return "" if _digests(entry) else "it has no digest"


def _digests(entry: Mapping[str, Any]) -> dict[str, str]:
    """The digests that are some: hexadecimal, of the right length."""
    texts = {algorithm: _text(entry.get(algorithm)).lower() for algorithm in ALGORITHMS}
    return {
        algorithm: text
        for algorithm, text in texts.items()
        if re.fullmatch(f"[0-9a-f]{{{ALGORITHMS[algorithm]}}}", text)
    }


def _size(text: str) -> int | None:
    """Bytes, where they are told exactly: `1234`, `1234 B`; `1.2 MB` is rounded and tells nothing."""
    match = re.fullmatch(r"(\d{1,15})\s*(?:B|bytes?)?", text.strip(), re.ASCII)
    return int(match[1]) if match else None


def _kind(entry: Mapping[str, Any]) -> str:
    return next((_text(kind).rpartition(":")[2].rpartition("/")[2] for kind in _list(entry.get("@type"))), "")


def _label(entry: Mapping[str, Any]) -> str:
    """What the file is called: its name, its id, or the end of its address."""
    url = re.split(r"[?#]", _text(entry.get("contentUrl")))[0].rstrip("/").rpartition("/")[2]
    return next((text for text in (_text(entry.get("name")), _text(entry.get("@id")), url) if text), "file")


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | dict) else [value]
