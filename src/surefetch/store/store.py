"""The store as others see it: one class in front of parts, blobs, views and records."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefetch.errors import StoreError
from surefetch.model import Dataset, Digest
from surefetch.store import files, layout, views, warm
from surefetch.store.blobs import Beside, Blobs
from surefetch.store.lead import Lead
from surefetch.store.part import RESUME_BYTES, Part
from surefetch.store.parts import Parts
from surefetch.store.prover import Proof
from surefetch.store.records import Records
from surefetch.units import human_size

if TYPE_CHECKING:
    from surefetch.store import upkeep
    from surefetch.store.ahead import Ahead


class Store:
    """A content-addressed folder. Making one opens nothing; folders come into being with the first byte.

    Mutable in that it knows what is not flushed yet. Any thread may call any method.

    Attributes:
        folder: Where it lies.
        layers: Other stores, read only, looked into after this one.
    """

    def __init__(self, folder: str | os.PathLike[str], layers: Sequence[str | os.PathLike[str]] = ()) -> None:
        self.folder = Path(folder).absolute()
        self.layers = tuple(Path(layer).absolute() for layer in layers)
        self.blobs = Blobs(self.folder, self.layers)
        self.records = Records(self.blobs)
        self._parts = Parts(self.folder)
        self._has_folder = False  # as far as this object knows

    # --- before the first byte

    def room(self, needed: int, what: str) -> None:
        """See that the folder can be written and has room for `needed` bytes more.

        Args:
            needed: Bytes.
            what: Who needs them, for the message: a dataset's name.

        Raises:
            StoreError: It cannot, or has not; the message says which, the hint what to do.
        """
        self._prepare()
        free = self.free()
        if free is not None and free < needed:
            message = files.lacks_room(f"`{what}`", needed, self.folder, free)
            hint = self._way_to_room(needed - free)
            raise StoreError(message, code="local.disk-full", hint=hint, needed=needed, free=free)

    def _way_to_room(self, lacking: int) -> str:
        left = self._parts.bytes_left()
        if left < lacking:
            return files.HINT
        return f"`surefetch cache prune` frees the {human_size(left)} of unfinished downloads"

    def free(self) -> int | None:
        """Return the bytes free for this user where the store lies, or would; None if nobody says."""
        return files.free_bytes(self.folder)

    # --- bytes on their way

    def part(self, key: str | Digest, size: int | None = None, bound: int | None = None) -> Part:
        """Return a part for an artifact's bytes, owned by this process alone.

        It is the one that a dead owner left of the same artifact, with what it had received, else a new one.

        Args:
            key: The artifact's digest, or any name that stands for an artifact without one.
            size: Bytes, if known: that room is reserved.
            bound: Bytes at most; None: `size`.

        Raises:
            StoreError: The folder cannot be written, or there is no room.
        """
        limit = size if bound is None else bound
        if limit is None:
            raise ValueError("a part needs a size or a bound")
        if not self._has_folder:
            self.blobs.make_folder(self.folder)
            self._has_folder = True
        if limit < RESUME_BYTES:
            return self._parts.new_small(str(key), size, limit)
        part = self._parts.take_over(str(key), size, limit) or self._parts.new(str(key), size, limit)
        try:
            part.reserve()
        except StoreError:
            part.close()
            raise
        return part

    def unfinished(self, keys: Iterable[str]) -> set[str]:
        """Return the keys of which a dead owner left a part: `part` would take it over."""
        left = {name.key for name in self._parts.left_behind()}
        return {key for key in keys if layout.short_key(key) in left} if left else set()

    def publish(
        self,
        part: Part,
        sha256: str,
        weak: Mapping[str, str] | None = None,
        *,
        is_private: bool = False,
        on_named: Callable[[str], None] | None = None,
    ) -> str:
        """Give a part's proven bytes their name; see `Blobs.publish`. Older parts of the same are deleted."""
        path = self.blobs.publish(part, sha256, weak, is_private=is_private, on_named=on_named)
        if part.bound >= RESUME_BYTES:
            self._parts.forget(part.key)
        return path

    def put_tensor(
        self, buffer: bytes | bytearray | memoryview, expected: str | None = None
    ) -> tuple[str, Path]:
        """Publish a tensor's bytes; see `Blobs.put`."""
        return self.blobs.put(buffer, expected)

    def adopt_copy(
        self, path: Path, digest: Digest, *, bound: int | None = None, is_private: bool = False
    ) -> tuple[Proof, Path | None]:
        """Copy a file in, hash the copy, and publish it if it is what the digest names.

        Args:
            path: A file that this process can read; it is not changed.
            digest: What it should be.
            bound: Bytes at most; None: as many as it has now.

        Returns:
            What it is, and its blob's path, or None if it is something else.

        Raises:
            OSError: `path` cannot be read.
            StoreError: The store cannot be written.
        """
        from surefetch.store.adopting import adopt_copy

        return adopt_copy(self.blobs, self._parts, path, digest, bound=bound, is_private=is_private)

    def batch(self, beside: Beside | None = None) -> AbstractContextManager[None]:
        """Publish many small files with one flush at the end; see `Blobs.batch`."""
        return self.blobs.batch(beside)

    def flush(self) -> None:
        """Have everything published so far on the disk, names included. Call it once per fetch.

        Raises:
            StoreError: The disk refuses.
        """
        self.blobs.flush()

    # --- what is here

    def find(self, digest: Digest, size: int | None = None) -> Path | None:
        """Return where the bytes of a digest lie, here or in a layer; see `Blobs.find`."""
        return self.blobs.find(digest, size)

    def find_all(self, sizes: Mapping[Digest, int | None]) -> dict[Digest, Path]:
        """Return where the bytes of those digests lie that are here or in a layer; see `Blobs.find_all`."""
        return self.blobs.find_all(sizes)

    def take_misfits(self) -> dict[str, str]:
        """Return the blobs, SHA-256 -> path, that were found with another size since this was asked."""
        return self.blobs.take_misfits()

    def has(self, digest: Digest, size: int | None = None) -> bool:
        """Whether the bytes of a digest are here or in a layer."""
        return self.find(digest, size) is not None

    def view(
        self,
        dataset: str,
        version: str,
        names: Mapping[str, str],
        on_finding: views.OnFinding | None = None,
        ahead: Ahead | None = None,
    ) -> Path:
        """Make or mend the readable folder of a dataset; see `views.build`."""
        return views.build(self.blobs, dataset, version, names, on_finding, ahead)

    def view_ahead(self, dataset: str, version: str) -> Ahead | None:
        """Begin the readable folder of a dataset of many files before they are here; None if it is there."""
        from surefetch.store import ahead  # for many files only

        if views.view_folder(self.folder, dataset, version).is_dir():
            return None
        ahead.tidy(self.folder / layout.PARTS)
        return ahead.Ahead(self.folder)

    def copy_out(self, sha256: str, destination: Path, *, overwrite: bool = False) -> Path:
        """Give a copy of one's own; see `views.copy_out`."""
        return views.copy_out(self.blobs, sha256, destination, overwrite=overwrite)

    def record_dataset(
        self,
        dataset: Dataset,
        tensors: Mapping[str, str],
        names: Mapping[str, str],
        *,
        view: Path | None = None,
        origins: Sequence[Path] = (),
        details: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record a dataset for the warm load; see `Records.write`."""
        return self.records.write(dataset, tensors, names, view=view, origins=origins, details=details)

    def datasets_here(self) -> list[dict[str, Any]]:
        """Return the records of all datasets that are here whole."""
        return warm.ready_records(self.folder)

    # --- looking after it

    def verify_blob(self, sha256: str) -> upkeep.Verification | None:
        """Hash a blob again; None if it is not here. A damaged one is moved aside."""
        path = self.find(Digest(algorithm="sha256", hex=sha256))
        return None if path is None else self._upkeep.verify(path, sha256)

    def verify_file(self, path: str, sha256: str) -> upkeep.Verification:
        """Hash what stands in a blob's place again. What is damaged, of this store, is moved aside."""
        return self._upkeep.verify(Path(path), sha256)

    def verify_all(self) -> Iterator[upkeep.Verification]:
        """Hash every blob again; see `Upkeep.verify_all`."""
        return self._upkeep.verify_all()

    def prune(
        self, *, keep: Collection[str] = (), unused_days: float = 0.0, dry_run: bool = False
    ) -> upkeep.Removal:
        """Delete what nobody pinned; see `Upkeep.prune`."""
        return self._upkeep.prune(keep=keep, unused_days=unused_days, dry_run=dry_run)

    def remove(self, dataset: str) -> upkeep.Removal:
        """Delete one dataset, by its own name; see `Upkeep.remove`."""
        return self._upkeep.remove(dataset)

    def usage(self) -> dict[str, int]:
        """Return the bytes that each folder of the store takes."""
        return self._upkeep.usage()

    def lead(self, key: str) -> Lead:
        """Return who of several processes that want the same fetches first; the folder is there."""
        return Lead(self.folder / layout.PARTS / f"{layout.short_key(key)}.lock")

    @property
    def private(self) -> Path:
        """The folder that is this user's alone, whether it is there or not."""
        return self.folder / layout.PRIVATE

    def history_file(self) -> Path:
        """Return where the history of origins lies."""
        return self.private / "history-v1.json"

    @cached_property
    def _upkeep(self) -> upkeep.Upkeep:
        from surefetch.store import upkeep

        return upkeep.Upkeep(self.blobs, self.records, self._parts)

    def _prepare(self) -> None:
        """Make the folder and name a file in it, for an error now instead of in the middle or at the end."""
        blobs = layout.blobs(self.folder)
        self.blobs.make_folder(blobs)
        path = self.folder / layout.PARTS / f".{files.nonce()}.tmp"
        os.close(files.create(path))
        with files.told(blobs, "written"):
            try:
                files.replace(path, blobs / path.name)
            except OSError:
                files.remove(path)
                raise
            files.remove(blobs / path.name)
