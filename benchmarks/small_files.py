"""Many small files over a link of 20 ms, each proven; and what a file costs when there are thousands.

    python benchmarks/small_files.py [--rounds 5] [--case disk --case memory --case h2 --case flat]

`python` has surefetch installed (bytecode compiled), pooch, and what the tests need. Needs root on Linux and
a C compiler (network.py). The files are the artifacts of a catalog made for the run. surefetch and curl have
32 connections, aria2c 32 files at once; a pooch loop fetches a tenth of the files, and its time is multiplied
by ten. curl's files are digested by one `openssl dgst`, those of the peers flushed by one `sync`. The bars
are held where files last, on a disk; the same in memory, where nothing does, is for the record.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import contest
from network import PORT, SERVER, TLS_PORT, Link, Wire, linked
from tests.fakes.servers import TestAuthority, nginx

CONNECTIONS = 32
WIRE = Wire(rtt=20)
#: (files, bytes of each)
SETS = ((1000, 4096), (200, 200_000))
#: The most that surefetch may take, over each.
BARS = {"curl --parallel": 1.3, "aria2c -j32": 0.6, "pooch loop": 1 / 40}
TENTH = 10
#: (fewest files, most files), and the most that the cost per file may grow by: "flat", but for noise.
FLAT = (1000, 20_000)
FLAT_BAR = 1.1
POOCH = """
import pooch, sys
folder, base = sys.argv[1:3]
for line in open(sys.argv[3]):
    digest, name = line.split()
    pooch.retrieve(base + name, "sha256:" + digest, fname=name, path=folder, progressbar=False)
"""


class Files(NamedTuple):
    """Files below a URL, and the lists of them that the programs take."""

    base: str
    digests: Mapping[str, str]  # name -> SHA-256
    catalog: Path
    curl: Path
    aria2c: Path
    tenth: Path


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", action="append", choices=("disk", "memory", "h2", "flat"))
    arguments = parser.parse_args()
    cases = arguments.case or ["disk", "memory", "h2", "flat"]
    verdicts: list[bool] = []
    if cases != ["flat"]:
        verdicts += over_a_link(arguments.rounds, cases)
    if "flat" in cases:
        verdicts.append(is_flat(arguments.rounds))
    return 0 if all(verdicts) else 1


# --- over a link --------------------------------------------------------------------------------------------


def over_a_link(rounds: int, cases: list[str]) -> list[bool]:
    """Race the programs on both sets."""
    verdicts = []
    with linked() as (link, memory), tempfile.TemporaryDirectory() as disk:
        authority = TestAuthority(memory / "authority")
        with link.nginx(memory / "nginx", authority.leaf(SERVER)) as root, link.up(WIRE):
            for count, size in SETS:
                names = make(root, f"{count}-{size}", count, size)
                files = lists(memory, f"http://{SERVER}:{PORT}/{count}-{size}/", names, size)
                label = f"20 ms, {count:,} files of {size:,} bytes"
                if "disk" in cases:
                    seconds = race(link, files, Path(disk), rounds)
                    contest.tell(f"{label}, {CONNECTIONS} connections each, to disk", seconds)
                    verdicts += [
                        contest.compare(seconds, "surefetch", name, bar) for name, bar in BARS.items()
                    ]
                if "memory" in cases:
                    seconds = race(link, files, memory, rounds)
                    contest.tell(
                        f"for the record: {label}, {CONNECTIONS} connections each, to memory", seconds
                    )
                    for name, bar in BARS.items():
                        contest.compare(seconds, "surefetch", name, bar)
                if "h2" in cases:
                    files = lists(memory, f"https://{SERVER}:{TLS_PORT}/{count}-{size}/", names, size)
                    seconds = race_h2(link, files, memory, rounds, authority.pem)
                    contest.tell(f"for the record: {label}, HTTP/2 over TLS", seconds)
    return verdicts


def make(root: Path, name: str, count: int, size: int) -> dict[str, str]:
    """Write files of random bytes; return their digests by name."""
    folder = root / name
    folder.mkdir()
    digests = {}
    for number in range(count):
        content = os.urandom(size)
        digests[f"f{number:05}"] = hashlib.sha256(content).hexdigest()
        (folder / f"f{number:05}").write_bytes(content)
    return digests


def lists(folder: Path, base: str, digests: Mapping[str, str], size: int) -> Files:
    """Write what tells each program what to get."""
    place = Path(tempfile.mkdtemp(dir=folder))
    files = Files(base, digests, *(place / name for name in ("many.toml", "curl", "aria2c", "tenth")))
    rows = [f'[[artifact]]\nname = "{n}"\nsize = {size}\nsha256 = "{d}"\n' for n, d in digests.items()]
    files.catalog.write_text('name = "many"\nversion = "1"\n' + "".join(rows), encoding="utf-8")
    files.curl.write_text("".join(f'url = "{base}{n}"\noutput = "{n}"\n' for n in digests), encoding="utf-8")
    rows = [f"{base}{name}\n  checksum=sha-256={digest}\n" for name, digest in digests.items()]
    files.aria2c.write_text("".join(rows), encoding="utf-8")
    some = list(digests.items())[: len(digests) // TENTH]
    files.tenth.write_text("".join(f"{digest} {name}\n" for name, digest in some), encoding="utf-8")
    return files


def race(link: Link, files: Files, base: Path, rounds: int) -> contest.Seconds:
    """Run all programs in turn; the pooch loop's times are multiplied by ten."""
    programs: dict[str, contest.Program] = {
        "surefetch": lambda folder: [link.inside(*by_surefetch(folder, files))],
        "curl --parallel": lambda folder: by_curl(link, folder, files),
        "aria2c -j32": lambda folder: by_aria2c(link, folder, files),
        "pooch loop": lambda folder: by_pooch(link, folder, files),
    }
    seconds: contest.Seconds = {name: [] for name in programs}
    environ = {"SUREFETCH_CONNECTIONS": str(CONNECTIONS), "SUREFETCH_JOBS": str(CONNECTIONS)}
    for number in range(rounds):
        for name, one in programs.items():
            if name != "pooch loop":
                seconds[name].append(contest.run(one, base, environ, keep=True))
            elif number < 3:  # a minute each
                seconds[name].append(TENTH * contest.run(one, base, environ, keep=True))
    return seconds


def race_h2(link: Link, files: Files, base: Path, rounds: int, authority: Path) -> contest.Seconds:
    """Run those that speak HTTP/2 in turn, surefetch with its defaults."""
    programs: dict[str, contest.Program] = {
        "surefetch": lambda folder: [link.inside(*by_surefetch(folder, files))],
        "curl --parallel": lambda folder: by_curl(link, folder, files, "--cacert", str(authority)),
    }
    seconds: contest.Seconds = {name: [] for name in programs}
    for _ in range(rounds):
        for name, one in programs.items():
            seconds[name].append(contest.run(one, base, {"SUREFETCH_CA_BUNDLE": str(authority)}))
    return seconds


def by_surefetch(folder: Path, files: Files) -> contest.Command:
    """Get the dataset from the one mirror."""
    return contest.surefetch(folder, "many", "--catalog", files.catalog, "--mirror", files.base)[0]


def by_curl(link: Link, folder: Path, files: Files, *more: str) -> list[contest.Command]:
    """Download all, digest all, flush."""
    many = ["--parallel", "--parallel-max", str(CONNECTIONS), "--parallel-immediate"]
    get = link.inside("curl", "-sSf", *many, *more, "--output-dir", folder, "-K", files.curl)
    outputs = [folder / name for name in files.digests]
    return [get, ["openssl", "dgst", "-sha256", *outputs], ["sync", *outputs]]


def by_aria2c(link: Link, folder: Path, files: Files) -> list[contest.Command]:
    """Download all, each checked, flush."""
    options = ["-q", "--no-conf", "-x1", f"-j{CONNECTIONS}", "--file-allocation=none", "-d", folder]
    get = link.inside("aria2c", *options, "-i", files.aria2c)
    return [get, ["sync", *(folder / name for name in files.digests)]]


def by_pooch(link: Link, folder: Path, files: Files) -> list[contest.Command]:
    """Download a tenth one after another, each checked, flush."""
    names = [line.split()[1] for line in files.tenth.read_text(encoding="utf-8").splitlines()]
    get = link.inside(sys.executable, "-c", POOCH, folder, files.base, files.tenth)
    return [get, ["sync", *(folder / name for name in names)]]


# --- thousands ----------------------------------------------------------------------------------------------


def is_flat(rounds: int) -> bool:
    """Hold the cost per file of the most files against that of the fewest, over loopback."""
    seconds: contest.Seconds = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        with nginx(folder / "nginx") as web:
            several = {}
            for count in FLAT:
                digests = make(web.root, str(count), count, 4096)
                several[count] = lists(folder, f"{web.plain}/{count}/", digests, 4096)
            for _ in range(min(rounds, 5)):
                for count, files in several.items():
                    taken = contest.run(lambda base, files=files: [by_surefetch(base, files)], folder)
                    seconds.setdefault(f"{count:,} files", []).append(taken)
            shutil.rmtree(web.root)
    contest.tell("files of 4 KB over loopback", seconds)
    few, many = (contest.median(runs) / count for runs, count in zip(seconds.values(), FLAT))
    return contest.judge("cost per file, 20,000 over 1,000", many / few, FLAT_BAR)


if __name__ == "__main__":
    sys.exit(main())
