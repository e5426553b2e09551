"""One artifact from many mirrors: who is asked for what, in a simulated network whose clock is a number."""

import itertools
from collections.abc import Sequence
from itertools import pairwise

import pytest

from surefetch.events import (
    Attempt,
    Cancel,
    Cancelled,
    Discard,
    Discarded,
    Disordered,
    Disproven,
    Done,
    Failure,
    Finished,
    Opened,
    Phase,
    Prove,
    Received,
    Request,
    Shorten,
    Tick,
)
from surefetch.model import PIECE_BYTES, Artifact, Dataset
from surefetch.plan.planner import Goal, Held
from surefetch.plan.policy import Limits
from tests.fakes.grammar import IGNORED, REFUSALS
from tests.fakes.network import ALL, Habit
from tests.fakes.world import FakeSource, World

MB = 1 << 20
SIZE = 62 * MB


def capped(**more: object) -> Habit:
    """A mirror that gives 5 MB/s to each connection, to six of them."""
    values: dict[str, object] = {"rate": 30e6, "per_connection": 5e6, "latency": 0.02, "setup": 1, **more}
    return Habit(**values)  # type: ignore[arg-type] # keywords vary


def world(
    habits: Sequence[Habit],
    *,
    size: int = SIZE,
    is_known: bool = True,
    has_pieces: bool = False,
    client_rate: float = 1e12,
    limits: Limits | None = None,
    held: Held | None = None,
    bound: int | None = None,
    seed: int = 0,
) -> World:
    """A world of one artifact and one mirror for each habit."""
    artifact = Artifact(
        name="file",
        form="any",
        size=size if is_known else None,
        max_size=None if is_known else bound or 2 * size,
        sha256="a" * 64,
        pieces=("a" * 64,) * -(-size // PIECE_BYTES) if has_pieces else (),
    )
    urls = [f"https://mirror{number}.example/file" for number in range(len(habits))]
    return World(
        Goal(
            dataset=Dataset(name="any", version="1", artifacts=(artifact,)),
            artifacts=frozenset({"file"}),
            held_ranges={"file": held} if held else {},
        ),
        [FakeSource("http", known={"file": urls})],
        dict(zip(urls, habits, strict=True)),
        client_rate=client_rate,
        limits=limits,
        sizes={"file": size},
        seed=seed,
    )


def seconds(habits: Sequence[Habit], **more: object) -> float:
    """How long the artifact takes; fails if it cannot be had."""
    one = world(habits, **more)  # type: ignore[arg-type] # keywords vary
    assert one.run().missing == ()
    return one.now


def requests(one: World) -> list[tuple[int, int | None]]:
    """(start, stop) of each request that reaches somebody, in time."""
    return [(order.start, order.stop) for order in one.asked(Request) if isinstance(order, Request)]


def opened(request: Request, size: int) -> Opened:
    """The event that a request's answer has begun."""
    return Opened(id=request.id, start=request.start, size=size, takes_ranges=True, validator=None)


def cancelled(request: Request) -> Cancelled:
    """The event that a request was broken off."""
    return Cancelled(id=request.id, phase=Phase.BODY)


def told(one: World) -> list[tuple[str, str]]:
    """(mirror's number, cause) of each attempt that failed."""
    assert one.done
    return [(attempt.mirror[len("https://mirror")], attempt.cause) for attempt in one.done.attempts]


CLEAN = seconds([capped(), capped(), capped()])


# --- rates ----------------------------------------------------------------------------------------


def test_several_mirrors_give_nearly_the_sum_of_their_rates() -> None:
    rates = [2e6, 5e6, 9e6]
    taken = seconds([Habit(rate=rate, latency=0.04) for rate in rates])
    assert taken <= 1.1 * (SIZE / sum(rates) + 0.04)


def test_one_connection_is_enough_where_it_fills_a_fast_link() -> None:
    one = world([Habit(rate=1e9, latency=0.0002, setup=1)], size=1000 * MB)
    assert one.run().missing == ()
    assert len(one.asked(Request)) == 1


def test_a_link_that_one_connection_fills_is_not_crowded_for_long() -> None:
    one = world([Habit(rate=6.25e6, latency=0.08, setup=2, slow_start=True)], size=40 * MB)
    assert one.run().missing == ()
    assert one.now <= 1.1 * (40 * MB / 6.25e6 + 0.24 + 0.4)
    assert len(one.asked(Request)) <= 6


def test_caps_of_single_connections_are_met_with_more_of_them() -> None:
    one = world([capped()])
    assert one.run().missing == ()
    assert one.now <= 1.3 * (SIZE / 30e6)
    assert one.most_open() == {"https://mirror0.example": 6}


def test_while_all_are_silent_that_gave_their_share_at_once_others_are_made() -> None:
    """Such is nginx's `limit_rate`: each request has some bytes at once, then nothing for a while."""
    one = world([Habit(rate=500e6, latency=0.002, setup=1, stalls_after=5 * MB)] * 3, client_rate=500e6)
    one.run()
    soon = [order for time, order in one.orders if isinstance(order, Request) and time < 0.3]
    assert len(soon) >= 3 * 4
    assert one.most_open() == {f"https://mirror{number}.example": 4 for number in range(3)}
    begun = soon[0].id + 3
    assert all((order.stop or 0) - order.start <= 1 * MB for order in soon if order.id >= begun)
    starts = {order.id: order.start for order in one.asked(Request)}
    ends = {e.id: e.stop for time, e in one.events if isinstance(e, Received | Finished) and time < 0.7}
    given = sum(stop - starts[number] for number, stop in ends.items())
    assert given >= 0.97 * SIZE, "not the 15 MB that the first three had"


def test_a_far_mirror_that_falls_silent_gets_twice_its_requests() -> None:
    one = world([Habit(rate=20e6, latency=0.08, setup=1, stalls_after=5 * MB)])
    one.run()
    begun = [time for time, order in one.orders if isinstance(order, Request)]
    assert sum(time < begun[0] + 1.0 for time in begun) == 2


def test_a_new_connection_that_had_to_queue_gives_its_bytes_back() -> None:
    """The first one is up to speed on a full link: another would only get a share of it, and slowly."""
    one = world([Habit(rate=6.25e6, latency=0.08, setup=1, queue=0.12)], size=40 * MB)
    assert one.run().missing == ()
    requests, shortened = one.asked(Request), one.asked(Shorten)
    assert len(requests) == 3, "after two trials the link is known to be full"
    assert len(one.asked(Cancel)) == 2
    assert shortened[-1].stop == 40 * MB, "the first one goes on to the end"
    assert one.received < 1.01 * 40 * MB


def test_a_trial_that_failed_on_a_full_link_counts_once_and_its_connections_once_each() -> None:
    """Near hosts get all connections at once: five that had to queue tell as much as two trials."""
    one = world([Habit(rate=1.2e6, latency=0.015, setup=1, queue=0.06)], size=5 * MB)
    assert one.run().missing == ()
    assert len(one.asked(Request)) == 6
    assert one.asked(Shorten)[-1].stop == 5 * MB


def test_a_request_that_ends_soon_gets_its_bytes_back_while_it_can_be_told() -> None:
    """Seconds count, not bytes: 400 kB are a third of a second on this link."""
    one = world([Habit(rate=1.2e6, latency=0.015, setup=1, queue=0.15)], size=1_800_000)
    assert one.run().missing == ()
    assert len(one.asked(Cancel)) == len(one.asked(Request)) - 1
    assert one.asked(Shorten)[-1].stop == 1_800_000


@pytest.mark.parametrize(("mirrors", "seconds"), [(1, 11), (2, 8)])
def test_far_connections_that_come_up_to_speed_are_let_do_so(mirrors: int, seconds: float) -> None:
    """They take 2 s for it; two took longer than one where the last bytes were taken from each other."""
    far = [Habit(rate=1e9, latency=0.3, setup=1, slow_start=True, per_connection=5e6) for _ in range(mirrors)]
    one = world(far, size=40 * MB)
    assert one.run().missing == ()
    assert one.now <= seconds


@pytest.mark.parametrize("size", [30 * MB, 150 * MB])
def test_who_is_up_to_speed_goes_on_over_what_a_newcomer_has_hardly_begun(size: int) -> None:
    """Its connection is closed when it ends early, and another one would have to get up to speed."""
    one = world([Habit(rate=12e6, latency=0.15, setup=1, slow_start=True, beside=0.02)], size=size)
    assert one.run().missing == ()
    first = one.asked(Request)[0].id
    last = [order for order in one.asked(Shorten) if order.id == first][-1]
    assert last.stop == size
    assert one.now <= 1.02 * size / 12e6 + 1.2, "with its slow start"


def test_connections_that_bring_more_end_where_they_were_to_end() -> None:
    one = world([capped(slow_start=True, latency=0.15)])
    assert one.run().missing == ()
    stops: dict[int, list[int]] = {}
    for order in one.asked(Shorten):
        stops.setdefault(order.id, []).append(order.stop)
    assert all(ends == sorted(ends, reverse=True) for ends in stops.values())


def test_no_more_connections_are_made_where_one_filled_the_link_until_it_lost_a_packet() -> None:
    full = world([lossy(packets=500, per_connection=6.25e6, used=0.9)], size=20 * MB)
    assert full.run().missing == ()
    assert len(full.asked(Request)) == 1


def test_a_connection_that_losses_slow_down_after_it_filled_the_link_gets_others_beside_it() -> None:
    one = world([lossy(packets=500, used=0.9, slowed_to=1e6, per_connection=6.25e6)], size=60 * MB)
    assert one.run().missing == ()
    assert one.most_open() == {"https://mirror0.example": 6}
    assert one.now <= 1.4 * 60 * MB / 6e6


def test_connections_that_loss_holds_down_are_multiplied_soon() -> None:
    slow = Habit(rate=6.25e6, latency=0.08, setup=2, slow_start=True, per_connection=222e3)
    assert seconds([slow], size=2_500_000) <= 0.45 * (2_500_000 / 222e3)


def lossy(packets: int | None = 100, **more: object) -> Habit:
    """A mirror at 80 ms whose connections lose one packet after so many, and are slow from then on."""
    values = {"rate": 6.25e6, "latency": 0.08, "setup": 2, "slow_start": True, "per_connection": 222e3}
    return Habit(loses_after=packets, **(values | more))  # type: ignore[arg-type] # keywords vary


def test_a_lost_packet_brings_all_connections_at_once_with_equal_parts() -> None:
    one, untold = world([lossy()], size=2_500_000), world([lossy(packets=None)], size=2_500_000)
    assert one.run().missing == untold.run().missing == ()
    seen = next(time for time, event in one.events if isinstance(event, Disordered))
    joined = [order for time, order in one.orders if isinstance(order, Request) and time == seen]
    lengths = [(order.stop or 0) - order.start for order in joined]
    assert len(lengths) == 5
    assert max(lengths) - min(lengths) <= 64 << 10
    tried = [time for time, order in untold.orders if isinstance(order, Request)][1]
    assert seen < tried, "it need not be found by trial"
    assert one.now < 1.05 * untold.now


@pytest.mark.parametrize(
    ("habit", "size"),
    [
        (lossy(queued=0.1), 2_500_000),  # our own queue was full
        (lossy(used=0.5), 2_500_000),  # it was too short for us
        (lossy(latency=0.01), 2_500_000),  # what is lost comes again at once
        (lossy(packets=20_000), 62 * MB),  # one connection can be fast
        (lossy(packets=7_000), 1_100_000),  # as good as done
    ],
)
def test_a_lost_packet_that_costs_little_brings_no_connection(habit: Habit, size: int) -> None:
    one = world([habit], size=size)
    assert one.run().missing == ()
    first, event = next((time, event) for time, event in one.events if isinstance(event, Disordered))
    assert isinstance(event, Disordered)
    joined = [order for time, order in one.orders if isinstance(order, Request) and time == first]
    assert joined == []


@pytest.mark.parametrize(
    ("habit", "size"),
    [
        # 0.45 round trips wait in the queue: enough for the whole link while the sender slows down.
        (Habit(rate=250e3, latency=0.6, slow_start=True, loses_after=249, queued=0.27, used=0.5), 2_000_000),
        # A short queue overflowed with half of the link used; soon the connection has nearly all of it.
        (Habit(rate=1e6, latency=0.2, slow_start=True, loses_after=135, queued=0.04, used=0.46), 3_000_000),
    ],
)
def test_a_connection_that_fills_its_link_after_a_lost_packet_stays_alone(habit: Habit, size: int) -> None:
    one = world([habit], size=size)
    assert one.run().missing == ()
    assert len(one.asked(Request)) == 1


def test_a_connection_that_falls_behind_what_its_link_carries_gets_others() -> None:
    slow = Habit(rate=1e6, latency=0.2, slow_start=True, loses_after=135, slowed_to=3e5, used=0.46)
    one = world([slow], size=6_000_000)
    assert one.run().missing == ()
    assert len(one.asked(Request)) > 1
    assert one.now < 0.7 * 6_000_000 / 3e5


def test_a_link_that_somebody_else_has_left_is_tried_again() -> None:
    filling, capped_one = Habit(rate=30e6, stalls_at=4.0), Habit(rate=6e6, per_connection=0.5e6, latency=0.1)
    assert seconds([capped_one, filling], client_rate=3e6, size=40 * MB) <= 1.2 * 40 * MB / 3e6


def test_no_more_connections_are_made_than_a_host_may_have() -> None:
    for most in (1, 2, 3):
        one = world([capped(), capped()], limits=Limits(connections=most))
        assert one.run().missing == ()
        assert max(one.most_open().values()) <= most


def test_a_small_artifact_takes_one_request() -> None:
    one = world([capped(), capped()], size=MB // 2)
    assert one.run().missing == ()
    assert len(one.asked(Request)) == 1


def test_no_segment_is_smaller_than_its_round_trip_is_worth() -> None:
    one = world([Habit(rate=5e6, latency=0.2, setup=2), Habit(rate=5e6, latency=0.2, setup=2)], size=20 * MB)
    assert one.run().missing == ()
    assert len(one.asked(Request)) <= 12


def test_a_size_that_a_mirror_tells_lets_the_others_in() -> None:
    one = world([capped(), capped(), capped()], is_known=False)
    assert one.run().missing == ()
    assert one.now <= 1.1 * CLEAN


def test_another_address_of_a_host_that_wants_few_connections_is_not_a_failure() -> None:
    one = world([capped(most=1)])
    assert one.run().missing == ()
    assert told(one) == []


def test_a_host_that_wanted_few_connections_for_a_while_gets_more_later() -> None:
    once, never = (
        world([capped(most=1, most_until=45.0)], size=40 * SIZE),
        world([capped(most=1)], size=40 * SIZE),
    )
    for one in (once, never):
        assert one.run().missing == ()
        assert told(one) == []
    assert once.now < never.now / 2
    assert len(never.asked(Request)) < 20, "it is seldom asked for more than it takes"


# --- mirrors that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_a_mirror_that_stalls_for_good_costs_little(share: float) -> None:
    stalling = capped(stalls_after=int(share * SIZE / 3))
    assert seconds([capped(), stalling, capped()]) <= 1.25 * CLEAN


def test_a_mirror_that_never_answers_is_not_waited_for() -> None:
    assert seconds([capped(is_silent=True), capped(), capped()]) <= 1.7 * CLEAN


def test_a_much_slower_mirror_does_not_hold_the_others_up() -> None:
    slow = capped(rate=1e6, per_connection=0.25e6)
    assert seconds([capped(), slow, capped()]) <= 1.5 * CLEAN


@pytest.mark.parametrize("count", [1, 3])
def test_servers_that_take_their_time_are_no_full_link(count: int) -> None:
    for seed in range(5):
        habits = [capped(jitter=0.4) for _ in range(count)]
        assert seconds(habits, seed=seed) <= SIZE / (5e6 * (6 if count == 1 else 12)) + 2


def test_restless_mirrors_are_not_dropped() -> None:
    for seed in range(10):
        habits = [capped(jitter=0.4, pauses=(3.0, 1.0)) for _ in range(3)]
        one = world(habits, size=200 * MB, seed=seed)
        assert one.run().missing == ()
        assert told(one) == []


def test_a_sole_mirror_that_stalls_is_asked_again_over_another_connection() -> None:
    one = world([Habit(rate=5e6, stalls_after=20 * MB)])
    assert one.run().missing == ()
    assert one.now < SIZE / 5e6 + 20.0
    assert one.received <= 1.1 * SIZE, "what arrived is kept"


def test_a_sole_mirror_that_crawls_is_kept() -> None:
    one = world([Habit(rate=2_000)], size=100_000)
    assert one.run().missing == ()
    assert told(one) == []


@pytest.mark.parametrize("seed", range(20))
def test_a_sole_mirror_that_breaks_off_anywhere_is_asked_down_to_the_last_byte(seed: int) -> None:
    one = world([Habit(rate=5e6, cuts_within=True)], seed=seed)
    assert one.run().missing == ()


@pytest.mark.parametrize("seed", range(20))
def test_so_are_several(seed: int) -> None:
    one = world([Habit(rate=5e6, cuts_within=True) for _ in range(3)], seed=seed)
    assert one.run().missing == ()


@pytest.mark.parametrize("seed", range(30))
def test_so_is_one_beside_another_that_is_always_busy(seed: int) -> None:
    busy = Habit(fails=(Failure.BUSY, "http.unavailable"))
    one = world([busy, Habit(rate=5e6, cuts_within=True)], seed=seed)
    assert one.run().missing == ()


def test_a_mirror_that_cuts_is_gone_on_with_from_where_it_was() -> None:
    one = world([Habit(rate=5e6, cuts_after=10 * MB)])
    assert one.run().missing == ()
    assert one.received == SIZE
    assert {cause for _, cause in told(one)} == {"body.truncated"}


def test_a_large_file_from_a_mirror_that_cuts_soon_is_had_bit_by_bit() -> None:
    one = world([Habit(rate=50e6, cuts_after=2 * MB)], size=8 * SIZE)
    assert one.run().missing == ()
    assert one.received == 8 * SIZE


def test_a_mirror_that_always_sends_the_same_beginning_is_not_asked_for_ever() -> None:
    one = world([Habit(rate=5e6, cuts_after=MB, takes_ranges=False)], size=3 * MB)
    assert one.run().missing == ("file",)
    assert len(one.asked(Request)) <= 7


def test_a_pause_that_a_server_asks_for_is_kept() -> None:
    busy = Habit(fails=(Failure.BUSY, "http.rate-limited"), retry_after=7, fails_until=6.0)
    one = world([busy], size=1000)
    assert one.run().missing == ()
    first, second = [time for time, order in one.orders if isinstance(order, Request)]
    failed = next(time for time, event in one.events if type(event).__name__ == "Failed")
    assert failed + 7 <= second <= failed + 8.5
    assert first == 0


def test_a_server_is_asked_again_when_it_said_and_later_and_later_after_three_times() -> None:
    busy = Habit(fails=(Failure.BUSY, "http.rate-limited"), retry_after=1)
    one = world([busy], size=1000)
    assert one.run().missing == ("file",)
    times = [time for time, order in one.orders if isinstance(order, Request)]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(1.0 <= pause < 1.5 for pause in pauses[:4]), pauses
    assert 15.0 <= times[-1] < 20.0 and len(times) <= 9, times


def test_a_server_that_asks_for_a_day_is_dropped() -> None:
    busy = Habit(fails=(Failure.BUSY, "http.rate-limited"), retry_after=86400)
    one = world([busy], size=1000)
    assert one.run().missing == ("file",)
    assert len(one.asked(Request)) == 1


def test_nothing_is_tried_again_that_cannot_work() -> None:
    for failure in (Failure.NAME, Failure.TLS, Failure.AUTH, Failure.MISSING, Failure.POLICY):
        one = world([Habit(fails=(failure, "x"))], size=1000)
        assert one.run().missing == ("file",)
        assert len(one.asked(Request)) == 1


def test_the_deadline_ends_everything_and_is_told() -> None:
    one = world([Habit(rate=1e5)], limits=Limits(deadline=5.0))
    assert one.run().missing == ("file",)
    assert one.now == pytest.approx(5.0, abs=0.01)
    assert told_causes(one)[-1] == "transfer.deadline"


@pytest.mark.parametrize(
    ("habit", "said"),
    [
        (Habit(is_silent=True), "no answer for 5 s"),
        (Habit(rate=5e6, stalls_at=2.0), "nothing for 3 s, "),
        (Habit(rate=1e5), " bytes a second, "),
    ],
)
def test_what_each_mirror_did_is_told_when_the_time_is_used_up(habit: Habit, said: str) -> None:
    one = world([habit], limits=Limits(deadline=5.0))
    assert one.run().missing == ("file",)
    assert one.done
    last = one.done.attempts[-1]
    assert (last.mirror, last.cause) == ("https://mirror0.example/file", "transfer.deadline")
    assert said in last.detail


def test_mirrors_are_told_of_by_their_silence_not_by_the_moment_after_which_patience_ended() -> None:
    limits = Limits(first_byte_timeout=3, stall_timeout=3, patience=6.2)
    for seed in range(300):
        one = world([Habit(is_silent=True)] * 3, limits=limits, seed=seed)
        assert one.run().missing == ("file",)
        assert one.done
        assert len({attempt.mirror for attempt in one.done.attempts}) == 3
        told = {(attempt.cause, attempt.detail) for attempt in one.done.attempts}
        assert told == {("transfer.no-first-byte", "nothing for 3 s")}, seed


def told_causes(one: World) -> list[str]:
    assert one.done
    return [attempt.cause for attempt in one.done.attempts]


# --- ranges, sizes, versions ----------------------------------------------------------------------


def test_a_mirror_that_takes_no_ranges_still_helps() -> None:
    plain = Habit(rate=20e6, takes_ranges=False)
    assert seconds([plain]) <= SIZE / 20e6 + 1
    assert seconds([plain, Habit(rate=1e6)]) <= 1.6 * SIZE / 21e6
    assert seconds([Habit(rate=1e6), plain]) <= 1.6 * SIZE / 21e6


def test_a_mirror_that_takes_no_ranges_brings_the_beginning_and_the_others_the_rest() -> None:
    ranged, plain = Habit(rate=4e6), Habit(rate=5e6, takes_ranges=False)
    for habits in ([ranged, plain], [plain, ranged]):
        one = world(habits)
        assert one.run().missing == ()
        assert one.now <= 1.2 * SIZE / 9e6
        assert one.received <= 1.1 * SIZE


def test_a_mirror_that_takes_no_ranges_goes_on_as_often_as_others_fall_silent() -> None:
    plain = Habit(rate=6e6, takes_ranges=False)
    stalled = [Habit(rate=3e6, stalls_at=at) for at in (0.5, 2.0)]
    assert seconds([stalled[0], plain, stalled[1]], size=40 * MB) <= 1.4 * 40 * MB / 6e6


def test_a_mirror_that_takes_no_ranges_does_not_read_up_to_what_another_has_at_hand() -> None:
    habits = [Habit(rate=0.08e6), Habit(rate=5e6, takes_ranges=False), Habit(rate=5e6, is_wrong=True)]
    one = [*habits, capped()]
    assert seconds(one, size=20 * MB, limits=Limits(compares=False)) <= 3


def test_what_is_taken_over_is_not_shared_with_much_slower_mirrors() -> None:
    habits = [Habit(rate=6e6), Habit(rate=8e6, takes_ranges=False), Habit(rate=0.1e6)]
    assert seconds(habits, size=40 * MB) <= 1.4 * 40 * MB / 14e6


def test_a_mirror_that_lies_about_ranges_is_asked_for_the_whole_file() -> None:
    one = world([Habit(rate=20e6, lies_about_ranges=True), Habit(fails=(Failure.MISSING, "http.gone"))])
    assert one.run().missing == ()
    assert requests(one)[-1] == (0, SIZE)


def test_who_refuses_ranges_of_a_file_of_unknown_size_is_asked_plainly() -> None:
    one = world([capped(), capped(lies_about_ranges=True)], is_known=False)
    assert one.run().missing == ()
    asked = [order for order in one.asked(Request) if "mirror1" in order.mirror.url]  # type: ignore[union-attr] # a Request
    assert len(asked) <= 10


@pytest.mark.parametrize("is_known", [True, False])
def test_a_race_of_two_that_take_long_is_not_waited_for(is_known: bool) -> None:
    plain = [capped(takes_ranges=False, per_connection=1e6) for _ in range(3)]
    assert seconds([capped(), *plain], is_known=is_known, size=20 * MB) <= 3
    silent = [capped(is_silent=True) for _ in range(3)]
    assert seconds([silent[0], capped(), *silent[1:]], is_known=is_known, size=20 * MB) <= 4


def test_a_chunked_body_of_unknown_size_ends_right() -> None:
    one = world([Habit(rate=20e6, tells_size=False)], is_known=False)
    assert one.run().missing == ()


@pytest.mark.parametrize("rate", [0.2e6, 1e6, 5e6])
def test_a_mirror_that_tells_no_size_does_not_keep_the_others_out(rate: float) -> None:
    mute = capped(per_connection=rate, tells_size=False, takes_ranges=False)
    assert seconds([mute, capped(), capped()], is_known=False) <= 1.6 * CLEAN


def test_mirrors_that_all_tell_no_size_give_the_file_once() -> None:
    one = world([capped(tells_size=False, takes_ranges=False)] * 3, is_known=False)
    assert one.run().missing == ()
    assert one.received <= SIZE + 2


def test_a_mirror_that_never_answers_does_not_keep_the_size_from_us() -> None:
    assert seconds([capped(is_silent=True), capped(), capped()], is_known=False) <= 2 * CLEAN


def test_a_body_without_an_end_is_left_for_a_mirror_that_tells_a_size() -> None:
    endless = Habit(rate=2e9, tells_size=False, takes_ranges=False, other_size=1 << 40)
    one = world([endless, capped(), capped()], is_known=False, bound=1 << 40)
    assert one.run().missing == ()
    assert ("0", "body.too-large") in told(one)
    assert one.now < 8


def test_a_mirror_with_a_file_of_another_size_is_named_and_left() -> None:
    one = world([Habit(other_size=SIZE - 1), Habit(rate=20e6)])
    assert one.run().missing == ()
    assert ("0", "body.wrong-file") in told(one)


def test_mirrors_that_disagree_about_an_unknown_size_end_right() -> None:
    for right in (0, 1, 2):
        habits = [Habit(rate=20e6, other_size=None if number == right else MB) for number in range(3)]
        one = world(habits, is_known=False, size=5 * MB)
        assert one.run().missing == ()


@pytest.mark.parametrize("other", [40 * MB, 90 * MB])
def test_the_size_that_most_mirrors_tell_is_believed(other: int) -> None:
    odd = capped(per_connection=1e6, other_size=other)
    one = world([odd, capped(), capped()], is_known=False)
    assert one.run().missing == ()
    assert one.now <= 2 * CLEAN
    assert told(one) == [("0", "body.wrong-file")]


def test_a_mirror_that_tells_another_size_each_time_does_not_turn_the_others_around_for_ever() -> None:
    planner = world([Habit()] * 3, is_known=False).planner
    orders, discards, sizes = planner.start(0.0), 0, {"0": 0, "1": 0, "2": 1}
    for number in range(200):
        now = number / 10
        discards += sum(isinstance(order, Discard) for order in orders)
        orders, before = [*planner.handle(Tick(), now)], orders
        for order in before:
            if isinstance(order, Discard):
                done = Discarded(artifact=order.artifact, start=order.start, stop=order.stop)
                orders += planner.handle(done, now)
            elif isinstance(order, Cancel):
                orders += planner.handle(Cancelled(id=order.id, phase=Phase.BODY), now)
            elif isinstance(order, Request):
                which = order.mirror.url.removeprefix("https://mirror")[0]
                size = SIZE + sizes[which]
                sizes["0"] ^= which == "0"  # it tells the other one next time
                orders += planner.handle(opened(order, size), now)
                orders += planner.handle(Finished(id=order.id, stop=order.start + MB), now)
    assert 0 < discards <= 6


def test_bytes_that_were_written_before_others_were_discarded_are_not_counted() -> None:
    planner = world([Habit()] * 3, is_known=False).planner
    (first,) = (order for order in planner.start(0.0) if isinstance(order, Request))
    orders = planner.handle(opened(first, 40 * MB), 0.1)
    second, third = (order for order in orders if isinstance(order, Request))
    planner.handle(Received(id=first.id, start=0, stop=MB), 0.2)
    planner.handle(opened(second, SIZE), 0.3)
    orders = planner.handle(opened(third, SIZE), 0.3)  # two against one
    (discard,) = (order for order in orders if isinstance(order, Discard))
    assert first.id in {order.id for order in orders if isinstance(order, Cancel)}
    planner.handle(Received(id=first.id, start=MB, stop=2 * MB), 0.3)  # was on its way
    done = Discarded(artifact=discard.artifact, start=discard.start, stop=discard.stop)
    asked = [*orders, *planner.handle(done, 0.3), *planner.handle(cancelled(first), 0.3)]
    asked += [*planner.handle(cancelled(second), 0.3), *planner.handle(Tick(), 0.5)]
    starts = {order.start for order in asked if isinstance(order, Request)}
    assert 0 in starts
    assert 2 * MB not in starts


def test_a_file_that_is_replaced_on_the_way_is_not_mixed_with_the_old_one() -> None:
    one = world([Habit(rate=5e6, replaced_at=3.0), Habit(rate=5e6)])
    assert one.run().missing == ()


# --- wrong bytes ----------------------------------------------------------------------------------

FLIPS = tuple((at, at + 1) for at in range(MB, SIZE, 8 * MB))
PIECED = seconds([capped(), capped(), capped()], has_pieces=True)


@pytest.mark.parametrize("at", [0.1, 0.4, 0.7, 0.99])
def test_with_pieces_a_flipped_bit_costs_one_piece_and_names_the_liar(at: float) -> None:
    flip = int(at * SIZE)
    for liar in range(3):
        habits = [capped(wrong=((flip, flip + 1),) if number == liar else ()) for number in range(3)]
        one = world(habits, has_pieces=True)
        assert one.run().missing == ()
        assert one.now <= 1.15 * PIECED
        assert told(one) in ([], [(str(liar), "body.corrupt")]), "it may not have given that piece"
        assert one.received <= SIZE + 6 * MB


def test_the_others_take_the_connections_of_a_mirror_that_lied() -> None:
    one = world([capped(wrong=((MB, MB + 1),)), capped(), capped()], has_pieces=True)
    assert one.run().missing == ()
    assert one.most_open() == {
        "https://mirror0.example": 4,
        "https://mirror1.example": 6,
        "https://mirror2.example": 6,
    }
    assert one.now <= 1.02 * PIECED


@pytest.mark.parametrize("at", [0.02, 0.3, 0.5, 0.9, 0.97])
def test_a_slow_mirror_does_not_hold_up_a_piece_that_was_wrong(at: float) -> None:
    flip = int(at * 32 * MB)
    habits = [Habit(rate=20e6, wrong=((flip, flip + 1),)), Habit(rate=1e5), Habit(rate=20e6)]
    for order in itertools.permutations(habits):
        one = world(order, size=32 * MB, has_pieces=True)
        assert one.run().missing == ()
        assert one.now < 1.6, "from the slow one alone a piece takes 10 s"


def test_with_pieces_a_mirror_of_another_file_is_left_at_its_second_wrong_piece() -> None:
    one = world([capped(), capped(is_wrong=True), capped()], has_pieces=True)
    assert one.run().missing == ()
    assert one.now <= 1.7 * PIECED, "two mirrors do what three did"
    assert {number for number, _ in told(one)} == {"1"}
    assert one.received <= 1.15 * SIZE


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_without_pieces_the_liar_is_found_and_the_file_is_right(liar: int) -> None:
    habits = [capped(is_wrong=number == liar) for number in range(3)]
    one = world(habits)
    assert one.run().missing == ()
    assert told(one) == [(str(liar), "body.corrupt")]


@pytest.mark.parametrize("wrong", [ALL, FLIPS, ((40 * MB, 40 * MB + 1),)])
def test_edges_that_compare_find_the_liar_within_two_clean_runs(wrong: tuple[tuple[int, int], ...]) -> None:
    for liar in range(3):
        habits = [capped(wrong=wrong if number == liar else ()) for number in range(3)]
        one = world(habits, limits=Limits(compares=True))
        assert one.run().missing == ()
        assert one.now <= 2.0 * CLEAN
        assert told(one) in ([], [(str(liar), "body.corrupt")]), "it may not have given that byte"


@pytest.mark.parametrize("stalls_at", [0.3, 0.6, 0.9])
def test_who_falls_silent_is_not_waited_for_to_say_who_lies(stalls_at: float) -> None:
    liar = capped(wrong=tuple((start + 500, start + 501) for start in range(0, SIZE, MB)))
    for habits in itertools.permutations([liar, capped(stalls_at=stalls_at), capped()]):
        assert seconds(habits, limits=Limits(compares=True)) <= 6 * CLEAN  # it took up to 11


@pytest.mark.parametrize("compares", [False, True])
def test_mirrors_that_agree_on_another_file_are_all_left(compares: bool) -> None:
    same = Habit(rate=20e6, is_wrong=True)
    one = world([same, same, same, same], limits=Limits(compares=compares), size=20 * MB)
    assert one.run().missing == ("file",)
    assert [cause for _, cause in told(one)] == ["body.corrupt", *["body.changed-upstream"] * 3]


def test_mirrors_that_never_answer_are_passed_over_one_by_one() -> None:
    silent = [Habit(is_silent=True) for _ in range(4)]
    one = world([*silent, Habit()], size=1000)
    assert one.run().missing == ()
    assert one.now < 5.0


@pytest.mark.parametrize("compares", [False, True])
def test_one_honest_mirror_among_liars_is_enough(compares: bool) -> None:
    for right in range(4):
        habits = [Habit(rate=5e6, is_wrong=number != right) for number in range(4)]
        one = world(habits, size=10 * MB, limits=Limits(compares=compares))
        assert one.run().missing == ()


def test_a_piece_that_was_spoilt_on_the_way_is_asked_for_again_of_a_sole_mirror() -> None:
    one = world([Habit(rate=5e6, wrong=((MB, MB + 1),))], size=8 * MB, has_pieces=True)
    assert one.run().missing == ("file",)
    assert requests(one).count((MB, 2 * MB)) == 1
    assert {number for number, _ in told(one)} == {"0"}


def test_who_gave_nothing_is_not_said_to_have_given_bytes() -> None:
    gone = Habit(fails=(Failure.MISSING, "http.not-found"))
    one = world([gone, gone], size=3 * MB)
    done = one.run()
    assert done.missing == ("file",)
    assert {attempt.bytes for attempt in done.attempts} == {0}


# --- what an earlier run left ---------------------------------------------------------------------


def test_only_what_is_missing_of_a_part_is_asked_for() -> None:
    held = Held(ranges=((0, 20 * MB), (30 * MB, 40 * MB)))
    one = world([Habit(rate=20e6)], held=held)
    # The store has these bytes: the simulated one must, too.
    part = one.part("file")
    giver = one.giver("https://mirror0.example/file")
    for start, stop in held.ranges:
        part.spans.add(start, stop, giver)
    assert one.run().missing == ()
    assert one.received <= SIZE - 30 * MB + MB


def test_a_resumed_mirror_is_asked_with_the_validator_it_had() -> None:
    url = "https://mirror0.example/file"
    held = Held(ranges=((0, 20 * MB),), validators={url: '"v0"'})
    one = world([Habit(rate=20e6)], held=held)
    one.part("file").spans.add(0, 20 * MB, one.giver(url))
    assert one.run().missing == ()
    first = one.asked(Request)[0]
    assert isinstance(first, Request)
    assert (first.start, first.validator) == (20 * MB, '"v0"')


def test_bytes_of_a_file_that_was_replaced_since_are_forgotten() -> None:
    url = "https://mirror0.example/file"
    held = Held(ranges=((0, 20 * MB),), validators={url: '"older"'})
    one = world([Habit(rate=20e6)], held=held)
    one.part("file").spans.add(0, 20 * MB, one.giver(url, is_wrong=True))
    assert one.run().missing == ()


def test_wrong_bytes_of_an_earlier_run_are_found() -> None:
    held = Held(ranges=((0, 20 * MB),))
    one = world([Habit(rate=20e6), Habit(rate=10e6)], held=held)
    one.part("file").spans.add(0, 20 * MB, one.giver("https://mirror0.example/file", is_wrong=True))
    assert one.run().missing == ()
    assert one.done
    assert [attempt.mirror for attempt in one.done.attempts] == ["an earlier run"]
    assert isinstance(one.done.attempts[0], Attempt)


def test_wrong_bytes_of_an_earlier_run_are_no_fault_of_the_only_mirror() -> None:
    url = "https://mirror0.example/file"
    one = world([Habit(rate=20e6)], held=Held(ranges=((0, 20 * MB),), validators={url: '"v0"'}))
    one.part("file").spans.add(0, 20 * MB, one.giver(url, is_wrong=True))
    assert one.run().missing == ()
    assert one.done
    assert [attempt.mirror for attempt in one.done.attempts] == ["an earlier run"]


@pytest.mark.parametrize("tells_size", [True, False])
def test_only_what_is_missing_is_asked_for_where_an_earlier_run_was_told_the_size(tells_size: bool) -> None:
    held = Held(ranges=((0, 20 * MB), (30 * MB, 40 * MB), (45 * MB, 60 * MB)), size=SIZE)
    one = world([capped(tells_size=tells_size)], held=held, is_known=False)
    for start, stop in held.ranges:
        one.part("file").spans.add(start, stop, one.giver("https://mirror0.example/file"))
    assert one.run().missing == ()
    assert one.received <= SIZE - 45 * MB + MB


@pytest.mark.parametrize("size", [SIZE - MB, SIZE + MB, 2 * SIZE])
def test_another_size_than_an_earlier_run_was_told_is_believed(size: int) -> None:
    url = "https://mirror0.example/file"
    held = Held(ranges=((0, 20 * MB), (30 * MB, 40 * MB)), size=size, validators={url: '"older"'})
    one = world([capped()], held=held, is_known=False)
    for start, stop in held.ranges:
        one.part("file").spans.add(start, stop, one.giver(url, is_wrong=True))
    assert one.run().missing == ()


def test_orders_speak_of_requests_that_are_under_way() -> None:
    one = world([capped(), capped(stalls_after=MB), capped()])
    assert one.run().missing == ()
    begun = {order.id for order in one.asked(Request)}  # type: ignore[union-attr] # a Request
    assert {order.id for order in one.asked(Shorten)} <= begun  # type: ignore[union-attr] # a Shorten
    assert {order.id for order in one.asked(Cancel)} <= begun  # type: ignore[union-attr] # a Cancel
    assert any(isinstance(event, Opened) for _, event in one.events)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[1])
def test_who_takes_no_further_connection_goes_on_over_those_it_has(refusal: tuple[Failure, str]) -> None:
    alone = seconds([capped(rate=5e6)])
    one = world([capped(most=1, most_as=refusal)])
    assert one.run().missing == ()
    assert one.now <= 1.25 * alone
    assert len(one.asked(Request)) < 30


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[1])
@pytest.mark.parametrize("most", [1, 2])
def test_mirrors_that_take_few_connections_are_all_kept_busy(refusal: tuple[Failure, str], most: int) -> None:
    mirrors = [capped(per_connection=1.5e6, most=most, most_as=refusal, notices=0.1) for _ in range(3)]
    bound = SIZE / (3 * most * 1.5e6)
    # Who is left waiting is told nothing, and asked anew once.
    assert seconds(mirrors) <= (1.6 if refusal == IGNORED else 1.15) * bound


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[1])
@pytest.mark.parametrize("count", [1, 2])
def test_who_fails_at_ranges_is_asked_for_the_whole_file(refusal: tuple[Failure, str], count: int) -> None:
    one = world([capped(ranges_as=refusal) for _ in range(count)])
    assert one.run().missing == ()


def test_who_ignores_ranges_is_asked_for_the_whole_file_where_another_mirror_has_another_one() -> None:
    """One of its two silent requests ends first: what the other one is for is no last hope."""
    one = world(
        [Habit(rate=1.5e6, latency=0.016, other_size=20 * MB), capped(ranges_as=IGNORED)], size=14 * MB
    )
    assert one.run().missing == ()
    assert one.now < 20


def test_who_answered_at_once_is_asked_over_another_connection_where_it_falls_silent() -> None:
    one = world([capped(away=(2.0, 9.0), away_as=IGNORED)])
    assert one.run().missing == ()
    assert one.now < 16


def test_what_came_wrong_in_parts_from_its_only_mirror_is_asked_for_as_a_whole() -> None:
    assert world([capped(spoils_ranges=True)]).run().missing == ()
    assert world([capped(spoils_ranges=True)], is_known=False, bound=1 << 40).run().missing == ()
    one = world([capped(is_wrong=True)])
    assert one.run().missing
    assert one.now <= 1.2 * (SIZE / 30e6 + SIZE / 5e6)  # once in parts, once over one connection


@pytest.mark.parametrize(
    "failure",
    [
        (Failure.SERVER, "http.server-error"),
        (Failure.CUT, "connect.reset"),
        (Failure.AUTH, "http.forbidden"),
        (Failure.MISSING, "http.not-found"),
        (Failure.CORRUPT, "body.html"),
    ],
    ids=lambda failure: failure[1],
)
def test_who_gave_bytes_and_has_none_for_a_while_is_waited_for(failure: tuple[Failure, str]) -> None:
    assert world([capped(away=(1.0, 6.0), away_as=failure)]).run().missing == ()
    one = world([capped(away=(1.0, 999.0), away_as=failure)])
    assert one.run().missing
    assert one.now < 30.0
    assert failure[1] in {cause for _, cause in told(one)}
    assert len(one.asked(Request)) < 60


def test_who_failed_is_asked_over_a_new_connection() -> None:
    one = world([capped(fails=(Failure.SERVER, "http.server-error"), fails_until=0.1)], size=MB)
    one.run()
    first, second, *_ = one.asked(Request)
    assert isinstance(first, Request) and isinstance(second, Request)
    assert (first.is_anew, second.is_anew) == (False, True)


def test_a_file_of_no_bytes_whose_digest_says_otherwise_is_given_up() -> None:
    planner = world([capped()], size=0).planner
    (prove,) = (order for order in planner.start(0.0) if isinstance(order, Prove))
    orders = planner.handle(Disproven(artifact=prove.artifact, actual="0" * 64), 0.0)
    (done,) = (order for order in orders if isinstance(order, Done))
    assert done.missing == ("file",)


@pytest.mark.parametrize("rate", [2e5, 4e5])
def test_a_race_is_not_lost_to_a_mirror_that_has_shown_nothing_yet(rate: float) -> None:
    one = world([Habit(rate=rate, latency=0.05, setup=1) for _ in range(2)], size=10**6)
    assert one.run().missing == ()
    _, second = one.asked(Request)
    assert [order.id for order in one.asked(Cancel)] == [second.id]  # type: ignore[union-attr] # orders


def test_a_mirror_that_slows_each_request_down_after_a_while_is_asked_for_less_at_once() -> None:
    # As nginx's `limit_rate_after` does.
    slowing = Habit(rate=5e6, latency=0.04, setup=1, loses_after=2000, slowed_to=2e5)
    assert seconds([slowing], size=40 * MB) <= 1.6 * 40 * MB / 5e6


@pytest.mark.parametrize("count", [1, 10_000])
def test_a_mirror_that_cuts_ranges_to_next_to_nothing_gives_the_whole_file(count: int) -> None:
    one = world([Habit(rate=20e6, per_connection=3e6, cuts_ranges_after=count)], size=20 * MB)
    assert one.run().missing == ()
    assert one.now <= 1.1 * 20 * MB / 3e6
    assert len(one.asked(Request)) < 15


def test_a_mirror_whose_connections_become_slow_is_asked_over_new_ones() -> None:
    tiring = Habit(rate=5e6, latency=0.005, setup=1, tires_after=3.0, slowed_to=2e5)
    assert seconds([tiring], size=60 * MB) <= 1.6 * 60 * MB / 5e6
