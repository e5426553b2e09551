"""How each request went, noted for the history of its origin: what the next fetch ranks mirrors by."""

from __future__ import annotations

from surefetch.events import Cancelled, Failed, Finished, OfRequest, Opened, Received, Request
from surefetch.history import History


class _Account:
    """Mutable: one request under way."""

    __slots__ = ("connect", "opened_at", "origin", "start", "stop")

    def __init__(self, request: Request) -> None:
        self.origin = request.mirror.origin
        self.opened_at: float | None = None  # time of the first byte
        self.connect: float | None = None  # seconds until then
        self.start = self.stop = request.start  # what has come


class Meter:
    """Mutable: the requests under way, with when their first byte came and how many there were."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._accounts: dict[int, _Account] = {}

    def begin(self, request: Request) -> None:
        """Note a request; files of this machine have no history."""
        if not request.mirror.is_local:
            self._accounts[request.id] = _Account(request)

    def notice(self, event: OfRequest, now: float) -> None:
        """Take in what happened to a request."""
        account = self._accounts.get(event.id)
        if account is None:
            return
        match event:
            case Opened():
                account.opened_at, account.connect = now, event.seconds
                account.start = account.stop = event.start
            case Received():
                account.stop = event.stop
            case Finished():
                account.stop = max(account.stop, event.stop)
                self._end(event.id, now, None)
            case Failed():
                self._end(event.id, now, event.failure.value)
            case Cancelled():  # our own doing: only what arrived speaks of the origin
                self._end(event.id, now, "timeout" if account.opened_at is None else None)

    def _end(self, number: int, now: float, failure: str | None) -> None:
        account = self._accounts.pop(number)
        seconds = 0.0 if account.opened_at is None else now - account.opened_at
        count = account.stop - account.start
        self._history.record(account.origin, count, seconds, failure, connect=account.connect)
