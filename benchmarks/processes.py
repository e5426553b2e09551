"""Times of fresh processes, side by side.

Every program runs once per round, in turn, so that a busy hour meets all of them. Bars are held against wall
time; processor time is told beside it, because a busy machine changes it less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Command = Sequence[str]


class Run(NamedTuple):
    """Seconds of one process."""

    wall: float
    processor: float  # 0.0 where the system does not tell


def environment(**more: str) -> dict[str, str]:
    """The process's own, with compiled modules kept: an installed package has them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **more}


def run(command: Command, environ: Mapping[str, str]) -> Run:
    """Run a program and return its seconds; its output is thrown away.

    Raises:
        subprocess.CalledProcessError: It failed; the error has its stderr.
    """
    used, began = _processor(), time.perf_counter()
    subprocess.run(command, env=dict(environ), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return Run(time.perf_counter() - began, _processor() - used)


def _processor() -> float:
    """Processor seconds of all children so far; Windows tells nothing."""
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def race(programs: Mapping[str, Command], rounds: int, environ: Mapping[str, str]) -> dict[str, list[Run]]:
    """Run every program once to warm up, then `rounds` times in turn."""
    for command in programs.values():
        run(command, environ)
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            runs[name].append(run(command, environ))
    return runs


def why_not(command: Command, environ: Mapping[str, str]) -> str:
    """Return the last words of a program that fails; "" if it runs."""
    try:
        run(command, environ)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", None) or str(error).encode()
        return (words.decode("utf-8", "replace").strip().splitlines() or ["failed"])[-1][:100]
    return ""


def middle(runs: Sequence[Run]) -> Run:
    """Return the medians."""
    return Run(statistics.median(r.wall for r in runs), statistics.median(r.processor for r in runs))


def print_times(times: Mapping[str, Sequence[Run]]) -> None:
    """Print medians, with the fastest and the slowest run."""
    width = max(map(len, times))
    for name, runs in times.items():
        wall, processor = (1e3 * seconds for seconds in middle(runs))
        least, most = (1e3 * pick(run.wall for run in runs) for pick in (min, max))
        spread = f"({least:.1f} … {most:.1f}, n={len(runs)})"
        print(f"  {name:{width}}  {wall:8.1f} ms  {spread}, processor {processor:.1f} ms")


def judge_ratio(what: str, runs: Sequence[Run], others: Sequence[Run], bar: float) -> bool:
    """Hold the ratio of two medians against the most that it may be."""
    ratios = [mine / (other or 1) for mine, other in zip(middle(runs), middle(others))]
    holds = ratios[0] <= bar
    processor = f"by processor time {ratios[1]:.2f}"
    print(f"  {'ok  ' if holds else 'MISS'}  {what}: {ratios[0]:.2f} x, at most {bar:g}; {processor}")
    return holds


def judge_speedup(
    what: str, runs: Sequence[Run], floor: Sequence[Run], others: Sequence[Run], bar: float
) -> bool:
    """Hold how many times faster `runs` are than `others` against the least that it should be.

    `floor` is the least that any program could take: what it gives is said too.
    """
    ratios = [other / (mine or 1) for mine, other in zip(middle(runs), middle(others))]
    limit = middle(others).wall / middle(floor).wall
    holds = ratios[0] >= bar
    more = f"by processor time {ratios[1]:.0f}; the floor itself {limit:.0f}"
    print(f"  {'ok  ' if holds else 'MISS'}  {what}: {ratios[0]:.0f} x, at least {bar:g}; {more}")
    return holds
