"""The network log: exchanges as an HTTP Archive (HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/).

Observations are bounded and carry no secrets, so neither does the log. Newer exchanges push out older ones.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from surefetch.events import Phase
from surefetch.observation import Observation

#: Exchanges kept at most, first and last ones of a long fetch alike.
_MAX_ENTRIES: Final = 1000
#: Of an unwanted answer's text that is logged.
_MAX_TEXT: Final = 1024


class NetworkLog:
    """Mutable: gathers exchanges; give its `add` to the engine as `record`."""

    def __init__(self, user_agent: str, max_entries: int = _MAX_ENTRIES) -> None:
        """Begin a log of at most so many exchanges; the user agent names the creator: `surefetch/1.0`."""
        self._name, _, version = user_agent.partition("/")
        self._version = version.partition(" ")[0]
        self._first: list[dict[str, Any]] = []
        self._last: deque[dict[str, Any]] = deque(maxlen=max(1, max_entries // 2))
        self._max_first = max_entries - max(1, max_entries // 2)
        self.dropped = 0  # exchanges in the middle that are not kept

    def add(self, seen: Observation, began: float) -> None:
        """Log one exchange.

        Args:
            seen: What was observed.
            began: Seconds since 1970.
        """
        if len(self._first) < self._max_first:
            self._first.append(entry(seen, began))
            return
        self.dropped += len(self._last) == self._last.maxlen
        self._last.append(entry(seen, began))

    def document(self) -> dict[str, Any]:
        """Return the log as a HAR document."""
        comment = f"{self.dropped} exchanges in the middle are left out" if self.dropped else ""
        creator = {"name": self._name, "version": self._version}
        log = {"version": "1.2", "creator": creator, "entries": [*self._first, *self._last]}
        return {"log": {**log, "comment": comment} if comment else log}

    def write(self, path: Path) -> None:
        """Write the log to a file, readable by its owner.

        Raises:
            OSError: The file cannot be written.
        """
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def entry(seen: Observation, began: float) -> dict[str, Any]:
    """Return one exchange as an entry of the log; times in milliseconds, -1 for what did not happen."""
    timings = _timings(dict(seen.seconds))
    made: dict[str, Any] = {
        "startedDateTime": datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds"),
        "time": sum(milliseconds for milliseconds in timings.values() if milliseconds > 0),
        "request": _request(seen),
        "response": _response(seen),
        "cache": {},
        "timings": timings,
        "_phase": seen.phase.value,
    }
    optional = {
        "serverIPAddress": seen.address,
        "connection": str(seen.port) if seen.port and seen.port > 0 else "",
        "_proxy": seen.proxy,
        "_artifact": seen.artifact,
        "_error": f"{seen.curl_code}: {seen.curl_message}" if seen.curl_code else "",
        "_resolver": seen.resolver,
        "_issuer": seen.chain[0].issuer if seen.chain else "",
    }
    return made | {key: value for key, value in optional.items() if value}


def _request(seen: Observation) -> dict[str, Any]:
    url = seen.effective_url or seen.url
    query = parse_qsl(url.partition("#")[0].partition("?")[2], keep_blank_values=True)
    return {
        "method": "GET",
        "url": url,
        "httpVersion": _version(seen),
        "cookies": [],
        "headers": [],
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": -1,
        "bodySize": 0,
    }


def _response(seen: Observation) -> dict[str, Any]:
    content: dict[str, Any] = {"size": seen.length_received, "mimeType": seen.content_type}
    if seen.content_type.startswith(("text/", "application/json", "application/xml")) and seen.first_bytes:
        content["text"] = seen.first_bytes[:_MAX_TEXT].decode("utf-8", "replace")
    return {
        "status": seen.status or 0,
        "statusText": "",
        "httpVersion": _version(seen),
        "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in seen.headers],
        "content": content,
        "redirectURL": seen.header("location"),
        "headersSize": -1,
        "bodySize": seen.length_received,
    }


def _version(seen: Observation) -> str:
    return f"HTTP/{seen.http_version}" if seen.http_version else "unknown"


def _timings(passed: dict[str, float]) -> dict[str, float]:
    """Turn the clocks of the phases, each since the order, into the time that each phase took."""
    clocks = [
        passed.get(phase.value) for phase in (Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.WAIT, Phase.BODY)
    ]
    spans, before = [], 0.0
    for clock in clocks:
        spans.append(-1.0 if clock is None else round(max(0.0, clock - before) * 1000, 3))
        before = before if clock is None else max(before, clock)
    dns, connect, tls, wait, receive = spans
    if tls > 0:  # HAR counts the handshake as part of connecting
        connect += tls
    return {
        "blocked": -1.0, "dns": dns, "connect": connect, "ssl": tls, "send": 0.0, "wait": wait,
        "receive": receive,
    }  # fmt: skip
