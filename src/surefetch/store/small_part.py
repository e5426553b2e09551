"""A part that is not worth resuming: kept in memory until its bytes are proven, then written in one go."""

from __future__ import annotations

import os
from pathlib import Path

from surefetch.store import files
from surefetch.store.part import Part


class SmallPart(Part):
    """Mutable: the bytes of one small artifact as they arrive. It has no file before `seal`, and no journal.

    Of thousands of small files, opening, writing and reading each twice would cost most of the time.
    """

    def __init__(self, path: Path | str, key: str, size: int | None, bound: int) -> None:
        super().__init__(path, -1, key, size, bound)
        self._buffer: bytes | bytearray = b""
        self._is_over = False

    @property
    def is_closed(self) -> bool:
        """Whether its bytes are gone from memory."""
        return self._is_over

    def reserve(self) -> None:
        """Do nothing: a full disk shows when it is written."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` from `offset` on; return how many bytes there were."""
        found = self._buffer[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)

    def view(self, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop) where they are; use it at once, before more is written."""
        return memoryview(self._buffer)[start:stop]

    def save(self) -> None:
        """Do nothing: the next process begins anew."""

    def close(self) -> None:
        """Forget the bytes."""
        if not self._is_over:
            self.abandon()

    def abandon(self) -> None:
        """Forget the bytes; delete the file if there is one."""
        has_file = self._descriptor >= 0
        self.close_file()
        if has_file:
            with files.told(self.place, "deleted"):
                files.remove(self.place)

    def seal(self) -> int:
        """Write the bytes to a file of their own, read-only. The caller syncs, closes and renames it.

        Returns:
            The open file's number.

        Raises:
            StoreError: The disk refuses.
        """
        if self._descriptor >= 0:
            return self._descriptor
        try:
            self._descriptor = files.create(self.place)
            files.write_all(self._descriptor, memoryview(self._buffer)[: self.end], 0)
            files.make_read_only(self._descriptor, self.place)
        except OSError as error:
            raise files.trouble(error, os.path.dirname(self.place), "written") from error  # noqa: PTH120 - text
        return self._descriptor

    def close_file(self) -> None:
        """Close the file and leave it where it is; nothing is kept in memory any more."""
        self._is_over = True
        self._buffer = b""
        super().close_file()

    def _write_gap(self, start: int, data: memoryview) -> None:
        stop = start + len(data)
        if not self._buffer and start == 0:
            self._buffer = bytes(data)  # all of it, as a rule
        else:
            buffer = self._buffer if isinstance(self._buffer, bytearray) else bytearray(self._buffer)
            buffer.extend(bytes(max(0, stop - len(buffer))))
            buffer[start:stop] = data
            self._buffer = buffer
        with self._state:
            self._received.add(start, stop)
            self.written += len(data)

    def _is_journal_old(self) -> bool:
        return False
