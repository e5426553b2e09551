"""A second opinion: bytes of a mirror held against those of the part, and not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from surefetch.events import Differed, Event, Request
from surefetch.store import Part

#: Of the bytes that differ this many are told at most: a third mirror is asked for them.
STRETCH_BYTES: Final = 64 << 10


class Comparison:
    """Mutable sink: it tells the first byte that is another one in the part, once."""

    def __init__(self, request: Request, part: Part, post: Callable[[Event], None]) -> None:
        """Take what is compared.

        Args:
            request: Its bytes are all in the part.
            part: Whose bytes the mirror's are held against.
            post: Takes the one event.
        """
        self._request, self._part, self._post = request, part, post
        self._buffer = bytearray()
        self._has_told = False

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Compare the bytes that begin at `start`.

        Raises:
            OSError: The part cannot be read.
        """
        if self._has_told:
            return
        if len(self._buffer) < len(data):
            self._buffer = bytearray(len(data))
        here = memoryview(self._buffer)[: len(data)]
        count = self._part.read_into(here, start)
        if count == len(data) and here == data:
            return
        self._has_told = True
        first = start + _first_difference(here[:count], memoryview(data))
        end = self._part.end if self._request.stop is None else self._request.stop
        stop = max(first + 1, min(first + STRETCH_BYTES, end))
        self._post(Differed(id=self._request.id, start=first, stop=stop))


def _first_difference(one: memoryview, other: memoryview) -> int:
    """Return the index of the first byte that differs, or the shorter one's length."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # all before `low` is equal
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
