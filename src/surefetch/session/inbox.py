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
        self._error: BaseException | None = None

    def post(self, event: Event) -> None:
        """Put an event in; from any thread."""
        with self._changed:
            self._events.append(event)
            is_first = self._notify()
        if is_first:
            self.wake()

    def give_up(self, error: BaseException) -> None:
        """Have an error that no event can tell raised in the loop; from any thread. The first one counts."""
        with self._changed:
            self._error = self._error or error
            is_first = self._notify()
        if is_first:
            self.wake()

    def _notify(self) -> bool:
        """Wake who waits in `take`; return whether the network is to be woken, too. The lock is held."""
        is_first, self._is_woken = not self._is_woken, True
        self._changed.notify()
        return is_first

    def take(self, timeout: float = 0.0) -> list[Event]:
        """Return what is here, after waiting up to `timeout` seconds for a first event.

        Raises:
            BaseException: What ended a thread that was to post something.
        """
        with self._changed:
            if timeout > 0 and not self._events and self._error is None:
                self._changed.wait(timeout)
            if self._error is not None:
                raise self._error
            events = list(self._events)
            self._events.clear()
            self._is_woken = False
        return events
