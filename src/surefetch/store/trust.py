"""Whether a file in a store can have been changed by somebody else since it was proven."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from surefetch.store import files, layout


class Trust:
    """Remembers, per user, which files of others were hashed. Losing the memory costs a hash each."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / layout.PRIVATE / "seen"
        self._folder = folder
        self._seen: dict[Path, list[int]] = {}

    def is_good(self, path: Path, sha256: str, status: os.stat_result, *, is_layer: bool) -> bool:
        """Whether to use a blob: only we and root can write it, or it was hashed since it last changed."""
        if is_mine(status, is_layer=is_layer):
            return True
        stamp = stamp_of(status)
        if self._recall(path) == stamp:
            return True
        if hash_file(path) != sha256:
            return False
        self._note(path, stamp)
        return True

    def _recall(self, path: Path) -> list[int] | None:
        if path in self._seen:
            return self._seen[path]
        import json  # for files of others only

        try:
            note = json.loads(self._note_path(path).read_bytes())
        except (OSError, ValueError):
            return None
        return note["stamp"] if isinstance(note, dict) and note.get("path") == str(path) else None

    def _note(self, path: Path, stamp: list[int]) -> None:
        self._seen[path] = stamp
        import json  # likewise

        content = json.dumps({"path": str(path), "stamp": stamp}).encode()
        with files.at_best():  # our own folder may be read-only: then it is hashed once per process
            layout.make_private(self._folder)
            files.write_small(self._note_path(path), content, mode=0o600)

    def _note_path(self, path: Path) -> Path:
        return self._notes / layout.short_key(str(path))


def is_mine(status: os.stat_result, *, is_layer: bool) -> bool:
    """Whether only this user and the administrator can write a file."""
    if sys.platform == "win32":
        return not is_layer  # modes say nothing there
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022


def stamp_of(status: os.stat_result) -> list[int]:
    """Return what changes when a file does: size, time of change, number."""
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's digest.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
