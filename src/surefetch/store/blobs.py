"""Blobs: bytes named by their SHA-256, found in this store's folder or in a layer, published by one step."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from surefetch.errors import IntegrityError, StoreError
from surefetch.model import Digest
from surefetch.store import files, layout, trust
from surefetch.store.part import Part
from surefetch.store.parts import Parts

if TYPE_CHECKING:
    from surefetch.store.ahead import Ahead

#: Finished parts, or bytes of them, that are worth being flushed together as soon as the disk is free.
BATCH: Final = 64
BATCH_BYTES: Final = 8 << 20
#: Finished parts, or bytes of them, that wait at most while the disk is busy with others.
MOST: Final = 1024
MOST_BYTES: Final = 32 << 20
#: Seconds that a finished part waits for others at most, where more come: a kill loses no more than that.
LONGEST: Final = 0.5
#: Files that are open at once while they are flushed together, or wait for it; and as a share of what this
#: process may have open: some are flushed while others wait, beside parts, connections, and all else.
OPEN: Final = 128
OPEN_SHARE: Final = 1 / 8
#: The digest of no bytes at all.
_NO_BYTES: Final = hashlib.sha256().hexdigest()


class _Finished(msgspec.Struct, frozen=True):
    part: Part
    place: str  # where the blob belongs
    size: int
    on_named: Callable[[str], None] | None


class _Aside:
    """Work for the disk in a thread beside the transfer; waited for before anybody needs what comes of it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None  # what the disk refused
        self._work = work
        self._over = threading.Event()
        start_new_thread(self._run, ())  # `threading` would wait until it runs

    @property
    def is_over(self) -> bool:
        """Whether the thread is through."""
        return self._over.is_set()

    def wait(self) -> None:
        """Return when the thread is through."""
        self._over.wait()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised where it is waited for
            self.error = error
        finally:
            self._over.set()


class Beside:
    """Mutable: flushes of names in threads, beside what is done with the names; and a view in the making."""

    def __init__(self) -> None:
        self.view: Ahead | None = None
        self._under_way: list[_Aside] = []

    def begin(self, folders: Sequence[str]) -> None:
        """Begin to have the names of folders on the disk."""
        self._under_way.append(_Aside(partial(files.sync_folders, folders)))

    def wait(self) -> None:
        """Return when they are there, and nothing is left of a view that was not made.

        Raises:
            StoreError: The disk refuses.
        """
        if self.view is not None:
            self.view.close()
        while self._under_way:
            aside = self._under_way.pop()
            aside.wait()
            if aside.error is not None:
                raise aside.error


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
        self._pending_bytes = self._pending_open = 0
        self._settling: tuple[_Aside, dict[str, _Finished]] | None = None  # and what it settles
        self._touched: dict[str, None] = {}
        self._misfits: dict[str, str] = {}  # SHA-256 -> path of what was there with another size
        self._folders: set[str] = set()  # of blobs, made or seen while a batch lasts
        self._batches = 0
        self._settled_at = 0.0  # when the last batch of them went to the disk
        self._open = max(1, min(OPEN, int(files.most_open() * OPEN_SHARE)))

    def find(self, digest: Digest, size: int | None = None) -> Path | None:
        """Return where the bytes of a digest lie, here or in a layer; None if they are not here.

        Args:
            digest: A weak one is found if its bytes came through this store.
            size: Bytes; a file of another size counts as missing, and is told by `take_misfits`.
        """
        found = self._find(digest, size)
        return Path(found[0]) if found is not None else None

    def find_all(self, sizes: Mapping[Digest, int | None]) -> dict[Digest, Path]:
        """Find many: those for which a store has not even a folder are not looked for one by one.

        Args:
            sizes: Bytes of each, None where nobody knows: then a file is wrong only if it is empty.
        """
        with self._lock:
            if self._pending or self._settling:
                self.settle()
        shards = {name for root in (*self._own, *self._others) for name in _shards(root)}
        if not shards:
            return {}
        found = {}
        for digest, size in sizes.items():
            if digest.algorithm == "sha256" and digest.hex[:2] not in shards:
                continue
            if (where := self._find(digest, size)) is None:
                continue
            place, status = where
            if not status.st_size and (sha256 := os.path.basename(place)) != _NO_BYTES:  # noqa: PTH119 - likewise
                self._misfits[sha256] = place
                continue
            found[digest] = Path(place)
        return found

    def take_misfits(self) -> dict[str, str]:
        """Return SHA-256 -> path of what was found with another size since this was asked the last time."""
        misfits, self._misfits = self._misfits, {}
        return misfits

    def locate(self, sha256: str, size: int | None = None) -> tuple[str, os.stat_result] | None:
        """Return the path, as text, and the status of the bytes of a digest; see `find`."""
        with self._lock:  # or it is in neither while another thread settles it
            if sha256 in self._pending or self._is_settling(sha256):
                self.settle()
        for root in self._own:
            if (found := self._usable(root, sha256, size, is_layer=False)) is not None:
                return found
        for root in self._others:
            if (found := self._usable(root, sha256, size, is_layer=True)) is not None:
                return found
        return None

    def publish(
        self,
        part: Part,
        sha256: str,
        weak: Mapping[str, str] | None = None,
        *,
        is_private: bool = False,
        on_named: Callable[[str], None] | None = None,
    ) -> str:
        """Give proven bytes their name. Outside a batch they are on the disk, and named, on return.

        Args:
            part: All of its bytes are here and hashed; it is closed.
            sha256: Their digest.
            weak: Weak digests of the same bytes, by algorithm, to find them by.
            is_private: They came with a credential: never served.
            on_named: Called with the blob's path once it is there, unless it was before; from any thread.

        Returns:
            The blob's path, as text: of thousands, `Path` would cost most. Inside a batch it exists once the
            batch ends, or `find` was asked for it.

        Raises:
            StoreError: The disk refuses.
        """
        place, size = _place(self._own[is_private], sha256), part.end
        if is_private:
            layout.make_private(self.folder)
        with self._lock:
            if sha256 in self._pending or self._is_settling(sha256):
                part.abandon()
            else:
                self._pending[sha256] = _Finished(part, place, size, on_named)
                self._pending_bytes += size
                self._pending_open += part.fileno() >= 0
            self._note_weak(sha256, weak or {})
            if not self._batches:
                self.settle()
            elif self._is_time():
                self._settle_aside()
        return place

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
        place = _place(self._own[0], sha256)
        if _stands(place, len(view)):
            return sha256, Path(place)
        part = Parts(self.folder).new(f"sha256:{sha256}", len(view), len(view))
        try:
            for start in range(0, len(view), files.BLOCK_BYTES):
                part.write(start, view[start : start + files.BLOCK_BYTES])
            return sha256, Path(self.publish(part, sha256))
        except BaseException:
            part.abandon()
            raise

    @contextmanager
    def batch(self, beside: Beside | None = None) -> Iterator[None]:
        """Flush what is published inside together: data first, then the names, then the folders once.

        Args:
            beside: Has the folders flushed while the caller goes on, who waits for it.
        """
        with self._lock:
            if not self._batches:  # between two gets of a process anybody may delete the store
                self._folders.clear()
            self._batches += 1
            self._settled_at = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._batches -= 1
            try:
                self._end_batch(beside)
            except KeyboardInterrupt:  # what is proven is kept, whoever is impatient
                self._end_batch(beside)
                raise

    def _end_batch(self, beside: Beside | None) -> None:
        if beside is None:
            self.flush()
        else:
            beside.begin(self._settled())

    def flush(self) -> None:
        """Have all that was published so far on the disk, names included.

        Raises:
            StoreError: The disk refuses.
        """
        files.sync_folders(self._settled())

    def _settled(self) -> list[str]:
        """Settle everything; return the folders whose names are not flushed yet, each once."""
        with self._lock:
            try:
                self.settle()
            except StoreError:
                with files.at_best():  # what was named before lasts
                    files.sync_folders(self._take_touched())
                raise
            return self._take_touched()

    def _take_touched(self) -> list[str]:
        touched, self._touched = list(self._touched), {}
        return touched

    def settle(self) -> None:
        """Sync the data of finished parts, then name them. The names themselves are flushed by `flush`.

        Raises:
            StoreError: The disk refused some of them; the others have their names.
        """
        with self._lock:
            try:
                self._join_settling()
            finally:
                self._pending_bytes = self._pending_open = 0
                self._settle(self._pending)

    def touch(self, folder: str | os.PathLike[str]) -> None:
        """Note that names in a folder changed: `flush` will have them on the disk."""
        self._touched[os.fspath(folder)] = None  # one step: needs no lock

    def make_folder(self, path: Path) -> None:
        """Make a folder below the store's, and note what has to be flushed for it to last."""
        if files.is_folder(path):
            return
        self.make_folder(path.parent)
        files.make_folder(path)
        self.touch(path.parent)

    def _is_settling(self, sha256: str) -> bool:
        return self._settling is not None and sha256 in self._settling[1]

    def _is_time(self) -> bool:
        """Whether what waits should go to the disk now, if need be after what is on its way there."""
        count, is_free = len(self._pending), self._settling is None or self._settling[0].is_over
        most, most_bytes = (BATCH, BATCH_BYTES) if is_free else (MOST, MOST_BYTES)
        is_much = count >= most or (count > 1 and self._pending_bytes >= most_bytes)
        is_long = is_free and time.monotonic() - self._settled_at >= LONGEST
        return is_much or is_long or self._pending_open >= self._open

    def _settle_aside(self) -> None:
        """Settle what waits in a thread of its own, while more is fetched: it waits for the disk mostly."""
        self._join_settling()
        batch, self._pending = self._pending, {}
        self._pending_bytes = self._pending_open = 0
        self._settled_at = time.monotonic()
        self._settling = _Aside(partial(self._settle, batch)), batch

    def _join_settling(self) -> None:
        settling, self._settling = self._settling, None
        if settling is None:
            return
        aside, batch = settling
        aside.wait()
        if aside.error is not None:
            self._pending = batch | self._pending  # its other files: none of them is lost
            self._pending_bytes = sum(item.size for item in self._pending.values())
            self._pending_open = sum(item.part.fileno() >= 0 for item in self._pending.values())
            raise aside.error

    def _settle(self, batch: dict[str, _Finished]) -> None:
        """Sync and name a batch, which is empty then. One thread at a time is here.

        Raises:
            StoreError: The first that the disk refused; everything else has its name.
        """
        refused: list[StoreError] = []
        while batch:
            some = self._seal(batch, list(islice(batch, self._open)), refused)
            if len(some) > 1:  # all writes begin before the first wait: 0.1 s for 1,000 files, not 0.3
                for sha256 in some:
                    files.start_writeback(batch[sha256].part.fileno(), 0, batch[sha256].size)
            for sha256 in [sha256 for sha256 in some if self._is_synced(batch, sha256, refused)]:
                try:
                    self._name(batch[sha256])
                except StoreError as error:
                    refused.append(error)
                    _clear(batch[sha256].part)
                finally:
                    del batch[sha256]  # not before: `find` waits for what stands here
        if refused:
            raise refused[0]

    def _seal(self, batch: dict[str, _Finished], some: list[str], refused: list[StoreError]) -> list[str]:
        """Make parts final that have no blob yet; return those: fewer where no more files may be opened."""
        sealed: list[str] = []
        for sha256 in some:
            if batch[sha256].part.is_closed:  # given up by who published it: nothing of it may get a name
                del batch[sha256]
                continue
            if _stands(batch[sha256].place, batch[sha256].size):
                self._drop(batch, sha256)
                continue
            try:
                batch[sha256].part.seal()
            except StoreError as error:
                if sealed and error.details.get("errno") == errno.EMFILE:
                    break
                refused.append(error)
                self._drop(batch, sha256)
                continue
            sealed.append(sha256)
        return sealed

    def _is_synced(self, batch: dict[str, _Finished], sha256: str, refused: list[StoreError]) -> bool:
        """Have the bytes of a part on the disk; one that is refused leaves the batch."""
        try:
            files.sync_data(batch[sha256].part.fileno())
        except OSError as error:
            # The system may have dropped the bytes: a second try would tell a lie.
            refused.append(files.trouble(error, self.folder, "flushed"))
            self._drop(batch, sha256)
            return False
        return True

    def _drop(self, batch: dict[str, _Finished], sha256: str) -> None:
        with files.at_best():
            batch.pop(sha256).part.abandon()

    def _name(self, item: _Finished) -> None:
        part, place = item.part, item.place
        folder = os.path.dirname(place)  # noqa: PTH120 - of thousands, `Path` would cost most
        if folder not in self._folders:
            self.make_folder(Path(folder))
            self._folders.add(folder)
        part.close_file()  # Windows renames no open file
        try:
            files.replace(part.place, place)
        except PermissionError as error:
            if not _stands(place, item.size):  # Windows: somebody maps the same bytes
                raise files.trouble(error, place, "named") from error
            part.abandon()
            return
        except FileNotFoundError as error:
            self._name_anew(part.place, place, error)
        except OSError as error:
            raise files.trouble(error, place, "named") from error
        if part.has_journal:
            files.remove(part.journal)
        self._touched[folder] = None
        if item.on_named is not None:
            item.on_named(place)

    def _name_anew(self, source: str, place: str, error: OSError) -> None:
        """Name a part once more after somebody deleted the store, or some of it."""
        if not os.path.exists(source):  # noqa: PTH110 - text
            raise StoreError(
                f"`{source}` was deleted from the store while it was fetched",
                code="local.path",
                hint="run the command again, and delete nothing of the store meanwhile",
                path=source,
                errno=error.errno,
            ) from error
        self._folders.clear()
        self.make_folder(Path(place).parent)
        try:
            files.replace(source, place)
        except OSError as again:
            raise files.trouble(again, place, "named") from again

    def _usable(
        self, root: str, sha256: str, size: int | None, *, is_layer: bool
    ) -> tuple[str, os.stat_result] | None:
        """Return a blob's path below a root, and its status, if it is there and can be trusted."""
        place = _place(root, sha256)
        try:
            status = os.stat(place)  # noqa: PTH116 - likewise
            if size is not None and status.st_size != size:
                self._misfits[sha256] = place
                return None
            if not trust.is_mine(status, is_layer=is_layer) and not self._trust.is_good(
                Path(place), sha256, status, is_layer=is_layer
            ):
                return None
            return place, status
        except OSError:
            return None

    def _find(self, digest: Digest, size: int | None) -> tuple[str, os.stat_result] | None:
        sha256 = digest.hex if digest.algorithm == "sha256" else self._strong(digest)
        return self.locate(sha256, size) if sha256 is not None else None

    def _strong(self, digest: Digest) -> str | None:
        try:
            sha256 = layout.weak(self.folder, digest.algorithm, digest.hex).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        return sha256 if len(sha256) == 64 and set(sha256) <= set("0123456789abcdef") else None

    def _note_weak(self, sha256: str, weak: Mapping[str, str]) -> None:
        for algorithm, hexadecimal in weak.items():
            if self._strong(Digest(algorithm=algorithm, hex=hexadecimal)) != sha256:
                path = layout.weak(self.folder, algorithm, hexadecimal)
                with files.at_best():  # of a shared store the private folder is one user's
                    layout.make_private(self.folder)
                    files.write_small(path, sha256.encode(), mode=0o600)


def _place(root: str, sha256: str) -> str:
    return f"{root}{os.sep}{sha256[:2]}{os.sep}{sha256}"  # asked of thousands, again and again


def _shards(root: str) -> Sequence[str]:
    """Return the names of the folders that blobs lie in: the first two digits of their digests."""
    try:
        return os.listdir(root)  # noqa: PTH208 - text
    except FileNotFoundError:
        return ()
    except OSError:  # what may not be listed may be there all the same
        return [f"{number:02x}" for number in range(256)]


def _clear(part: Part) -> None:
    """Take away the file of a part that got no name, if its bytes are of no use to another process."""
    if not part.has_journal:
        with files.at_best():
            files.remove(part.place)


def _stands(place: str, size: int) -> bool:
    """Whether a blob has its name already. One that is too short is replaced."""
    try:
        return os.stat(place).st_size == size  # noqa: PTH116 - likewise
    except OSError:
        return False
