"""Networks of the test's own, in which names and packets fail as they are told to.

Run as a program inside `unshare -n -m` (Linux, root): sets the network up, runs one whole command for each
scenario, and prints one JSON object: scenario -> exit code, seconds, stdout, stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.faulty_server import HONEST, FaultyServer, Script
from tests.faults.kit import BIG, any_file

#: Addresses for documentation (RFC 5737, RFC 3849): a host that is there, one without a listener, one behind
#: a device that swallows packets, one without a route, one that a router forbids.
HERE, CLOSED, SWALLOWED, NOWHERE, FORBIDDEN = (
    "192.0.2.1",
    "192.0.2.2",
    "198.51.100.1",
    "203.0.113.1",
    "203.0.113.129",
)
SWALLOWED_6 = "2001:db8::1"
#: Machines beside the one that is there, under the same name: one fails everything, one answers nothing, one
#: has no files, one has other ones.
SICK, SILENT, BARE, WRONG = "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"
#: Namespaces at once: what is run in them waits, most of the time, for answers that never come.
BESIDE = 4
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


@dataclass
class Later:
    """Mutable: an error until so many seconds after the first question, then an address."""

    seconds: float
    error: int
    address: str
    began: float = 0.0

    def now(self) -> str | int:
        """Say what the answer is now."""
        self.began = self.began or time.monotonic()
        return self.error if time.monotonic() < self.began + self.seconds else self.address


Answer = str | int | Later | None


@dataclass(frozen=True)
class Scenario:
    """How names are answered, and the command that is run."""

    words: tuple[str, ...]
    answers: Mapping[str, Answer] = field(default_factory=dict)  # name -> address, error, silence
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # lines of /etc/hosts
    has_server: bool = True  # a name server listens
    variables: Mapping[str, str] = field(default_factory=dict)


def get(*hosts: str, file: str = "big.bin", **more: object) -> Scenario:
    """Get a file from hosts; `PORT` becomes the server's."""
    _, _, *digest = any_file("")
    urls = [f"http://{host}:PORT/{file}" for host in hosts]
    return Scenario(words=("get", *urls, *digest, "--json"), **more)  # type: ignore[arg-type] # keywords vary


SCENARIOS: dict[str, Scenario] = {
    "name unknown": get("data.example", answers={"data.example": NXDOMAIN}),
    "all names unknown": get("a.example", "b.example"),
    "name server fails": get("data.example", answers={"data.example": SERVFAIL}),
    "name server fails for a moment": get(
        "data.example", answers={"data.example": Later(0.7, SERVFAIL, HERE)}
    ),
    "name server refuses": get("data.example", answers={"data.example": REFUSED}),
    "name server is silent": get("data.example", answers={"data.example": None}),
    "no name server": get("data.example", has_server=False),
    "name is blocked": get("data.example", answers={"data.example": "0.0.0.0"}),
    "names are blocked": get(
        "a.example", "b.example", answers={"a.example": "0.0.0.0", "b.example": "127.0.0.1"}
    ),
    "refused": get("data.example", answers={"data.example": CLOSED}),
    "all refused": get("a.example", "b.example", answers={"a.example": CLOSED, "b.example": "192.0.2.3"}),
    "swallowed": get("data.example", answers={"data.example": SWALLOWED}),
    "all swallowed": get("a.example", "b.example", hosts={SWALLOWED: ("a.example", "b.example")}),
    "no route": get("data.example", answers={"data.example": NOWHERE}),
    "forbidden": get("data.example", answers={"data.example": FORBIDDEN}),
    "one is swallowed": get(
        "a.example", "b.example", answers={"a.example": SWALLOWED, "b.example": HERE}
    ),
    "IPv6 is swallowed": get("data.example", hosts={HERE: ("data.example",), SWALLOWED_6: ("data.example",)}),
    "a machine of two fails": get("data.example", hosts={SICK: ("data.example",), HERE: ("data.example",)}),
    "a machine of two is silent": get(
        "data.example", hosts={SILENT: ("data.example",), HERE: ("data.example",)}
    ),
    "a machine of two has no such file": get(
        "data.example", hosts={BARE: ("data.example",), HERE: ("data.example",)}
    ),
    "two machines of three have other files": get(
        "data.example",
        hosts={WRONG: ("data.example",), BARE: ("data.example",), HERE: ("data.example",)},
    ),
    "no machine has it": get("data.example", hosts={BARE: ("data.example",), WRONG: ("data.example",)}),
    "IPv6 is swallowed, and IPv4 fails once": get(
        "data.example", file="once.bin", hosts={HERE: ("data.example",), SWALLOWED_6: ("data.example",)}
    ),
    "doctor: IPv6 is swallowed": Scenario(
        words=("doctor", "http://data.example:PORT/big.bin", "--json"),
        hosts={HERE: ("data.example",), SWALLOWED_6: ("data.example",)},
    ),
    "doctor: all swallowed": Scenario(
        words=("doctor", "http://data.example/big.bin", "--json"), hosts={SWALLOWED: ("data.example",)}
    ),
    "doctor: names are silent": Scenario(
        words=("doctor", "http://data.example/big.bin", "--json"), answers={"data.example": None}
    ),
    "doctor mnist: nothing resolves": Scenario(words=("doctor", "mnist")),
    "doctor mnist: no name server": Scenario(words=("doctor", "mnist"), has_server=False),
    "proxy is swallowed": get("data.example", variables={"http_proxy": f"http://{SWALLOWED}:3128"}),
}  # fmt: skip


def available() -> str:
    """Return why no such network can be made here; empty if it can."""
    from tests.fakes.closed_network import available as made

    return made()


def run(folder: Path, names: tuple[str, ...] = tuple(SCENARIOS)) -> dict[str, dict[str, object]]:
    """Run scenarios in namespaces; scenario -> code, seconds, stdout, stderr."""
    parts = [(folder / str(n), names[n::BESIDE]) for n in range(BESIDE)]
    with ThreadPoolExecutor(BESIDE) as pool:
        return {name: told for part in pool.map(_run_some, parts) for name, told in part.items()}


def _run_some(part: tuple[Path, tuple[str, ...]]) -> dict[str, dict[str, object]]:
    folder, names = part
    folder.mkdir()
    command = ["unshare", "-n", "-m", sys.executable, "-m", "tests.faults.namespace", str(folder), *names]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, dict[str, object]] = json.loads(done.stdout)
    return result


def main(folder: str, *names: str) -> None:
    """Set up, run, print."""
    for line in (
        "link set lo up",
        *(
            f"addr add {address}/32 dev lo"
            for address in (HERE, CLOSED, "192.0.2.3", SICK, SILENT, BARE, WRONG)
        ),
        "link add v0 type veth peer name v1",
        "addr add 198.51.100.2/24 dev v0",
        "-6 addr add 2001:db8::2/64 dev v0 nodad",
        "link set v0 up",
        "link set v1 up",
        # Neighbours that nobody is: what is sent to them is swallowed without a word.
        f"neigh add {SWALLOWED} lladdr 02:00:00:00:00:01 dev v0",
        f"-6 neigh add {SWALLOWED_6} lladdr 02:00:00:00:00:01 dev v0",
        "route add unreachable 203.0.113.0/25",
        "route add prohibit 203.0.113.128/25",
    ):
        subprocess.run(["ip", *line.split()], check=True, capture_output=True)
    with (
        FaultyServer(host=HERE) as server,
        _beside(server, SICK) as sick,
        _beside(server, SILENT) as silent,
        _beside(server, BARE),
        _beside(server, WRONG) as wrong,
    ):
        wrong.serve("/big.bin", BIG[::-1])
        server.serve("/big.bin", BIG)
        server.serve("/once.bin", BIG, Script(status=503), HONEST)
        sick.serve("/big.bin", BIG, Script(status=500))
        silent.serve("/big.bin", BIG, Script(silence=True))
        told = {
            name: _run(SCENARIOS[name], server.port, Path(folder) / str(n)) for n, name in enumerate(names)
        }
    print(json.dumps(told))


@contextmanager
def _beside(server: FaultyServer, host: str) -> Iterator[FaultyServer]:
    """Run a server at another address, and at the same port."""
    with FaultyServer(host=host) as other:
        other.go_away()
        other.port = server.port
        other.come_back()
        yield other


def _run(scenario: Scenario, port: int, home: Path) -> dict[str, object]:
    home.mkdir()
    lines = ["127.0.0.1 localhost", *(f"{ip} {' '.join(names)}" for ip, names in scenario.hosts.items())]
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SUREFETCH_"))
    }
    variables |= {"HOME": str(home), "PIP_NO_INDEX": "1", "NO_COLOR": "1", **scenario.variables}
    words = [word.replace("PORT", str(port)) for word in scenario.words]
    with (
        _laid_over("/etc/hosts", "\n".join(lines) + "\n"),
        _laid_over("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n"),
        _name_server(scenario.answers) if scenario.has_server else contextlib.nullcontext(),
    ):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "surefetch", *words],
            env=variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    seconds = time.monotonic() - began
    return {"code": done.returncode, "seconds": seconds, "stdout": done.stdout, "stderr": done.stderr}


@contextmanager
def _laid_over(path: str, text: str) -> Iterator[None]:
    """Lay another file over a system file, in this mount namespace alone."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        Path(file.name).chmod(0o644)
        place = str(Path(path).resolve())
        subprocess.run(["mount", "--bind", file.name, place], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", place], check=True)


@contextmanager
def _name_server(answers: Mapping[str, Answer]) -> Iterator[None]:
    """Answer questions for names (RFC 1035) on loopback; a name that is not in the table does not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.bind(("127.0.0.1", 53))
        plain.settimeout(0.2)
        closing = threading.Event()
        thread = threading.Thread(target=_answer_all, args=(plain, answers, closing), daemon=True)
        thread.start()
        try:
            yield
        finally:
            closing.set()
            thread.join(5)


def _answer_all(plain: socket.socket, answers: Mapping[str, Answer], closing: threading.Event) -> None:
    while not closing.is_set():
        try:
            question, client = plain.recvfrom(512)
        except TimeoutError:
            continue
        if (reply := _reply(question, answers)) is not None:
            plain.sendto(reply, client)


def _reply(question: bytes, answers: Mapping[str, Answer]) -> bytes | None:
    """Compose the reply; None for silence. A name with an address has no IPv6 one."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    asked, kind = question[12 : at + 5], struct.unpack("!H", question[at + 1 : at + 3])[0]
    answer = answers.get(".".join(labels).lower(), NXDOMAIN)
    answer = answer.now() if isinstance(answer, Later) else answer
    if answer is None:
        return None
    code = answer if isinstance(answer, int) else NOERROR
    records = b""
    if isinstance(answer, str) and kind == 1:  # A
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(answer)
    head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if records else 0, 0, 0)
    return head + asked + records


if __name__ == "__main__":
    main(*sys.argv[1:])
