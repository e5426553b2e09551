"""What is known of each host in this fetch: judged once, for all its artifacts."""

from __future__ import annotations

from surefetch.events import Failure
from surefetch.plan.policy import PATIENCE


class Hosts:
    """Mutable ledger of origins: which are dropped, which are to be left alone for a while."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._paused_until: dict[str, float] = {}
        self._dropped: dict[str, str] = {}  # origin -> cause

    def failed(self, origin: str, failure: Failure, cause: str) -> int:
        """Note a failure; return how many this origin has had in a row."""
        count = self._failures.get(origin, 0) + 1
        self._failures[origin] = count
        patience = PATIENCE[failure]
        if patience.spoils_host and count > patience.retries:
            self._dropped[origin] = cause
        return count

    def worked(self, origin: str) -> None:
        """Note that bytes came from the origin: earlier failures in a row are forgotten."""
        self._failures.pop(origin, None)

    def leave(self, origin: str, until: float) -> None:
        """Leave the origin alone until then."""
        self._paused_until[origin] = max(until, self._paused_until.get(origin, until))

    def is_dropped(self, origin: str) -> bool:
        """Whether the origin is out for this fetch."""
        return origin in self._dropped

    def ready_at(self, origin: str) -> float:
        """When the origin may be asked again (0: at once)."""
        return self._paused_until.get(origin, 0.0)
