"""The history: small, private, and harmless when it is lost."""

import json
import os
import random

import pytest

from surefetch.history import LIMIT, History


class Clock:
    """A clock that is a number."""

    def __init__(self):
        self.now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "private-v1" / "history-v1.json"


FAST, SLOW, NEW = "https://fast.example", "https://slow.example", "https://new.example"


def test_fast_origins_come_first_and_failing_ones_last(path, clock):
    history = History(path, clock)
    history.record(FAST, 50_000_000, 1.0, connect=0.05)
    history.record(SLOW, 1_000_000, 10.0, connect=0.5)
    history.record("https://dead.example", 0, 8.0, "connect")
    ranks = [history.rank(origin) for origin in (FAST, NEW, "https://dead.example")]
    assert ranks == sorted(ranks)
    assert history.rank(FAST) < history.rank(NEW) < history.rank(SLOW)


def test_what_is_saved_is_read_by_the_next_process(path, clock):
    history = History(path, clock)
    history.record(FAST, 50_000_000, 1.0)
    assert history.save()
    again = History(path, clock)
    assert again.rank(FAST) == history.rank(FAST)
    assert again.rate(FAST) == 50_000_000
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_is_forgiven_with_time_and_with_success(path, clock):
    history = History(path, clock)
    fresh = history.rank(FAST)
    history.record(FAST, 0, 1.0, "timeout")
    failed = history.rank(FAST)
    clock.now += 86_400
    later = history.rank(FAST)
    history.record(FAST, 10, 1.0)
    assert failed > later > history.rank(FAST) > fresh


def test_measurements_move_the_average_slowly(path, clock):
    history = History(path, clock)
    for _ in range(20):
        history.record(FAST, 10_000_000, 1.0)
    history.record(FAST, 1_000_000, 1.0)
    assert 5_000_000 < history.rate(FAST) < 10_000_000


def test_small_transfers_do_not_measure_the_rate(path, clock):
    history = History(path, clock)
    history.record(FAST, 4096, 0.5)
    assert history.rate(FAST) is None


def test_no_path_query_or_password_is_kept(path, clock):
    history = History(path, clock)
    history.record("HTTPS://ann:secret@Host.Example:8443/secret/x?token=secret#secret", 1_000_000, 1.0)
    history.record("secret nonsense", 1_000_000, 1.0)
    history.save()
    assert list(json.loads(path.read_bytes())["origins"]) == ["https://host.example:8443"]
    assert "secret" not in path.read_text()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"origins": 7}', b"\xff\xfe", b'{"origins": {"https://fast.example": {"rate": -1}}}',
     b'{"origins": {"https://fast.example": {"rate": "x"}}}', b'{"origins": {"https://a/b?c": {}}}',
     b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_history_counts_as_empty(path, clock, content):
    path.parent.mkdir()
    path.write_bytes(content)
    history = History(path, clock)
    assert len(history) == 0
    assert history.rank(FAST) == History(path.with_name("none"), clock).rank(FAST)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_its_place_is_not_waited_for(path, clock):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    assert len(History(path, clock)) == 0


def test_a_history_that_cannot_be_written_costs_nothing(tmp_path, clock):
    (tmp_path / "file").write_bytes(b"")
    history = History(tmp_path / "file" / "history.json", clock)
    history.record(FAST, 1_000_000, 1.0)
    assert not history.save()


def test_it_never_grows_beyond_its_limit_and_forgets_the_longest_unseen(path, clock):
    history = History(path, clock)
    for number in range(LIMIT + 50):
        clock.now += 1
        history.record(f"https://h{number}.example", 1_000_000, 1.0)
    history.save()
    again = History(path, clock)
    assert len(again) == LIMIT
    assert again.rate("https://h0.example") is None
    assert again.rate(f"https://h{LIMIT + 49}.example") == 1_000_000


def test_two_processes_do_not_lose_each_others_origins(path, clock):
    one, other = History(path, clock), History(path, clock)
    one.record(FAST, 1_000_000, 1.0)
    other.record(SLOW, 1_000_000, 5.0)
    assert one.save() and other.save()
    assert len(History(path, clock)) == 2


def test_ranks_are_always_finite_and_positive(path, clock):
    chance = random.Random(3)
    history = History(path, clock)
    for _ in range(500):
        failure = chance.choice([None, "timeout", "corrupt"])
        history.record(
            FAST, chance.randrange(10**9), chance.choice([0.0, 1e-9, 5.0]), failure, connect=chance.random()
        )
        clock.now += chance.choice([0, -100, 1e7])
        assert 0 < history.rank(FAST) < 1e12
