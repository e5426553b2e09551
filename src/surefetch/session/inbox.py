"""Where events from other threads wait for the loop."""

from __future__ import annotations

import queue
from collections.abc import Callable

from surefetch.events import Event


class Inbox:
    """Mutable queue of events: any thread posts, the loop takes.

    Attributes:
        wake: Called after each post, to end a wait on the network; from any thread.
    """

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.wake: Callable[[], None] = lambda: None

    def post(self, event: Event) -> None:
        """Put an event in; from any thread."""
        self._events.put(event)
        self.wake()

    def take(self, timeout: float = 0.0) -> list[Event]:
        """Return what is here, after waiting up to `timeout` seconds for a first event."""
        events: list[Event] = []
        try:
            if timeout > 0:
                events.append(self._events.get(timeout=timeout))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events
