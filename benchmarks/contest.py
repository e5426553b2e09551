"""Whole programs against each other, in turn: each gets the same bytes to proven, durable files.

A run has a folder of its own, an empty home, and ends when the last of its commands does. Bars are held
against ratios of medians; the number of runs and the machine's load stand beside each.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Command = Sequence[str | Path]
Program = Callable[[Path], Sequence[Command]]  # a fresh folder -> commands to run one after another
Seconds = dict[str, list[float]]

SUREFETCH = Path(sys.executable).parent / "surefetch"
_LIMIT = 600.0  # seconds of one command


def surefetch(folder: Path, *arguments: str | Path) -> list[Command]:
    """Return the command of `surefetch get` into a store of this run."""
    return [[SUREFETCH, "get", *arguments, "--store", folder / "store", "--quiet"]]


def curl(folder: Path, url: str) -> list[Command]:
    """Return the commands that download, digest and sync one file with curl."""
    out = folder / "out"
    return [["curl", "-sSf", "-o", out, url], ["openssl", "dgst", "-sha256", out], ["sync", out]]


def aria2c(folder: Path, urls: Sequence[str], digest: str, *options: str) -> list[Command]:
    """Return the commands that download one file with aria2c, check and sync it."""
    checked = [*options, f"--checksum=sha-256={digest}", "-q", "--file-allocation=none", "--no-conf"]
    return [["aria2c", *checked, "-d", folder, "-o", "out", *urls], ["sync", folder / "out"]]


def run(
    program: Program, base: Path, environ: Mapping[str, str] | None = None, *, keep: bool = False
) -> float:
    """Run a program in a fresh folder; return its seconds.

    Args:
        program: What to run.
        base: Where the folder is made.
        environ: Variables beside the usual ones.
        keep: Do not delete what it wrote. Where thousands of files were deleted in the last minute, ext4
            takes 0.3 ms to make each new one, not 0.01: it passes over what was freed just now.

    Raises:
        RuntimeError: One of its commands failed.
    """
    folder = Path(tempfile.mkdtemp(dir=base))
    home = Path(tempfile.mkdtemp(dir=base))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUREFETCH_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    whole = {**kept, "HOME": str(home), "SUREFETCH_PROGRESS": "0", **(environ or {})}
    commands = program(folder)
    began = time.perf_counter()
    try:
        for command in commands:
            _succeed([str(word) for word in command], whole)
        return time.perf_counter() - began
    finally:
        if not keep:
            shutil.rmtree(folder)
            shutil.rmtree(home)


def _succeed(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_LIMIT
    )
    if done.returncode:
        words = (done.stderr + done.stdout).decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)[:500]} ended with {done.returncode}: {words}")


def median(seconds: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(seconds)


def load() -> str:
    """Return the machine's load in the last minute, to be printed."""
    return f"load {os.getloadavg()[0]:.1f}"


def tell(label: str, seconds: Seconds) -> None:
    """Print the medians of a contest, the fastest and the slowest run."""
    print(f"\n{label} ({load()})")
    for name, runs in seconds.items():
        print(f"  {name:34} {median(runs):8.3f} s ({min(runs):.3f} … {max(runs):.3f}, n={len(runs)})")


def judge(what: str, ratio: float, bar: float) -> bool:
    """Print a ratio and whether its bar is kept; return that."""
    is_kept = ratio <= bar
    print(f"  {'kept  ' if is_kept else 'MISSED'} {what}: {ratio:.3f}, bar {bar:g}", flush=True)
    return is_kept


def compare(seconds: Seconds, mine: str, other: str, bar: float, what: str = "") -> bool:
    """Judge the ratio of two programs' medians."""
    return judge(what or f"{mine} over {other}", median(seconds[mine]) / median(seconds[other]), bar)
