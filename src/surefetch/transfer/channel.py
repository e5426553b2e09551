"""A channel: one reusable libcurl handle. The only module that sets its options.

libcurl hands a body over in pieces of 16 KiB, some 60,000 per gigabyte. They are gathered in one buffer that
all channels share, because fresh memory for each piece costs more page faults than the network costs time:
with lists of pieces a gigabyte took 2.0 s of CPU, gathered 0.75 s.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pycurl

from surefetch.buffers import Buffers
from surefetch.transfer import addresses, urls
from surefetch.transfer.addresses import Reach
from surefetch.transfer.options import Options, Route
from surefetch.transfer.sockets import LentSocket, lend
from surefetch.transfer.spelling import encoded
from surefetch.transfer.throttle import Throttle

if TYPE_CHECKING:
    from surefetch.transfer.trust import Trust

_SCHEMES: Final = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
_PROXY_AUTH: Final = pycurl.HTTPAUTH_BASIC | pycurl.HTTPAUTH_DIGEST
_KEEPALIVE_SECONDS: Final = 30
_NAME_SECONDS: Final = 60  # that addresses are kept: libcurl's own
_OTHERS_SECONDS: Final = 2.0  # until other machines than the usual one must stand
#: libcurl's words (lib/multi.c) where it was neither at the name nor at the connection.
_TURN_NEVER_CAME: Final = "Operation timed out"
_LATE: Final = 0.1  # of the time to connect


class Staging:
    """Mutable: the buffer in which the pieces of one body gather until they are taken on.

    Where the rate is limited, bodies wait here for their turn: libcurl reads nothing of them meanwhile.
    """

    def __init__(self, buffers: Buffers, throttle: Throttle) -> None:
        self._buffers, self._throttle = buffers, throttle
        self._buffer = buffers.next()
        self._filled = 0
        self._owner: Channel | None = None
        self._waiting: dict[Channel, None] = {}  # the first one is next
        self._served: Channel | None = None  # whose turn it is

    def add(self, owner: Channel, data: bytes) -> int | None:
        """Add a piece; what does not fit, or is another channel's, is passed on first.

        Returns:
            libcurl's word for a body that has to wait, with this piece; None: it was taken.
        """
        if self._throttle.is_on and not self._may_come(owner, len(data)):
            return int(pycurl.WRITEFUNC_PAUSE)
        stop = self._filled + len(data)
        if owner is not self._owner or stop > len(self._buffer):
            self.pass_on()
            self._owner, stop = owner, len(data)
        self._buffer[self._filled : stop] = data
        self._filled = stop
        return None

    def pass_on(self) -> None:
        """Hand what has gathered to its owner's taker."""
        filled, self._filled = self._filled, 0
        if filled and self._owner and self._owner.take:
            self._owner.take(memoryview(self._buffer)[:filled])
            self._buffer = self._buffers.next()

    def due(self, now: float) -> float | None:
        """When the next of those that wait has its turn; None: nobody waits."""
        return now + self._throttle.pause(now) if self._waiting else None

    def go_on(self) -> None:
        """Give those their turns for which time has paid."""
        for _ in range(len(self._waiting)):
            if self._throttle.pause(time.monotonic()):
                return
            self._served = next(iter(self._waiting))
            del self._waiting[self._served]
            self._served.curl.pause(pycurl.PAUSE_CONT)  # its piece comes before this returns

    def forget(self, channel: Channel) -> None:
        """Note that nothing more comes of a body."""
        self._waiting.pop(channel, None)

    def _may_come(self, owner: Channel, count: int) -> bool:
        now = time.monotonic()
        if owner is not self._served and (self._waiting or self._throttle.pause(now)):
            self._waiting[owner] = None
            return False
        self._served = None
        self._throttle.took(count, now)
        return True


class Channel:
    """Mutable: a libcurl handle, reused from request to request, with the last values of its options."""

    def __init__(
        self,
        options: Options,
        trust: Callable[[], Trust],
        user_agent: str,
        staging: Staging,
        throttle: Throttle,
    ) -> None:
        """Make a handle with everything set that stays the same for all requests."""
        self.head: list[bytes] = []
        self.take: Callable[[memoryview], None] | None = None  # valid until it returns
        self._staging = staging
        self._connect_timeout = options.connect_timeout
        self._ahead_bytes = throttle.ahead_bytes
        self._reach = Reach.PUBLIC
        self.refused_address = ""  # an address that the policy turned down
        self.tried_address = ""
        self._avoided: Collection[str] = ()  # addresses that are not tried
        self.has_avoided = False  # one of them: only others were tried
        self.lent: list[str] = []  # addresses that sockets were made for
        self.socket_errno = 0  # why the last socket could not be made
        self.is_ready = False  # the connection stands, the request goes out
        self.is_reused = True  # no connection was opened for it
        self.opened_at = self.socket_at = 0.0  # when the making of its first and its last socket began
        self.ready_at = 0.0  # when it stood
        self._set: dict[int, Any] = {}
        self._route: tuple[str | None, str | None, str | None, bool] | None = None
        self.curl = pycurl.Curl()
        self._trust: Callable[[], Trust] | None = trust  # None once libcurl was told
        self._set_constants(options, user_agent, throttle.read_bytes)

    @property
    def has_no_socket(self) -> bool:
        """Whether this process may have no more of them."""
        return self.socket_errno in (errno.EMFILE, errno.ENFILE)

    def prepare(
        self,
        url: str,
        *,
        route: Route,
        headers: Sequence[str],
        byte_range: str | None,
        multiplex: bool,
        reach: Reach,
        negotiate: bool = False,
        is_anew: bool = False,
        avoided: Collection[str] | None = (),
    ) -> None:
        """Make ready for a request; only what differs from the last one is set."""
        self.head.clear()
        self._avoided, self.has_avoided = avoided or (), False
        self.lent.clear()
        self.refused_address = self.tried_address = ""
        self.is_ready, self.is_reused, self.socket_errno = False, True, 0
        self._reach = reach if route.proxy is None else Reach.LINK
        self.curl.setopt(pycurl.URL, url)
        self._put(pycurl.RANGE, byte_range)
        if is_anew or pycurl.FRESH_CONNECT in self._set:
            self._put(pycurl.FRESH_CONNECT, int(is_anew))
        if avoided is None or pycurl.DNS_CACHE_TIMEOUT in self._set:
            self._put(pycurl.DNS_CACHE_TIMEOUT, _NAME_SECONDS if avoided is not None else 0)
        if avoided or pycurl.CONNECTTIMEOUT_MS in self._set:
            usual = self._connect_timeout
            self._put(
                pycurl.CONNECTTIMEOUT_MS, _milliseconds(min(usual, _OTHERS_SECONDS) if avoided else usual)
            )
        self._put(pycurl.HTTPHEADER, ("Accept-Encoding: identity", *headers))
        version = pycurl.CURL_HTTP_VERSION_2TLS if multiplex else pycurl.CURL_HTTP_VERSION_1_1
        self._put(pycurl.HTTP_VERSION, version)
        # Waiting for a connection to be shared makes sense only where it can be: not for plain http, where a
        # silent first answer would hold up the next request.
        self._put(pycurl.PIPEWAIT, int(multiplex and url.startswith("https:")))
        self._put_route(route, negotiate)
        if self._trust and (url.startswith("https:") or (route.proxy or "").startswith("https:")):
            self._trust().apply(self.curl)  # plain http does without reading 200 authorities
            self._trust = None

    def info(self, name: int) -> Any:
        """Ask libcurl for a number or text about the current or last transfer."""
        return self.curl.getinfo(name)

    def was_queued(self, code: int, message: str, asked_at: float) -> bool:
        """Whether the time to connect was spent behind other requests: libcurl's clock runs there, too.

        Args:
            code: libcurl's, of the ending.
            message: libcurl's.
            asked_at: When the request was put on the wire (`time.monotonic`).
        """
        if code != pycurl.E_OPERATION_TIMEDOUT or self.is_ready:
            return False
        if self.is_reused:  # no socket was opened: it was looking a name up, or its turn never came
            return message.startswith(_TURN_NEVER_CAME)
        return (
            self.opened_at - asked_at > self._connect_timeout * _LATE
        )  # a name is kept: asked anew, it is here

    def forget(self) -> None:
        """Forget what the last request was answered: its head, its cookies, and who took its body."""
        self.head.clear()
        self.take = None
        self.curl.setopt(pycurl.COOKIELIST, "ALL")

    def close(self) -> None:
        """Close the handle."""
        self.curl.close()

    def _set_constants(self, options: Options, user_agent: str, read_bytes: int) -> None:
        setopt = self.curl.setopt
        setopt(pycurl.WRITEFUNCTION, partial(self._staging.add, self))
        setopt(pycurl.HEADERFUNCTION, self.head.append)
        setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        setopt(pycurl.PREREQFUNCTION, self._check_address)
        setopt(pycurl.PROTOCOLS, _SCHEMES)
        setopt(pycurl.REDIR_PROTOCOLS, _SCHEMES)
        setopt(pycurl.FOLLOWLOCATION, 0)  # the engine follows, hop by hop
        setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        setopt(pycurl.COOKIEFILE, "")  # kept in memory, for the redirects of one request
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.USERAGENT, encoded(user_agent))
        setopt(pycurl.BUFFERSIZE, read_bytes)
        setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(options.connect_timeout))
        setopt(pycurl.MAXAGE_CONN, max(1, int(options.dead_after)))  # idle for longer: it may be dead
        setopt(pycurl.TCP_KEEPALIVE, 1)
        setopt(pycurl.TCP_KEEPIDLE, _KEEPALIVE_SECONDS)
        setopt(pycurl.TCP_KEEPINTVL, _KEEPALIVE_SECONDS)
        setopt(pycurl.OPT_CERTINFO, 1)
        setopt(pycurl.NOPROXY, "")
        setopt(pycurl.PROXY, "")  # an empty proxy keeps libcurl from the environment

    def _put(self, option: int, value: Any) -> None:
        if self._set.get(option, None) == value:
            return
        if value is None:
            self.curl.unsetopt(option)
        else:
            self.curl.setopt(option, [encoded(line) for line in value] if isinstance(value, tuple) else value)
        self._set[option] = value

    def _put_route(self, route: Route, negotiate: bool) -> None:
        key = (route.proxy, route.user, route.password, negotiate)
        if key == self._route or (self._route is None and route.proxy is None):
            return
        self.curl.setopt(pycurl.PROXY, urls.spelled(route.proxy or ""))
        for option, value in (
            (pycurl.PROXYUSERNAME, route.user if not negotiate else ""),
            (pycurl.PROXYPASSWORD, (route.password or "") if route.user is not None else None),
        ):
            if value is None:
                self.curl.unsetopt(option)
            else:
                self.curl.setopt(option, encoded(value))
        # With Basic or Digest at hand libcurl would prefer Negotiate and fail without a ticket.
        self.curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_NEGOTIATE if negotiate else _PROXY_AUTH)
        self._route = key

    def _open_socket(self, purpose: int, address: Any) -> LentSocket | int:
        self.socket_at = time.monotonic()
        if self.is_reused:
            self.is_reused, self.opened_at = False, self.socket_at
        self.tried_address = str(address.addr[0])
        if self.tried_address in self._avoided:
            self.has_avoided = True
            return int(pycurl.SOCKET_BAD)
        self.lent.append(self.tried_address)
        if addresses.is_beyond(self.tried_address, self._reach):
            self.refused_address = self.tried_address
            return int(pycurl.SOCKET_BAD)
        self.socket_errno = 0
        try:
            return lend(address.family, address.socktype, address.protocol, self._ahead_bytes)
        except OSError as error:  # also a family that this machine has not: libcurl tries the next
            self.socket_errno = error.errno or 0
            return int(pycurl.SOCKET_BAD)

    def _check_address(self, address: str, _local: str, _port: int, _local_port: int) -> int:
        # A connection that another request opened is checked again before this one is sent.
        self.tried_address = address
        if addresses.is_beyond(address, self._reach):
            self.refused_address = address
            return int(pycurl.PREREQFUNC_ABORT)
        self.is_ready, self.ready_at = True, time.monotonic()
        return int(pycurl.PREREQFUNC_OK)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
