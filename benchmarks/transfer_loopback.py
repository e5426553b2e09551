"""How long does one file take from a loopback nginx to a proven, durable file, against other programs?

    python benchmarks/transfer_loopback.py [ROUNDS] [engine]

Each program runs as a whole process, in turn. curl is followed by `openssl dgst -sha256`, all but surefetch
by `sync FILE`, as surefetch returns durable files. `engine` measures the transfer engine alone (no proof).
Needs nginx, curl, openssl, aria2c and, in this Python, pooch; what is missing is left out and said.
Ratios of medians; bars from the issue "The transfer". 3 GB of space in /dev/shm and in the temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fakes.servers import nginx

ROOT = Path(__file__).parents[1]
MB = 10**6
#: (label, bytes, where the file goes, ratio to each program that may not be exceeded)
CASES = (
    ("1 GB to disk", 1000 * MB, "disk", {"curl": 0.65, "aria2c": 0.40}),
    ("170 MB to memory", 170 * MB, "memory", {"curl": 0.85, "aria2c": 0.65, "pooch": 0.16}),
    ("11 MB to memory", 11 * MB, "memory", {"curl": 1.0}),
)
ENGINE = """
import os, sys
from surefetch.events import Failed, Finished, Request
from surefetch.model import Artifact, Mirror
from surefetch.transfer.engine import Engine
from surefetch.transfer.options import Options
from surefetch.transfer.credentials import Credentials
from surefetch.transfer.proxies import ProxyResolver
from surefetch.transfer.trust import find_trust
url, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
class Sink:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    def write(self, start, data): os.pwrite(self.descriptor, data, start)
helpers = {"proxies": ProxyResolver({}), "trust": find_trust({}), "credentials": Credentials({})}
with Engine(Options(), **helpers) as engine:
    artifact = Artifact(name="x", form="x", size=size)
    mirror = Mirror(url=url, source="user", may_be_private=True)
    engine.begin(Request(id=1, artifact=artifact, mirror=mirror, stop=size), Sink())
    events = []
    while not any(isinstance(event, Finished) for event in events):
        assert not any(isinstance(event, Failed) for event in events), events
        events = engine.poll(5)
"""
POOCH = (
    "import pooch, sys; pooch.retrieve(sys.argv[1], 'sha256:' + sys.argv[2], fname='out', path=sys.argv[3])"
)


class Task:
    """One file to get: its URL, digest, size, and a fresh folder for each run."""

    def __init__(self, url: str, digest: str, size: int, base: Path) -> None:
        self.url, self.digest, self.size, self._base = url, digest, size, base
        self.folder = base

    def fresh(self) -> None:
        """Make an empty folder for the next run."""
        shutil.rmtree(self.folder, ignore_errors=True) if self.folder != self._base else None
        self.folder = Path(tempfile.mkdtemp(dir=self._base))


def shell(*commands: list[str | Path]) -> float:
    """Run commands one after another; return the seconds that they took together."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SUREFETCH_PROGRESS": "0"}
    began = time.perf_counter()
    for command in commands:
        text = [str(part) for part in command]
        done = subprocess.run(text, check=False, capture_output=True, env=environ, timeout=600)
        if done.returncode:
            raise RuntimeError(f"{text}: {done.stderr.decode(errors='replace')}")
    return time.perf_counter() - began


def by_surefetch(task: Task) -> float:
    """Get it by URL and digest, into a store and from there to a file of one's own."""
    store = ["--store", task.folder / "store"]
    return shell([sys.executable, "-m", "surefetch", "get", task.url, "--sha256", task.digest, "--size",
                  str(task.size), *store, "--quiet"])  # fmt: skip


def by_engine(task: Task) -> float:
    """The engine alone: no proof, not durable."""
    return shell([sys.executable, "-c", ENGINE, task.url, str(task.size), task.folder / "out"])


def by_curl(task: Task) -> float:
    """Download, digest, sync."""
    out = task.folder / "out"
    return shell(["curl", "-sf", "-o", out, task.url], ["openssl", "dgst", "-sha256", out], ["sync", out])


def by_aria2c(task: Task) -> float:
    """Download with the digest checked, sync."""
    out = task.folder / "out"
    checked = ["-x1", f"--checksum=sha-256={task.digest}", "-q", "--allow-overwrite=true"]
    return shell(["aria2c", *checked, "-d", task.folder, "-o", "out", task.url], ["sync", out])


def by_pooch(task: Task) -> float:
    """Download with the digest checked, sync."""
    retrieve = [sys.executable, "-c", POOCH, task.url, task.digest, task.folder]
    return shell(retrieve, ["sync", task.folder / "out"])


def by_imports(task: Task) -> float:
    """What Python needs before it can begin."""
    return shell([sys.executable, "-c", "import pycurl, click"])


def programs(wanted: list[str]) -> dict[str, Callable[[Task], float]]:
    """Return the programs that can run here."""
    found: dict[str, Callable[[Task], float]] = {"surefetch": by_surefetch, "imports": by_imports}
    for name, function in (("curl", by_curl), ("aria2c", by_aria2c)):
        if shutil.which(name):
            found[name] = function
    if (
        subprocess.run([sys.executable, "-c", "import pooch"], capture_output=True, check=False).returncode
        == 0
    ):
        found["pooch"] = by_pooch
    if "engine" in wanted:
        found["engine"] = by_engine
    for name in {"curl", "aria2c", "pooch"} - set(found):
        print(f"{name} is not here: left out")
    return found


def measure(label: str, task: Task, bars: dict[str, float], rounds: int, wanted: list[str]) -> bool:
    """Run all programs in turn; print medians and ratios; return whether every bar is kept."""
    runs = programs(wanted)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            task.fresh()
            seconds[name].append(run(task))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"\n{label}: " + ", ".join(f"{name} {value:.3f} s" for name, value in medians.items()))
    is_kept = True
    for name, bar in bars.items():
        if name in medians:
            is_kept &= _compare(medians, name, bar, allows_imports=label.startswith("11 MB"))
    return is_kept


def _compare(medians: dict[str, float], name: str, bar: float, *, allows_imports: bool) -> bool:
    allowed = bar * medians[name] + (medians["imports"] if allows_imports else 0.0)
    ratio, is_kept = medians["surefetch"] / medians[name], medians["surefetch"] <= allowed
    extra = " plus imports" if allows_imports else ""
    print(f"  {ratio:.2f} x {name} (bar {bar:.2f}{extra}): {'kept' if is_kept else 'MISSED'}")
    return is_kept


def make_file(path: Path, size: int) -> str:
    """Write a file of random bytes; return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MB):
            block = os.urandom(MB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    """Measure all cases."""
    rounds = next((int(argument) for argument in arguments if argument.isdigit()), 7)
    is_kept = True
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory, tempfile.TemporaryDirectory() as disk:
        served = Path(memory) / "nginx"
        with nginx(served) as web:
            for label, size, place, bars in CASES:
                digest = make_file(web.root / "file", size)
                base = Path(memory if place == "memory" else disk)
                is_kept &= measure(
                    label, Task(f"{web.plain}/file", digest, size, base), bars, rounds, arguments
                )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
