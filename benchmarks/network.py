"""Two network namespaces with an emulated wide-area link between them, and nginx behind it (Linux, root)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fakes.servers import Leaf, program

CLIENT, SERVER = "10.99.0.2", "10.99.0.1"
PORT, TLS_PORT = 8080, 8443
#: Servers and the emulator go before the programs that are measured.
NICE = ["nice", "-n", "-10"]
_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  keepalive_requests 100000; http2_max_requests 100000;
  open_file_cache max=30000; open_file_cache_valid 600s;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen {port}; root {root}; {secure} }}
}}
"""
_SECURE = "listen {port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};"


class Wire(NamedTuple):
    """What a link does."""

    rate: float = 0  # Mbit/s; 0: no limit
    rtt: float = 0  # milliseconds
    loss: float = 0  # percent, of packets to the client
    buffer: float = 200  # milliseconds
    seed: int = 1


class Link:
    """Two namespaces; `up` joins them by a wire. Close it to take them away."""

    def __init__(self, folder: Path, congestion: str = "cubic") -> None:
        """Make the namespaces, compile the emulator.

        Args:
            folder: For the program.
            congestion: The servers' congestion control; losses hold `cubic` down most.
        """
        self.client, self.server = (f"sfb{os.getpid()}{end}" for end in "cs")
        self._congestion = congestion
        self._emulator = folder / "link_emulator"
        source = Path(__file__).with_name("link_emulator.c")
        _run("cc", "-O2", "-o", self._emulator, source)
        for namespace in (self.client, self.server):
            _run("ip", "netns", "add", namespace)
            _run("ip", "-n", namespace, "link", "set", "lo", "up")
            # What one run has learned of the path must not help the next.
            enter = ["nsenter", f"--net=/run/netns/{namespace}"]
            _run(*enter, "sysctl", "-q", "-w", "net.ipv4.tcp_no_metrics_save=1")

    def close(self) -> None:
        """Take the namespaces away."""
        for namespace in (self.client, self.server):
            _run("ip", "netns", "del", namespace)

    def inside(self, *command: str | Path) -> list[str | Path]:
        """Return a command that runs at the client's end."""
        return ["nsenter", f"--net=/run/netns/{self.client}", *command]

    @contextmanager
    def up(self, wire: Wire) -> Iterator[None]:
        """Join the namespaces until the block ends."""
        words = [self.client, self.server, wire.rate, wire.rtt, wire.loss, wire.buffer, wire.seed]
        process = subprocess.Popen(
            [*NICE, str(self._emulator), *map(str, words)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout and process.stdout.readline() == "ready\n"
            for namespace, address in ((self.client, CLIENT), (self.server, SERVER)):
                _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "wan0")
                # What is lost is the wire's to decide, not a device's whose queue of 500 packets ran over.
                _run("ip", "-n", namespace, "link", "set", "wan0", "txqueuelen", "10000", "up")
                route = ["10.99.0.0/24", "dev", "wan0", "src", address]
                _run("ip", "-n", namespace, "route", "change", *route, "congctl", self._congestion)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=10)

    @contextmanager
    def nginx(self, folder: Path, leaf: Leaf | None = None) -> Iterator[Path]:
        """Run nginx at the server's end, for http and, with a certificate, for HTTP/2; give its root."""
        root = folder / "root"
        root.mkdir(parents=True)
        for path in (folder, root):
            path.chmod(0o755)
        secure = ""
        if leaf:
            secure = _SECURE.format(port=TLS_PORT, certificate=leaf.certificate, key=leaf.key)
        configuration = folder / "nginx.conf"
        text = _NGINX.format(folder=folder, port=PORT, root=root, secure=secure)
        configuration.write_text(text, encoding="utf-8")
        enter = ["nsenter", f"--net=/run/netns/{self.server}"]
        process = subprocess.Popen(
            [*NICE, *enter, program("nginx"), "-c", str(configuration), "-e", str(folder / "error.log")],
            stderr=subprocess.PIPE,
        )
        try:
            yield root
        finally:
            process.terminate()
            process.communicate(timeout=10)


@contextmanager
def linked(congestion: str = "cubic") -> Iterator[tuple[Link, Path]]:
    """Give a link and a folder in memory, and take both away."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        folder.chmod(0o755)
        link = Link(folder, congestion)
        try:
            yield link, folder
        finally:
            link.close()


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
