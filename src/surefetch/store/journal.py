"""The journal beside a part: what of it is here, for the process that takes over. Read with care."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

#: Bytes of a journal at most: of more than 100,000 ranges nobody tells.
MOST_BYTES: Final = 4 << 20
#: Bytes that a journal takes at least: one block, so that a disk that is full later cannot cut it short.
LEAST_BYTES: Final = 4096
#: Where a file can end at most, in bytes (signed 64 bits).
_END: Final = 1 << 63
_CAREFULLY: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # of a pipe nobody may ever write
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class Journal(msgspec.Struct, frozen=True):
    """What a part's owner wrote down. Keys that a later version adds are passed over."""

    key: str
    received: list[tuple[int, int]]
    size: int | None = None
    validators: dict[str, str] = {}

    @property
    def count(self) -> int:
        """Bytes that are here."""
        return sum(stop - start for start, stop in self.received)


def journal_of(path: Path) -> Path:
    """Return the path of a part's journal."""
    return path.with_suffix(".json")


def read_journal(path: Path) -> Journal | None:
    """Read a journal; None if it is missing, damaged or no file, which only costs bytes."""
    try:
        journal = msgspec.json.decode(_content(path), type=Journal)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are a ValueError
        return None
    stop = 0
    for pair in journal.received:  # in order, none twice
        if not stop <= pair[0] < pair[1] < _END:
            return None
        stop = pair[1]
    return journal


def encoded(journal: Journal, length: int) -> bytes:
    """Return a journal's text, of `length` bytes at least: no rest of a longer one stays behind it."""
    return msgspec.json.encode(journal).ljust(max(length, LEAST_BYTES))


def _content(path: Path) -> bytes:
    descriptor = os.open(path, _CAREFULLY)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - an open file's number
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(MOST_BYTES)
