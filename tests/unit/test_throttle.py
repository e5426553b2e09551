"""The limit on the rate of all connections, with a clock that is a number."""

from __future__ import annotations

import pytest

from surefetch.transfer.throttle import BURST_SECONDS, LEAST_READ, MOST_READ, Throttle


def spend(throttle: Throttle, counts: list[int]) -> float:
    """Read as soon as it is allowed; return the seconds that it takes."""
    now = 100.0
    for count in counts:
        now += throttle.pause(now)
        throttle.took(count, now)
    return now + throttle.pause(now) - 100.0


@pytest.mark.parametrize("count", [100, 4096, 50_000])
def test_bytes_come_at_the_rate_however_they_are_portioned(count: int) -> None:
    counts = [count] * (1_000_000 // count)
    assert spend(Throttle(100_000), counts) == pytest.approx(sum(counts) / 100_000, abs=1.01 * BURST_SECONDS)


def test_time_without_bytes_is_not_saved_up() -> None:
    throttle = Throttle(1000)
    throttle.took(1000, 0.0)
    assert throttle.pause(0.0) == pytest.approx(1 - BURST_SECONDS)
    throttle.took(1000, 60.0)
    assert throttle.pause(60.0) == pytest.approx(1 - BURST_SECONDS)


def test_little_is_read_at_once_where_the_rate_is_low() -> None:
    assert Throttle(1).read_bytes == LEAST_READ
    assert Throttle(10**9).read_bytes == MOST_READ
    assert LEAST_READ < Throttle(10**6).read_bytes < MOST_READ


def test_without_a_limit_nothing_is_held_back() -> None:
    throttle = Throttle(0)
    assert not throttle.is_on
    assert throttle.pause(5.0) == 0.0
    assert throttle.read_bytes == MOST_READ
    assert throttle.ahead_bytes == 0
