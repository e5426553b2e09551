"""A part: the unfinished bytes of one artifact, owned by this process alone, and a journal for the next."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from surefetch.errors import StoreError
from surefetch.store import files
from surefetch.store.journal import Journal, encoded, journal_of
from surefetch.store.owner import NOBODY
from surefetch.store.ranges import Ranges
from surefetch.units import human_size

#: The journal is written when this many bytes, or seconds, have passed since the last time: what comes
#: between two times is lost if the process is killed. Writing it takes 0.1 ms.
JOURNAL_BYTES: Final = 16 << 20
JOURNAL_SECONDS: Final = 0.1
#: With fewer bytes than these it is not worth while to keep a part, or to look for one.
RESUME_BYTES: Final = 256 << 10
#: From this size on the disk is asked to reserve the room.
RESERVE_BYTES: Final = 8 << 20
#: Bytes that a part without reserved room grows at least between two looks at the room on its disk.
LOOK_BYTES: Final = 1 << 20
#: File systems that reserve room in one step. Others are slow at it (tmpfs: 0.28 s for 1 GB), or glibc would
#: write a byte into every block.
RESERVING: Final = {"ext4", "xfs", "btrfs", "f2fs"}


class Part:
    """Mutable: the bytes of one artifact as they arrive. `write`, `discard` and `save` may run beside reads.

    Bytes once received are not written again until they are discarded, so that what was hashed stays true.

    Attributes:
        key: What it is part of: a digest as text, or any name for an artifact without one.
        place: Its file's path, as text.
        size: Bytes of the whole artifact, promised or as a mirror told; None while unknown.
        bound: Bytes at most.
        written: Bytes written so far, those discarded since included.
        has_journal: Whether there is a journal on the disk.
        on_written: Called after each write with what was new, where it begins and its bytes, by whoever
            writes; the prover listens.
    """

    def __init__(self, path: Path | str, descriptor: int, key: str, size: int | None, bound: int) -> None:
        self.key = key
        self.place = os.fspath(path)
        self.size = size
        self.bound = bound
        self.written = 0
        self._look_at: float = LOOK_BYTES  # when so many are written, room for the rest is looked for
        self._is_size_certain = size is not None
        self._descriptor = descriptor
        self._journal_file = -1
        self._received = Ranges()
        self._discarded = Ranges()  # since somebody asked
        self._validators: dict[str, str] = {}
        self._writing = threading.RLock()
        self._state = threading.Lock()
        self._unsaved = 0  # bytes
        self._saved_at = time.monotonic()
        self._is_reserved = False
        self.has_journal = False
        self.on_written: Callable[[int, memoryview], None] | None = None

    @property
    def path(self) -> Path:
        """Its file's path."""
        return Path(self.place)

    @property
    def journal(self) -> Path:
        """The file beside it that tells the next owner what is here."""
        return journal_of(self.path)

    @property
    def received(self) -> Ranges:
        """Which bytes are here; a set of the caller's own."""
        with self._state:
            return self._received.copy()

    @property
    def count(self) -> int:
        """Bytes that are here."""
        with self._state:
            return self._received.total

    @property
    def reach(self) -> int:
        """Where the last byte that is here ends."""
        with self._state:
            return self._received.stop

    @property
    def end(self) -> int:
        """Where the artifact ends: its size, or while that is unknown the first byte that is not here."""
        return self.frontier(0) if self.size is None else self.size

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are here."""
        with self._state:
            return self.size is not None and self._received.covers(0, self.size)

    @property
    def is_closed(self) -> bool:
        """Whether its file is closed."""
        return self._descriptor < 0

    def fileno(self) -> int:
        """Return the open file's number."""
        return self._descriptor

    def fix_size(self, size: int) -> None:
        """Learn the size of the whole artifact, e.g. from a mirror; forgotten once all bytes are discarded.

        Raises:
            ValueError: It is beyond the bound, or contradicts what was known or is here.
        """
        if not self.reach <= size <= self.bound or (self.size is not None and self.size != size):
            raise ValueError(f"part of {self.size} bytes, {self.bound} at most, cannot be of {size}")
        self.size = size
        self._look_at = 0

    def settle(self) -> None:
        """Let the artifact end where its bytes end, whatever size was told, unless one was promised.

        What lies beyond the first byte that is not here is forgotten: it is of another version.
        """
        if self._is_size_certain:
            return
        end = self.frontier(0)
        if self.reach > end:
            self.discard(end, self.reach)
        self.size = end

    def reserve(self) -> None:
        """Have the disk keep room for the whole artifact, so that a full disk shows before the first byte.

        Raises:
            StoreError: There is not enough room.
        """
        if (
            self._is_reserved or self.size is None or self.size < RESUME_BYTES
        ):  # a write shows as much of these
            return
        self._is_reserved, self._look_at = True, math.inf
        with files.told(self.path.parents[1], "given room"):
            if self.size >= RESERVE_BYTES and file_system_of(self.path) in RESERVING:
                os.posix_fallocate(self._descriptor, 0, self.size)
            else:
                os.ftruncate(self._descriptor, max(self.size, os.fstat(self._descriptor).st_size))

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Keep the bytes of `data`, which begin at `start`, as far as they are not here yet.

        Raises:
            ValueError: They go beyond the bound.
            StoreError: The disk refuses, e.g. because it is full.
        """
        stop = start + len(data)
        # A size that a mirror told bounds nothing: it may be that of another version.
        promised = self.size if self._is_size_certain else None
        if start < 0 or stop > (self.bound if promised is None else promised):
            raise ValueError(f"bytes {start} to {stop} do not belong to a part of {self.bound}")
        with self._writing:
            with self._state:
                gaps = self._received.missing(start, stop)
            news = [(first, memoryview(data)[first - start : last - start]) for first, last in gaps]
            for first, view in news:
                self._write_gap(first, view)
            if self.written >= self._look_at:
                self._look_for_room()
            self._unsaved += stop - start
            if self._unsaved >= JOURNAL_BYTES or self._is_journal_old():
                self.save()
        if self.on_written is not None:
            for first, view in news:
                self.on_written(first, view)

    def _look_for_room(self) -> None:
        """See that the disk is not filled for nothing: by what is too large for it, or by what has no end."""
        self._look_at = math.inf
        folder = self.path.parent
        free = files.free_bytes(folder)
        if free is None:
            return
        if self.size is not None:
            if free < (left := self.size - self.count):
                message = files.lacks_room("the rest of the file", left, folder.parent, free)
                raise StoreError(message, code="local.disk-full", hint=files.HINT, path=str(folder.parent))
            return
        room = free - files.left_to_others(folder)
        if room <= 0:
            why = f"its disk has {human_size(free)} left, and no size of the file was given"
            message = f"`{folder.parent}` could not be written: {why}"
            raise StoreError(message, code="local.disk-full", hint=files.HINT, path=str(folder.parent))
        self._look_at = self.written + max(LOOK_BYTES, room // 2)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on; return how many bytes there were."""
        return files.read_into(self._descriptor, buffer, offset)

    def view(self, start: int, stop: int) -> memoryview | None:
        """Return the bytes [start, stop) if they are in memory; None: they have to be read."""
        return None

    def frontier(self, start: int) -> int:
        """Return the first byte from `start` on that is not here."""
        with self._state:
            return self._received.frontier(start)

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of [start, stop) is here."""
        with self._state:
            return self._received.covers(start, stop)

    def discard(self, start: int, stop: int) -> None:
        """Forget bytes [start, stop): they will be asked for again."""
        with self._writing, self._state:
            self._received.remove(start, stop)
            self._discarded.add(start, stop)
            if not (self._received or self._is_size_certain):
                self.size = None  # the mirror that told it was not to be believed
                self._look_at = self.written + LOOK_BYTES
        self.save()

    def take_discarded(self) -> Ranges:
        """Return what was discarded since the last call; the prover asks, to go back that far."""
        with self._state:
            discarded, self._discarded = self._discarded, Ranges()
            return discarded

    def is_discarded(self, start: int, stop: int) -> bool:
        """Whether any of [start, stop) was discarded since `take_discarded` was called."""
        with self._state:
            return self._discarded.missing(start, stop) != [(start, stop)]

    def remember(self, url: str, validator: str | None) -> None:
        """Note a mirror's validator (a strong ETag, a date), for If-Range after a crash. No query is kept."""
        if validator and self.bound >= RESUME_BYTES:
            self._validators[_without_secrets(url)] = validator

    def validators(self, urls: Iterable[str] = ()) -> dict[str, str]:
        """Return URL -> validator of all mirrors that gave bytes; under their whole URL those of `urls`."""
        whole = {_without_secrets(url): url for url in urls}
        return {whole.get(url, url): tag for url, tag in self._validators.items()}

    def save(self) -> None:
        """Write the journal: what is here, for the process that takes over if this one dies.

        A disk that refuses costs only that. It is written in place: ext4 flushes a file that is renamed over
        another one, which takes milliseconds in the middle of a transfer.
        """
        with self._writing:
            self._unsaved, self._saved_at = 0, time.monotonic()
            with files.at_best():
                if self._journal_file < 0:
                    self._journal_file = files.create(self.journal, is_new=False)
                    self.has_journal = True
                length = os.fstat(self._journal_file).st_size
                files.write_all(self._journal_file, encoded(self._entries(), length), 0)

    def load(self, journal: Journal) -> None:
        """Take over what a dead owner's journal says is here, as far as the disk still has it."""
        self.has_journal = True
        if self.size is None and journal.size is not None and 0 <= journal.size <= self.bound:
            self.size = journal.size
        length = os.fstat(self._descriptor).st_size
        told = Ranges(journal.received)
        limit = min(length, self.bound if self.size is None else self.size)
        for start, stop in files.data_extents(self._descriptor, limit):
            for first, last in _overlap(told, start, stop):
                self._received.add(first, last)
        self._validators = dict(journal.validators)

    def close(self) -> None:
        """Save the journal and give the part away: whoever asks for the same bytes next goes on from here."""
        if self._descriptor < 0:
            return
        if self.count < RESUME_BYTES:
            self.abandon()
            return
        self.save()
        self.close_file()
        path = self.path.with_name(f"{self.path.name.partition('.')[0]}.{NOBODY}.{files.nonce()}.part")
        with files.at_best():
            files.replace(self.journal, journal_of(path))
            files.replace(self.path, path)

    def abandon(self) -> None:
        """Delete it."""
        self.close_file()
        with files.told(self.place, "deleted"):
            files.remove(self.place)
            if self.has_journal:
                files.remove(self.journal)

    def seal(self) -> int:
        """Make its bytes final: exact length, read-only. The caller syncs, closes and renames it.

        Returns:
            The open file's number.

        Raises:
            StoreError: The disk refuses.
        """
        with files.told(self.place, "finished"):
            if os.fstat(self._descriptor).st_size != self.end:
                os.ftruncate(self._descriptor, self.end)
            files.make_read_only(self._descriptor, self.place)
        return self._descriptor

    def close_file(self) -> None:
        """Close the file and leave it where it is."""
        descriptors = self._descriptor, self._journal_file
        self._descriptor = self._journal_file = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_gap(self, start: int, data: memoryview) -> None:
        try:
            files.write_all(self._descriptor, data, start)
        except OSError as error:
            raise files.trouble(error, self.path.parents[1], "written") from error
        with self._state:
            self._received.add(start, start + len(data))
            self.written += len(data)

    def _is_journal_old(self) -> bool:
        return time.monotonic() - self._saved_at > JOURNAL_SECONDS

    def _entries(self) -> Journal:
        return Journal(
            key=self.key,
            size=self.size,
            received=self.received.as_pairs(),
            validators=self._validators,
        )


def file_system_of(path: Path) -> str:
    """Return the type of the file system that a path is on, e.g. `ext4`; empty if nobody says."""
    try:
        device = path.stat().st_dev
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in table.splitlines():  # proc(5): id parent major:minor … - type source options
        head, _, tail = line.partition(" - ")
        if head.split()[2] == number:
            return tail.split()[0]
    return ""


def _overlap(ranges: Ranges, start: int, stop: int) -> list[tuple[int, int]]:
    gaps = Ranges(ranges.missing(start, stop))
    return gaps.missing(start, stop)


def _without_secrets(url: str) -> str:
    pieces = urlsplit(url)
    return f"{pieces.scheme}://{pieces.netloc.rpartition('@')[2]}{pieces.path}"
