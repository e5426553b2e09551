"""The trust rules of catalogs: what has to be known of a file before it may be fetched."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Final

from surefetch.catalog.entries import ArtifactEntry, CatalogFile, Problem, quote_key
from surefetch.catalog.urls import shown, unreadable
from surefetch.model import ALGORITHMS, PIECE_BYTES, Dataset, Digest

#: Names that Windows gives to devices, with any extension ("Naming Files, Paths, and Namespaces").
RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
_UNFIT: Final = frozenset('<>:"/\\|?*\x7f') | {chr(code) for code in range(32)}
NAME_BYTES: Final = 200  # leaves room for a part's suffix below the 255 bytes of common file systems


def check_file(file: CatalogFile) -> None:
    """Check what each table says by itself.

    Raises:
        Problem: The first mistake.
    """
    _check_names(file)
    _check_urls("known_as", file.known_as, _KNOWN_SCHEMES)
    for name in file.tensors:
        if not is_tensor_name(name):
            raise Problem(f"tensors.{quote_key(name)}", "a name such as `train/image`", name)
    for index, entry in enumerate(file.artifact):
        key = f"artifact[{index}]"
        for check in _ARTIFACT_CHECKS:
            check(key, entry, file)
    _check_distinct_files(file)
    _check_forms(file)
    if not file.artifact:
        raise Problem("artifact", "at least one [[artifact]]")


def check_dataset(dataset: Dataset) -> None:
    """Check that every form reads its own artifacts only, and that each tensor can be had.

    Raises:
        Problem: The first mistake.
    """
    owners = {artifact.name: artifact.form for artifact in dataset.artifacts}
    for form in dataset.forms:
        for tensor, recipe in form.gives.items():
            for part in recipe:
                if owners.get(part.input) != form.name:
                    key = f"form.{quote_key(form.name)}.gives.{quote_key(tensor)}"
                    raise Problem(key, f"an input that is an artifact of form `{form.name}`", part.input)
    _check_content_proof(dataset)
    given = {tensor for form in dataset.forms for tensor in form.gives}
    for tensor in dataset.tensors:
        if tensor not in given:
            raise Problem(f"tensors.{quote_key(tensor)}", "a tensor that some artifact or form gives")


def is_file_name(name: str) -> bool:
    """Whether it is a plain file name that every system takes."""
    if not name or name in (".", "..") or name[-1] in ". " or name[0] == " ":
        return False
    if not _UNFIT.isdisjoint(name) or len(name.encode("utf-8")) > NAME_BYTES:
        return False
    return name.split(".")[0].rstrip().lower() not in RESERVED


def is_dataset_name(name: str) -> bool:
    """Whether it can name a dataset: a folder's name too, in lower case."""
    return bool(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name)) and is_file_name(name)


def is_tensor_name(name: str) -> bool:
    """Whether it can name a tensor: words joined by slashes."""
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", name))


def _check_names(file: CatalogFile) -> None:
    if not is_dataset_name(file.name):
        raise Problem("name", "a name of lower-case letters, digits, `-`, `_` and `.`", file.name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,49}", file.version) or file.version.endswith("."):
        raise Problem("version", "a version such as `1` or `2024-05`", file.version)
    for index, alias in enumerate(file.aliases):
        if not re.fullmatch(r"\w[\w./+ ()-]{0,99}", alias):
            raise Problem(f"aliases[{index}]", "a name of letters, digits, `-_./+()` and spaces", alias)


# --- one artifact ----------------------------------------------------------------------------------------


def _check_artifact_name(key: str, entry: ArtifactEntry, _: CatalogFile) -> None:
    if not is_file_name(entry.name):
        expected = f"a plain file name that every system takes, at most {NAME_BYTES} bytes"
        raise Problem(f"{key}.name", expected, entry.name)
    if entry.form != "files" and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,49}", entry.form):
        raise Problem(f"{key}.form", "a name such as `idx` or `keras-npz`", entry.form)


def _check_digests(key: str, entry: ArtifactEntry, _: CatalogFile) -> None:
    for algorithm in ALGORITHMS:
        if (value := getattr(entry, algorithm)) is not None:
            _check_digest(f"{key}.{algorithm}", algorithm, value)
    has_digest = bool(entry.sha256 or entry.sha1 or entry.md5)
    if has_digest and entry.unproven:
        raise Problem(f"{key}.unproven", "no `unproven` beside a digest: the digest proves it")
    if not has_digest and not entry.unproven:
        raise Problem(f"{key}.sha256", "a digest (`sha256`, or `sha1` or `md5` where there is no better one)")


def _check_digest(key: str, algorithm: str, value: str) -> None:
    try:
        Digest(algorithm=algorithm, hex=value)
    except ValueError as error:
        expected = f"a {algorithm} digest: {ALGORITHMS[algorithm]} lower-case hexadecimal digits"
        raise Problem(key, expected, value) from error


def _check_size(key: str, entry: ArtifactEntry, _: CatalogFile) -> None:
    if (entry.size is None) == (entry.max_size is None):
        raise Problem(f"{key}.size", "either `size` in bytes or, where nobody knows it, `max_size`")
    if entry.size is not None and entry.size < 0:
        raise Problem(f"{key}.size", "a number of bytes", entry.size)
    if entry.size == 0:
        for algorithm in ALGORITHMS:
            value = getattr(entry, algorithm)
            if value and not Digest(algorithm=algorithm, hex=value).is_of_nothing:
                raise Problem(
                    f"{key}.size", f"more than 0 bytes: its {algorithm} is of a file that has some", 0
                )
    if entry.max_size is not None and entry.max_size <= 0:
        raise Problem(f"{key}.max_size", "a number of bytes", entry.max_size)


def _check_places(key: str, entry: ArtifactEntry, _: CatalogFile) -> None:
    if entry.urls or entry.known_as:
        _check_urls(f"{key}.urls", entry.urls, _SCHEMES)
        _check_urls(f"{key}.known_as", entry.known_as, _KNOWN_SCHEMES)
    if entry.package is not None and not re.fullmatch(r"pypi:[\w.-]+==[\w.!+-]+", entry.package):
        raise Problem(f"{key}.package", "`pypi:NAME==VERSION`", entry.package)
    if entry.deb is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+=[\w.+:~-]+", entry.deb):
        raise Problem(f"{key}.deb", "`NAME=VERSION` of a Debian package", entry.deb)


def _check_pieces(key: str, entry: ArtifactEntry, _: CatalogFile) -> None:
    if not entry.pieces:
        return
    count = math.ceil((entry.size or 0) / PIECE_BYTES)
    if len(entry.pieces) != count:
        expected = f"{count} digests, one for each {PIECE_BYTES} bytes of `size`"
        raise Problem(f"{key}.pieces", expected, len(entry.pieces))
    for index, piece in enumerate(entry.pieces):
        _check_digest(f"{key}.pieces[{index}]", "sha256", piece)


def _check_gives(key: str, entry: ArtifactEntry, file: CatalogFile) -> None:
    for tensor in entry.gives:
        if tensor not in file.tensors:
            raise Problem(f"{key}.gives.{quote_key(tensor)}", "a tensor that stands in [tensors]", tensor)


_ARTIFACT_CHECKS: Final[tuple[Callable[[str, ArtifactEntry, CatalogFile], None], ...]] = (
    _check_artifact_name,
    _check_digests,
    _check_size,
    _check_places,
    _check_pieces,
    _check_gives,
)

_SCHEMES: Final = ("https", "http")
_KNOWN_SCHEMES: Final = ("https", "http", "ftp")  # never contacted, so an old address may stand there


def _check_urls(key: str, urls: tuple[str, ...], schemes: tuple[str, ...]) -> None:
    for index, url in enumerate(urls):
        problem = unreadable(url)
        is_address = re.fullmatch(rf"({'|'.join(schemes)})://[^\s/?#@\\]+([/?][^\s#\\]*)?", url)
        if not is_address or (problem and "@" in url):  # the problem may quote a piece of the password
            expected = (
                f"an address that begins with {' or '.join(f'`{s}://`' for s in schemes)}, without password"
            )
            raise Problem(f"{key}[{index}]", expected, shown(url))
        if problem:
            raise Problem(f"{key}[{index}]", f"an address that can be read ({problem})", shown(url))


# --- the whole file --------------------------------------------------------------------------------------


def _check_distinct_files(file: CatalogFile) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(file.artifact):
        name = entry.name.casefold()  # two names that differ in case only are one file on macOS and Windows
        if name in seen:
            raise Problem(f"artifact[{index}].name", "a file name that no other artifact has", entry.name)
        seen.add(name)


def _check_forms(file: CatalogFile) -> None:
    names: set[str] = set()
    for index, form in enumerate(file.form):
        if form.name in names:
            raise Problem(f"form[{index}].name", "a name that no other [[form]] has", form.name)
        names.add(form.name)
        if form.name not in {entry.form for entry in file.artifact}:
            raise Problem(f"form[{index}].name", "the form of at least one [[artifact]]", form.name)
        for tensor in form.gives:
            if tensor not in file.tensors:
                key = f"form[{index}].gives.{quote_key(tensor)}"
                raise Problem(key, "a tensor that stands in [tensors]", tensor)


def _check_content_proof(dataset: Dataset) -> None:
    """An artifact without digest may only give tensors with one, and has to give at least one."""
    for index, artifact in enumerate(dataset.artifacts):
        if not artifact.unproven:
            continue
        given = list(_given_by(dataset, artifact.name))
        if not given:
            raise Problem(f"artifact[{index}].unproven", "a digest: nothing else proves this file")
        for tensor in given:
            if dataset.tensors[tensor].sha256 is None:
                expected = f"a digest: artifact `{artifact.name}` has none, so this tensor has to prove it"
                raise Problem(f"tensors.{quote_key(tensor)}.sha256", expected)


def _given_by(dataset: Dataset, artifact: str) -> Iterator[str]:
    for form in dataset.forms:
        for tensor, recipe in form.gives.items():
            if any(part.input == artifact for part in recipe):
                yield tensor
