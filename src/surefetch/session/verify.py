"""The verb `verify`: hash again what is here, and name any known file by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.errors import StoreError, SurefetchError, UnknownDatasetError
from surefetch.model import Artifact, Digest, Struct
from surefetch.store import layout

if TYPE_CHECKING:
    from surefetch.catalog import Catalog
    from surefetch.session.facade import Session

#: Exit code of a verification that found damage (docs/exit-codes.md).
DAMAGED = 10
_BLOCK_BYTES = 1 << 20


class Verdict(Struct, frozen=True, kw_only=True):
    """What hashing one file showed."""

    path: str
    verdict: str  # "right", "damaged", "unknown", "missing"
    sha256: str | None = None
    known_as: tuple[str, ...] = ()  # "mnist: train-images-idx3-ubyte.gz"
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a row of `verify --json` (docs/schema/verify.schema.json)."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return content


def verify(session: Session, targets: Sequence[str] = ()) -> list[Verdict]:
    """Verify datasets by name, files and folders by path, or, without targets, the whole store.

    Raises:
        UnknownDatasetError: A target is neither a path that exists nor a dataset's name.
        StoreError: A file cannot be read.
    """
    if not targets:
        return [_stored(verification) for verification in session.store.verify_all()]
    blobs = _Blobs(session)
    return [verdict for target in targets for verdict in _target(session, target, blobs)]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return 0 if nothing is damaged or missing."""
    return DAMAGED if any(verdict.verdict in ("damaged", "missing") for verdict in verdicts) else 0


class _Blobs:
    """Mutable: which blob of the store a file of one of its readable folders is, by the file's identity."""

    def __init__(self, session: Session) -> None:
        self._folder = session.store.folder.resolve()

    def behind(self, path: Path) -> str | None:
        """Return the SHA-256 that a file had when it was proven; None if it is not one of the store's."""
        if not path.resolve().is_relative_to(self._folder):
            return None
        status = path.stat()
        return self._names.get((status.st_dev, status.st_ino))

    @cached_property
    def _names(self) -> dict[tuple[int, int], str]:
        folders = [layout.blobs(self._folder), layout.blobs(self._folder, is_private=True)]
        blobs = [blob for folder in folders for blob in folder.glob("*/*")]
        return {(status.st_dev, status.st_ino): blob.name for blob in blobs for status in (blob.stat(),)}


def _target(session: Session, target: str, blobs: _Blobs) -> Iterator[Verdict]:
    path = Path(target).expanduser()
    if path.is_dir():
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            yield _file(session.catalog, file, blobs)
    elif path.exists():
        yield _file(session.catalog, path, blobs)
    else:
        yield from _dataset(session, target)


def _dataset(session: Session, name: str) -> Iterator[Verdict]:
    try:
        dataset = session.catalog.find(name)
    except UnknownDatasetError as error:
        if "/" in name or "." in name:
            hint = "name a file or folder that is there, or a dataset"
            raise StoreError(f"`{name}` does not exist", code="local.path", hint=hint) from error
        raise
    named = {
        spec.sha256: f"{dataset.name}: {tensor}" for tensor, spec in dataset.tensors.items() if spec.sha256
    }
    for artifact in dataset.artifacts:
        if artifact.digest is not None and (path := session.store.find(artifact.digest)) is not None:
            named[path.name] = f"{dataset.name}: {artifact.name}"
    found = False
    for sha256, label in named.items():
        verification = session.store.verify_blob(sha256)
        if verification is not None:
            found = True
            yield msgspec.structs.replace(_stored(verification), known_as=(label,))
    if not found:
        yield Verdict(path=name, verdict="missing", detail="nothing of it is here")


def _stored(verification: Any) -> Verdict:
    if verification.is_good:
        return Verdict(path=verification.path, verdict="right", sha256=verification.sha256)
    moved = f"; moved to {verification.moved_to}" if verification.moved_to else ""
    return Verdict(
        path=verification.path,
        verdict="damaged",
        sha256=verification.actual or None,
        detail=f"its bytes have another digest than its name{moved}",
    )


def _file(catalog: Catalog, path: Path, blobs: _Blobs) -> Verdict:
    try:
        digests = _digests(path)
    except OSError as error:
        raise StoreError(f"`{path}` cannot be read: {error.strerror}", code="local.permission") from error
    found = [entry for digest in digests for entry in catalog.by_digest(digest.hex)]
    if found:
        labels = tuple(dict.fromkeys(f"{dataset.name}: {_name(item)}" for dataset, item in found))
        return Verdict(path=str(path), verdict="right", sha256=digests[0].hex, known_as=labels)
    if (proven := blobs.behind(path)) is not None:
        if proven == digests[0].hex:
            return Verdict(path=str(path), verdict="right", sha256=proven, detail="as it was proven")
        detail = "it was changed after it was proven; `surefetch verify` moves it aside"
        return Verdict(path=str(path), verdict="damaged", sha256=digests[0].hex, detail=detail)
    return Verdict(
        path=str(path), verdict="unknown", sha256=digests[0].hex, detail=_look_alike(catalog, path)
    )


def _digests(path: Path) -> list[Digest]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", "sha1", "md5")}
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            for one in hashes.values():
                one.update(block)
    return [Digest(algorithm=name, hex=one.hexdigest()) for name, one in hashes.items()]


def _name(item: Artifact | str) -> str:
    return item if isinstance(item, str) else item.name


def _look_alike(catalog: Catalog, path: Path) -> str:
    """Say what a file of this name should be, and what it looks like."""
    from surefetch.diagnose.bytes import name_bytes

    artifact = next(
        (
            artifact
            for dataset in catalog.all()
            for artifact in dataset.artifacts
            if artifact.name == path.name
        ),
        None,
    )
    with path.open("rb") as file:
        head = file.read(4096)
    try:
        finding = name_bytes(head, length=path.stat().st_size, expected=artifact)
    except SurefetchError:  # nothing known of such bytes: the digest says enough
        finding = None
    told = f"{finding.detail}" if finding is not None and finding.cause != "body.corrupt" else ""
    expected = f"not the published {path.name} ({artifact.digest})" if artifact is not None else ""
    return "; ".join(text for text in (expected, told) if text)
