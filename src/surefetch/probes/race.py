"""Run small looks side by side, each in a thread of its own, and take what came until a moment."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any


class Race:
    """Looks under way. Mutable: collects what comes. A look that hangs is left behind, never awaited."""

    def __init__(self, looks: Mapping[str, Callable[[], Any]]) -> None:
        """Start all looks at once, by their names."""
        self._results: queue.SimpleQueue[tuple[str, Any, BaseException | None]] = queue.SimpleQueue()
        self._open = set(looks)
        for name, look in looks.items():
            # A resolver may hang for half a minute and cannot be stopped: a daemon does not hold the exit.
            threading.Thread(target=self._run, args=(name, look), daemon=True).start()

    def _run(self, name: str, look: Callable[[], Any]) -> None:
        try:
            self._results.put((name, look(), None))
        except BaseException as error:  # handed to `collect`, which raises it in its caller's thread
            self._results.put((name, None, error))

    def collect(self, until: float) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what each look gave until a moment of `time.monotonic()`, and the names of those still open.

        Raises:
            Exception: Whatever a look raised: looks turn what they expect into facts themselves.
        """
        found: dict[str, Any] = {}
        while self._open:
            try:
                name, result, error = self._results.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if error is not None:
                raise error
            self._open.discard(name)
            found[name] = result
        return found, tuple(sorted(self._open))
