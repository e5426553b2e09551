"""The arithmetic of segments."""

import random

from surefetch.plan.segments import (
    GRAIN,
    LEAST_TAKEN,
    ROPE,
    Pace,
    is_worth_a_race,
    share,
    subtract,
    take_over,
)

MB = 1 << 20


def test_what_is_left_of_gaps_and_what_was_taken_make_the_gaps_again() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        gaps = [(start, start + chance.randrange(1, 10)) for start in range(0, 100, 10)]
        taken = [tuple(sorted((chance.randrange(100), chance.randrange(100)))) for _ in range(5)]
        left = subtract(gaps, [(a, b) for a, b in taken])
        expected = {i for a, b in gaps for i in range(a, b)} - {i for a, b in taken for i in range(a, b)}
        assert {i for a, b in left for i in range(a, b)} == expected
        assert sum(b - a for a, b in left) == len(expected), "stretches overlap"


def test_equal_mirrors_get_equal_shares() -> None:
    first = share((0, 30 * MB), 1.0, 2.0, GRAIN)
    assert first == (0, 10 * MB)
    assert share((10 * MB, 30 * MB), 1.0, 1.0, GRAIN) == (10 * MB, 20 * MB)
    assert share((20 * MB, 30 * MB), 1.0, 0.0, GRAIN) == (20 * MB, 30 * MB)


def test_a_share_is_never_empty_and_leaves_no_crumb() -> None:
    for seed in range(500):
        chance = random.Random(seed)
        gap = (chance.randrange(MB), MB + chance.randrange(1, 9 * MB))
        start, stop = share(gap, chance.random() + 1e-6, chance.random() * 5, GRAIN)
        assert start == gap[0]
        assert start < stop <= gap[1]
        assert stop == gap[1] or gap[1] - stop >= GRAIN


def test_two_who_share_a_segment_end_together() -> None:
    ((point, stop),) = take_over((0, 40 * MB), Pace(0.0, 1e6), Pace(0.1, 3e6), GRAIN)
    assert stop == 40 * MB
    alone, both = point / 1e6, 0.1 + (40 * MB - point) / 3e6
    assert abs(alone - both) < 0.2


def test_a_silent_request_keeps_no_more_than_a_rope() -> None:
    assert take_over((0, 40 * MB), Pace(5.0, 1.0), Pace(0.1, 3e6), GRAIN) == [(ROPE, 40 * MB)]


def test_several_who_take_a_segment_over_get_equal_parts() -> None:
    pace = Pace(0.0, 1e6)
    parts = take_over((0, 12 * MB), pace, pace, GRAIN, 3)
    assert parts == [(3 * MB, 6 * MB), (6 * MB, 9 * MB), (9 * MB, 12 * MB)]


def test_fewer_take_over_what_is_too_little_for_many() -> None:
    slow, new = Pace(0.0, 1e5), Pace(0.2, 1e5)
    parts = take_over((0, 3 * LEAST_TAKEN), slow, new, GRAIN, 5)
    assert 0 < parts[0][0] < parts[-1][1] == 3 * LEAST_TAKEN
    assert len(parts) < 5
    assert all(stop - start >= LEAST_TAKEN for start, stop in parts)


def test_a_request_that_is_not_worth_its_round_trip_is_not_made() -> None:
    assert take_over((0, MB), Pace(0.0, 10e6), Pace(0.5, 10e6), GRAIN) == []
    assert take_over((0, LEAST_TAKEN), Pace(0.0, 1e3), Pace(0.0, 1e9), GRAIN) == []


def test_what_is_taken_over_pays_whoever_is_faster() -> None:
    for seed in range(1000):
        chance = random.Random(seed)
        start = chance.randrange(MB)
        stop = start + chance.randrange(1, 50 * MB)
        victim = Pace(chance.choice([0.0, chance.random()]), 10 ** chance.uniform(3, 8))
        thief = Pace(chance.random(), 10 ** chance.uniform(3, 8))
        taken = take_over((start, stop), victim, thief, chance.choice([GRAIN, MB]))
        if not taken:
            continue
        ((point, end),) = taken
        assert start < point < stop == end
        alone = victim.wait + (stop - start) / victim.rate
        after = max(victim.wait + (point - start) / victim.rate, thief.wait + (stop - point) / thief.rate)
        assert after < alone


def test_only_a_much_faster_rival_races() -> None:
    assert is_worth_a_race(100_000, Pace(1.0, 1e6), Pace(0.2, 1e6))
    assert not is_worth_a_race(100_000, Pace(0.0, 1e6), Pace(0.1, 1e6))
