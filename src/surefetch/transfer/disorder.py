"""Sees packets that came before earlier ones, by the system's account of a connection (Linux 5.4 on)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import MutableSequence
from typing import Final

import msgspec
import pycurl

from surefetch.events import Disordered, Event
from surefetch.transfer import sockets
from surefetch.transfer.transfers import Download, Stage, Transfer

#: Seconds between two looks at a connection, and for how long after its answer began.
LOOK_SECONDS: Final = 0.005
WATCH_SECONDS: Final = 5.0
#: Connections with a shorter round trip (microseconds) are not watched: what is lost comes again at once.
NEAR: Final = 5_000
#: A request that has fewer bytes to come is not watched: nobody could help it in time.
LEAST_BYTES: Final = 256 << 10
#: As many packets ahead of one make TCP senders hold it for lost (RFC 5681, 3.2).
AHEAD: Final = 3
#: Nor has it been overtaken when nothing came in order for so many seconds.
STUCK_SECONDS: Final = 0.02
#: `struct tcp_info` up to tcpi_rcv_ooopack (linux/tcp.h); a `Reading` is tcpi_rcv_rtt, tcpi_bytes_received,
#: tcpi_min_rtt, tcpi_data_segs_in, tcpi_rcv_ooopack.
_TCP_INFO: Final = struct.Struct("=92xI32xQ12xII68xI")


class Reading(msgspec.Struct, frozen=True):
    """What the system counts of one connection."""

    round_trip: int  # microseconds, as the receiver sees it now; 0 while unknown
    received: int  # bytes in order
    least: int  # microseconds: the shortest round trip
    segments: int  # packets with data
    ahead: int  # of them, those that came before an earlier one


_NOTHING: Final = Reading(round_trip=0, received=0, least=0, segments=0, ahead=0)


class Watch:
    """Mutable: what was seen of one request's connection."""

    def __init__(self, descriptor: int, first: Reading, now: float) -> None:
        self.descriptor = descriptor
        self.until = now + WATCH_SECONDS
        self.due = now + LOOK_SECONDS
        self._first = self._last = first
        self._last_at = now
        self._moved_at = now  # bytes came in order
        self._peak = 0.0  # packets per second, between two looks
        self._recent: deque[tuple[float, int]] = deque()  # (time, packets so far) of the last round trip

    def note(self, reading: Reading, now: float) -> bool:
        """Take a reading in; return whether a packet must have been lost."""
        last, seconds = self._last, now - self._last_at
        if seconds > 0 and last.segments:
            self._peak = max(self._peak, (reading.segments - last.segments) / seconds)
        if reading.received != last.received:
            self._moved_at = now
        self._recent.append((now, reading.segments))
        while now - self._recent[0][0] > reading.least / 1e6:
            self._recent.popleft()
        self._last, self._last_at, self.due = reading, now, now + LOOK_SECONDS
        ahead = reading.ahead - self._first.ahead
        return ahead >= AHEAD or (ahead > 0 and now - self._moved_at >= STUCK_SECONDS)

    def tell(self, number: int, now: float) -> Disordered:
        """Say what is known once a packet was lost."""
        reading, first = self._last, self._first
        in_order = (reading.segments - reading.ahead) - (first.segments - first.ahead)
        recent = reading.segments - self._recent[0][1]
        whole = self._peak * (now - self._recent[0][0])
        return Disordered(
            id=number,
            segments=max(1, in_order),
            round_trip=reading.least / 1e6,
            queued=max(0, reading.round_trip - reading.least) / 1e6,
            recent=recent,
            used=min(1.0, recent / whole) if whole > 0 else 0.0,
        )


class Lookout:
    """Mutable: looks at the connections of large downloads; adds to the engine's events."""

    def __init__(self, events: MutableSequence[Event]) -> None:
        self._events = events
        self._expected: list[Download] = []  # not looked at yet: libcurl cannot be asked while it works
        self._watches: dict[Download, Watch] = {}

    @property
    def due(self) -> float | None:
        """When to look again."""
        return min((watch.due for watch in self._watches.values()), default=None)

    def expect(self, download: Download) -> None:
        """Watch a download whose answer has begun, if it has much to come."""
        stop = download.stop if download.stop is not None else download.limit
        if sockets.HAS_TCP_INFO and stop - download.position >= LEAST_BYTES:
            self._expected.append(download)

    def look(self, now: float) -> None:
        """Look at the connections that it is time for. Not to be called while libcurl is at work."""
        expected, self._expected = self._expected, []
        for download in expected:
            self._begin(download, now)
        for download, watch in [(d, w) for d, w in self._watches.items() if now >= w.due]:
            self._look(download, watch, now)

    def forget(self, transfer: Transfer) -> None:
        """Do not look any more: it has left the wire."""
        if isinstance(transfer, Download):
            self._watches.pop(transfer, None)

    def _begin(self, download: Download, now: float) -> None:
        if download.stage is not Stage.ACCEPTED or not download.channel:
            return
        descriptor = download.channel.info(pycurl.ACTIVESOCKET)
        reading = read(descriptor)
        if reading is not None and reading.least >= NEAR:
            is_new = bool(download.channel.info(pycurl.NUM_CONNECTS))  # all that came is this request's
            self._watches[download] = Watch(descriptor, _NOTHING if is_new else reading, now)

    def _look(self, download: Download, watch: Watch, now: float) -> None:
        reading = read(watch.descriptor)
        if reading is None or now > watch.until:
            del self._watches[download]
        elif watch.note(reading, now):
            self._events.append(watch.tell(download.id, now))
            del self._watches[download]


def read(descriptor: int) -> Reading | None:
    """Read the system's account of a TCP connection, whose socket stays open; None where it has none."""
    data = sockets.tcp_info(descriptor)
    return Reading(*_TCP_INFO.unpack_from(data)) if len(data) >= _TCP_INFO.size else None
