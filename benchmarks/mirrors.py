"""One file from three mirrors: healthy, one stalled, one slow, one with a flipped bit.

    python benchmarks/mirrors.py [--rounds 7] [--case healthy --case slow …]

`python` has surefetch installed (bytecode compiled), and what the tests need. Each mirror is an address of
its own on loopback and gives 5 MB/s to each connection (paced_server.py). Both programs have at most four
connections per mirror; what they make of sixteen is told for the record, and of nginx's `limit_rate`, which
gives each request some bytes at once and so measures who asks for the smallest parts.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import contest
from tests.fakes.servers import free_port, program, running

SIZE = 62 << 20
RATE = 5_000_000  # bytes per second of one connection
CONNECTIONS = 4  # per mirror: what surefetch allows itself unless told otherwise
PIECE = 1 << 20
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
#: aria2c: options that may be the best of what it can with four connections per mirror.
ARIA2C = (
    ("-x4", "-s12", "-k1M"),
    ("-x4", "-s12", "-k2M"),
    ("-x4", "-s12", "-k5M"),
    ("-x4", "-s6", "-k1M"),
    ("-x2", "-s6", "-k5M"),
    ("-x1", "-s3", "-k1M"),
    ("-x4", "-s12", "-k1M", "--stream-piece-selector=geom"),
    ("-x4", "-s12", "-k1M", "--uri-selector=adaptive"),
)
_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {hosts}
}}
"""
_HOST = "server {{ listen {host}:{port}; root {root}; limit_rate {rate}; }}"


class File(NamedTuple):
    """What is to be got."""

    content: bytes
    digest: str

    def metalink(self, path: Path, urls: Sequence[str]) -> Path:
        """Write a Metalink 4 file with the digests of pieces."""
        pieces = (self.content[start : start + PIECE] for start in range(0, len(self.content), PIECE))
        hashes = "".join(f"<hash>{hashlib.sha256(piece).hexdigest()}</hash>" for piece in pieces)
        links = "".join(f"<url>{url}</url>" for url in urls)
        path.write_text(
            f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="file">'
            f'<size>{len(self.content)}</size><hash type="sha-256">{self.digest}</hash>'
            f'<pieces length="{PIECE}" type="sha-256">{hashes}</pieces>'
            f"{links}</file></metalink>",
            encoding="utf-8",
        )
        return path


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--case", action="append", choices=CASES, help="this one alone; may be repeated")
    arguments = parser.parse_args()
    content = os.urandom(SIZE)
    file = File(content, hashlib.sha256(content).hexdigest())
    verdicts = []
    for name in arguments.case or CASES:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            verdicts += CASES[name](file, Path(folder), arguments.rounds)
    return 0 if all(verdicts) else 1


# --- servers ------------------------------------------------------------------------------------------------


@contextmanager
def paced(
    file: File, folder: Path, rates: Sequence[int], faults: Mapping[int, str] = {}
) -> Iterator[list[str]]:
    """Run a host for each rate, with a fault or none (see paced_server.py); give the file's URLs."""
    served, port = folder / "served", free_port()
    served.write_bytes(file.content)
    hosts = [
        ":".join([host, str(port), str(rate), *([faults[n]] if n in faults else [])])
        for n, (host, rate) in enumerate(zip(HOSTS, rates))
    ]
    with running([sys.executable, Path(__file__).parent / "paced_server.py", served, *hosts], port):
        yield [f"http://{host}:{port}/file" for host in HOSTS]


@contextmanager
def nginx(file: File, folder: Path, rates: Sequence[int]) -> Iterator[list[str]]:
    """Run nginx with one throttled host for each rate; give the file's URLs."""
    root = folder / "root"
    root.mkdir(parents=True)
    (root / "file").write_bytes(file.content)
    for path in (folder, root):
        path.chmod(0o755)
    port = free_port()
    hosts = [_HOST.format(host=host, port=port, root=root, rate=rate) for host, rate in zip(HOSTS, rates)]
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, hosts="\n  ".join(hosts)), encoding="utf-8")
    with running([program("nginx"), "-c", configuration, "-e", folder / "error.log"], port):
        yield [f"http://{host}:{port}/file" for host in HOSTS]


# --- programs -----------------------------------------------------------------------------------------------


def by_surefetch(urls: Sequence[str], file: File, *more: str) -> contest.Program:
    """Get it by URLs and digest."""
    named = [*urls, "--sha256", file.digest, "--size", str(len(file.content)), *more]
    return lambda folder: contest.surefetch(folder, *named)


def by_aria2c(urls: Sequence[str], file: File, *options: str) -> contest.Program:
    """Get it from all mirrors, checked."""
    return lambda folder: contest.aria2c(folder, urls, file.digest, *options)


def best_aria2c(
    urls: Sequence[str], file: File, base: Path, rounds: int = 2, among: Sequence[tuple[str, ...]] = ARIA2C
) -> tuple[str, ...]:
    """Try configurations; return the one with the least median."""
    medians = {}
    for options in among:
        times = [contest.run(by_aria2c(urls, file, *options), base) for _ in range(rounds)]
        medians[options] = contest.median(times)
    for options, seconds in sorted(medians.items(), key=lambda item: item[1]):
        print(f"    aria2c {' '.join(options)}: {seconds:.3f} s")
    return min(medians, key=medians.__getitem__)


def in_turn(programs: dict[str, contest.Program], base: Path, rounds: int, **environ: str) -> contest.Seconds:
    """Run the programs in turn."""
    seconds: contest.Seconds = {name: [] for name in programs}
    for _ in range(rounds):
        for name, one in programs.items():
            seconds[name].append(contest.run(one, base, environ))
    return seconds


# --- cases --------------------------------------------------------------------------------------------------


def healthy(file: File, base: Path, rounds: int) -> list[bool]:
    """Three equal mirrors: as fast as the best of aria2c, and near what the links allow."""
    with paced(file, base, [RATE] * 3) as urls:
        options = best_aria2c(urls, file, base)
        programs = {"surefetch": by_surefetch(urls, file), "aria2c": by_aria2c(urls, file, *options)}
        seconds = in_turn(programs, base, rounds)
        many = {
            "surefetch": by_surefetch(urls, file),
            "aria2c": by_aria2c(urls, file, "-x16", "-s48", "-k1M"),
        }
        beyond = in_turn(many, base, rounds, SUREFETCH_CONNECTIONS="16")
    contest.tell(f"three healthy mirrors (aria2c {' '.join(options)})", seconds)
    limit = SIZE / (len(HOSTS) * CONNECTIONS * RATE)
    kept = [
        contest.compare(seconds, "surefetch", "aria2c", 1.03),
        contest.judge("time over the links' limit", contest.median(seconds["surefetch"]) / limit, 1 / 0.8),
    ]
    contest.tell("for the record: 16 connections per mirror (aria2c -x16 -s48 -k1M)", beyond)
    return kept


def bursts(file: File, base: Path, rounds: int) -> list[bool]:
    """nginx's `limit_rate`: each request gets some bytes at once. No bar: for the record."""
    with nginx(file, base / "nginx", [RATE] * 3) as urls:
        options = best_aria2c(urls, file, base)
        programs = {"surefetch": by_surefetch(urls, file), "aria2c": by_aria2c(urls, file, *options)}
        seconds = in_turn(programs, base, rounds)
    contest.tell(f"for the record: three of nginx's throttled hosts (aria2c {' '.join(options)})", seconds)
    return []


def slow(file: File, base: Path, rounds: int) -> list[bool]:
    """One of three mirrors is twenty times slower."""
    small = [options for options in ARIA2C if "-k1M" in options and "-x4" in options]  # others: 8 s and more
    with paced(file, base, [RATE, RATE // 20, RATE]) as urls:
        options = best_aria2c(urls, file, base, among=small)
        programs = {"surefetch": by_surefetch(urls, file), "aria2c": by_aria2c(urls, file, *options)}
        seconds = in_turn(programs, base, rounds)
    contest.tell(f"one of three mirrors 20 times slower (aria2c {' '.join(options)})", seconds)
    return [contest.compare(seconds, "surefetch", "aria2c", 0.45)]


def stall(file: File, base: Path, rounds: int) -> list[bool]:
    """One mirror falls silent for good after a tenth of its part."""
    stalls: dict[str, dict[int, str]] = {
        "without": {},
        "first stalls": {0: f"stall={SIZE // 30}"},
        "second stalls": {1: f"stall={SIZE // 30}"},
    }
    seconds: contest.Seconds = {name: [] for name in stalls}
    for _ in range(rounds):
        for name, faults in stalls.items():
            with paced(file, base, [RATE] * 3, faults) as urls:
                seconds[name].append(contest.run(by_surefetch(urls, file), base))
    contest.tell("one mirror stalls for good after 10 % of its part", seconds)
    return [contest.compare(seconds, name, "without", 1.25) for name, faults in stalls.items() if faults]


def flip(file: File, base: Path, rounds: int) -> list[bool]:
    """One mirror gives one wrong bit."""
    states = {"clean": {}, "flipped": {0: "flip=1000000"}}  # in what the first mirror is asked for at first
    seconds: contest.Seconds = {}
    for _ in range(rounds):
        for state, faults in states.items():
            with paced(file, base, [RATE] * 3, faults) as urls:
                meta4 = file.metalink(base / "file.meta4", urls)
                for name, one in _both_ways(urls, file, meta4).items():
                    seconds.setdefault(f"{name}, {state}", []).append(contest.run(one, base))
    contest.tell("one mirror flips a bit", seconds)
    return [
        contest.compare(seconds, "pieces, flipped", "pieces, clean", 1.15),
        contest.compare(seconds, "no pieces, flipped", "no pieces, clean", 2.0),
    ]


def _both_ways(urls: Sequence[str], file: File, meta4: Path) -> dict[str, contest.Program]:
    named = [word for url in urls for word in ("--mirror", url)]  # on loopback only what the user names
    return {
        "pieces": lambda folder: contest.surefetch(folder, meta4, *named),
        "no pieces": by_surefetch(urls, file),
    }


CASES = {"healthy": healthy, "bursts": bursts, "slow": slow, "stall": stall, "flip": flip}


if __name__ == "__main__":
    sys.exit(main())
