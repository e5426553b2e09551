"""The grammar of simulated worlds: a seed gives a world. Published in docs/planning.md; a test compares."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from surefetch.events import Failure
from surefetch.model import PIECE_BYTES, Artifact, Dataset
from surefetch.plan.planner import Goal
from surefetch.plan.policy import CONNECTIONS as USUAL
from surefetch.plan.policy import MANY, Limits
from surefetch.plan.segments import GRAIN
from surefetch.plan.widening import most_lanes
from tests.fakes.network import Habit
from tests.fakes.world import FakeSource, World

#: Sizes: share of the worlds, smallest, largest (bytes; drawn evenly on a logarithmic scale).
SIZES: Final = {
    "tiny": (0.05, 1, 64 << 10),
    "small": (0.10, 64 << 10, 1 << 20),
    "medium": (0.45, 1 << 20, 20 << 20),
    "large": (0.40, 20 << 20, 120 << 20),
}
#: Numbers drawn evenly on a logarithmic scale: smallest, largest.
CLIENT_RATE: Final = (2e6, 125e6)  # bytes per second of the client's link
RATE: Final = (1e6, 50e6)  # bytes per second of a mirror's link
LATENCY: Final = (0.005, 0.2)  # seconds of a round trip
#: Shares of worlds or mirrors.
SIZE_KNOWN: Final = 0.85
PIECES: Final = 0.3  # of the artifacts of known size with 4 MiB or more
COLD: Final = (
    0.3  # worlds where connections take one to three round trips to make, and start slowly (RFC 6928)
)
RESTLESS: Final = 0.1  # worlds where every mirror answers up to 0.4 s late and pauses for 1 s now and then
CAPPED: Final = 0.3  # mirrors that give one connection a part of their rate
LOSSY: Final = 0.1  # mirrors behind a link with loss, whose connections are held down by it
HONEST_FIRST: Final = 0.95  # worlds where one mirror, at a place drawn, is sure to be good
MIRRORS: Final = (1, 1, 2, 2, 3, 3, 3, 4, 5, 6)  # how many there are


#: Worlds of many artifacts: how many there are, how many hosts, requests at once to each, large ones at once.
COUNTS: Final = (2, 5, 20, 60, 150)
HOSTS: Final = (1, 1, 2, 2, 3, 4)
CONNECTIONS: Final = (1, 2, 6, 6, 32)
JOBS: Final = (1, 8, 8, 32)
#: Their sizes in bytes; a tenth is larger than one request takes in as many worlds.
MANY_SIZES: Final = (1, 300_000)
LARGE_SIZES: Final = (1 << 20, 8 << 20)
WITH_LARGE: Final = 0.3
LARGE: Final = 0.1
#: A host has an artifact with this probability; each artifact has one host at least.
HAS_IT: Final = 0.8
#: A kind of host beside those of mirrors: it takes so many requests a second, beyond so many at once.
LIMITED: Final = 0.15
#: Hosts of many artifacts that fail some requests by chance, and which share of them.
MOODY: Final = 0.06
BY_CHANCE: Final = (0.02, 0.3)
BREAKDOWNS: Final = (
    (Failure.BUSY, "http.unavailable"),
    (Failure.SERVER, "http.server-error"),
    (Failure.GATEWAY, "http.bad-gateway"),
)
#: It does not look at the connection.
IGNORED: Final = (Failure.TIMEOUT, "transfer.no-first-byte")
#: What a server answers that takes no further request, or no ranges.
REFUSALS: Final = (
    (Failure.BUSY, "http.unavailable"),
    (Failure.SERVER, "http.server-error"),
    (Failure.GATEWAY, "http.bad-gateway"),
    (Failure.CUT, "connect.reset"),
    (Failure.AUTH, "http.forbidden"),
    (Failure.MISSING, "http.not-found"),
    (Failure.CORRUPT, "body.html"),
    IGNORED,
)
PER_SECOND: Final = (5.0, 500.0)
AT_ONCE: Final = (1, 2, 5, 20, 100)


@dataclass
class DrawnMany:
    """What a seed gave: many artifacts, on hosts of one kind each."""

    kinds: list[str]
    world: World
    good: frozenset[str]  # artifacts that a good host has


@dataclass
class Drawn:
    """What a seed gave."""

    seed: int
    size: int
    client_rate: float
    habits: dict[str, Habit]
    kinds: dict[str, str]
    world: World
    has_good: bool
    bound: float  # seconds that no planner can do better than; infinite without a mirror to rely on


Change = Callable[[Habit, random.Random, int], None]


def _dead(habit: Habit, chance: random.Random, size: int) -> None:
    habit.fails = chance.choice(
        [
            (Failure.NAME, "dns.nxdomain"),
            (Failure.CONNECT, "connect.refused"),
            (Failure.TLS, "tls.expired"),
            (Failure.AUTH, "http.forbidden"),
            (Failure.MISSING, "http.not-found"),
            (Failure.SERVER, "http.server-error"),
            (Failure.CORRUPT, "body.html"),
        ]
    )


def _silent(habit: Habit, chance: random.Random, size: int) -> None:
    habit.is_silent = True


def _stalling(habit: Habit, chance: random.Random, size: int) -> None:
    habit.stalls_after = chance.randrange(size)


def _stalled(habit: Habit, chance: random.Random, size: int) -> None:
    habit.stalls_at = chance.uniform(0.0, 3.0)


def _cutting(habit: Habit, chance: random.Random, size: int) -> None:
    habit.cuts_after = max(1, int(size * chance.uniform(0.05, 0.9)))


def _flaky(habit: Habit, chance: random.Random, size: int) -> None:
    habit.flaky = chance.uniform(0.05, 0.3)


def _busy(habit: Habit, chance: random.Random, size: int) -> None:
    habit.fails = (Failure.BUSY, "http.rate-limited")
    habit.fails_until = chance.uniform(0.1, 3.0)
    habit.retry_after = chance.choice([None, math.ceil(habit.fails_until)])


def _restarting(habit: Habit, chance: random.Random, size: int) -> None:
    begin = chance.uniform(0.2, 3.0)
    habit.away = begin, begin + chance.choice([0.0, 1.0, 5.0, 20.0])
    habit.away_as = chance.choice(
        [
            (Failure.CONNECT, "connect.refused"),
            (Failure.GATEWAY, "http.server-error"),
            (Failure.NAME, "dns.unavailable"),
            (Failure.SERVER, "http.server-error"),
            (Failure.CUT, "connect.reset"),
        ]
    )


def _few(habit: Habit, chance: random.Random, size: int) -> None:
    habit.most = chance.choice([1, 2])
    habit.most_as = chance.choice(REFUSALS)


def _corrupt(habit: Habit, chance: random.Random, size: int) -> None:
    habit.is_wrong = True


def _flipping(habit: Habit, chance: random.Random, size: int) -> None:
    at = chance.randrange(size)
    habit.wrong = ((at, at + 1),)


def _slow(habit: Habit, chance: random.Random, size: int) -> None:
    habit.rate /= chance.uniform(10, 60)


def _plain(habit: Habit, chance: random.Random, size: int) -> None:
    habit.takes_ranges = False


def _lying(habit: Habit, chance: random.Random, size: int) -> None:
    habit.ranges_as = chance.choice([None, *REFUSALS])
    habit.lies_about_ranges = habit.ranges_as is None


def _chunked(habit: Habit, chance: random.Random, size: int) -> None:
    habit.tells_size = False


def _other(habit: Habit, chance: random.Random, size: int) -> None:
    habit.other_size = max(1, int(size * chance.uniform(0.5, 1.5)))


def _replaced(habit: Habit, chance: random.Random, size: int) -> None:
    habit.replaced_at = chance.uniform(0.0, 3.0)


def _good(habit: Habit, chance: random.Random, size: int) -> None:
    pass


#: Kinds of mirror: share, whether it can be relied on, whether it is good (succeeds alone), how it is made.
KINDS: Final[dict[str, tuple[float, bool, Change]]] = {
    "good": (0.32, True, _good),
    "slow": (0.06, True, _slow),
    "chunked": (0.03, True, _chunked),
    "few": (0.03, True, _few),
    "plain": (0.03, True, _plain),
    "lying": (0.03, True, _lying),
    "busy": (0.04, True, _busy),
    "flaky": (0.06, False, _flaky),
    "cutting": (0.05, False, _cutting),
    "restarting": (0.02, False, _restarting),
    "dead": (0.11, False, _dead),
    "silent": (0.04, False, _silent),
    "stalling": (0.05, False, _stalling),
    "stalled": (0.03, False, _stalled),
    "corrupt": (0.03, False, _corrupt),
    "flipping": (0.04, False, _flipping),
    "other": (0.02, False, _other),
    "replaced": (0.01, False, _replaced),
}
GOOD: Final = frozenset(kind for kind, (_, is_good, _) in KINDS.items() if is_good)


def draw(seed: int, limits: Limits | None = None, *, keeps_log: bool = False) -> Drawn:
    """Draw a world: one artifact, one to six mirrors of one kind each, a link that they share."""
    chance = random.Random(seed)
    limits = limits or Limits(compares=seed % 2 == 0)
    size = _size(chance)
    is_known = chance.random() < SIZE_KNOWN
    has_pieces = is_known and size >= 4 * PIECE_BYTES and chance.random() < PIECES
    client_rate = _spread(chance, *CLIENT_RATE)
    kinds = _kinds(chance)
    is_restless, is_cold = chance.random() < RESTLESS, chance.random() < COLD
    habits = {url: _habit(chance, kind, size, is_restless, is_cold) for url, kind in kinds.items()}
    artifact = Artifact(
        name="file",
        form="any",
        size=size if is_known else None,
        max_size=None if is_known else 2 * size + 1000,
        sha256="a" * 64,
        pieces=("a" * 64,) * -(-size // PIECE_BYTES) if has_pieces else (),
    )
    goal = Goal(
        dataset=Dataset(name="any", version="1", artifacts=(artifact,)), artifacts=frozenset({"file"})
    )
    world = World(
        goal,
        [FakeSource("http", known={"file": list(habits)})],
        habits,
        limits=limits,
        client_rate=client_rate,
        sizes={"file": size},
        seed=seed,
        keeps_log=keeps_log,
    )
    live = [habits[url] for url, kind in kinds.items() if KINDS[kind][1] or kind in ("flaky", "cutting")]
    has_good = any(KINDS[kind][1] for kind in kinds.values())
    bound = _bound(size, client_rate, live, limits) if has_good else math.inf
    return Drawn(seed, size, client_rate, habits, kinds, world, has_good, bound)


def draw_many(seed: int) -> DrawnMany:
    """Draw a world of many artifacts on a few hosts, which share the client's link."""
    chance = random.Random(seed)
    has_large = chance.random() < WITH_LARGE
    sizes = {f"file{number}": _many_size(chance, has_large) for number in range(chance.choice(COUNTS))}
    kinds = _host_kinds(chance)
    is_restless, is_cold = chance.random() < RESTLESS, chance.random() < COLD
    hosts = [_host(chance, kind, min(sizes.values()), is_restless, is_cold) for kind in kinds]
    known, habits, good = {}, {}, set()
    for name in sizes:
        places = [place for place in range(len(hosts)) if chance.random() < HAS_IT]
        places = places or [chance.randrange(len(hosts))]
        chance.shuffle(places)
        known[name] = [f"https://host{place}.example/{name}" for place in places]
        habits |= {url: hosts[place] for url, place in zip(known[name], places, strict=True)}
        if any(kinds[place] == "limited" or kinds[place] in GOOD for place in places):
            good.add(name)
    artifacts = tuple(
        Artifact(name=name, form="any", sha256="a" * 64, **_promise(chance, size))  # type: ignore[arg-type] # two keys
        for name, size in sizes.items()
    )
    world = World(
        Goal(dataset=Dataset(name="any", version="1", artifacts=artifacts), artifacts=frozenset(sizes)),
        [FakeSource("http", known=known)],
        habits,
        limits=_limits(chance, seed),
        client_rate=_spread(chance, *CLIENT_RATE),
        sizes=sizes,
        seed=seed,
        keeps_log=False,
    )
    return DrawnMany(kinds, world, frozenset(good))


def _limits(chance: random.Random, seed: int) -> Limits:
    connections = chance.choice(CONNECTIONS)
    many = MANY if connections == USUAL else connections  # as the settings have it
    return Limits(compares=seed % 2 == 0, connections=connections, many=many, jobs=chance.choice(JOBS))


def _many_size(chance: random.Random, has_large: bool) -> int:
    is_large = has_large and chance.random() < LARGE
    return int(_spread(chance, *(LARGE_SIZES if is_large else MANY_SIZES)))


def _promise(chance: random.Random, size: int) -> dict[str, int]:
    return {"size": size} if chance.random() < SIZE_KNOWN else {"max_size": 2 * size + 1000}


def _host_kinds(chance: random.Random) -> list[str]:
    count = chance.choice(HOSTS)
    shares = [*(share for share, _, _ in KINDS.values()), LIMITED, MOODY]
    drawn = chance.choices([*KINDS, "limited", "moody"], shares, k=count)
    if chance.random() < HONEST_FIRST:
        drawn[chance.randrange(count)] = chance.choice(["good", "limited", "few", "slow"])
    return drawn


def _host(chance: random.Random, kind: str, least: int, is_restless: bool, is_cold: bool) -> Habit:
    habit = _habit(chance, kind if kind in KINDS else "good", least, is_restless, is_cold)
    if habit.most_as[0] is Failure.MISSING:  # what many mirrors say of some of their files
        habit.most_as = REFUSALS[0]
    if habit.cuts_after is not None:  # by the smallest of the files: of a large one it would hardly give any
        habit.cuts_after = max(GRAIN, habit.cuts_after)
    if kind == "moody":
        habit.moody = _spread(chance, *BY_CHANCE), *chance.choice(BREAKDOWNS)
        return habit
    habit.told = chance.choice(["http.rate-limited", "http.unavailable"])
    habit.most_requests = _spread(chance, *PER_SECOND), chance.choice(AT_ONCE)
    habit.retry_after = chance.choice([None, 1.0])
    return habit


def _bound(size: int, client_rate: float, live: list[Habit], limits: Limits) -> float:
    """Bytes over the sum of the live rates, and one round trip."""
    most = most_lanes(len(live), limits)
    rates = [min(habit.rate, _connections(habit, most) * habit.per_connection) for habit in live]
    return size / min(client_rate, sum(rates)) + min(habit.latency for habit in live)


def _connections(habit: Habit, most: int) -> int:
    if not habit.takes_ranges or habit.lies_about_ranges:
        return 1
    return min(most, habit.most or most)


def _size(chance: random.Random) -> int:
    name = chance.choices(list(SIZES), [share for share, _, _ in SIZES.values()])[0]
    return int(_spread(chance, SIZES[name][1], SIZES[name][2]))


def _kinds(chance: random.Random) -> dict[str, str]:
    count = chance.choice(MIRRORS)
    drawn = chance.choices(list(KINDS), [share for share, _, _ in KINDS.values()], k=count)
    if chance.random() < HONEST_FIRST:
        drawn[chance.randrange(count)] = "good"
    return {f"https://mirror{number}.example/file": kind for number, kind in enumerate(drawn)}


def _habit(chance: random.Random, kind: str, size: int, is_restless: bool, is_cold: bool) -> Habit:
    habit = Habit(
        rate=_spread(chance, *RATE),
        latency=_spread(chance, *LATENCY),
        setup=chance.choice([1, 2, 3]) if is_cold else 0,
        slow_start=is_cold,
    )
    if chance.random() < CAPPED:
        habit.per_connection = habit.rate / chance.uniform(2, 8)
    if chance.random() < LOSSY:
        # Mathis et al. 1997: 1460 bytes * 1.22 / (round trip * sqrt(loss))
        loss = _spread(chance, 0.0005, 0.02)
        habit.per_connection = min(habit.per_connection, 1781 / (habit.latency * math.sqrt(loss)))
        habit.loses_after = round(1 / loss)
    if is_restless:
        habit.jitter, habit.pauses = 0.4, (4.0, 1.0)
    KINDS[kind][2](habit, chance, size)
    return habit


def _spread(chance: random.Random, low: float, high: float) -> float:
    return math.exp(chance.uniform(math.log(low), math.log(high)))
