"""Blobs: bytes named by their SHA-256, found in this store's folder or in a layer, published by one step."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from surefetch.errors import IntegrityError, StoreError
from surefetch.model import Digest
from surefetch.store import files, layout, trust
from surefetch.store.part import Part
from surefetch.store.parts import Parts

#: Finished parts kept open until they are flushed together.
BATCH: Final = 256


class _Finished(NamedTuple):
    part: Part
    target: Path
    size: int


class Blobs:
    """The blobs of one store. Mutable: it knows what is not flushed yet. Any thread may call."""

    def __init__(self, folder: Path, layers: tuple[Path, ...] = ()) -> None:
        self.folder = folder
        self.layers = layers
        self._trust = trust.Trust(folder)
        self._own = tuple(str(layout.blobs(folder, is_private=is_private)) for is_private in (False, True))
        self._others = tuple(str(layout.blobs(layer)) for layer in layers)
        self._lock = threading.RLock()
        self._pending: dict[str, _Finished] = {}
        self._touched: dict[Path, None] = {}
        self._folders: set[Path] = set()  # of blobs, made or seen; nobody ever deletes them
        self._batches = 0

    def find(self, digest: Digest, size: int | None = None) -> Path | None:
        """Return where the bytes of a digest lie, here or in a layer; None if they are not here.

        Args:
            digest: A weak one is found if its bytes came through this store.
            size: Bytes; a file of another size counts as missing.
        """
        sha256 = digest.hex if digest.algorithm == "sha256" else self._strong(digest)
        if sha256 is None:
            return None
        if sha256 in self._pending:
            self.settle()
        for root in self._own:
            if (path := self._usable(root, sha256, size, is_layer=False)) is not None:
                return path
        for root in self._others:
            if (path := self._usable(root, sha256, size, is_layer=True)) is not None:
                return path
        return None

    def publish(
        self, part: Part, sha256: str, weak: Mapping[str, str] | None = None, *, is_private: bool = False
    ) -> Path:
        """Give proven bytes their name. Outside a batch they are on the disk, and named, on return.

        Args:
            part: All of its bytes are here and hashed; it is closed.
            sha256: Their digest.
            weak: Weak digests of the same bytes, by algorithm, to find them by.
            is_private: They came with a credential: never served.

        Returns:
            The blob's path. Inside a batch it exists once the batch ends, or `find` was asked for it.

        Raises:
            StoreError: The disk refuses.
        """
        target, size = layout.blob(self.folder, sha256, is_private=is_private), part.end
        if is_private:
            layout.make_private(self.folder)
        with self._lock:
            if sha256 in self._pending or self._stands(target, size):
                part.abandon()
            else:
                part.seal()
                self._pending[sha256] = _Finished(part, target, size)
            self._note_weak(sha256, weak or {})
            if not self._batches or len(self._pending) >= BATCH:
                self.settle()
        return target

    def put(self, buffer: bytes | bytearray | memoryview, expected: str | None = None) -> tuple[str, Path]:
        """Publish the bytes of a buffer, e.g. of a tensor in C order, little-endian.

        Returns:
            Their SHA-256 and the blob's path.

        Raises:
            IntegrityError: They are not what `expected` names; `details` hold `actual`.
            StoreError: The disk refuses.
        """
        view = memoryview(buffer).cast("B") if memoryview(buffer).nbytes else memoryview(b"")
        sha256 = hashlib.sha256(view).hexdigest()
        if expected is not None and sha256 != expected:
            message = f"the bytes have the digest `{sha256}`, not `{expected}`"
            raise IntegrityError(message, code="body.content-mismatch", actual=sha256, expected=expected)
        target = layout.blob(self.folder, sha256)
        if self._stands(target, len(view)):
            return sha256, target
        part = Parts(self.folder).new(f"sha256:{sha256}", len(view), len(view))
        try:
            for start in range(0, len(view), files.BLOCK_BYTES):
                part.write(start, view[start : start + files.BLOCK_BYTES])
            return sha256, self.publish(part, sha256)
        except BaseException:
            part.abandon()
            raise

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Flush what is published inside together: data first, then the names, then the folders once."""
        with self._lock:
            self._batches += 1
        try:
            yield
        finally:
            with self._lock:
                self._batches -= 1
            self.flush()

    def flush(self) -> None:
        """Have all that was published so far on the disk, names included.

        Raises:
            StoreError: The disk refuses.
        """
        with self._lock:
            self.settle()
            touched, self._touched = list(self._touched), {}
        for folder in touched:
            with files.told(folder, "flushed"):
                files.sync_folder(folder)

    def settle(self) -> None:
        """Sync the data of finished parts, then name them. The names themselves are flushed by `flush`."""
        with self._lock:
            if (
                len(self._pending) > 1
            ):  # all writes begin before the first wait: 0.1 s for 1,000 files, not 0.3
                for part, _, size in self._pending.values():
                    files.start_writeback(part.fileno(), 0, size)
            for sha256 in list(self._pending):
                self._sync(sha256)
            for sha256, item in list(self._pending.items()):
                try:
                    self._name(item)
                finally:
                    del self._pending[sha256]  # not before: `find` waits for what stands here

    def touch(self, folder: Path) -> None:
        """Note that names in a folder changed: `flush` will have them on the disk."""
        with self._lock:
            self._touched[folder] = None

    def make_folder(self, path: Path) -> None:
        """Make a folder below the store's, and note what has to be flushed for it to last."""
        if files.is_folder(path):
            return
        self.make_folder(path.parent)
        files.make_folder(path)
        self.touch(path.parent)

    def _sync(self, sha256: str) -> None:
        part = self._pending[sha256].part
        try:
            with files.told(self.folder, "flushed"):
                files.sync_data(part.fileno())
        except StoreError:  # the system may have dropped the bytes: a second try would tell a lie
            del self._pending[sha256]
            part.abandon()
            raise

    def _name(self, item: _Finished) -> None:
        part, target, size = item
        if target.parent not in self._folders:
            self.make_folder(target.parent)
            self._folders.add(target.parent)
        part.close_file()  # Windows renames no open file
        with files.told(target, "named"):
            try:
                files.replace(part.path, target)
            except PermissionError:
                if not self._stands(target, size):  # Windows: somebody maps the same bytes
                    raise
                part.abandon()
                return
        if part.has_journal:
            files.remove(part.journal)
        self.touch(target.parent)

    def _stands(self, path: Path, size: int) -> bool:
        """Whether a blob has its name already. One that is too short is replaced."""
        try:
            return path.stat().st_size == size
        except OSError:
            return False

    def _usable(self, root: str, sha256: str, size: int | None, *, is_layer: bool) -> Path | None:
        """Return a blob's path below a root if it is there and can be trusted."""
        place = os.path.join(root, sha256[:2], sha256)  # noqa: PTH118 - of thousands, `Path` would cost most
        try:
            status = os.stat(place)  # noqa: PTH116 - likewise
            if size is not None and status.st_size != size:
                return None
            path = Path(place)
            return path if self._trust.is_good(path, sha256, status, is_layer=is_layer) else None
        except OSError:
            return None

    def _strong(self, digest: Digest) -> str | None:
        try:
            sha256 = layout.weak(self.folder, digest.algorithm, digest.hex).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return sha256 if len(sha256) == 64 and set(sha256) <= set("0123456789abcdef") else None

    def _note_weak(self, sha256: str, weak: Mapping[str, str]) -> None:
        if weak:
            layout.make_private(self.folder)
        for algorithm, hexadecimal in weak.items():
            if self._strong(Digest(algorithm=algorithm, hex=hexadecimal)) != sha256:
                path = layout.weak(self.folder, algorithm, hexadecimal)
                files.write_small(path, sha256.encode(), mode=0o600)
