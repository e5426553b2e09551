"""Hosts, forms, lookups and many files: what the planner decides across artifacts."""

from __future__ import annotations

import math
import random

import pytest

from surefetch.events import (
    Answered,
    Cancel,
    Cancelled,
    Derive,
    Divide,
    Done,
    Failed,
    Failure,
    Look,
    Opened,
    Phase,
    Proven,
    Received,
    Request,
    Tick,
    Wait,
)
from surefetch.model import Artifact, Dataset, Form, Mirror, TensorSpec
from surefetch.plan.artifact import ArtifactPlan
from surefetch.plan.planner import Goal, Planner
from surefetch.plan.policy import Limits
from surefetch.recipes import parse_recipe
from tests.fakes.grammar import REFUSALS
from tests.fakes.network import Habit
from tests.fakes.world import FakeSource, World

SHA = "a" * 64


def files(count: int, size: int = 4096) -> Dataset:
    artifacts = tuple(Artifact(name=f"file{i}", form="any", size=size, sha256=SHA) for i in range(count))
    return Dataset(name="any", version="1", artifacts=artifacts)


def want(dataset: Dataset, **more: object) -> Goal:
    names = frozenset(artifact.name for artifact in dataset.artifacts)
    return Goal(dataset=dataset, artifacts=names, **more)  # type: ignore[arg-type] # keywords vary


def at(host: str, dataset: Dataset) -> dict[str, list[str]]:
    return {artifact.name: [f"https://{host}/{artifact.name}"] for artifact in dataset.artifacts}


def two_forms(small: int = 1000, large: int = 8 << 20) -> Dataset:
    """One tensor in two forms, a small one that is preferred and a large one."""
    forms = tuple(
        Form(name=name, gives={"tensor": parse_recipe("gzip > idx", f"{name}.gz")})
        for name in ("near", "far")
    )
    return Dataset(
        name="any",
        version="1",
        tensors={"tensor": TensorSpec(dtype="uint8", shape=(1,), sha256=SHA)},
        artifacts=(
            Artifact(name="near.gz", form="near", size=small, sha256=SHA),
            Artifact(name="far.gz", form="far", size=large, sha256=SHA),
        ),
        forms=forms,
    )


def test_a_form_that_is_found_here_is_taken_and_no_mirror_of_another_is_asked() -> None:
    """The order of forms was decided before this machine was looked at: the network was asked first."""
    caches = FakeSource("caches", behind={"far.gz": ("/home", ["/home/far.gz"])}, kind="scan", is_local=True)
    mirrors = FakeSource(
        "http", known={name: [f"https://h.example/{name}"] for name in ("near.gz", "far.gz")}
    )
    goal = Goal(dataset=two_forms(large=1000), tensors=frozenset({"tensor"}))
    planner = Planner(goal, [caches, mirrors])
    orders = planner.start(0.0)
    for look in [order for order in orders if isinstance(order, Look)]:
        orders += planner.handle(Answered(lookup=look.lookup, answer=b""), 0.01)
    assert [order.mirror.url for order in orders if isinstance(order, Request)] == ["/home/far.gz"]


# --- hosts ----------------------------------------------------------------------------------------


def test_requests_that_wait_for_a_host_end_when_it_is_dropped() -> None:
    dataset = files(4)
    planner = Planner(want(dataset), [FakeSource("http", known=at("gone.example", dataset))])
    begun = [order for order in planner.start(0.0) if isinstance(order, Request)]
    assert len(begun) == 4
    orders = planner.handle(Failed(id=begun[0].id, failure=Failure.NAME, cause="dns.nxdomain"), 0.1)
    assert {order.id for order in orders if isinstance(order, Cancel)} == {o.id for o in begun[1:]}
    for order in begun[1:]:
        orders = planner.handle(Cancelled(id=order.id, phase=Phase.RESOLVE), 0.1)
    done = orders[-1]
    assert isinstance(done, Done)
    assert len(done.attempts) == 1, "the host is judged once"


def test_a_host_that_cannot_be_reached_is_tried_twice_and_not_by_everybody() -> None:
    dataset = files(40)
    refused = Habit(fails=(Failure.CONNECT, "connect.refused"))
    urls = at("gone.example", dataset)
    world = World(
        want(dataset), [FakeSource("http", known=urls)], {u: refused for us in urls.values() for u in us}
    )
    assert len(world.run().missing) == 40
    assert len(world.asked(Request)) <= Limits().connections + 1


def wrong_beside_right(dataset: Dataset, wrong: Habit, missing: frozenset[str] = frozenset()) -> World:
    """A world of two hosts; the first one has wrong bytes, the second one right ones, but of some files."""
    known = {}
    habits: dict[str, Habit] = {}
    for artifact in dataset.artifacts:
        bad, good = f"https://wrong.example/{artifact.name}", f"https://right.example/{artifact.name}"
        known[artifact.name] = [bad, good]
        gone = Habit(fails=(Failure.MISSING, "http.not-found"))
        habits |= {bad: wrong, good: gone if artifact.name in missing else Habit()}
    return World(want(dataset), [FakeSource("http", known=known)], habits)


@pytest.mark.parametrize("wrong", [Habit(is_wrong=True), Habit(other_size=5000)])
def test_a_host_that_gives_wrong_files_is_asked_for_few(wrong: Habit) -> None:
    world = wrong_beside_right(files(400), wrong)
    assert not world.run().missing
    asked = [order for order in world.asked(Request) if isinstance(order, Request)]
    assert sum("wrong.example" in order.mirror.url for order in asked) < 60


def test_a_host_that_gave_wrong_files_is_asked_for_what_nobody_else_has() -> None:
    dataset = files(400)
    world = wrong_beside_right(dataset, Habit(is_wrong=True), missing=frozenset({"file399"}))
    assert world.run().missing == ("file399",)
    asked = [order for order in world.asked(Request) if isinstance(order, Request)]
    assert [o.mirror.url for o in asked if "wrong.example/file399" in o.mirror.url], "it may have that one"


def test_a_timeout_while_connecting_speaks_of_the_host() -> None:
    dataset = files(3)
    planner = Planner(
        want(dataset), [FakeSource("http", known=at("gone.example", dataset))], jitter=lambda: 0.0
    )
    begun = [order for order in planner.start(0.0) if isinstance(order, Request)]
    for order in begun:
        failed = Failed(id=order.id, failure=Failure.TIMEOUT, cause="connect.timeout")
        assert not [o for o in planner.handle(failed, 7.5) if isinstance(o, Request)]
    again = [order for order in planner.handle(Tick(), 8.5) if isinstance(order, Request)]
    assert len(again) == 1, "one request tells for all whether the host is back"
    last = planner.handle(Failed(id=again[0].id, failure=Failure.TIMEOUT, cause="connect.timeout"), 16.0)
    assert isinstance(last[-1], Done)


def test_a_host_that_mostly_fails_is_given_up_for_another() -> None:
    dataset = files(300)
    bad, good = at("bad.example", dataset), at("good.example", dataset)
    known = {name: bad[name] + good[name] for name in bad}
    broken, fine = Habit(fails=(Failure.SERVER, "http.server-error")), Habit(latency=0.01)
    habits = {u: broken for us in bad.values() for u in us} | {u: fine for us in good.values() for u in us}
    world = World(want(dataset), [FakeSource("http", known=known)], habits)
    assert world.run().missing == ()
    asked = [o for o in world.asked(Request) if "bad.example" in o.mirror.url]  # type: ignore[union-attr] # a Request
    assert len(asked) <= 60


def test_missing_files_do_not_spoil_a_host() -> None:
    dataset = files(60)
    urls = at("one.example", dataset)
    habits = {
        f"https://one.example/file{i}": Habit(latency=0.01)
        if i % 2
        else Habit(latency=0.01, fails=(Failure.MISSING, "http.not-found"))
        for i in range(60)
    }
    world = World(want(dataset), [FakeSource("http", known=urls)], habits)
    assert len(world.run().missing) == 30


# --- many files -----------------------------------------------------------------------------------


def steps_per_file(count: int) -> float:
    """How often a file's plan is stepped: the planner's work for it."""
    dataset = files(count)
    urls = at("one.example", dataset)
    habit = Habit(rate=1e8, latency=0.01)
    world = World(
        want(dataset), [FakeSource("http", known=urls)], {u: habit for us in urls.values() for u in us}
    )
    steps = 0
    step = ArtifactPlan.step

    def counted(plan: ArtifactPlan, now: float) -> object:
        nonlocal steps
        steps += 1
        return step(plan, now)

    ArtifactPlan.step = counted  # type: ignore[method-assign, assignment] # restored below
    try:
        assert world.run().missing == ()
    finally:
        ArtifactPlan.step = step  # type: ignore[method-assign] # as it was
    assert world.most_open() == {"https://one.example": 2 * Limits().wire}  # half of them wait
    assert len(world.asked(Request)) == count
    return steps / count


def test_the_work_for_a_file_does_not_grow_with_their_number() -> None:
    assert steps_per_file(4000) <= 1.1 * steps_per_file(400)


def test_a_host_that_multiplexes_gets_many_small_requests_at_once() -> None:
    dataset = files(200)
    limits = Limits(connections=4, streams=50)
    planner = Planner(want(dataset), [FakeSource("http", known=at("two.example", dataset))], limits)
    begun = [order for order in planner.start(0.0) if isinstance(order, Request)]
    assert len(begun) == 4
    opened = Opened(
        id=begun[0].id, start=0, size=4096, takes_ranges=True, validator=None, is_multiplexed=True
    )
    more = [order for order in planner.handle(opened, 0.1) if isinstance(order, Request)]
    assert len(begun) + len(more) == 50


def shared(planner: Planner, count: int) -> list[Request]:
    """Begin `count` small files at a host that multiplexes; return their requests."""
    begun = [order for order in planner.start(0.0) if isinstance(order, Request)]
    opened = Opened(
        id=begun[0].id, start=0, size=4096, takes_ranges=True, validator=None, is_multiplexed=True
    )
    begun += [order for order in planner.handle(opened, 0.1) if isinstance(order, Request)]
    assert len(begun) == count
    return begun


def test_who_waits_for_others_on_a_shared_connection_is_not_silent() -> None:
    dataset, limits = files(40), Limits(slowest=0)
    planner = Planner(want(dataset), [FakeSource("http", known=at("two.example", dataset))], limits)
    first = shared(planner, 40)[0]
    orders: list[object] = []
    for tenth in range(2, 300):  # a byte comes now and then, all of one file
        received = Received(id=first.id, start=tenth, stop=tenth + 1)
        orders += planner.handle_all([received, Tick()], tenth / 10)
    assert not [order for order in orders if isinstance(order, Cancel)]
    silent = planner.handle(Tick(), 30 + limits.first_byte_timeout)
    assert len([order for order in silent if isinstance(order, Cancel)]) == 40


@pytest.mark.parametrize(("rate", "is_divided"), [(3e5, True), (3e6, False)])
def test_a_slow_shared_connection_gets_others_beside_it(rate: float, is_divided: bool) -> None:
    dataset, limits = files(400, 60_000), Limits()
    planner = Planner(want(dataset), [FakeSource("http", known=at("two.example", dataset))], limits)
    begun = shared(planner, limits.streams)
    orders: list[object] = []
    for step in range(60):
        now, run = 0.1 + step / 50, begun[step]
        orders += planner.handle(Received(id=run.id, start=0, stop=int(rate / 50)), now)
    divided = [order for order in orders if isinstance(order, Divide)]
    assert divided == ([Divide(streams=limits.streams // limits.wire)] if is_divided else [])


def test_large_files_of_a_host_that_multiplexes_have_connections_of_their_own() -> None:
    dataset = files(100, 300_000)
    planner = Planner(want(dataset), [FakeSource("http", known=at("two.example", dataset))], Limits())
    assert len(shared(planner, Limits().connections)) == Limits().connections


class CountingSource(FakeSource):
    """Counts the artifacts that it was asked about."""

    count = 0

    def mirrors(self, artifact: Artifact, answers: object) -> list[Mirror]:
        self.count += 1
        return super().mirrors(artifact, answers)  # type: ignore[arg-type] # passed on as it came


def test_the_first_requests_do_not_wait_until_all_files_were_looked_at() -> None:
    dataset = files(1000)
    source = CountingSource("http", known=at("one.example", dataset))
    planner = Planner(want(dataset), [source], Limits(connections=6))
    assert len([order for order in planner.start(0.0) if isinstance(order, Request)]) == 6
    assert source.count <= 128
    while source.count < 1000:
        before = source.count
        planner.handle(Tick(), 0.01)
        assert source.count > before


def test_files_that_nobody_has_do_not_keep_the_others_waiting() -> None:
    dataset = files(500)
    urls = at("one.example", dataset)
    missing = {f"file{i}" for i in range(300)}
    habits = {
        url: Habit(fails=(Failure.MISSING, "http.not-found")) if name in missing else Habit(latency=0.01)
        for name, known in urls.items()
        for url in known
    }
    world = World(want(dataset), [FakeSource("http", known=urls)], habits)
    assert set(world.run().missing) == missing


def test_files_without_any_mirror_end_the_fetch_however_many_they_are() -> None:
    dataset = files(300)
    planner = Planner(want(dataset), [FakeSource("http", known={})], Limits())
    orders = planner.start(0.0)
    for _ in range(10):
        if any(isinstance(order, Done) for order in orders):
            break
        assert any(isinstance(order, Wait) and order.until <= 0.0 for order in orders)
        orders = planner.handle(Tick(), 0.0)
    (done,) = [order for order in orders if isinstance(order, Done)]
    assert len(done.missing) == 300


def test_one_job_means_one_artifact_at_a_time() -> None:
    dataset = files(20)
    urls = at("one.example", dataset)
    habits = {u: Habit(latency=0.01) for us in urls.values() for u in us}
    world = World(want(dataset), [FakeSource("http", known=urls)], habits, limits=Limits(jobs=1))
    assert world.run().missing == ()
    assert max(world.most_open().values()) == 1


def small_files(latency: float, **limits: int) -> World:
    dataset = files(60)
    urls = at("one.example", dataset)
    habits = {u: Habit(latency=latency, rate=1e8) for us in urls.values() for u in us}
    return World(want(dataset), [FakeSource("http", known=urls)], habits, limits=Limits(**limits))


def test_a_host_that_answers_fast_has_the_next_small_requests_waiting() -> None:
    world = small_files(0.05, connections=3, many=3)
    assert world.run().missing == ()
    assert world.most_open() == {"https://one.example": 6}
    assert world.now == pytest.approx((1 + 60 / 3) * 0.05, abs=0.06)  # one round trip to connect


def many_small(rate: float, latency: float, **habit: object) -> World:
    """600 files of 4 KiB at one host, whose link all connections share."""
    dataset = files(600)
    urls = at("one.example", dataset)
    one = Habit(rate=rate, latency=latency, **habit)  # type: ignore[arg-type] # keywords vary
    return World(
        want(dataset), [FakeSource("http", known=urls)], {u: one for us in urls.values() for u in us}
    )


def test_many_small_files_of_a_far_host_get_more_connections_where_that_pays() -> None:
    world = many_small(1e8, 0.1)
    assert world.run().missing == ()
    assert world.most_open() == {"https://one.example": 2 * Limits().many}
    assert world.now < 0.55 * 600 / Limits().connections * 0.1


def test_many_small_files_get_no_more_connections_where_the_link_is_full() -> None:
    world = many_small(2e5, 0.02)  # six connections take what the link has
    assert world.run().missing == ()
    assert world.most_open() == {"https://one.example": 2 * Limits().connections}, "more were tried once"
    assert world.now < 1.2 * 600 * 4096 / 2e5


def test_a_host_that_takes_few_connections_gets_no_more_of_them() -> None:
    world = many_small(1e8, 0.1, most=8, retry_after=None)
    assert world.run().missing == ()
    assert len(world.asked(Request)) < 600 + 3 * Limits().many


def test_a_few_small_files_get_as_many_connections_as_large_ones() -> None:
    dataset = files(20)
    urls = at("one.example", dataset)
    habits = {u: Habit(latency=0.1, rate=1e8) for us in urls.values() for u in us}
    world = World(want(dataset), [FakeSource("http", known=urls)], habits)
    assert world.run().missing == ()
    assert world.most_open() == {"https://one.example": Limits().connections}


def test_a_host_that_takes_its_time_has_none_waiting() -> None:
    world = small_files(0.7, connections=3, many=3)
    assert world.run().missing == ()
    assert world.most_open() == {"https://one.example": 3}


# --- this machine ---------------------------------------------------------------------------------


def local(dataset: Dataset) -> FakeSource:
    name = dataset.artifacts[0].name
    return FakeSource("caches", behind={name: ("places", [f"/cache/{name}"])}, kind="places", is_local=True)


def test_a_copy_on_this_machine_wins_without_a_packet() -> None:
    dataset = files(1, 50 << 20)
    urls = at("one.example", dataset)
    habits = {"/cache/file0": Habit(rate=1e9, latency=0.001), urls["file0"][0]: Habit()}
    world = World(
        want(dataset), [local(dataset), FakeSource("http", known=urls)], habits, lookup_seconds=0.05
    )
    assert world.run().missing == ()
    assert [order.mirror.url for order in world.asked(Request)] == ["/cache/file0"]  # type: ignore[union-attr] # a Request


def test_a_slow_search_on_this_machine_is_not_waited_for() -> None:
    dataset = files(1, 50 << 20)
    urls = at("one.example", dataset)
    habits = {"/cache/file0": Habit(rate=1e9, latency=0.001), urls["file0"][0]: Habit(rate=1e6)}
    world = World(want(dataset), [local(dataset), FakeSource("http", known=urls)], habits, lookup_seconds=1.5)
    assert world.run().missing == ()
    first = next(time for time, order in world.orders if isinstance(order, Request))
    assert first == 0.3
    assert world.now < 3.0, "the copy takes over what the mirror has not given yet"


def test_a_wrong_copy_on_this_machine_leads_to_the_mirrors() -> None:
    dataset = files(1, 5 << 20)
    urls = at("one.example", dataset)
    habits = {"/cache/file0": Habit(rate=1e9, is_wrong=True), urls["file0"][0]: Habit()}
    world = World(want(dataset), [local(dataset), FakeSource("http", known=urls)], habits)
    assert world.run().missing == ()


def test_offline_nobody_beyond_this_machine_is_asked() -> None:
    dataset = files(1)
    urls = at("one.example", dataset)
    index = FakeSource("package", behind={"file0": ("https://index.example/", ["https://x.example/f"])})
    goal = want(dataset, is_offline=True)
    sources = [local(dataset), FakeSource("http", known=urls), index]
    world = World(goal, sources, {"/cache/file0": Habit()}, lookups_fail=frozenset({"places"}))
    assert world.run().missing == ("file0",)
    assert world.asked(Request) == []
    assert [order.lookup.kind for order in world.asked(Look)] == ["places"]  # type: ignore[union-attr] # a Look


# --- forms ----------------------------------------------------------------------------------------


def test_a_form_that_crawls_gets_another_beside_it() -> None:
    dataset = two_forms(small=1 << 20)
    goal = Goal(dataset=dataset, tensors=frozenset({"tensor"}))
    known = {"near.gz": ["https://near.example/"], "far.gz": ["https://far.example/"]}
    habits = {"https://near.example/": Habit(rate=5_000), "https://far.example/": Habit(rate=2e6)}
    world = World(goal, [FakeSource("http", known=known)], habits)
    assert world.run().missing == ()
    assert {order.form for order in world.asked(Derive)} == {"far"}  # type: ignore[union-attr] # a Derive
    assert world.now < 15.0


def test_files_and_tensors_can_be_wanted_together() -> None:
    dataset = two_forms()
    goal = Goal(dataset=dataset, tensors=frozenset({"tensor"}), artifacts=frozenset({"far.gz"}))
    known = {"near.gz": ["https://near.example/"], "far.gz": ["https://far.example/"]}
    world = World(goal, [FakeSource("http", known=known)], {url[0]: Habit() for url in known.values()})
    assert world.run().missing == ()


def test_an_artifact_that_is_wanted_and_held_is_not_missing() -> None:
    dataset = files(2)
    world = World(want(dataset, held=frozenset({"file0", "file1"})), [FakeSource("http")], {})
    assert world.run().missing == ()
    assert world.now == 0.0


def test_nobody_to_ask_ends_at_once() -> None:
    world = World(want(files(3)), [FakeSource("http")], {})
    assert world.run().missing == ("file0", "file1", "file2")
    assert world.now == 0.0


# --- hosts that take so many requests a second ------------------------------------------------------


def many_from(habit: Habit, count: int = 300) -> World:
    """Small files, all from one host."""
    data = files(count)
    known = at("h.example", data)
    habits = {url: habit for (url,) in known.values()}
    sizes = {artifact.name: 4096 for artifact in data.artifacts}
    limits = Limits(jobs=32, connections=32)
    return World(want(data), [FakeSource("http", known=known)], habits, limits=limits, sizes=sizes)


def refused_from(failure: tuple[Failure, str], count: int, refused: set[str]) -> World:
    """Many files from one host that refuses some of them."""
    known = at("h.example", data := files(count))
    habits = {
        url: Habit(rate=1e8, latency=0.01, fails=failure if name in refused else None)
        for name, (url,) in known.items()
    }
    return World(want(data), [FakeSource("http", known=known)], habits)


@pytest.mark.parametrize("told", ["http.rate-limited", "http.unavailable"])
@pytest.mark.parametrize(
    ("rate", "at_once", "latency", "retry_after", "most"),
    [
        (50.0, 5, 0.002, None, 2.0),
        (50.0, 5, 0.02, 1.0, 2.8),  # each refusal costs a second
        (100.0, 0, 0.01, None, 3.0),  # two at once are one too many
        (30.0, 100, 0.05, None, 1.3),
    ],
)
def test_a_host_that_limits_requests_is_asked_nearly_as_often_as_it_allows(
    rate: float, at_once: int, latency: float, retry_after: float | None, most: float, told: str
) -> None:
    habit = Habit(rate=1e8, latency=latency, setup=1, most_requests=(rate, at_once + 1), told=told)
    habit.retry_after = retry_after
    one = many_from(habit)
    done = one.run()
    assert done.missing == ()
    assert one.now <= most * (300 - at_once) / rate + 1
    assert len(one.asked(Request)) <= 1.4 * 300


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("latency", [0.005, 0.1])
def test_a_host_that_refuses_some_by_chance_is_not_asked_more_slowly(share: float, latency: float) -> None:
    """Such is a name behind which one of many machines is out of order; 300 files took it 74 s."""
    one = many_from(Habit(rate=1e8, latency=latency, moody=(share, Failure.BUSY, "http.unavailable")))
    assert one.run().missing == ()
    assert one.now < 20
    assert len(one.asked(Request)) <= 1.3 * 300 / (1 - share)


@pytest.mark.parametrize("pause", [None, 1.0])
def test_a_host_that_tells_some_by_chance_that_they_are_too_many_is_not_held_to_it(
    pause: float | None,
) -> None:
    """Paced for that, and left alone for a second at each, 300 files were not there after two minutes."""
    moody = (0.1, Failure.BUSY, "http.rate-limited")
    one = many_from(Habit(rate=1e8, latency=0.005, moody=moody, retry_after=pause))
    assert one.run().missing == ()
    assert one.now < 30


@pytest.mark.parametrize(
    "failure", [(Failure.SERVER, "http.server-error"), (Failure.GATEWAY, "http.gateway")]
)
def test_failures_by_chance_drop_no_file(failure: tuple[Failure, str]) -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, moody=(0.25, *failure)), count=1000)
    assert one.run().missing == ()
    assert one.now < 30


def test_a_host_that_fails_everything_for_a_while_is_waited_for() -> None:
    away = {"away": (0.1, 6.0), "away_as": (Failure.SERVER, "http.server-error")}
    one = many_from(Habit(rate=1e8, latency=0.02, **away))  # type: ignore[arg-type] # two keys
    assert one.run().missing == ()
    assert 6 < one.now < 12
    assert len(one.asked(Request)) < 400


def test_a_host_that_fails_everything_for_good_is_not_waited_for_long() -> None:
    away = {"away": (0.1, math.inf), "away_as": (Failure.SERVER, "http.server-error")}
    done = (one := many_from(Habit(rate=1e8, latency=0.02, **away))).run()  # type: ignore[arg-type] # two keys
    assert done.missing
    assert one.now < 30


def test_a_file_that_always_fails_is_given_up_soon_where_others_do_not() -> None:
    data = files(300)
    known = at("h.example", data)
    habits = {url: Habit(rate=1e8, latency=0.02) for (url,) in known.values()}
    habits[known["file7"][0]] = Habit(fails=(Failure.SERVER, "http.server-error"))
    one = World(want(data), [FakeSource("http", known=known)], habits)
    assert one.run().missing == ("file7",)
    assert one.now < 5


@pytest.mark.parametrize("seed", range(4))
def test_files_that_always_fail_keep_others_from_nothing(seed: int) -> None:
    """A fifth of a store was broken: its files alone were asked for while the host was taken for away."""
    data, chance = files(600), random.Random(seed)
    known = at("h.example", data)
    habits = {url: Habit(rate=1e8, latency=0.02) for (url,) in known.values()}
    bad = [name for name in known if chance.random() < 0.2]
    habits |= {known[name][0]: Habit(fails=(Failure.SERVER, "http.server-error")) for name in bad}
    one = World(want(data), [FakeSource("http", known=known)], habits, limits=Limits(connections=6))
    assert one.run().missing == tuple(sorted(bad))
    assert max(now for now, event in one.events if isinstance(event, Proven)) < 3  # it was up to 19
    assert one.now < 30  # and 54


def test_a_host_that_refuses_everything_is_given_up_by_those_who_wait_for_their_turn_too() -> None:
    one = many_from(Habit(rate=1e8, latency=0.01, fails=(Failure.BUSY, "http.rate-limited")), count=20)
    done = one.run()
    assert len(done.missing) == 20
    assert one.now < 30
    assert {attempt.cause for attempt in done.attempts} == {"http.rate-limited"}


@pytest.mark.parametrize("latency", [0.005, 0.05])
def test_a_quota_that_is_used_up_is_not_waited_for(latency: float) -> None:
    one = many_from(Habit(rate=1e8, latency=latency, setup=1, most_requests=(0.001, 100)))
    done = one.run()
    assert len(done.missing) == 199
    assert one.now < 60
    assert "http.rate-limited" in {attempt.cause for attempt in done.attempts}


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    habit = Habit(rate=1e8, latency=0.01, most_requests=(10.0, 20), retry_after=3600.0)
    done = many_from(habit).run()
    assert done.missing
    assert "http.rate-limited" in {attempt.cause for attempt in done.attempts}


@pytest.mark.parametrize(
    "refusal",
    [refusal for refusal in REFUSALS if refusal[0] is not Failure.MISSING],
    ids=lambda refusal: refusal[1],
)
@pytest.mark.parametrize("most", [1, 2, 8])
def test_a_host_that_takes_few_connections_gives_all_files_however_it_refuses(
    refusal: tuple[Failure, str], most: int
) -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, most=most, most_as=refusal))
    assert one.run().missing == ()
    assert one.now <= 12 + 300 * 0.02 / most
    assert len(one.asked(Request)) <= 1.4 * 300


@pytest.mark.parametrize("seconds", [1.5, 3.0])
def test_a_gateway_whose_server_is_only_starting_is_waited_for(seconds: float) -> None:
    starting = (Failure.GATEWAY, "http.server-error")
    one = many_from(Habit(rate=1e8, latency=0.02, away=(0.0, seconds), away_as=starting))
    assert one.run().missing == ()
    assert one.now < 5


def test_a_gateway_without_a_server_is_given_up_as_soon_as_for_a_single_file() -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, fails=(Failure.GATEWAY, "http.server-error")))
    assert len(one.run().missing) == 300
    assert one.now < 8
    assert len(one.asked(Request)) < 150


def test_a_host_that_needs_long_for_some_files_is_not_taken_for_a_small_server() -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, late=(0.1, 5.0)))
    assert one.run().missing == ()
    assert len(one.asked(Cancel)) <= 6  # lost races, and some that it seemed to pass over
    assert one.now < 15


@pytest.mark.parametrize("failure", [(Failure.CUT, "connect.reset"), (Failure.CORRUPT, "body.html")])
def test_a_host_that_has_nothing_for_anybody_for_a_while_is_waited_for(failure: tuple[Failure, str]) -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, away=(0.3, 6.0), away_as=failure))
    assert one.run().missing == ()
    assert one.now < 12


def test_who_is_shut_out_for_some_seconds_waits_in_silence() -> None:
    """As Apache's mod_evasive has it: each request while it lasts makes it last longer."""
    one = many_from(Habit(rate=1e8, latency=0.02, away=(0.3, 10.3), away_as=(Failure.AUTH, "http.forbidden")))
    assert one.run().missing == ()
    quiet = [time for time, order in one.orders if isinstance(order, Request) and 2.5 < time < 10.3]
    assert len(quiet) <= 3


DENIALS = [(Failure.AUTH, "http.forbidden"), (Failure.CORRUPT, "body.html")]


@pytest.mark.parametrize("failure", DENIALS)
def test_a_host_that_refuses_dozens_of_files_and_gives_none_is_not_asked_for_the_others(
    failure: tuple[Failure, str],
) -> None:
    one = many_from(Habit(latency=0.02, fails=failure), count=1500)
    assert len(one.run().missing) == 1500
    assert one.now < 2
    assert len(one.asked(Request)) <= 100


@pytest.mark.parametrize("failure", DENIALS)
@pytest.mark.parametrize(
    "refused",
    [range(0, 600, 20), range(1, 600, 2), {*range(600)} - {*range(0, 600, 10)}],
    ids=["few", "half", "most"],
)
def test_a_host_that_refuses_some_files_gives_all_others_soon(
    failure: tuple[Failure, str], refused: set[int]
) -> None:
    """Each refusal of half of them was taken for one request too many: 1,500 files took minutes."""
    one = refused_from(failure, 600, {f"file{number}" for number in refused})
    assert set(one.run().missing) == {f"file{number}" for number in refused}
    assert one.now < 8


def test_files_that_a_host_gives_are_found_behind_hundreds_that_it_refuses() -> None:
    refused = {f"file{number}" for number in range(400)}
    one = refused_from((Failure.AUTH, "http.forbidden"), 600, refused)
    assert set(one.run().missing) == refused


def test_a_host_that_gave_files_and_wants_to_be_left_alone_for_a_day_ends_the_fetch() -> None:
    habit = Habit(rate=1e8, latency=0.02, most_requests=(0.01, 20), retry_after=86400.0)
    one = many_from(habit)
    assert len(one.run().missing) >= 278
    assert one.now < 20
    assert one.done
    assert {attempt.cause for attempt in one.done.attempts} == {"http.rate-limited"}


def test_a_host_that_was_away_has_as_many_connections_as_before() -> None:
    one = many_from(Habit(rate=1e8, latency=0.05, away=(0.5, 3.5)), count=1000)
    assert one.run().missing == ()
    assert one.now <= 3.5 + 3 + 1000 * 0.05 / 6


@pytest.mark.parametrize(
    ("away_as", "most"),
    [
        ((Failure.GATEWAY, "http.server-error"), 1.0),
        ((Failure.SERVER, "http.server-error"), 1.0),
        ((Failure.CUT, "connect.reset"), 1.0),
        ((Failure.CONNECT, "connect.refused"), 2.0),
        ((Failure.BUSY, "http.unavailable"), 2.0),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_an_outage_of_a_moment_at_the_start_costs_many_files_little(
    away_as: tuple[Failure, str], most: float
) -> None:
    one = many_from(Habit(rate=1e8, latency=0.02, away=(0.0, 0.3), away_as=away_as))
    assert one.run().missing == ()
    assert one.now <= most
    assert len(one.asked(Request)) <= 340
