"""Ports for tests: nobody gets one by chance, also where several processes test at once."""

from __future__ import annotations

import contextlib
import secrets
import socket

#: Below what systems hand out by themselves, to listeners and to the near ends of connections (Linux: from
#: 32768 on, macOS and Windows: from 49152 on): a server that is away finds its port free when it comes back,
#: and a port without a server stays without one.
PORTS = range(12_000, 32_000)


def listener(host: str = "127.0.0.1", backlog: int = 64) -> socket.socket:
    """Listen on a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(100):
        with contextlib.suppress(OSError):  # somebody has this one
            return socket.create_server((host, secrets.choice(PORTS)), family=family, backlog=backlog)
    raise OSError(f"no port is free on {host}")


def free_port() -> int:
    """Return a port that nobody uses now."""
    with listener() as probe:
        return int(probe.getsockname()[1])
