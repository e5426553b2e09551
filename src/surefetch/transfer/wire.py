"""The wire: libcurl's multi handle, and the sockets that it waits for. Knows no transfers."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Iterator
from typing import Any, Final

import pycurl

from surefetch.transfer import sockets

_KEPT_CONNECTIONS: Final = 64


class Wire:
    """Mutable: carries libcurl handles. Not thread-safe but for `wake`."""

    def __init__(self, connections: int, dead_after: float) -> None:
        """Make a wire.

        Args:
            connections: To one host at most.
            dead_after: Seconds without a sign of a connection after which `hang_up` ends it.
        """
        self._dead_after = dead_after
        self.due: float | None = None  # when libcurl wants to be called
        self._selector = selectors.DefaultSelector()
        self._waker, self._wakened = sockets.pair()
        self._selector.register(self._wakened, selectors.EVENT_READ)
        self._heard: dict[int, float] = {}  # when something last came, or could be sent, by descriptor
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, connections)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _KEPT_CONNECTIONS)

    def divide(self, streams: int) -> None:
        """Have an HTTP/2 connection carry so many requests at most, from the next one on."""
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, streams)

    def add(self, curl: Any) -> None:
        """Put a handle's request on the wire."""
        self._multi.add_handle(curl)

    def remove(self, curl: Any) -> None:
        """Take a handle off the wire; what it waits for is broken off."""
        self._multi.remove_handle(curl)

    def turn(self, seconds: float) -> bool:
        """Let libcurl work once, after waiting for so long at most; return whether somebody called `wake`."""
        is_awake = False
        ready = self._selector.select(seconds)
        now = time.monotonic()
        for key, mask in ready:
            if key.fileobj is self._wakened:
                is_awake = self._drain_waker()
                continue
            self._heard[key.fd] = now
            flags = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
            )
            self._multi.socket_action(key.fd, flags)
        if self.due is not None and time.monotonic() >= self.due:
            self.due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return is_awake

    def endings(self) -> Iterator[tuple[Any, int, str]]:
        """Give each handle that libcurl is through with, libcurl's code (0: it went well), its message."""
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            yield from [(curl, 0, "") for curl in done] + failed

    def hang_up(self, descriptor: int) -> None:
        """End the connection of a shared request that is broken off, if nothing comes over it any more.

        libcurl would keep it, and put the next requests on it: a way that broke (a computer that slept, a
        network that changed) says nothing.
        """
        heard = self._heard.get(descriptor)
        if heard is not None and time.monotonic() - heard >= self._dead_after:
            sockets.hang_up(descriptor)

    def wake(self) -> None:
        """Make a `turn` under way return. May be called from any thread."""
        with contextlib.suppress(BlockingIOError, OSError):  # full: a wake is under way; closed: nobody waits
            self._waker.send(b"\0")

    def close(self) -> None:
        """Close all connections; no handle may be on the wire."""
        self._multi.close()
        self._selector.close()
        self._waker.close()
        self._wakened.close()

    def _on_socket(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(descriptor)
            self._heard.pop(descriptor, None)
            return
        events = (selectors.EVENT_READ if what & pycurl.POLL_IN else 0) | (
            selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
        )
        try:
            self._selector.modify(descriptor, events)
        except KeyError:
            self._selector.register(descriptor, events)
            self._heard[descriptor] = time.monotonic()

    def _on_timer(self, milliseconds: int) -> None:
        self.due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _drain_waker(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            while self._wakened.recv(4096):
                pass
        return True
