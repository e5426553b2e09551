"""Ranges against the plainest model there is: a set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from surefetch.store.ranges import Ranges

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=30)


@given(STEPS, st.integers(0, 40), st.integers(0, 40))
def test_ranges_hold_what_a_set_of_numbers_would(steps, start, stop):
    ranges, model = Ranges(), set()
    for is_added, a, b in steps:
        (ranges.add if is_added else ranges.remove)(a, b)
        model = model | set(range(a, b)) if is_added else model - set(range(a, b))
    assert {n for a, b in ranges.as_pairs() for n in range(a, b)} == model
    assert {n for a, b in ranges.missing(start, stop) for n in range(a, b)} == set(range(start, stop)) - model
    assert ranges.covers(start, stop) == (set(range(start, stop)) <= model)
    assert ranges.total == len(model)
    assert ranges.frontier(start) == next(n for n in range(start, 100) if n not in model)


@given(STEPS)
def test_ranges_stay_sorted_apart_and_without_empty_ones(steps):
    ranges = Ranges()
    for is_added, a, b in steps:
        (ranges.add if is_added else ranges.remove)(a, b)
    edges = [edge for pair in ranges.as_pairs() for edge in pair]
    assert edges == sorted(set(edges))
    assert Ranges(ranges.as_pairs()) == ranges
