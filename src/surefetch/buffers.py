"""Memory that bytes pass through on their way to the disk; who hashes them may keep it a while."""

from __future__ import annotations

import mmap
import sys
import threading
from typing import Final

#: Bytes of one buffer: enough that hashing it outweighs the wait for the interpreter's lock afterwards.
BUFFER_BYTES: Final = 1 << 20
#: Buffers at most.
MOST: Final = 16


class Buffers:
    """Mutable: equal buffers, made when needed; one is filled, others may be kept. Any thread may call.

    Who fills lets others see what is in the buffer, and asks for the `next` one. That is the same again
    unless somebody keeps it.
    """

    def __init__(self, size: int = BUFFER_BYTES, most: int = MOST) -> None:
        self._size, self._most = size, most
        self._made: dict[int, mmap.mmap] = {}  # by `id`
        self._free: list[mmap.mmap] = []
        self._keepers: dict[int, int] = {}  # `id` of a buffer -> how many keep it
        self._filling: mmap.mmap | None = None
        self._lock = threading.Lock()

    @property
    def kept(self) -> int:
        """How many buffers are kept."""
        return len(self._keepers)

    def next(self) -> mmap.mmap:
        """Return the buffer to fill now: one that nobody keeps."""
        with self._lock:
            if self._filling is None or id(self._filling) in self._keepers:
                self._filling = self._free.pop() if self._free else self._make()
            return self._filling

    def keep(self, view: memoryview) -> bool:
        """Keep a buffer from being filled again, until `drop`.

        Args:
            view: Of a buffer's bytes. Other memory cannot be kept.

        Returns:
            Whether it is kept: not if all but one are already, nor for the sake of less than half a buffer,
            nor if there is no memory for another one to fill.
        """
        key = id(view.obj)
        with self._lock:
            if key not in self._made or len(view) < self._size // 2:
                return False
            if key not in self._keepers and not self._leaves_one():
                return False
            self._keepers[key] = self._keepers.get(key, 0) + 1
            return True

    def drop(self, view: memoryview) -> None:
        """Give back what was kept; the view shows other bytes soon."""
        key = id(view.obj)
        with self._lock:
            self._keepers[key] -= 1
            if not self._keepers[key]:
                del self._keepers[key]
                if self._made[key] is not self._filling:
                    self._free.append(self._made[key])

    def _leaves_one(self) -> bool:
        """Whether one more buffer is there, or can be had, to be filled instead of one that is kept."""
        if len(self._keepers) >= self._most - 1:
            return False
        if self._free:
            return True
        try:
            self._free.insert(0, self._make())  # the last to be taken: its pages are not there yet
        except (OSError, MemoryError):  # `ulimit -v`: what cannot be kept is read from the disk
            return False
        return True

    def _make(self) -> mmap.mmap:
        buffer = fresh_memory(self._size)
        self._made[id(buffer)] = buffer
        return buffer


def fresh_memory(size: int) -> mmap.mmap:
    """Return so many bytes of memory. Unlike a bytearray's, they are not zeroed before they are used."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
