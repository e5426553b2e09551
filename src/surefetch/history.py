"""A small private memory of origins: how fast they were and how they failed. Losing it harms nothing."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

#: Origins remembered; the longest unseen are forgotten first.
LIMIT: Final = 500
#: Bytes of the file at most: 500 origins take 100 kB.
MOST_BYTES: Final = 4 << 20
#: Weight of the newest measurement in the moving averages.
NEWEST: Final = 0.3
#: Transfers with fewer bytes measure the delay, not the rate.
RATE_BYTES: Final = 256 << 10
#: What is assumed of an origin never seen: bytes per second, and seconds to connect.
USUAL_RATE, USUAL_CONNECT = 2e6, 0.3
#: A rank is the seconds that this many bytes would take, and a penalty for each failure.
SAMPLE_BYTES, FAILURE_SECONDS = 10e6, 30.0
#: Failures weigh half as much after so many seconds.
HALF_LIFE: Final = 86400.0
#: What a scheme consists of (RFC 3986, 3.1), and what ends host and port.
_SCHEME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+.-")
_ENDS: Final = frozenset("/?#\\")


class Origin(msgspec.Struct, kw_only=True):
    """Mutable: what is known of one origin."""

    rate: float | None = None  # bytes per second
    connect: float | None = None  # seconds
    failures: float = 0.0  # as of `seen`
    last_failure: str = ""  # a value of `events.Failure`
    seen: float = 0.0  # seconds since 1970


class History:
    """Mutable: what is known of every origin, read once from a private file and saved at the end.

    A file that is missing, damaged or not writable counts as empty: nothing depends on it.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._clock = clock
        self._origins = _read(self._path)
        self._changed: set[str] = set()

    def rank(self, origin: str) -> float:
        """Return what to sort mirrors by: smaller is better; the seconds that a usual artifact would take."""
        known = self._origins.get(_clean(origin), Origin())
        rate = USUAL_RATE if known.rate is None else max(known.rate, 1.0)
        connect = USUAL_CONNECT if known.connect is None else known.connect
        return connect + SAMPLE_BYTES / rate + FAILURE_SECONDS * self._failures(known)

    def rate(self, origin: str) -> float | None:
        """Return the bytes per second that an origin used to give; None if it was never measured."""
        known = self._origins.get(_clean(origin))
        return None if known is None else known.rate

    def record(
        self,
        origin: str,
        bytes: int,  # noqa: A002 - the word of `events.Attempt`
        seconds: float,
        failure: str | None = None,
        *,
        connect: float | None = None,
    ) -> None:
        """Note how a request went.

        Args:
            origin: Scheme, host and port; anything behind them is cut off and not kept.
            bytes: That arrived.
            seconds: From the first byte to the last.
            failure: A value of `events.Failure`, e.g. `timeout`; None if it went well.
            connect: Seconds from the order to the first byte.
        """
        name = _clean(origin)
        if not name:
            return
        known = self._origins.setdefault(name, Origin())
        failures = self._failures(known)
        known.failures = failures / 2 if failure is None else min(failures + 1, 8.0)
        known.last_failure = failure or known.last_failure
        known.seen = self._clock()
        if bytes >= RATE_BYTES and seconds > 0:
            known.rate = _blend(known.rate, bytes / seconds)
        if connect is not None:
            known.connect = _blend(known.connect, connect)
        self._changed.add(name)

    def save(self) -> bool:
        """Write it down, joined with what other processes wrote meanwhile; return whether that worked."""
        if not self._changed:
            return True
        ours = {name: self._origins[name] for name in self._changed}
        joined = _read(self._path) | ours
        newest = sorted(joined, key=lambda name: joined[name].seen, reverse=True)[:LIMIT]
        self._origins = {name: joined[name] for name in newest}
        self._changed.clear()
        content = {"version": 1, "origins": self._origins}
        return _write(self._path, msgspec.json.encode(content))

    def __len__(self) -> int:
        return len(self._origins)

    def _failures(self, known: Origin) -> float:
        age = max(0.0, self._clock() - known.seen)
        return known.failures * math.pow(0.5, age / HALF_LIFE)


@lru_cache(maxsize=1024)
def _clean(origin: str) -> str:
    """Cut an origin to scheme, host and port: no path, no query, no name or password."""
    scheme, separator, rest = origin.lower().partition("://")
    if not separator or not scheme[:1].isalpha() or not _SCHEME.issuperset(scheme):
        return "file" if origin == "file" else ""
    end = next((index for index, letter in enumerate(rest) if letter in _ENDS or letter.isspace()), None)
    return f"{scheme}://{rest[:end].rpartition('@')[2]}"


def _blend(old: float | None, new: float) -> float:
    return new if old is None else old + NEWEST * (new - old)


def _read(path: Path) -> dict[str, Origin]:
    try:
        content: dict[str, Any] = msgspec.json.decode(_content(path))
        origins = msgspec.convert(content["origins"], dict[str, Origin])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, msgspec.MsgspecError):
        return {}
    return {name: known for name, known in origins.items() if _clean(name) == name and _is_sane(known)}


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # of a pipe nobody may ever write
    with open(descriptor, "rb") as file:  # noqa: PTH123 - an open file's number
        return file.read(MOST_BYTES)


def _is_sane(known: Origin) -> bool:
    numbers = [known.failures, known.seen, known.rate or 0.0, known.connect or 0.0]
    return all(math.isfinite(number) and number >= 0 for number in numbers)


def _write(path: Path, content: bytes) -> bool:
    """Replace the file in one step, readable for this user only."""
    temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True
