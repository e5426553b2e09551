"""Arithmetic of segments: how to split a gap, when to take over a part of a request, when to run a race."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from surefetch.model import PIECE_BYTES

Range = tuple[int, int]

#: Segments begin at multiples of this, where there is room for it.
GRAIN: Final = 16 << 10
#: A segment of an artifact that nothing is known about has at least this many bytes.
FIRST_SEGMENT: Final = 512 << 10
#: A segment taken over has at least this many bytes.
LEAST_TAKEN: Final = 32 << 10
#: What a silent request keeps: enough to show that it lives, too little to wait for.
ROPE: Final = 32 << 10
#: A race is worth its bytes where it should be over in this share of the time.
RACE: Final = 0.6
#: Seconds that must be saved, or the trouble is not worth it.
LEAST_SAVED: Final = 0.05


class Pace(msgspec.Struct, frozen=True):
    """What to expect of a request."""

    wait: float  # seconds until its next byte
    rate: float  # bytes per second after that


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """Return what of `ranges` none of `taken` covers; both in any order, the first disjoint."""
    left = list(ranges)
    for start, stop in taken:
        if start >= stop:
            continue
        left = (
            [
                (low, high)
                for a, b in left
                for low, high in ((a, min(b, start)), (max(a, stop), b))
                if low < high
            ]
            if any(a < stop and b > start for a, b in left)
            else left
        )
    return left


def grain_of(size: int, has_pieces: bool) -> int:
    """Where segments of an artifact begin: at whole pieces, so that one mirror answers for each."""
    return PIECE_BYTES if has_pieces and size >= 4 * PIECE_BYTES else GRAIN


def share(gap: Range, weight: float, others: float, grain: int) -> Range:
    """Return the first part of a gap, in proportion to `weight` among `weight + others`."""
    start, stop = gap
    if others <= 0:
        return gap
    point = start + int((stop - start) * weight / (weight + others))
    point = max(start + grain, point // grain * grain)
    return (start, point) if stop - point >= grain else gap


def take_over(left: Range, victim: Pace, thief: Pace, grain: int, thieves: int = 1) -> list[Range]:
    """Return what new requests should take over so that all end together; nothing if it is not worth it.

    Args:
        left: What the running request still has to bring.
        victim: The running request.
        thief: The one that would be made.
        grain: Segments begin at multiples of this.
        thieves: How many such requests may be made at once; fewer are where there is too little for them.

    The victim keeps what is before the ranges returned, one for each new request; they are in order, and of
    one size. A request must be worth its round trip: it should be busy for at least as long as it waits.
    """
    for count in range(thieves, 0, -1):
        point = _point(left, victim, thief, grain, count)
        if point is not None:
            return _split((point, left[1]), count, max(grain, LEAST_TAKEN))
    return []


def _split(whole: Range, count: int, grain: int) -> list[Range]:
    """Return at most so many parts of one size."""
    parts: list[Range] = []
    rest = whole
    while rest[0] < rest[1]:
        parts.append(share(rest, 1, count - 1 - len(parts), grain))
        rest = parts[-1][1], whole[1]
    return parts


def _point(left: Range, victim: Pace, thief: Pace, grain: int, thieves: int) -> int | None:
    """Return where what so many new requests take over begins."""
    start, stop = left
    count = stop - start
    if count < LEAST_TAKEN + ROPE:
        return None
    rate = thieves * thief.rate
    together = (count + victim.rate * victim.wait + rate * thief.wait) / (victim.rate + rate)
    taken = min(rate * (together - thief.wait), float(count - ROPE))
    point = stop - int(taken)
    rounded = -(-point // grain) * grain
    point = rounded if rounded < stop else -(-point // GRAIN) * GRAIN
    if point >= stop or stop - point < max(thieves * LEAST_TAKEN, rate * thief.wait):
        return None
    after = max(victim.wait + (point - start) / victim.rate, thief.wait + (stop - point) / rate)
    alone = victim.wait + count / victim.rate
    return point if alone - after >= max(LEAST_SAVED, thief.wait / 4) else None


def front(missing: list[Range], plain: Pace, rate: float) -> int:
    """Return how far somebody who begins at byte 0 should bring what is missing, so that all end together.

    Args:
        missing: What is missing, in order; not empty.
        plain: Who begins there.
        rate: Bytes per second of all others, who bring what is behind.
    """
    behind = sum(stop - start for start, stop in missing)
    for start, stop in missing:
        point = int((behind + start - rate * plain.wait) * plain.rate / (plain.rate + rate))
        if point < stop:
            return max(start, point)
        behind -= stop - start
    return missing[-1][1]


def is_worth_a_race(count: int, victim: Pace, rival: Pace) -> bool:
    """Whether asking another mirror for the same `count` bytes should bring them much earlier."""
    alone = victim.wait + count / victim.rate
    raced = rival.wait + count / rival.rate
    return raced < RACE * alone and alone - raced >= LEAST_SAVED
