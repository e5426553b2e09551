"""Putting files where a loader looks: judged first, written whole, and remembered, so that they can be taken
away.

A file is written under a name of its own, flushed, and renamed; always a copy or a reflink, never a link
into the store: loaders write over and delete what they find. What must go is moved aside, never deleted.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from io import BufferedIOBase
from pathlib import Path

from surefetch.errors import FetchError
from surefetch.layouts.values import (
    Arff,
    Arrow,
    Content,
    Idx,
    Layout,
    Literal,
    Member,
    Plant,
    Published,
    Shadow,
)
from surefetch.model import Dataset, TensorSpec
from surefetch.session.loader_files import idx_header, write_arff, write_idx
from surefetch.session.prepared import prepare
from surefetch.session.supply import Supplier
from surefetch.store.files import clone, copy, nonce, replace, set_mode, sync_folder, sync_path

_BLOCK_BYTES = 1 << 20
_TEXT_BYTES = 1 << 24
_GZIP_MAGIC = b"\x1f\x8b"


class State(Enum):
    """What stands where a plant belongs."""

    MISSING = "missing"
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"  # only its own content tells, or the framework itself


# --- judging ----------------------------------------------------------------------------------------------


def judge(plant: Plant, layout: Layout, dataset: Dataset, known: Mapping[str, str]) -> State:
    """Judge what stands where a plant belongs, without having its content.

    Args:
        plant: What should be there.
        layout: Where, and what belongs to it.
        dataset: Knows the digests.
        known: Path -> SHA-256 of what was planted earlier.
    """
    path = Path(layout.root) / plant.path
    if isinstance(plant.content, Arrow):
        return State.UNKNOWN if any(path.parent.parent.glob("*/*/dataset_info.json")) else State.MISSING
    if not path.is_file():
        return State.BAD if path.exists() else State.MISSING
    actual = file_digest(path)
    if known.get(str(path)) == actual:
        return State.GOOD
    if isinstance(plant.content, Published):
        if actual == dataset.artifact(plant.content.artifact).sha256:
            return State.GOOD
        if not plant.equal_to and dataset.artifact(plant.content.artifact).sha256 is None:
            return _by_weak_digest(path, dataset, plant.content.artifact)
    if plant.equal_to:
        return State.GOOD if _holds_tensor(path, dataset.tensors[plant.equal_to]) else State.BAD
    if isinstance(plant.content, Literal):
        return _judge_literal(path, plant.content, layout)
    if isinstance(plant.content, Arff):
        return State.GOOD if unzipped_md5(path) in _published_md5s(dataset) else State.UNKNOWN
    return State.BAD if isinstance(plant.content, Published) else State.UNKNOWN


def _by_weak_digest(path: Path, dataset: Dataset, name: str) -> State:
    artifact = dataset.artifact(name)
    digest = artifact.digest
    if digest is None:
        return State.UNKNOWN
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, digest.algorithm).hexdigest()
    return State.GOOD if actual == digest.hex else State.BAD


def _holds_tensor(path: Path, spec: TensorSpec) -> bool:
    """Whether a raw or gzip'd IDX file holds exactly this tensor."""
    header = idx_header(spec.shape)
    digest, left = hashlib.sha256(), spec.size
    try:
        with _unzipped(path) as stream:
            if stream.read(len(header)) != header:
                return False
            while left >= 0 and (block := stream.read(_BLOCK_BYTES)):
                digest.update(block)
                left -= len(block)
    except (OSError, EOFError, zlib.error):
        return False
    return left == 0 and digest.hexdigest() == spec.sha256


def _judge_literal(path: Path, content: Literal, layout: Layout) -> State:
    """Judge a text: another's is good if it tells the same; a description must have its file's MD5."""
    try:
        with _unzipped(path) as stream:
            actual = json.loads(stream.read(_TEXT_BYTES))
    except (OSError, EOFError, ValueError, zlib.error):
        return State.BAD
    if not content.md5_of:
        return State.GOOD if _covers(actual, json.loads(content.text)) else State.BAD
    described = Path(layout.root) / content.md5_of
    try:
        md5 = actual["data_set_description"]["md5_checksum"]
    except (KeyError, TypeError):
        return State.BAD
    return State.GOOD if described.is_file() and md5 == unzipped_md5(described) else State.BAD


def _covers(actual: object, expected: object) -> bool:
    """Whether two JSON values agree in what makes them usable: types, keys and lengths."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and _covers(actual[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(actual, list) and len(actual) == len(expected)
    return type(actual) is type(expected)


def _published_md5s(dataset: Dataset) -> set[str]:
    arffs = (artifact for artifact in dataset.artifacts if artifact.name.endswith(".arff"))
    return {artifact.md5 for artifact in arffs if artifact.md5}


def unzipped_md5(path: Path) -> str:
    """Return the MD5 of a file, of a gzip'd one that of its content; "" if it is broken."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with _unzipped(path) as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


@contextmanager
def _unzipped(path: Path) -> Iterator[BufferedIOBase]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not is_gzip:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield stream


def file_digest(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- making -----------------------------------------------------------------------------------------------


class Workshop:
    """Makes the content of plants in a folder of its own. Mutable: makes nothing twice."""

    def __init__(
        self, dataset: Dataset, supplier: Supplier, folder: Path, python: str, environ: Mapping[str, str]
    ) -> None:
        self._dataset = dataset
        self._supplier = supplier
        self._folder = folder
        self._python = python
        self._environ = environ
        self._made: dict[str, Path] = {}
        self._md5s: dict[str, str] = {}  # key of an ARFF -> MD5 of the unzipped file

    def make(self, plant: Plant, layout: Layout) -> Path:
        """Return a file, or for `Arrow` a folder, with a plant's content; the caller copies it.

        Raises:
            FetchError: Its bytes cannot be had.
            UsageError: The user's Python could not prepare it.
        """
        content = plant.content
        key = repr(content)
        if isinstance(content, Literal) and content.md5_of:
            return self._described(content, layout)
        if key not in self._made:
            self._made[key] = self._make(content, plant, key)
        return self._made[key]

    def is_same(self, plant: Plant, layout: Layout, path: Path) -> bool:
        """Whether a file that nothing else could judge holds what we would put there."""
        made = self.make(plant, layout)
        if isinstance(plant.content, Arff):
            return unzipped_md5(path) == self._md5s[repr(plant.content)]
        return file_digest(path) == file_digest(made)

    def _make(self, content: Content, plant: Plant, key: str) -> Path:
        match content:
            case Published():
                return self._published(content, plant)
            case Member():
                return self._member(content)
            case Idx():
                path = self._new()
                write_idx(self._supplier.tensor(self._dataset, content.tensor), path)
                return path
            case Arff():
                return self._arff(content, key)
            case Literal():
                return self._text(content.text, content.is_gzipped)
            case Arrow():
                path = self._new()
                prepare(content, "arrow", self._dataset, self._supplier, path, self._python, self._environ)
                return path

    def _published(self, content: Published, plant: Plant) -> Path:
        path = self._supplier.artifact(self._dataset, content.artifact)
        if path is not None:
            return path
        if plant.equal_to:  # the loader believes any gzip'd IDX file
            raw = self._make(Idx(tensor=plant.equal_to), plant, "")
            return self._gzip(raw.read_bytes())
        raise FetchError(
            f"`{content.artifact}` can neither be had nor rebuilt here, and the loader takes no other bytes",
            code="service.outage",
            hint=f"surefetch get {self._dataset.name}    (tells every attempt)",
        )

    def _member(self, content: Member) -> Path:
        archive = self._supplier.artifact(self._dataset, content.artifact)
        if archive is None:
            raise FetchError(f"`{content.artifact}` cannot be had", code="service.outage")
        path = self._new()
        with tarfile.open(archive) as tar, path.open("wb") as target:
            source = tar.extractfile(content.member)
            if source is None:
                raise FetchError(
                    f"`{content.artifact}` has no file `{content.member}`", code="body.wrong-file"
                )
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
        return path

    def _arff(self, content: Arff, key: str) -> Path:
        path = self._new()
        images = [self._supplier.tensor(self._dataset, name) for name in content.images]
        labels = [self._supplier.tensor(self._dataset, name) for name in content.labels]
        self._md5s[key] = write_arff(images, labels, content.relation, path)
        return path

    def _described(self, content: Literal, layout: Layout) -> Path:
        """A description tells the MD5 of the file beside it: what stands there already, or what we make."""
        described = next(plant for plant in layout.plants if plant.path == content.md5_of)
        there = Path(layout.root) / content.md5_of
        md5 = unzipped_md5(there) if there.is_file() else ""
        if not md5:
            self.make(described, layout)
            md5 = self._md5s[repr(described.content)]
        return self._text(content.text.replace("{md5}", md5), content.is_gzipped)

    def _text(self, text: str, is_gzipped: bool) -> Path:
        data = text.encode("utf-8")
        if is_gzipped:
            return self._gzip(data)
        path = self._new()
        path.write_bytes(data)
        return path

    def _gzip(self, data: bytes) -> Path:
        path = self._new()
        path.write_bytes(gzip.compress(data, compresslevel=6, mtime=0))
        return path

    def _new(self) -> Path:
        return self._folder / nonce()


# --- placing ----------------------------------------------------------------------------------------------


def place(source: Path, target: Path) -> None:
    """Copy a file or a folder to a name that nobody has, whole or not at all; its folder is made if missing.

    Raises:
        OSError: It cannot be written there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target, source.is_dir()) / f".surefetch-{nonce()}"
    try:
        if source.is_dir():
            temporary.mkdir()
            for file in sorted(source.iterdir()):
                _copy(file, temporary / file.name)
        else:
            _copy(source, temporary)
        replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def move_aside(path: Path, root: Path) -> Path:
    """Move what must go out of the loader's sight and return where it is now.

    A file gets `.bad` at its end. A folder goes to the same path below `FIRST.bad`, where FIRST is the first
    name below the root: loaders list the folders beside it.
    """
    if path.is_dir():
        first, *rest = path.relative_to(root).parts
        free = _free(root / f"{first}.bad", Path(*rest) if rest else Path())
    else:
        free = _free(path.with_name(f"{path.name}.bad"), Path())
    free.parent.mkdir(parents=True, exist_ok=True)
    path.rename(free)
    return free


def shadows_of(layout: Layout) -> list[tuple[Shadow, list[Path]]]:
    """Return the shadows that are there, each with its files or folders."""
    root = Path(layout.root)
    found = []
    for shadow in layout.shadows:
        matches = [list(root.glob(path)) for path in shadow.paths]
        if all(matches):
            found.append((shadow, [path for match in matches for path in sorted(match)]))
    return found


def _beside(target: Path, is_folder: bool) -> Path:
    """Return where to write before the name is given: not beside a folder, where loaders look around."""
    if not is_folder:
        return target.parent
    return target.parents[min(3, len(target.parents) - 1)]


def _copy(source: Path, target: Path) -> None:
    if not clone(source, target):
        copy(source, target)
    set_mode(target, 0o666 & ~_umask())
    sync_path(target)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _free(base: Path, rest: Path) -> Path:
    """Return `base/rest`, or with a number after `base` the first that is free."""
    candidates = (base if not number else base.with_name(f"{base.name}{number}") for number in range(1000))
    return next(path for candidate in candidates if not (path := candidate / rest).exists())
