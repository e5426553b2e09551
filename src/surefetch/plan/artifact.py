"""The plan for one artifact: which mirror to ask for which bytes, until they are proven or no way is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from surefetch.events import (
    Attempt,
    Cancel,
    Cancelled,
    Discard,
    Disproven,
    Event,
    Failed,
    Failure,
    Finished,
    Opened,
    Order,
    Phase,
    Prove,
    Proven,
    Received,
    Request,
)
from surefetch.model import Artifact, Mirror
from surefetch.plan.hosts import Hosts
from surefetch.plan.policy import GIVEN_UP, Limits, pause


class State(Enum):
    """How an artifact stands."""

    IDLE = "idle"  # may be asked for
    FETCHING = "fetching"
    PROVING = "proving"
    PROVEN = "proven"
    EXHAUSTED = "exhausted"  # no mirror is left


class Running:
    """Mutable account of the one request under way."""

    def __init__(self, request: Request, now: float) -> None:
        self.request = request
        self.began = now
        self.last_byte = now
        self.is_open = False
        self.is_cancelled = False

    def limit(self, limits: Limits) -> float:
        """When to give up on it unless something happens."""
        if self.is_open:
            return self.last_byte + limits.stall_timeout
        return self.began + limits.first_byte_timeout


class ArtifactPlan:
    """State machine for one artifact; changes with each event."""

    def __init__(
        self,
        artifact: Artifact,
        hosts: Hosts,
        ids: Iterator[int],
        limits: Limits,
        jitter: Callable[[], float],
    ) -> None:
        self.artifact = artifact
        self.state = State.IDLE
        self.attempts: list[Attempt] = []
        self.mirrors: list[Mirror] = []
        self.received = 0  # bytes [0, received) are in the part
        self.last_byte: float | None = None
        self._hosts, self._ids, self._limits, self._jitter = hosts, ids, limits, jitter
        self._dropped: set[Mirror] = set()
        self._failures: dict[Mirror, int] = {}
        self._ready_at: dict[Mirror, float] = {}
        self._givers: list[Mirror] = []  # who gave the bytes that are in the part
        self._alone = False  # bytes of several mirrors were wrong together: ask one at a time, from the start
        self._running: Running | None = None
        self._validator: str | None = None

    def offer(self, mirrors: Iterable[Mirror]) -> None:
        """Add mirrors, in order of preference; a local one goes first. Known ones are passed over."""
        new = [mirror for mirror in mirrors if mirror not in self.mirrors]
        self.mirrors = sorted([*self.mirrors, *new], key=lambda mirror: not mirror.is_local)
        if new and self.state is State.EXHAUSTED:
            self.state = State.IDLE

    def handle(self, event: Event, now: float) -> list[Order]:
        """Take in an event that concerns this artifact and say what follows from it alone."""
        match event:
            case Proven():
                self.state = State.PROVEN
            case Disproven():
                return self._disproven(event)
            case Opened() if self._running:
                return self._opened(event, now)
            case Received() if self._running:
                self._advance(event.stop, now)
            case Finished() if self._running:
                self._advance(event.stop, now)
                self._running = None
                self.state = State.PROVING
                return [Prove(artifact=self.artifact)]
            case Failed() if self._running:
                self._failed(event.failure, event.cause, event.detail, now, event.retry_after)
            case Cancelled() if self._running:
                failure, cause = GIVEN_UP[event.phase]
                waited = now - self._running.last_byte
                self._failed(failure, cause, f"nothing for {waited:.0f} s", now, None)
        return []

    def step(self, now: float) -> list[Order]:
        """Say what is to be done now: begin a request, or give up on a silent one."""
        if self._running:
            return self._watch(now)
        if self.state not in (State.IDLE, State.FETCHING):
            return []
        mirror = self._choose(now)
        if mirror is None:
            self.state = State.FETCHING if self._waiting() else State.EXHAUSTED
            return []
        return self._begin(mirror, now)

    def stop(self) -> list[Order]:
        """Break off: the artifact is no longer wanted."""
        if not self._running or self._running.is_cancelled:
            return []
        self._running.is_cancelled = True
        return [Cancel(id=self._running.request.id)]

    def wakes_at(self) -> float | None:
        """When `step` should be called again if nothing happens; None: no need."""
        if self._running:
            return None if self._running.is_cancelled else self._running.limit(self._limits)
        return min((self._ready(mirror) for mirror in self._waiting()), default=None)

    @property
    def request_id(self) -> int | None:
        """The request under way."""
        return self._running.request.id if self._running else None

    @property
    def is_usable(self) -> bool:
        """Whether a mirror is left that may be asked, now or after a pause."""
        return self.state is not State.EXHAUSTED and (self._running is not None or bool(self._waiting()))

    def _waiting(self) -> list[Mirror]:
        return [
            mirror
            for mirror in self.mirrors
            if mirror not in self._dropped and not self._hosts.is_dropped(mirror.origin)
        ]

    def _ready(self, mirror: Mirror) -> float:
        return max(self._ready_at.get(mirror, 0.0), self._hosts.ready_at(mirror.origin))

    def _choose(self, now: float) -> Mirror | None:
        return next((mirror for mirror in self._waiting() if self._ready(mirror) <= now), None)

    def _begin(self, mirror: Mirror, now: float) -> list[Order]:
        orders: list[Order] = []
        if self._alone and self._givers != [mirror]:
            orders += self._forget()
        same_giver = self._givers[-1:] == [mirror]
        request = Request(
            id=next(self._ids),
            artifact=self.artifact,
            mirror=mirror,
            start=self.received,
            stop=self.artifact.size,
            validator=self._validator if same_giver and self.received else None,
        )
        self._running = Running(request, now)
        self.state = State.FETCHING
        return [*orders, request]

    def _opened(self, event: Opened, now: float) -> list[Order]:
        assert self._running
        mirror = self._running.request.mirror
        self._running.is_open, self._running.last_byte = True, now
        self._validator = event.validator
        if event.start == 0 and self.received:  # ranges refused, or the file was replaced: it begins anew
            self.received, self._givers = 0, []
        if self._givers[-1:] != [mirror]:
            self._givers.append(mirror)
        self._hosts.worked(mirror.origin)
        return []

    def _advance(self, stop: int, now: float) -> None:
        assert self._running
        self.received = max(self.received, stop)
        self._running.last_byte = self.last_byte = now
        self._failures.pop(self._running.request.mirror, None)

    def _watch(self, now: float) -> list[Order]:
        assert self._running
        if self._running.is_cancelled or now < self._running.limit(self._limits):
            return []
        self._running.is_cancelled = True
        return [Cancel(id=self._running.request.id)]

    def _failed(
        self, failure: Failure, cause: str, detail: str, now: float, retry_after: float | None
    ) -> None:
        assert self._running
        mirror, began = self._running.request.mirror, self._running.began
        self._running = None
        self._tell(mirror, cause, detail, now - began)
        failures = self._failures[mirror] = self._failures.get(mirror, 0) + 1
        self._hosts.failed(mirror.origin, failure, cause)
        seconds = pause(failure, failures, self._jitter())
        if seconds is None:
            self._dropped.add(mirror)
            return
        self._ready_at[mirror] = now + max(seconds, retry_after or 0.0)
        if failure is Failure.BUSY:
            self._hosts.leave(mirror.origin, self._ready_at[mirror])

    def _disproven(self, event: Disproven) -> list[Order]:
        culprits, self.state = self._givers, State.IDLE
        if len(culprits) == 1:
            self._dropped.add(culprits[0])
            self._tell(culprits[0], event.cause, event.detail or f"its digest is {event.actual}", 0.0)
        else:
            self._alone = True
            for mirror in culprits:
                self._tell(mirror, event.cause, "bytes of several mirrors were wrong together", 0.0)
        return self._forget()

    def _forget(self) -> list[Order]:
        stop, self.received, self._givers, self._validator = self.received, 0, [], None
        return [Discard(artifact=self.artifact, start=0, stop=stop)] if stop else []

    def _tell(self, mirror: Mirror, cause: str, detail: str, seconds: float) -> None:
        self.attempts.append(
            Attempt(
                mirror=mirror.url,
                cause=cause,
                detail=detail,
                artifact=self.artifact.name,
                source=mirror.source,
                seconds=seconds,
            )
        )


__all__ = ["ArtifactPlan", "Phase", "State"]
