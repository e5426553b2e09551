"""The map of bytes and their givers, against a plain list of bytes."""

import random

from surefetch.plan.spans import Spans

LENGTH = 60


class Giver:
    pass


def test_spans_know_what_a_list_of_single_bytes_knows() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        spans: Spans[Giver] = Spans()
        bytes_: list[Giver | None] = [None] * LENGTH
        givers = [Giver() for _ in range(3)]
        for _ in range(30):
            change(chance, spans, bytes_, givers)
            assert unfold(spans) == bytes_
            assert spans.total == sum(giver is not None for giver in bytes_)
            assert spans.covers(0, LENGTH) == all(bytes_)


def change(
    chance: random.Random, spans: Spans[Giver], bytes_: list[Giver | None], givers: list[Giver]
) -> None:
    start, stop = sorted((chance.randrange(LENGTH + 1), chance.randrange(LENGTH + 1)))
    giver = chance.choice(givers)
    match chance.choice(["add", "add", "remove", "remove giver"]):
        case "add":
            new = [index for index in range(start, stop) if bytes_[index] is None]
            assert spans.add(start, stop, giver) == len(new)
            for index in new:
                bytes_[index] = giver
        case "remove":
            gone = sum(one is not None for one in bytes_[start:stop])
            assert spans.remove(start, stop) == gone
            bytes_[start:stop] = [None] * (stop - start)
        case _:
            spans.remove_giver(giver)
            bytes_[:] = [None if one is giver else one for one in bytes_]


def unfold(spans: Spans[Giver]) -> list[Giver | None]:
    bytes_: list[Giver | None] = [None] * LENGTH
    for start, stop, giver in spans:
        assert start < stop
        bytes_[start:stop] = [giver] * (stop - start)
    return bytes_


def test_gaps_are_what_is_not_here() -> None:
    spans: Spans[Giver] = Spans()
    giver = Giver()
    spans.add(10, 20, giver)
    spans.add(30, 40, giver)
    assert spans.gaps(0, 50) == [(0, 10), (20, 30), (40, 50)]
    assert spans.gaps(12, 35) == [(20, 30)]
    assert spans.gaps(12, 18) == []


def test_a_race_has_two_givers() -> None:
    spans: Spans[Giver] = Spans()
    first, second = Giver(), Giver()
    spans.add(0, 10, first)
    spans.double(5, 10, second)
    assert spans.givers(0, 5) == [first]
    assert spans.givers(5, 10) == [first, second]
    assert spans.remove_giver(second) == [(5, 10)]
    assert spans.given() == {first: 5}
