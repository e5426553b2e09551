"""Whose turn it is: artifacts that wait for a slot, for room at a host, or for a time."""

from __future__ import annotations

import heapq
import itertools
from typing import Final

from surefetch.plan.artifact import ArtifactPlan
from surefetch.plan.hosts import Host
from surefetch.plan.policy import SMALL_JOBS, Limits

#: Steps of this share of a line, around and around, come by all of its parts (the golden section).
ALL_OVER: Final = 0.382


class Turns:
    """Mutable: each needed artifact is in a slot, queued for one, parked at a host, or asleep."""

    def __init__(self, limits: Limits) -> None:
        self._free = limits.jobs * SMALL_JOBS
        self._small = 1 if limits.jobs > 1 else SMALL_JOBS  # one job is one artifact, however small
        self._queue: list[tuple[int, int, ArtifactPlan]] = []
        self._sleepers: list[tuple[float, int, ArtifactPlan]] = []
        self._serial = itertools.count()
        self.live: set[ArtifactPlan] = set()  # in a slot, queued, parked or asleep

    def enqueue(self, plan: ArtifactPlan) -> None:
        """Let an artifact wait for a slot; the largest goes first."""
        if plan.has_slot or plan.is_queued:
            return
        self.live.add(plan)
        plan.is_queued, plan.is_parked = True, False
        heapq.heappush(self._queue, (-plan.artifact.bound, next(self._serial), plan))

    def admit(self) -> ArtifactPlan | None:
        """Give the next slot away; None if there is none, or nobody waits."""
        while self._queue:
            plan = self._queue[0][2]
            if plan.is_queued and self._weight(plan) > self._free:
                return None
            heapq.heappop(self._queue)
            if plan.is_queued:
                plan.is_queued, plan.has_slot = False, True
                self._free -= self._weight(plan)
                return plan
        return None

    def leave(self, plan: ArtifactPlan) -> None:
        """Take an artifact out of its slot and of every queue."""
        self._vacate(plan)
        plan.is_queued = plan.is_parked = False
        plan.wakes = None
        self.live.discard(plan)

    def park(self, plan: ArtifactPlan, hosts: list[Host]) -> None:
        """Let an artifact wait until one of the hosts has room."""
        self._vacate(plan)
        self.live.add(plan)
        plan.is_parked = True
        for host in dict.fromkeys(hosts):
            (host.sharers if plan.shares and host.is_multiplexed else host.waiting).append(plan)

    def sleep(self, plan: ArtifactPlan, until: float, *, keeps_slot: bool) -> None:
        """Wake an artifact at a time."""
        if not keeps_slot:
            self._vacate(plan)
        if plan.wakes is None or until < plan.wakes:
            plan.wakes = until
            heapq.heappush(self._sleepers, (until, next(self._serial), plan))

    def unpark(self, host: Host, limits: Limits) -> None:
        """Queue as many of the artifacts that wait for a host as it has room for; all, if it is dropped."""
        for parked, shares in ((host.waiting, False), (host.sharers, True)):
            if not parked:
                continue
            count = len(parked) if host.dropped else host.queue(limits, shares=shares)
            while parked and count > 0:
                if host.gives_nobody:
                    parked.rotate(-int(len(parked) * ALL_OVER))
                plan = parked.popleft()
                if plan.is_parked:
                    self.enqueue(plan)
                    count -= 1

    def awake(self, now: float) -> list[ArtifactPlan]:
        """Return the artifacts whose time has come."""
        due = []
        while self._sleepers and self._sleepers[0][0] <= now:
            until, _, plan = heapq.heappop(self._sleepers)
            if plan.wakes == until:
                plan.wakes = None
                due.append(plan)
        return due

    def next_time(self) -> float | None:
        """When the next artifact wakes."""
        while self._sleepers and self._sleepers[0][2].wakes != self._sleepers[0][0]:
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _vacate(self, plan: ArtifactPlan) -> None:
        if plan.has_slot:
            plan.has_slot = False
            self._free += self._weight(plan)

    def _weight(self, plan: ArtifactPlan) -> int:
        return self._small if plan.is_small else SMALL_JOBS
