"""Simulate fetches in worlds drawn by seed, and hold their times against a bound.

    python benchmarks/simulate.py --worlds 100000
    python benchmarks/simulate.py --many --worlds 10000    of many artifacts each: outcomes alone
    python benchmarks/simulate.py --explain 4711           one world, with all orders and events

The grammar of the worlds is tests/fakes/grammar.py (docs/planning.md). Bars: every fetch ends, none ends
unproven, every one with a good mirror succeeds, and the median time is at most 1.3 times the bound: bytes
over the sum of the live rates (at most the client's), and one round trip.
"""

from __future__ import annotations

import argparse
import collections
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.fakes.grammar import SIZES, Drawn, draw, draw_many

BAR = 1.3
#: (seed, outcome, seconds, bound, kinds of mirror, bytes)
Result = tuple[int, str, float, float, str, int]
CHUNK = 250


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--many", action="store_true", help="worlds of many artifacts")
    parser.add_argument("--explain", type=int, metavar="SEED", help="tell one world")
    arguments = parser.parse_args()
    if arguments.explain is not None:
        return explain(arguments.explain)
    began = time.perf_counter()
    seeds = range(arguments.first, arguments.first + arguments.worlds)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(arguments.processes) as pool:
        if arguments.many:
            return report_many([one for chunk in pool.map(simulate_all_many, chunks) for one in chunk])
        results = [result for chunk in pool.map(simulate_all, chunks) for result in chunk]
    return report(results, time.perf_counter() - began)


def simulate_all(seeds: range) -> list[Result]:
    """Simulate each seed's world."""
    return [simulate(seed) for seed in seeds]


def simulate(seed: int) -> Result:
    """Simulate one world; return what came of it."""
    drawn = draw(seed)
    kinds = "+".join(sorted(drawn.kinds.values()))
    try:
        done = drawn.world.run()
    except Exception as error:  # a broken promise of any kind is a result
        return (
            seed,
            f"BROKEN {type(error).__name__}: {error}",
            drawn.world.now,
            drawn.bound,
            kinds,
            drawn.size,
        )
    if done.missing:
        outcome = "FAILED" if drawn.has_good else "no good mirror"
    else:
        outcome = "proven"
    return seed, outcome, drawn.world.now, drawn.bound, kinds, drawn.size


def simulate_all_many(seeds: range) -> list[tuple[int, str]]:
    """Simulate each seed's world of many artifacts."""
    return [(seed, simulate_many(seed)) for seed in seeds]


def simulate_many(seed: int) -> str:
    """Simulate one world of many artifacts; return what came of it."""
    drawn = draw_many(seed)
    try:
        missed = drawn.good & set(drawn.world.run().missing)
    except Exception as error:  # a broken promise of any kind is a result
        return f"BROKEN {type(error).__name__}: {error} ({'+'.join(drawn.kinds)})"
    return f"FAILED {sorted(missed)} ({'+'.join(drawn.kinds)})" if missed else "all that good hosts have"


def report_many(results: list[tuple[int, str]]) -> int:
    """Print how worlds of many artifacts ended; return the exit code."""
    bad = [(seed, outcome) for seed, outcome in results if outcome.startswith(("BROKEN", "FAILED"))]
    print(f"{len(results):,} worlds of many artifacts: {len(bad)} did not give all that good hosts have")
    for seed, outcome in bad[:20]:
        print(f"  seed {seed}: {outcome}")
    return 1 if bad else 0


def report(results: list[Result], seconds: float) -> int:
    """Print the distribution and the worst seeds; return the exit code."""
    outcomes = collections.Counter(outcome for _, outcome, *_ in results)
    count = len(results)
    print(f"{count:,} worlds in {seconds:.1f} s ({1000 * seconds / count:.2f} ms each)")
    for outcome, times in outcomes.most_common():
        print(f"  {times:8,}  {outcome}")
    rated = sorted(
        (taken / bound, seed, taken, bound, kinds, size)
        for seed, outcome, taken, bound, kinds, size in results
        if outcome == "proven" and math.isfinite(bound)
    )
    print("time over bound, of the proven ones with a good mirror:")
    for share in (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0):
        print(f"  {100 * share:3.0f} %  {rated[min(len(rated) - 1, int(share * len(rated)))][0]:8.2f}")
    for name, (_, low, high) in SIZES.items():
        some = [ratio for ratio, _, _, _, _, size in rated if low <= size < high]
        print(f"  median of {name}: {some[len(some) // 2]:.2f}") if some else None
    print("worst:")
    for ratio, seed, taken, bound, kinds, _ in rated[-10:]:
        print(f"  seed {seed}: {ratio:.1f} ({taken:.2f} s, bound {bound:.2f} s) {kinds}")
    bad = [(seed, outcome) for seed, outcome, *_ in results if outcome.startswith(("BROKEN", "FAILED"))]
    for seed, outcome in bad[:20]:
        print(f"  seed {seed}: {outcome}")
    median = rated[len(rated) // 2][0]
    print(f"median {median:.3f}, bar {BAR}")
    return 1 if bad or median > BAR else 0


def explain(seed: int) -> int:
    """Print a world and all that happens in it."""
    drawn = draw(seed, keeps_log=True)
    _describe(drawn)
    try:
        drawn.world.run()
    finally:
        log: list[tuple[float, int, object]] = [(when, 0, event) for when, event in drawn.world.events]
        log += [(when, 1, order) for when, order in drawn.world.orders]
        for when, is_order, entry in sorted(log, key=lambda row: row[:2]):
            if type(entry).__name__ != "Wait":
                print(f"{when:9.3f} {'    ->' if is_order else '<-'} {_short(entry)}")
    print(f"{drawn.world.now:.3f} s, bound {drawn.bound:.3f} s")
    return 0


def _describe(drawn: Drawn) -> None:
    artifact = drawn.world.planner.goal.dataset.artifacts[0]
    known = "known" if artifact.size is not None else "unknown"
    print(f"{drawn.size:,} bytes ({known}, {len(artifact.pieces)} pieces)")
    print(f"  client: {drawn.client_rate / 1e6:.2f} MB/s")
    for url, habit in drawn.habits.items():
        print(f"  {url} {drawn.kinds[url]}: {habit}")


def _short(entry: object) -> str:
    names = [name for name in entry.__struct_fields__ if name != "artifact"]  # type: ignore[attr-defined] # a Struct
    values = {name: getattr(entry, name) for name in names}
    if "mirror" in values:
        values["mirror"] = values["mirror"].url
    return f"{type(entry).__name__} " + " ".join(f"{name}={value}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
