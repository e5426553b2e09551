"""Hundreds of worlds drawn by seed: what must always hold (the world itself watches the orders)."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from surefetch.events import Cancel, Cancelled, Failed, Failure, Finished, Request
from surefetch.model import Artifact, Dataset
from surefetch.plan.planner import Goal
from surefetch.plan.policy import PATIENCE, Limits
from tests.fakes import grammar
from tests.fakes.grammar import KINDS, draw, draw_many
from tests.fakes.network import Habit
from tests.fakes.world import FakeSource, World

SEEDS = range(400)
#: How a host that cannot be reached shows it.
AWAY = {
    "refused": (Failure.CONNECT, "connect.refused"),
    "gateway": (Failure.GATEWAY, "http.server-error"),
    "name": (Failure.NAME, "dns.unavailable"),
    "proxy": (Failure.PROXY, "proxy.unreachable"),
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "planning.md"


USUAL = Limits()
#: As with a deadline.
PATIENT = Limits(alone=70.0)


def one_file(size: int, *habits: Habit, seed: int = 0, limits: Limits = USUAL) -> World:
    artifact = Artifact(name="file", form="any", size=size, sha256="a" * 64)
    dataset = Dataset(name="any", version="1", artifacts=(artifact,))
    urls = {f"https://mirror{number}.example/file": habit for number, habit in enumerate(habits)}
    return World(
        Goal(dataset=dataset, artifacts=frozenset({"file"})),
        [FakeSource("http", known={"file": [*urls]})],
        urls,
        seed=seed,
        limits=limits,
    )


def many_files(
    count: int,
    habit: Habit,
    others: Mapping[str, Habit] = MappingProxyType({}),
    limits: Limits = USUAL,
) -> World:
    artifacts = tuple(Artifact(name=f"f{i}", form="any", size=4096, sha256="a" * 64) for i in range(count))
    urls = {artifact.name: f"https://mirror.example/{artifact.name}" for artifact in artifacts}
    return World(
        Goal(dataset=Dataset(name="any", version="1", artifacts=artifacts), artifacts=frozenset(urls)),
        [FakeSource("http", known={name: [url] for name, url in urls.items()})],
        {**dict.fromkeys(urls.values(), habit), **others},
        limits=limits,
    )


@pytest.mark.parametrize("start", range(0, len(SEEDS), 50))
def test_every_world_with_a_good_mirror_ends_in_proof(start: int) -> None:
    for seed in SEEDS[start : start + 50]:
        drawn = draw(seed)
        done = drawn.world.run()
        if drawn.has_good:
            assert done.missing == (), f"seed {seed}"


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_of_many_artifacts_all_come_that_a_good_host_has(start: int) -> None:
    for seed in range(start, start + 20):
        drawn = draw_many(seed)
        missing = drawn.world.run().missing
        assert not drawn.good & set(missing), f"seed {seed}"


def test_the_last_file_of_a_host_that_passed_it_over_is_waited_for() -> None:
    drawn = draw_many(60644)
    assert not drawn.good & set(drawn.world.run().missing)


@pytest.mark.parametrize("seed", [10299, 10878])
def test_a_file_that_was_asked_for_just_now_is_not_given_up_for_the_rate_of_others(seed: int) -> None:
    drawn = draw_many(seed)
    assert not drawn.good & set(drawn.world.run().missing)


@pytest.mark.parametrize("seed", [166, 7303, 26423, 30559, 34256, 54299, 96628])
def test_a_world_that_once_failed_ends_in_proof(seed: int) -> None:
    drawn = draw(seed)
    assert drawn.has_good
    assert drawn.world.run().missing == ()


def test_mirrors_of_a_wrong_file_that_have_no_room_to_be_compared_are_waited_for() -> None:
    drawn = draw_many(81198)
    assert not drawn.good & set(drawn.world.run().missing)
    assert drawn.world.now < 16, "the patience with silent ones"


def test_a_mirror_without_ranges_and_another_do_not_take_the_same_bytes_from_each_other_for_ever() -> None:
    assert draw(104214).world.run().missing == ()


@pytest.mark.parametrize("fault", AWAY)
@pytest.mark.parametrize("seconds", [0.0, 2.0, 12.0])
def test_a_host_that_goes_away_for_a_while_is_waited_for(fault: str, seconds: float) -> None:
    habit = Habit(rate=3e6, per_connection=5e5, away=(2.0, 2.0 + seconds), away_as=AWAY[fault])
    world = one_file(20 << 20, habit)
    assert world.run().missing == ()
    alone = one_file(20 << 20, Habit(rate=3e6, per_connection=5e5))
    alone.run()
    assert world.now < alone.now + seconds + 5


@pytest.mark.parametrize("fault", AWAY)
def test_of_many_files_none_is_given_up_while_their_host_is_away(fault: str) -> None:
    habit = Habit(latency=0.1, away=(1.0, 9.0), away_as=AWAY[fault])
    world = many_files(300, habit)
    assert world.run().missing == ()
    assert len(world.asked(Request)) < 300 + 100, "they do not all try"


@pytest.mark.parametrize("seed", range(6))
def test_a_host_that_gave_some_and_puts_off_the_rest_is_not_waited_for_longer(seed: int) -> None:
    habit = Habit(rate=1e6, away=(2.0, math.inf), away_as=(Failure.BUSY, "http.unavailable"))
    world = one_file(20 << 20, habit, seed=seed)
    assert world.run().missing == ("file",)
    assert world.now < 2 + 20, "its pauses would end after up to 31 s"


def test_a_host_that_never_comes_back_is_waited_for_some_seconds() -> None:
    world = one_file(20 << 20, Habit(rate=1e6, away=(2.0, math.inf)))
    done = world.run()
    assert done.missing == ("file",)
    assert Limits().missed < world.now - 2.0 < Limits().missed + 4
    assert {attempt.cause for attempt in done.attempts} == {"body.truncated", "connect.refused"}


@pytest.mark.parametrize("seconds", [20.0, 60.0])
@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_the_only_mirror_may_take_long_to_begin(size: int, seconds: float) -> None:
    world = one_file(size, Habit(rate=1e7, late=(1.0, seconds)), limits=PATIENT)
    assert world.run().missing == ()
    assert world.now < seconds + 4
    assert len(world.asked(Cancel)) < 3, "what was begun goes on"


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_the_only_mirror_is_not_waited_for_for_ever(size: int) -> None:
    world = one_file(size, Habit(is_silent=True))
    assert world.run().missing == ("file",)
    assert world.now == pytest.approx(Limits().alone, abs=1)
    assert len(world.asked(Request)) < 4
    two = one_file(size, Habit(is_silent=True), Habit(is_silent=True))
    assert two.run().missing == ("file",)
    assert two.now < Limits().patience + 4


def test_files_of_which_none_begins_are_not_waited_for_one_by_one() -> None:
    world = many_files(300, Habit(is_silent=True))
    assert len(world.run().missing) == 300
    assert world.now < Limits().alone + 4


@pytest.mark.parametrize("seconds", [12.0, 40.0])
def test_one_of_many_files_may_take_long_to_begin(seconds: float) -> None:
    slow = "https://mirror.example/f7"
    world = many_files(60, Habit(latency=0.02), {slow: Habit(late=(1.0, seconds))}, limits=PATIENT)
    assert world.run().missing == ()
    assert world.now < seconds + 25, "it was begun anew once or twice"


@pytest.mark.parametrize("seconds", [12.0, 25.0, 50.0])
@pytest.mark.parametrize("habit", ["goes on", "new connections"])
def test_the_only_mirror_may_fall_silent_in_the_middle(habit: str, seconds: float) -> None:
    still = (
        {"pauses": (1.5, seconds)} if habit == "goes on" else {"stalls_at": 2.0, "stalls_until": 2 + seconds}
    )
    for seed in range(6):
        world = one_file(6 << 20, Habit(rate=2e6, **still), seed=seed, limits=PATIENT)  # type: ignore[arg-type] # keywords vary
        assert world.run().missing == ()
        assert world.now < 4 + (seconds + 10) * (7 if habit == "goes on" else 1), "some pause again and again"


def test_the_only_mirror_that_falls_silent_for_good_is_given_up() -> None:
    world = one_file(20 << 20, Habit(rate=2e6, stalls_at=2.0))
    done = world.run()
    assert done.missing == ("file",)
    assert world.now == pytest.approx(2 + Limits().alone, abs=2)
    assert done.attempts[0].cause == "transfer.stalled"


def test_the_connections_that_break_at_once_count_as_one_failure() -> None:
    cut = Habit(rate=3e6, per_connection=5e5, away=(2.0, 2.0))
    world = one_file(20 << 20, cut)
    assert world.run().missing == ()
    broken = [event for _, event in world.events if isinstance(event, Failed)]
    assert len(broken) > PATIENCE[Failure.CUT].retries


def test_the_median_time_is_near_what_the_links_allow() -> None:
    ratios = []
    for seed in range(1000, 1600):
        drawn = draw(seed)
        if drawn.has_good:
            drawn.world.run()
            ratios.append(drawn.world.now / drawn.bound)
    assert sorted(ratios)[len(ratios) // 2] <= 1.35


def test_every_request_ends_once_and_no_host_gets_more_than_it_may() -> None:
    for seed in range(2000, 2060):
        drawn = draw(seed, Limits(connections=2 + seed % 3), keeps_log=True)
        drawn.world.run()
        begun = [order.id for _, order in drawn.world.orders if isinstance(order, Request)]
        ended = [e.id for _, e in drawn.world.events if isinstance(e, Finished | Failed | Cancelled)]
        assert len(begun) == len(set(begun))
        assert len(ended) == len(set(ended))
        assert set(ended) <= set(begun)
        assert max(drawn.world.most_open().values()) <= 2 + seed % 3


def test_few_bytes_come_twice_where_all_mirrors_are_good() -> None:
    for seed in range(3000, 3200):
        drawn = draw(seed)
        if set(drawn.kinds.values()) == {"good"}:
            drawn.world.run()
            assert drawn.world.received <= 1.35 * drawn.size + (6 << 20), f"seed {seed}"


def test_the_same_seed_gives_the_same_world() -> None:
    for seed in range(5):
        first, second = draw(seed, keeps_log=True), draw(seed, keeps_log=True)
        first.world.run()
        second.world.run()
        assert first.world.orders == second.world.orders


def test_the_published_grammar_is_the_one_in_use() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z]+)` \| (\d+) % \|", text, re.M))
    published = {name: int(share) for name, share in rows.items()}
    shares = {name: share for name, (share, _, _) in KINDS.items()}
    shares |= {name: share for name, (share, _, _) in grammar.SIZES.items()}
    assert published == {name: round(100 * share) for name, share in shares.items()}
    for name in ("SIZE_KNOWN", "PIECES", "COLD", "RESTLESS", "CAPPED", "LOSSY", "HONEST_FIRST"):
        assert f"{round(100 * getattr(grammar, name))} %" in text, name
