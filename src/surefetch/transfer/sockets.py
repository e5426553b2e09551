"""The sockets that the engine makes itself, by the C module below `socket`: that one costs 4 ms."""

from __future__ import annotations

import _socket
import contextlib
import os
import sys
from _socket import socket  # CPython's and PyPy's own name for it; `socket.socket` derives from it
from typing import Any, Final

#: Whether the system tells how a TCP connection fares (tcp(7), TCP_INFO), in a layout known to us.
HAS_TCP_INFO: Final = sys.platform == "linux" and hasattr(_socket, "TCP_INFO")
_LONGEST: Final = 512  # bytes of an account


class LentSocket(socket):
    """A socket that libcurl has a duplicate of: ours is closed without a warning when it goes."""

    def __del__(self) -> None:
        self.close()


def lend(family: int, kind: int, protocol: int, ahead_bytes: int) -> LentSocket:
    """Return a socket for libcurl.

    Args:
        family: Of the address.
        kind: Of the socket.
        protocol: Likewise.
        ahead_bytes: What the system may take in before it is read; 0: as it thinks best.

    Raises:
        OSError: This machine has no such sockets, or no more of them.
    """
    made = LentSocket(family, kind, protocol)
    if os.name == "posix":  # pycurl makes a copy, and says nothing where it may not
        os.close(os.dup(made.fileno()))
    if ahead_bytes:
        made.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, ahead_bytes)
    return made


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


def hang_up(descriptor: int) -> None:
    """End the connection of a socket that stays open: its owner finds it closed."""
    with contextlib.suppress(OSError):  # closed meanwhile
        view = socket(_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP, descriptor)
        try:
            view.shutdown(_socket.SHUT_RDWR)
        finally:
            view.detach()  # it is libcurl's


def tcp_info(descriptor: int) -> bytes:
    """Return the system's account of a TCP connection, whose socket stays open; empty where it has none."""
    if descriptor < 0:
        return b""
    try:
        view = socket(_socket.AF_INET, _socket.SOCK_STREAM, _socket.IPPROTO_TCP, descriptor)
    except OSError:  # closed meanwhile
        return b""
    try:
        return view.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _LONGEST)
    except OSError:  # not TCP
        return b""
    finally:
        view.detach()  # it is libcurl's
