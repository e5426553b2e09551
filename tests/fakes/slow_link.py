"""A relay in front of a server: each connection through it has a steady rate, as one with losses has.

It can break as the way does when a computer sleeps or a network changes: connections that are there fall
silent, neither end hears of it, and new ones work.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time

#: Bytes passed on at once.
BLOCK = 4096


class SlowLink:
    """Relays to a port of this machine until it is closed. Mutable: counts connections and bytes."""

    def __init__(self, port_behind: int, bytes_per_second: float, breaks_after: float = math.inf) -> None:
        """Take the port, the rate of each connection, and the bytes after which all that are there break."""
        self.connections = 0
        self._breaks_after, self._passed = breaks_after, 0
        self._port_behind, self._rate = port_behind, bytes_per_second
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> SlowLink:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self._port_behind))
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BLOCK)
            self._sockets += [near, far]
            for source, target, rate in ((near, far, 0.0), (far, near, self._rate)):
                threading.Thread(target=self._pump, args=(source, target, rate), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, rate: float) -> None:
        due = time.monotonic()
        is_old = self._passed < self._breaks_after
        with contextlib.suppress(OSError):  # one of them has gone
            while data := source.recv(BLOCK):
                self._passed += len(data)
                if is_old and self._passed >= self._breaks_after:
                    continue
                target.sendall(data)
                due = max(due, time.monotonic() - 0.05) + (len(data) / rate if rate else 0.0)
                time.sleep(max(0.0, due - time.monotonic()))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
