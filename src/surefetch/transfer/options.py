"""What an engine is told once, and what it asks of its helpers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from surefetch.model import Struct


class Options(Struct, frozen=True, kw_only=True):
    """Limits of an engine. The planner's own, shorter ones come as `Cancel`; these are the last guard."""

    connections: int = 6  # to one host at most
    connect_timeout: float = 8.0  # seconds for name, connection, proxy and TLS together
    page_timeout: float = 20.0  # seconds for an index page in all
    evidence_timeout: float = 1.0  # seconds to wait for the body of an answer that is refused anyway
    limit_rate: int = 0  # bytes per second over all connections; 0: no limit
    redirects: int = 8  # at most
    dead_after: float = 6.0  # seconds; a connection that was idle or silent for so long is not used again
    header_bytes: int = 64 << 10  # of one answer at most
    keep_exchanges: bool = False  # in a network log, `Engine.log`


class Sink(Protocol):
    """Where the bytes of one artifact go."""

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes at an offset. What `data` shows is valid until this returns, or as long as it is kept.

        Raises:
            OSError: This machine cannot: a full disk, a lost folder.
            StoreError: Likewise, with its cause.
        """
        ...


class Route(Protocol):
    """How one URL is reached."""

    @property
    def proxy(self) -> str | None:
        """The proxy's URL without userinfo; None: directly."""
        ...

    @property
    def user(self) -> str | None:
        """For the proxy."""
        ...

    @property
    def password(self) -> str | None:
        """For the proxy."""
        ...


class Router(Protocol):
    """Decides how a URL is reached; `proxies.ProxyResolver` is the one."""

    def resolve(self, url: str) -> Route:
        """Decide."""
        ...


class Authority(Protocol):
    """Knows what to show an origin; `credentials.Credentials` is the one."""

    def headers(self, url: str, asked_url: str = "") -> Sequence[str]:
        """Return the header lines that belong to this URL's origin, e.g. `Authorization: Bearer …`.

        Args:
            url: Where they go.
            asked_url: What was asked for, if redirects led from there to `url`.
        """
        ...
