"""Which bytes are here: a set of half-open ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Ranges:
    """Mutable set of disjoint, sorted, half-open ranges; touching ones are joined."""

    def __init__(self, ranges: Iterable[Iterable[int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Put [start, stop) in."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)  # the first range that touches or follows
        last = bisect_right(self._starts, stop)  # one past the last range that touches
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def remove(self, start: int, stop: int) -> None:
        """Take [start, stop) out."""
        if start >= stop:
            return
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        kept = [(a, b) for a, b in self._between(first, last, start, stop) if a < b]
        self._starts[first:last] = [a for a, _ in kept]
        self._stops[first:last] = [b for _, b in kept]

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return what of [start, stop) is not here, in order."""
        gaps = []
        index = bisect_right(self._stops, start)
        while start < stop and index < len(self._starts) and self._starts[index] < stop:
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._stops[index]
            index += 1
        if start < stop:
            gaps.append((start, stop))
        return gaps

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of [start, stop) is here."""
        return start >= stop or self.frontier(start) >= stop

    def frontier(self, start: int = 0) -> int:
        """Return the first byte from `start` on that is not here."""
        index = bisect_right(self._stops, start)
        if index < len(self._starts) and self._starts[index] <= start:
            return self._stops[index]
        return start

    @property
    def total(self) -> int:
        """Bytes that are here."""
        return sum(self._stops) - sum(self._starts)

    @property
    def stop(self) -> int:
        """Where the last range ends; 0 if there is none."""
        return self._stops[-1] if self._stops else 0

    def copy(self) -> Ranges:
        """Return a set of its own with the same ranges."""
        return Ranges(self.as_pairs())

    def as_pairs(self) -> list[tuple[int, int]]:
        """Return the ranges in order."""
        return list(zip(self._starts, self._stops, strict=True))

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.as_pairs() == other.as_pairs()

    __hash__ = None  # type: ignore[assignment] # mutable

    def __repr__(self) -> str:
        return f"Ranges({self.as_pairs()})"

    def _between(self, first: int, last: int, start: int, stop: int) -> list[tuple[int, int]]:
        if first >= last:
            return []
        return [(self._starts[first], start), (stop, self._stops[last - 1])]
