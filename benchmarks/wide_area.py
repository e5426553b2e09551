"""One file over a wide-area link: 50 Mbit/s, 80 ms, without and with 1 % loss; and over other links.

    python benchmarks/wide_area.py [--rounds 7] [--loss-rounds 20] [--case clean --case loss --case links]

`python` has surefetch installed (bytecode compiled), and what the tests need. Needs root on Linux and a C
compiler: link_emulator.c carries the packets between two network namespaces. nginx sends with `cubic`. With
loss, every round has a seed of its own, which all programs of the round share.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import contest
from network import PORT, SERVER, Link, Wire, linked

MB = 10**6
CLEAN = Wire(rate=50, rtt=80, buffer=100)
LOSSY = CLEAN._replace(loss=1.0)
#: Bytes -> the most that surefetch may take, over curl.
CLEAN_BARS = {1_600_000: 1.2, 20 * MB: 1.05}
#: Other links, which one connection fills, and bytes sent over them: no more may be lost by trying others.
LINKS = (
    (Wire(rate=10, rtt=30, buffer=200), 5 * MB),
    (Wire(rate=20, rtt=60, buffer=30), 12 * MB),
    (Wire(rate=100, rtt=150, buffer=100), 30 * MB),
    (Wire(rate=400, rtt=10, buffer=50), 150 * MB),
)
LINKS_BAR = 1.1
#: Bytes sent over the lossy link, and the most that surefetch may take over each.
LOSSY_BYTES = 2_500_000
LOSSY_BARS = {"aria2c -x4": 0.6, "curl": 0.3}


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loss-rounds", type=int, default=20)
    parser.add_argument("--loss-bytes", type=int, default=LOSSY_BYTES)
    parser.add_argument("--congestion", default="cubic", help="the server's congestion control")
    parser.add_argument("--case", action="append", choices=("clean", "loss", "links"))
    arguments = parser.parse_args()
    cases = arguments.case or ["clean", "loss", "links"]
    verdicts = []
    with linked(arguments.congestion) as (link, folder), link.nginx(folder / "nginx") as root:
        if "clean" in cases:
            for size, bar in CLEAN_BARS.items():
                seconds = race(link, root, folder, size, CLEAN, arguments.rounds)
                contest.tell(f"50 Mbit/s, 80 ms, {size / MB:.1f} MB", seconds)
                verdicts.append(contest.compare(seconds, "surefetch", "curl", bar))
        if "loss" in cases:
            size = arguments.loss_bytes
            seconds = race(link, root, folder, size, LOSSY, arguments.loss_rounds)
            contest.tell(f"50 Mbit/s, 80 ms, 1 % loss, {arguments.congestion}, {size / MB:.1f} MB", seconds)
            verdicts += [contest.compare(seconds, "surefetch", name, bar) for name, bar in LOSSY_BARS.items()]
        for wire, size in LINKS if "links" in cases else ():
            seconds = race(link, root, folder, size, wire, arguments.rounds)
            label = f"{wire.rate} Mbit/s, {wire.rtt} ms, queue of {wire.buffer} ms, {size / MB:.0f} MB"
            contest.tell(label, seconds)
            verdicts.append(contest.compare(seconds, "surefetch", "curl", LINKS_BAR))
    return 0 if all(verdicts) else 1


def race(link: Link, root: Path, base: Path, size: int, wire: Wire, rounds: int) -> contest.Seconds:
    """Run all programs in turn, each over a fresh link."""
    content = os.urandom(size)
    (root / str(size)).write_bytes(content)  # a name of its own: nginx remembers files
    programs = programs_for(link, f"http://{SERVER}:{PORT}/{size}", hashlib.sha256(content).hexdigest(), size)
    seconds: contest.Seconds = {name: [] for name in programs}
    for seed in range(1, rounds + 1):
        for name, one in programs.items():
            with link.up(wire._replace(seed=seed)):
                seconds[name].append(contest.run(one, base))
    (root / str(size)).unlink()
    return seconds


def programs_for(link: Link, url: str, digest: str, size: int) -> dict[str, contest.Program]:
    """Return the programs: the first command of each runs at the client's end of the link."""
    told = ["--sha256", digest, "--size", str(size)]
    programs: dict[str, contest.Program] = {
        "surefetch": lambda folder: contest.surefetch(folder, url, *told),
        "curl": lambda folder: contest.curl(folder, url),
        "aria2c -x4": lambda folder: contest.aria2c(folder, [url], digest, "-x4", "-s4", "-k1M"),
    }
    return {name: _at_client(link, one) for name, one in programs.items()}


def _at_client(link: Link, one: contest.Program) -> contest.Program:
    def commands(folder: Path) -> list[contest.Command]:
        first, *others = one(folder)
        return [link.inside(*first), *others]

    return commands


if __name__ == "__main__":
    sys.exit(main())
