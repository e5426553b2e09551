"""How each request went, noted for the history of its origin: what the next fetch ranks mirrors by."""

from __future__ import annotations

from surefetch.events import Cancelled, Event, Failed, Finished, Opened, Received, Request
from surefetch.history import History


class Meter:
    """Mutable: the requests under way, with when their first byte came and how many there were."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._requests: dict[int, Request] = {}
        self._opened: dict[int, tuple[float, float]] = {}  # time of the first byte, seconds until then
        self._bytes: dict[int, int] = {}

    def begin(self, request: Request) -> None:
        """Note a request; files of this machine have no history."""
        if not request.mirror.is_local:
            self._requests[request.id] = request

    def notice(self, event: Event, now: float) -> None:
        """Take in what happened to a request."""
        if not isinstance(event, Opened | Received | Finished | Failed | Cancelled):
            return
        if event.id not in self._requests:
            return
        match event:
            case Opened():
                self._opened[event.id] = (now, event.seconds)
            case Received():
                self._bytes[event.id] = self._bytes.get(event.id, 0) + event.stop - event.start
            case Finished():
                self._end(event.id, now, None)
            case Failed():
                self._end(event.id, now, event.failure.value)
            case Cancelled():  # our own doing: only what arrived speaks of the origin
                self._end(event.id, now, None if event.id in self._opened else "timeout")

    def _end(self, number: int, now: float, failure: str | None) -> None:
        request = self._requests.pop(number)
        opened, connect = self._opened.pop(number, (now, None))
        self._history.record(
            request.mirror.origin, self._bytes.pop(number, 0), now - opened, failure, connect=connect
        )
