"""A relay in front of a server: each connection through it has a steady rate, as one with losses has."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

#: Bytes passed on at once.
BLOCK = 4096


class SlowLink:
    """Relays to a port of this machine until it is closed. Mutable: it counts the connections."""

    def __init__(self, port_behind: int, bytes_per_second: float) -> None:
        self.connections = 0
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
                threading.Thread(target=_pump, args=(source, target, rate), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, rate: float) -> None:
    due = time.monotonic()
    with contextlib.suppress(OSError):  # one of them has gone
        while data := source.recv(BLOCK):
            target.sendall(data)
            due = max(due, time.monotonic() - 0.05) + (len(data) / rate if rate else 0.0)
            time.sleep(max(0.0, due - time.monotonic()))
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
