"""Who fetches first of several that want the same: only saves work, decides nothing about bytes."""

from __future__ import annotations

import os
import time
from _thread import start_new_thread
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from surefetch.store import files

#: Seconds between two signs of life.
BEAT_SECONDS: Final = 0.5
_HOW: Final = (
    os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)


class Sign(msgspec.Struct, frozen=True):
    """What others see of a lead: which file it is, and when its holder gave the last sign of life."""

    file: tuple[int, bytes]  # its number, which a later file may get again, and what is in it
    changed: int  # nanoseconds, by the clock of the disk: good for telling that it changed

    def is_of(self, earlier: Sign | None) -> bool:
        """Whether it is a sign of the same lead, whose holder may not have written into the file then."""
        if earlier is None or self.file[0] != earlier.file[0]:
            return False
        return earlier.file[1] in (b"", self.file[1])


class Lead:
    """Mutable: a locked file. Whoever has the lock fetches; others wait, as long as it gives signs of life.

    The system gives the lock of a dead process to the next one. Where there are no locks everybody leads.
    A lead that ended in good order has taken its file away; one that was broken off has left it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._is_over = False

    def take(self) -> bool:
        """Try to lead; True where nobody else does, or where nobody can say."""
        fcntl = _locks()
        try:
            descriptor = self._opened()
        except OSError:
            return True
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            return True
        if not _is_at(descriptor, self._path):  # its holder has taken it away meanwhile
            os.close(descriptor)
            return self.take()
        self._descriptor = descriptor
        with suppress(OSError):
            if not os.fstat(descriptor).st_size:  # else it is a dead one's, for whom others wait
                os.write(descriptor, files.nonce().encode())
        return True

    def sign(self) -> Sign | None:
        """Return what is seen of whoever leads; None: nobody does any more."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | (_HOW & ~os.O_CREAT))
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            return Sign((status.st_ino, os.read(descriptor, 64)), status.st_mtime_ns)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def live(self) -> None:
        """Give signs of life from now on, if this is the lead, as long as the process is not stopped."""
        if self._descriptor >= 0:
            with suppress(RuntimeError):  # no more threads: others wait in vain for a while
                start_new_thread(self._beat, ())  # `threading` would wait until it runs

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)  # nobody wakes it: at the end of a get that would cost a millisecond
            if self._is_over:
                return
            with suppress(OSError):  # another user's file: others wait in vain for a while, and go on alone
                os.utime(self._path)

    def release(self, *, is_over: bool) -> None:
        """Give the lead away, if this is it.

        Args:
            is_over: All was tried that can be; else one of those who wait goes on where this one was.
        """
        self._is_over = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if is_over:
            with suppress(OSError):
                self._path.unlink()
        if (fcntl := _locks()) is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # for processes that were forked meanwhile, too
        os.close(descriptor)

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | _HOW, 0o644)
        except PermissionError:  # another user's
            return os.open(self._path, os.O_RDONLY | (_HOW & ~os.O_CREAT))


def _locks() -> Any:
    try:
        import fcntl
    except ImportError:  # Windows: everybody leads
        return None
    return fcntl


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
