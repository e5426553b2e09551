"""The real program against mirrors with faults drawn by seed, one good one among them.

    python benchmarks/odd_mirrors.py [--fetches 60] [--first 0]

What `simulate.py` does to the planner alone, with real sockets: it finds where the simulation and the engine
differ. Each fetch has one to four odd mirrors and a good one, in any order, of a file whose size is told
beforehand or not. All must succeed; the slowest are told, with the seed that draws them again. No peer and
no bar: the good mirror alone would take about a second.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import contest
from tests.fakes.faulty_server import FaultyServer, Script, behind, page, redirect

SIZE: Final = 20_000_000
CONTENT: Final = random.Random(1).randbytes(SIZE)
OTHER: Final = random.Random(2).randbytes(SIZE)
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()
#: Seconds after which a fetch counts as hanging.
LIMIT: Final = 120.0
#: Told one by one.
SLOWEST: Final = 8
#: Some 5 MB/s on each connection.
GOOD: Final = Script(drip=(64 << 10, 0.012))
PLAIN: Final = behind(GOOD, takes_ranges=False)
#: name -> how the nth request is answered; the last stays.
ODD: Final[Mapping[str, tuple[Script, ...]]] = {
    "busy at first": (Script(status=503, headers=(("Retry-After", "1"),), body=b""), GOOD),
    "chunks": (Script(chunked=True, takes_ranges=False),),
    "crawling": (Script(drip=(2 << 10, 0.02)),),
    "cutting": (Script(cut_after=300_000),),
    "empty": (Script(body=b""),),
    "encoded": (Script(encoding="gzip"),),
    "flipping": (behind(GOOD, flip=SIZE // 3),),
    "late": (behind(GOOD, delay=0.7),),
    "less of a range": (behind(GOOD, most_bytes=200_000),),
    "lying about ranges": (behind(GOOD, range_lie=1000),),
    "looping": (redirect("/file"),),
    "many headers": (Script(header_bytes=1 << 20),),
    "missing": (Script(status=404, body=b"gone"),),
    "no length": (behind(PLAIN, has_length=False),),
    "no ranges": (PLAIN,),
    "other file": (behind(GOOD, body=OTHER),),
    "other range": (behind(GOOD, range_shift=4096),),
    "page": (page("Sign in"),),
    "pausing": (Script(drip=(1 << 20, 0.8)),),
    "refusing ranges": (Script(status=416, body=b""),),
    "resetting": (Script(reset_after=1_000_000),),
    "shorter": (behind(GOOD, body=CONTENT[:-1000]),),
    "silent": (Script(silence=True),),
    "slow chunks": (Script(chunked=True, takes_ranges=False, drip=(16 << 10, 0.02)),),
    "stalling": (Script(stall_after=500_000),),
    "too long": (behind(PLAIN, append=b"x" * 100_000),),
}


def main() -> int:
    """Fetch; 1 if one fails, or gives the wrong file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetches", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    rows = [fetch(seed) for seed in range(arguments.first, arguments.first + arguments.fetches)]
    wrong = [row for row in rows if row[2]]
    print(
        f"{len(rows)} fetches, {len(wrong)} failed, median {statistics.median(row[0] for row in rows):.2f} s"
    )
    for seconds, label, trouble in [*sorted(rows)[-SLOWEST:], *wrong]:
        print(f"  {seconds:6.2f} s  {label}{': ' if trouble else ''}{trouble}")
    return bool(wrong)


def fetch(seed: int) -> tuple[float, str, str]:
    """Draw mirrors, get the file from them; return the seconds, who they were, and what went wrong or ""."""
    chance = random.Random(seed)
    names = chance.choices(sorted(ODD), k=chance.randint(1, 4))
    names.insert(chance.randint(0, len(names)), "good")
    size = ["--size", str(SIZE)] if chance.random() < 0.6 else []
    label = f"seed {seed}: {', '.join(names)}{'' if size else '; size unknown'}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(FaultyServer(host=f"127.0.0.{n}")) for n in range(1, len(names) + 1)]
        odd = {**ODD, "good": (GOOD,)}
        urls = [
            server.serve("/file", CONTENT, *odd[name]) for server, name in zip(servers, names, strict=True)
        ]
        (command,) = contest.surefetch(folder, *urls, "--sha256", DIGEST, *size)
        began = time.monotonic()
        trouble = _run(list(map(str, command)), folder)
        return time.monotonic() - began, label, trouble


def _run(command: list[str], home: Path) -> str:
    try:
        done = subprocess.run(
            command, env={"HOME": str(home)}, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end after {LIMIT:.0f} s"
    if done.returncode:
        return done.stderr.partition("\n")[0]
    content = Path(done.stdout.strip()).read_bytes()
    return "" if content == CONTENT else "it is not the file"


if __name__ == "__main__":
    sys.exit(main())
