"""Looking at folders and files of this machine, with bounds on entries, depth and time."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from surefetch.model import Struct
from surefetch.scan import HEAD_BYTES, Wanted, is_plausible

#: A listing gives at most so many entries.
MAX_LISTED: Final = 100_000


class Bounds(Struct, frozen=True, kw_only=True):
    """How far a walk goes, over all its folders."""

    entries: int = 20_000
    depth: int = 6  # folders below the first
    seconds: float = 2.0


def list_folder(path: Path) -> list[tuple[str, int]]:
    """List the regular files of a folder by name: [name, bytes]. A file lists as itself, under an empty name.

    Raises:
        OSError: It is not there, or may not be read.
    """
    if not path.is_dir():
        return [("", path.stat().st_size)]
    found = []
    with os.scandir(path) as entries:
        for _, entry in zip(range(MAX_LISTED), entries, strict=False):
            if entry.is_file():
                found.append((entry.name, entry.stat().st_size))
    return sorted(found)


def files_at(paths: Iterable[Path]) -> list[tuple[str, int]]:
    """Give those of the paths that are regular files: [absolute path, bytes]. One `stat` each."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except (OSError, ValueError):  # absent, not ours to read, or no path of this system
            continue
        if stat.S_ISREG(status.st_mode):
            found[str(path.absolute())] = status.st_size
    return list(found.items())


def walk(
    folders: Iterable[Path],
    wanted: Wanted,
    bounds: Bounds | None = None,
    *,
    passed_over: frozenset[Path] = frozenset(),
    clock: Callable[[], float] = time.monotonic,
) -> list[tuple[str, int]]:
    """Find files that may be wanted: [absolute path, bytes].

    The walk goes breadth first, stays on each folder's file system, follows no link, opens only files of a
    wanted size (their first bytes), and ends quietly at its bounds. Folders `passed_over` are not entered.
    """
    bounds = bounds or Bounds()
    end, left, found = clock() + bounds.seconds, bounds.entries, []
    for path, size in _entries(folders, bounds.depth, passed_over):
        left -= 1
        if left < 0 or clock() > end:
            break
        if size is not None and wanted.may_be(path.name, size) and is_plausible(path.name, _head(path)):
            found.append((str(path), size))
    return found


def _entries(
    folders: Iterable[Path], depth: int, passed_over: frozenset[Path]
) -> Iterator[tuple[Path, int | None]]:
    """Give every entry below the folders, nearest first, with its size; None for what is no regular file."""
    level = [(real, real.stat().st_dev) for folder in folders if (real := _real(folder)) is not None]
    seen = {str(folder) for folder in (*(folder for folder, _ in level), *passed_over)}
    for _ in range(depth + 1):
        below: list[tuple[Path, int]] = []
        for folder, device in level:
            for entry in _scan(folder):
                status = _status(entry)
                is_file = status is not None and stat.S_ISREG(status.st_mode)
                yield folder / entry.name, status.st_size if status and is_file else None
                is_folder = status is not None and stat.S_ISDIR(status.st_mode)
                if status and is_folder and status.st_dev == device and entry.path not in seen:
                    seen.add(entry.path)
                    below.append((folder / entry.name, device))
        level = below


def _real(folder: Path) -> Path | None:
    """Resolve a starting folder: it may be a link, what lies below it may not."""
    try:
        real = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return real if real.is_dir() else None


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:  # not ours to read, or gone meanwhile
        return


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        # On Windows a DirEntry's own status has no device.
        return entry.stat(follow_symlinks=False) if os.name == "posix" else os.lstat(entry.path)
    except OSError:
        return None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""
