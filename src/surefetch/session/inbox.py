"""Where events from other threads wait for the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from surefetch.events import Event


class Inbox:
    """Mutable queue of events: any thread posts, the loop takes.

    Attributes:
        wake: Called after the first post since the last `take`, to end a wait on the network.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self.wake: Callable[[], None] = lambda: None
        self._is_woken = False

    def post(self, event: Event) -> None:
        """Put an event in; from any thread."""
        with self._changed:
            self._events.append(event)
            is_first, self._is_woken = not self._is_woken, True
            self._changed.notify()
        if is_first:
            self.wake()

    def take(self, timeout: float = 0.0) -> list[Event]:
        """Return what is here, after waiting up to `timeout` seconds for a first event."""
        with self._changed:
            if timeout > 0 and not self._events:
                self._changed.wait(timeout)
            events = list(self._events)
            self._events.clear()
            self._is_woken = False
        return events
