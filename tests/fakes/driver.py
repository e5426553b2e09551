"""Drives an engine in tests: a sink in memory, a loop with a bound, endings picked out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from surefetch.events import Answered, Cancelled, Event, Failed, Finished, LookupFailed, Opened, Request
from surefetch.model import Artifact, Mirror
from surefetch.transfer.credentials import Credentials
from surefetch.transfer.engine import Engine
from surefetch.transfer.options import Options
from surefetch.transfer.proxies import ProxyResolver
from surefetch.transfer.trust import Trust, find_trust

ENDINGS = (Finished, Failed, Cancelled, Answered, LookupFailed)


class MemorySink:
    """Keeps what is written, by offset; refuses with `error` once `room` bytes are in."""

    def __init__(self, room: int | None = None, error: Exception | None = None) -> None:
        self.data = bytearray()
        self.written: list[tuple[int, int]] = []  # [start, stop) of each write
        self._room, self._error = room, error

    def write(self, start: int, data: bytes) -> None:
        if self._error and (self._room is None or start + len(data) > self._room):
            raise self._error
        if len(self.data) < start + len(data):
            self.data.extend(bytes(start + len(data) - len(self.data)))
        self.data[start : start + len(data)] = data
        self.written.append((start, start + len(data)))


class Driver:
    """An engine with short ways to use it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ids = itertools.count(1)

    def request(
        self,
        url: str,
        size: int | None,
        *,
        name: str = "data.bin",
        start: int = 0,
        stop: int | None = None,
        validator: str | None = None,
        is_named: bool = True,
        max_size: int | None = None,
        sha256: str | None = None,
    ) -> Request:
        """Make a request. `is_named`: the host may be private, as loopback is."""
        return Request(
            id=next(self._ids),
            artifact=Artifact(name=name, form="test", size=size, max_size=max_size, sha256=sha256),
            mirror=Mirror(url=url, source="http", may_be_private=is_named),
            start=start,
            stop=stop,
            validator=validator,
        )

    def fetch(self, url: str, size: int | None, **more: Any) -> tuple[list[Event], MemorySink]:
        """Carry out one request to its end; return all events and what was written."""
        sink = MemorySink()
        self.engine.begin(self.request(url, size, **more), sink)
        return self.until_ended(1), sink

    def until_ended(self, count: int, seconds: float = 20.0) -> list[Event]:
        """Poll until so many requests have ended."""
        events: list[Event] = []
        limit = time.monotonic() + seconds
        while sum(isinstance(event, ENDINGS) for event in events) < count:
            assert time.monotonic() < limit, f"no ending within {seconds} s: {events}"
            events += self.engine.poll(0.5)
        return events

    def until(self, kind: type[Event], seconds: float = 20.0) -> list[Event]:
        """Poll until an event of a kind has come."""
        events: list[Event] = []
        limit = time.monotonic() + seconds
        while not any(isinstance(event, kind) for event in events):
            assert time.monotonic() < limit, f"no {kind.__name__} within {seconds} s: {events}"
            events += self.engine.poll(0.5)
        return events


@contextmanager
def driving(
    options: Options | None = None,
    *,
    environ: dict[str, str] | None = None,
    proxies: ProxyResolver | None = None,
    trust: Trust | None = None,
    credentials: Credentials | None = None,
    **more: Any,
) -> Iterator[Driver]:
    """Give a driver whose engine reads nothing of this machine's environment."""
    with (
        trust or find_trust({}) as whom,
        Engine(
            options or Options(),
            proxies=proxies or ProxyResolver(environ or {}),
            trust=whom,
            credentials=credentials or _Nobody(),
            **more,
        ) as engine,
    ):
        yield Driver(engine)


class _Nobody:
    """Knows no credential."""

    def headers(self, url: str, asked_url: str = "") -> list[str]:
        return []


def ending(events: list[Event]) -> Any:
    """Return the one ending among events."""
    endings = [event for event in events if isinstance(event, ENDINGS)]
    assert len(endings) == 1, endings
    return endings[0]


def opened(events: list[Event]) -> Opened:
    """Return the one `Opened` among events."""
    found = [event for event in events if isinstance(event, Opened)]
    assert len(found) == 1, found
    return found[0]
