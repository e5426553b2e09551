"""Which version of HTTP an origin is asked in: 2, where requests share a connection, or 1.1."""

from __future__ import annotations

from typing import Final

import pycurl

from surefetch.transfer import urls
from surefetch.transfer.transfers import Transfer

#: How a server fails that offers HTTP/2 and cannot do it: frames that are none, each stream broken off.
_BROKEN: Final = frozenset({pycurl.E_HTTP2, 92})  # CURLE_HTTP2_STREAM
_DIED: Final = "Connection died"  # libcurl's words (lib/transfer.c); it has asked five times by then
_STREAM: Final = "HTTP/2 stream "  # its words of one that was broken off
#: How a server that speaks HTTP/2 alone ends a connection without it.
_HUNG_UP: Final = frozenset(
    {pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_SSL_CONNECT_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR}
)


class Versions:
    """Mutable: what is known of the origins of one engine."""

    def __init__(self) -> None:
        self._alone: set[str] = set()  # end each shared connection after its first answer, or fail at it
        self._both: set[str] = set()  # have answered without
        self._sharing: set[str] = set()  # have answered with
        self._only: dict[str, bool] = {}  # hung up without -> whether they may answer with
        self._with: set[str] = set()  # of those, the ones that have

    def shares(self, transfer: Transfer, origin: str) -> bool:
        """Whether a request is to share a connection."""
        return self._only.get(origin, transfer.may_share and origin not in self._alone)

    def answered(self, transfer: Transfer) -> None:
        """Note that an answer begins."""
        if not transfer.url.startswith("https:"):
            return
        origin = urls.origin(transfer.url)
        if not transfer.shares:
            self._both.add(origin)
            return
        self._sharing.add(origin)
        if origin in self._only:
            self._with.add(origin)

    def is_to_be_turned(self, transfer: Transfer, code: int, message: str) -> bool:
        """Whether to ask once more the other way, after a failure without an answer.

        Args:
            transfer: The request.
            code: libcurl's.
            message: libcurl's.
        """
        if not transfer.url.startswith("https:"):
            return False
        origin = urls.origin(transfer.url)
        if transfer.shares:
            if origin in self._only:
                self._only[origin] = origin in self._with  # else it was no better
            elif message.startswith(_DIED) or (
                origin not in self._sharing and (code in _BROKEN or message.startswith(_STREAM))
            ):
                self._alone.add(origin)
                return True
            return False
        is_known = origin in self._both or origin in self._alone or code not in _HUNG_UP
        return not is_known and self._only.setdefault(origin, True)
