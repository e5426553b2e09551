"""The sockets that the engine makes itself, by the C module below `socket`: that one costs 4 ms."""

from __future__ import annotations

from _socket import socket  # CPython's and PyPy's own name for it; `socket.socket` derives from it
from typing import Any


class LentSocket(socket):
    """A socket that libcurl has a duplicate of: ours is closed without a warning when it goes."""

    def __del__(self) -> None:
        self.close()


def pair() -> tuple[Any, Any]:
    """Return two sockets, connected, that never block."""
    try:
        from _socket import socketpair
    except ImportError:  # Windows: made of two by `socket`
        from socket import socketpair
    ends = socketpair()
    for end in ends:
        end.setblocking(False)
    return ends
