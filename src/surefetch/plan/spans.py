"""Which bytes of an artifact are here, and who gave them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

Giver = TypeVar("Giver")
Range = tuple[int, int]


class Spans(Generic[Giver]):
    """Mutable map of disjoint stretches [start, stop), each with its giver, compared by identity.

    The first bytes stay: what is here already is not given a second time, as the store never writes over it.
    Where two requests ran a race, nobody knows who was first: then both are givers.
    """

    def __init__(self) -> None:
        self.total = 0  # bytes that are here
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._givers: list[Giver] = []
        self._doubles: list[tuple[int, int, Giver]] = []  # who may have given them too

    def add(self, start: int, stop: int, giver: Giver) -> int:
        """Note that bytes have come; return how many of them were not here yet."""
        if start >= stop:
            return 0
        index = bisect_right(self._starts, start) - 1
        if index >= 0 and self._stops[index] == start and self._givers[index] is giver:
            following = self._starts[index + 1] if index + 1 < len(self._starts) else stop
            if following >= stop:  # the usual case: a request goes on where it was
                self._stops[index] = stop
                self.total += stop - start
                return stop - start
        added = 0
        for low, high in self.gaps(start, stop):
            self._insert(low, high, giver)
            added += high - low
        self.total += added
        return added

    def remove(self, start: int, stop: int) -> int:
        """Forget [start, stop); return how many bytes of it were here."""
        kept = _without(list(self), start, stop)
        self._doubles = _without(self._doubles, start, stop)
        before = self.total
        self._fill(kept)
        return before - self.total

    def double(self, start: int, stop: int, giver: Giver) -> None:
        """Note who else may have given [start, stop)."""
        if self._doubles and self._doubles[-1][1] == start and self._doubles[-1][2] is giver:
            start = self._doubles.pop()[0]
        self._doubles.append((start, stop, giver))

    def remove_giver(self, giver: Giver) -> list[Range]:
        """Forget all that one giver gave, or may have given; return those stretches."""
        gone = [(low, high) for low, high, whose in [*self, *self._doubles] if whose is giver]
        return [(low, high) for low, high in gone if self.remove(low, high)]

    def gaps(self, start: int, stop: int) -> list[Range]:
        """Return what of [start, stop) is not here, in order."""
        gaps = []
        index = max(0, bisect_right(self._starts, start) - 1)
        while start < stop and index < len(self._starts):
            low, high = self._starts[index], self._stops[index]
            if low >= stop:
                break
            if start < low:
                gaps.append((start, low))
            start = max(start, high)
            index += 1
        if start < stop:
            gaps.append((start, stop))
        return gaps

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of [start, stop) is here."""
        return not self.gaps(start, stop)

    def givers(self, start: int = 0, stop: int | None = None) -> list[Giver]:
        """Return who gave bytes of [start, stop), each once, in the order of the bytes."""
        found: dict[int, Giver] = {}
        for low, high, giver in [*self, *self._doubles]:
            if high > start and (stop is None or low < stop):
                found.setdefault(id(giver), giver)
        return list(found.values())

    def given(self) -> dict[Giver, int]:
        """Return how many bytes each giver gave, or may have given."""
        given: dict[Giver, int] = {}
        for low, high, giver in [*self, *self._doubles]:
            given[giver] = given.get(giver, 0) + high - low
        return given

    @property
    def end(self) -> int:
        """One past the last byte that is here."""
        return self._stops[-1] if self._stops else 0

    def __iter__(self) -> Iterator[tuple[int, int, Giver]]:
        return iter(list(zip(self._starts, self._stops, self._givers, strict=True)))

    def __len__(self) -> int:
        return len(self._starts)

    def _insert(self, start: int, stop: int, giver: Giver) -> None:
        index = bisect_right(self._starts, start)
        joins_left = index > 0 and self._stops[index - 1] == start and self._givers[index - 1] is giver
        joins_right = (
            index < len(self._starts) and self._starts[index] == stop and self._givers[index] is giver
        )
        if joins_left and joins_right:
            self._stops[index - 1] = self._stops[index]
            del self._starts[index], self._stops[index], self._givers[index]
        elif joins_left:
            self._stops[index - 1] = stop
        elif joins_right:
            self._starts[index] = start
        else:
            self._starts.insert(index, start)
            self._stops.insert(index, stop)
            self._givers.insert(index, giver)

    def _fill(self, spans: list[tuple[int, int, Giver]]) -> None:
        self._starts = [low for low, _, _ in spans]
        self._stops = [high for _, high, _ in spans]
        self._givers = [giver for _, _, giver in spans]
        self.total = sum(self._stops) - sum(self._starts)


def _without(spans: list[tuple[int, int, Giver]], start: int, stop: int) -> list[tuple[int, int, Giver]]:
    """Cut [start, stop) out of stretches."""
    return [
        (first, last, giver)
        for low, high, giver in spans
        for first, last in ((low, min(high, start)), (max(low, stop), high))
        if first < last
    ]
