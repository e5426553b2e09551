"""The folder of parts: new ones that nobody else can own, and those of dead owners, taken over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from surefetch.store import files, layout, owner
from surefetch.store.journal import journal_of, read_journal
from surefetch.store.lead import Lead
from surefetch.store.part import RESUME_BYTES, Part
from surefetch.store.small_part import SmallPart

#: After this many seconds without a change a part of a machine that we cannot see into counts as left behind.
FOREIGN_SECONDS: Final = 86400.0
#: How a part is opened that is there already.
_AS_IT_IS: Final = (
    os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
)


class Name(msgspec.Struct, frozen=True):
    """A part's file name: `<key>.<owner>.<nonce>.part`."""

    path: Path
    key: str
    owner: owner.Owner


class Parts:
    """The parts of one store. Mutable: it knows of which artifacts several were left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / layout.PARTS
        self._several: set[str] = set()  # keys
        self._root = str(self.folder)

    def new(self, key: str, size: int | None, bound: int) -> Part:
        """Make an empty part under a name that no other process can own.

        Raises:
            StoreError: The folder cannot be written.
        """
        path = self._own_name(key)
        descriptor = files.create(path)
        files.hold(descriptor)
        return Part(path, descriptor, key, size, bound)

    def new_small(self, key: str, size: int | None, bound: int) -> SmallPart:
        """Make an empty part that stays in memory until its bytes are proven."""
        return SmallPart(self._own_name(key), key, size, bound)

    def take_over(self, key: str, size: int | None, bound: int) -> Part | None:
        """Adopt the fullest part that a dead owner left of the same artifact; None if there is none."""
        if size is not None and size < RESUME_BYTES:
            return None
        found = [(self._received(name), name) for name in self.left_behind(layout.short_key(key))]
        if any(not received for received, _ in found) or len(found) > 1:
            self._several.add(key)
        for received, name in sorted(found, key=lambda pair: pair[0], reverse=True):
            if received and (part := self._adopt(name, key, size, bound)) is not None:
                return part
        return None

    def left_behind(self, key: str = "") -> list[Name]:
        """Return the parts, of one short key or all, whose owners are dead, or foreign and silent a day."""
        names = [name for name in self._names() if not key or name.key == key]
        here = [name for name in names if _is_dead(name)]
        foreign = [name for name in names if name not in here and not name.owner.is_here]
        now = self._disk_time() if foreign else 0.0
        return here + [name for name in foreign if _changed(name.path) < now - FOREIGN_SECONDS]

    def bytes_left(self) -> int:
        """Return the bytes on the disk of what dead owners left."""
        return sum(_allocated(name.path) for name in self.left_behind())

    def forget(self, key: str) -> None:
        """Delete what dead owners left of an artifact that is whole now, beside what was taken over."""
        if key not in self._several:
            return
        self._several.discard(key)
        for name in self.left_behind(layout.short_key(key)):
            _remove(name.path)

    def clear(self) -> int:
        """Delete what dead owners left; return how many bytes that gave."""
        from surefetch.store import ahead  # seldom needed

        freed = 0
        for name in self.left_behind():
            freed += _allocated(name.path)
            _remove(name.path)
        ahead.tidy(self.folder)
        return freed + self._clear_scraps()

    def _names(self) -> Iterator[Name]:
        try:
            paths = [path for path in self.folder.iterdir() if path.suffix == ".part"]
        except OSError:  # nothing was ever fetched
            return
        for path in paths:
            key, _, rest = path.stem.partition(".")
            if (whose := owner.parse(rest.partition(".")[0])) is not None:
                yield Name(path, key, whose)

    def _own_name(self, key: str) -> str:
        return os.path.join(self._root, f"{layout.short_key(key)}.{owner.my_name()}.{files.nonce()}.part")  # noqa: PTH118 - of thousands, `Path` would cost most

    def _received(self, name: Name) -> int:
        journal = read_journal(journal_of(name.path))
        return 0 if journal is None else journal.count

    def _adopt(self, name: Name, key: str, size: int | None, bound: int) -> Part | None:
        """Claim a part by renaming it: of all who try, one wins."""
        path = Path(self._own_name(key))
        try:
            if not _is_plain(name.path):
                return None
            is_dead = _is_dead(name)
            name.path.rename(path)
            journal_of(name.path).rename(journal_of(path))
            if not is_dead:
                _cut_loose(path)
        except OSError:
            return None
        if (part := _reopen(path, key, size, bound)) is None:
            _remove(path)
        return part

    def _disk_time(self) -> float:
        """Return the time by the clock of the disk, which may be another machine's."""
        path = self.folder / f".{files.nonce()}.tmp"
        os.close(files.create(path))
        try:
            return path.stat().st_mtime
        finally:
            files.remove(path)

    def _clear_scraps(self) -> int:
        """Delete locks that nobody holds; journals without a part and temporary files that are a day old."""
        for path in self.folder.glob("*.lock"):
            if files.is_let_go(path) and (lead := Lead(path)).take():
                lead.release(is_over=True)
        limit = self._disk_time() - FOREIGN_SECONDS
        parts = {name.path.stem for name in self._names()}
        freed = 0
        for path in [*self.folder.glob("*.json"), *self.folder.glob("*.lock"), *self.folder.glob(".*.tmp")]:
            if path.stem not in parts and _changed(path) < limit:
                size = _allocated(path)
                with files.at_best():  # in a shared store it may be another user's
                    files.remove(path)
                    freed += size
        return freed


def _is_dead(name: Name) -> bool:
    """Whether nobody can write into a part any more.

    One of another container is held while it is open; a small one, without a journal, for moments only.
    """
    may_be_seen = name.owner.is_near and journal_of(name.path).exists()
    return name.owner.is_dead or (may_be_seen and files.is_let_go(name.path))


def _reopen(path: Path, key: str, size: int | None, bound: int) -> Part | None:
    journal = read_journal(journal_of(path))
    if journal is None or journal.key != key or (None not in (size, journal.size) and size != journal.size):
        return None
    try:
        files.set_mode(path, 0o600)  # it was sealed, and its owner died before it got its name
        descriptor = os.open(path, _AS_IT_IS)
    except OSError:
        return None
    files.hold(descriptor)
    part = Part(path, descriptor, key, size, bound)
    part.load(journal)
    return part


def _remove(path: Path) -> None:
    """Delete a part and its journal, unless something else stands there."""
    for file in (path, journal_of(path)):
        with files.at_best():
            files.remove(file)


def _is_plain(path: Path) -> bool:
    """Whether it is a file with this name alone: another name may be a user's, whose bytes are not ours."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _cut_loose(path: Path) -> None:
    """Give a part bytes of its own: a foreign owner that wakes up writes into the old file, not into ours."""
    copy = path.with_name(f".{files.nonce()}.tmp")
    if not files.clone(path, copy):
        files.copy(path, copy)
    files.replace(copy, path)


def _changed(path: Path) -> float:
    """Return when a part or its journal last changed; now and ever if it is gone."""
    times = []
    for file in (path, journal_of(path)):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=float("inf"))


def _allocated(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:
        return 0
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512
