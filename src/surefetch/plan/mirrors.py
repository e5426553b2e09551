"""The mirrors of one artifact: in which order they are asked, and which are out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from surefetch.events import Failure
from surefetch.model import Mirror
from surefetch.plan.hosts import LOCAL, Host, Hosts, next_try
from surefetch.plan.policy import (
    BUSY_PAUSE,
    BY_CHANCE,
    CHANCE_PAUSE,
    PATIENCE,
    SHUT_OUT,
    TAKEN_BACK,
    Limits,
    asked_pause,
    is_page,
    pause,
)

#: Validators of one mirror that may differ before they say nothing: several machines answer under its name.
FICKLE = 2
#: Times in a row that a server is asked again just when it said; then later and later.
AT_ITS_WORD: Final = 3
#: Failures that a machine has told itself: behind the same name there may be others.
ANSWERS = frozenset(
    {Failure.BUSY, Failure.SERVER, Failure.GATEWAY, Failure.AUTH, Failure.MISSING, Failure.CORRUPT}
)

#: What one machine says of a file that another of the same name may have.
_OF_A_MACHINE: Final = frozenset({"http.not-found", "http.gone", "http.forbidden", "http.unauthorized"})
#: Times that another machine of a name is asked when nobody else is left; bytes that may be wrong, then.
ELSEWHERE: Final = 3
SMALL_ENOUGH: Final = 64 << 20


class Candidate:
    """Mutable account of one mirror of one artifact."""

    __slots__ = (
        "anew_at", "asked", "best", "changes", "elsewhere", "excused_at", "excuses", "failed_at",
        "failing_since", "failures", "full_times", "full_until", "gave_range", "given", "given_before",
        "has_lied", "has_relapsed", "host", "is_dropped", "is_full", "is_reserve", "is_stored", "is_suspect",
        "lanes", "last_byte", "may_be_elsewhere", "mirror", "passes_caches", "rank", "rate", "ready_at",
        "resizes", "running", "silences", "sips", "size", "strikes", "takes_ranges", "tires", "validator",
        "was_answered", "wholes",
    )  # fmt: skip

    def __init__(self, mirror: Mirror, host: Host, rank: tuple[float, ...]) -> None:
        self.mirror = mirror
        self.host = host
        self.rank = rank  # smaller is asked first
        self.is_dropped = False
        self.is_suspect = False  # it may have given wrong bytes
        self.failures = 0  # in a row; of requests that were under way together only the first
        self.failed_at = -inf  # when the last one was counted
        self.failing_since = inf  # when the first of them was
        self.was_answered = False  # the last one was an answer
        self.excuses = 0  # failures that were not counted
        self.excused_at = -inf  # when the last of them was
        self.has_relapsed = False  # it failed, gave others, and failed at this again
        self.given_before = 0  # bytes of the artifact, when the first of them was
        self.ready_at = 0.0
        self.asked = 0.0  # seconds that it has asked to be left alone, since it gave a byte
        self.running = 0  # requests under way
        self.lanes = host.lanes  # requests that it should have, when it is asked
        self.is_full = False  # more requests at once were tried and brought nothing
        self.full_until = inf  # when they may be tried again
        self.full_times = 0
        self.sips = False  # each request has some bytes at once, then none for a while
        self.tires = False  # its connections become slow by and by: each request has a new one
        self.anew_at = inf  # when a request was ended because a new one might be faster
        self.given = 0  # bytes of the artifact
        self.last_byte = -inf  # when it gave the last of them
        self.silences = 0  # requests that were broken off because nothing came, since it gave a byte
        self.strikes = 0  # pieces that it gave wrong
        self.rate = 0.0  # bytes per second of one connection, 0 while unknown
        self.takes_ranges: bool | None = None
        self.gave_range = False  # at least once
        self.best = [0, 0]  # most bytes that a request has brought: for the whole file, for a range
        self.has_lied = False  # it sent another stretch than it was asked for: it is not asked for any again
        self.size: int | None = None  # of the artifact, as it says
        self.resizes = 0  # times that it said something else than before
        self.wholes = 0  # whole files of it that were wrong since
        self.validator: str | None = None
        self.changes = 0  # of the validator
        self.is_stored = False  # a cache on the way may have kept an answer of it
        self.is_reserve = False  # dropped for what a cache may have kept: to be asked past it
        self.passes_caches = False  # it is asked past them
        self.elsewhere = 0  # times that other machines of its name were turned to
        self.may_be_elsewhere = False  # dropped for what one machine said

    @property
    def is_out(self) -> bool:
        """Whether it will not be asked any more."""
        return self.is_dropped or bool(self.host.dropped)

    def spoilt(self, cause: str) -> None:
        """Note that it is dropped: past a cache on the way, or elsewhere, it may have the right bytes."""
        is_body = cause.startswith("body.") and cause != "body.captive-portal"
        self.is_reserve = self.is_stored and not self.passes_caches and is_body
        is_machines = cause in _OF_A_MACHINE or (is_body and self.given <= SMALL_ENOUGH)
        self.may_be_elsewhere = is_machines and self.elsewhere < ELSEWHERE

    def give_another_chance(self) -> None:
        """Ask it once more, past caches on the way, or another of its machines: nothing is known of those."""
        self.passes_caches |= self.is_reserve
        self.elsewhere += not self.is_reserve
        self.is_reserve = self.is_dropped = self.is_suspect = self.is_stored = self.may_be_elsewhere = False
        self.size = self.takes_ranges = self.validator = None
        self.gave_range = self.has_lied = False
        self.failures = self.resizes = self.wholes = self.strikes = self.changes = 0

    @property
    def is_fickle(self) -> bool:
        """Whether its validators say nothing."""
        return self.changes >= FICKLE

    @property
    def is_proven(self) -> bool:
        """Whether it has given bytes and has not failed since."""
        return self.given > 0 and not self.failures

    def ready(self) -> float:
        """When it may be asked (0: at once)."""
        return max(self.ready_at, self.host.paused_until)

    def first_byte(self, unknown: float) -> float:
        """Seconds from an order to its first byte, by guess."""
        return self.host.first_byte or unknown

    def belief(self, unknown: float) -> float:
        """Bytes per second to expect of one more connection."""
        return self.rate or self.host.rate or unknown

    def filled(self, now: float) -> None:
        """Note that more requests at once bring nothing; others may share the link, until they leave it."""
        self.is_full = True
        self.full_until = next_try(self.full_times, now)
        self.full_times += 1

    def failed(
        self,
        failure: Failure,
        began: float,
        jitter: float,
        retry_after: float | None,
        now: float,
        limits: Limits,
    ) -> None:
        """Note the failure of a request: leave it alone for a while, or for good."""
        is_known = self._counted(failure, began, now)
        seconds = pause(failure, self.failures, jitter)
        if failure is Failure.BUSY and seconds is not None:
            # By what its host refused: each of many files has its first failure.
            seconds = max(seconds, min(BUSY_PAUSE, 2.0 ** (self.host.in_row - 1)) * (0.5 + jitter))
        if failure in BY_CHANCE and self.host.explains(self.failures):
            seconds = min(CHANCE_PAUSE * (0.5 + jitter), inf if seconds is None else seconds)
        if retry_after and PATIENCE[failure].retries:
            late = max(self.failures, self.host.in_row) - AT_ITS_WORD
            later = min(BUSY_PAUSE, 2.0 ** (late - 1), limits.longest_pause - self.asked)
            seconds = max(retry_after, later if late > 0 else 0.0)
            self.asked += 0.0 if is_known else seconds
            seconds = asked_pause(seconds, jitter) if self.asked <= limits.longest_pause else None
        if seconds is None:
            self.is_dropped = True
            return
        self.ready_at = now + seconds
        is_busy = failure is Failure.BUSY and not self.host.pace.is_by_chance
        if is_busy or failure is Failure.CONNECT:
            self.host.leave(self.ready_at)

    def took_back(self, failure: Failure, began: float, jitter: float, now: float) -> bool:
        """Note that it refuses a file of which it gave bytes a moment ago; return whether to ask again."""
        self._counted(failure, began, now)
        pauses = SHUT_OUT if failure is Failure.AUTH else TAKEN_BACK
        if self.failures > len(pauses):
            return False
        self.ready_at = max(self.ready_at, now + pauses[self.failures - 1] * (1 + jitter / 4))
        self.asked = max(self.asked, self.ready_at - now)  # silence does not count meanwhile
        return True

    def minds_ranges(self, failure: Failure, cause: str) -> bool:
        """Whether it may be the range that it failed at: it never gave one, and is not known to fail."""
        if self.gave_range or self.takes_ranges is False:
            return False
        is_plain = failure in (Failure.MISSING, Failure.AUTH, Failure.TIMEOUT)
        is_plain |= is_page(cause) or cause == "body.unasked-encoding"
        may_be = failure in (Failure.BUSY, Failure.SERVER, Failure.GATEWAY, Failure.CUT)
        return is_plain or (may_be and self.failures > 0)

    @property
    def wants_anew(self) -> bool:
        """Whether another connection may do better, perhaps because it leads to another machine."""
        tries = 1 if self.host.most is None else 2  # what it refuses may be just that: one connection more
        return self.tires or (self.failures >= tries and self.was_answered)

    @property
    def is_dead(self) -> bool:
        """Whether its host has given nobody a byte since it began to fail."""
        return self.failures > 0 and self.host.last_byte < self.failing_since

    def _counted(self, failure: Failure, began: float, now: float) -> bool:
        """Count a failure; return whether it is one of an incident that is known."""
        self.was_answered = failure in ANSWERS
        if self.failures > 0 and began < self.failed_at:  # the others of the same incident
            return True
        if not self.failures:
            self.given_before, self.failing_since = self.given, now
        self.failures += 1
        self.failed_at = now
        return False


class Roster:
    """Mutable list of an artifact's candidates, the best first."""

    def __init__(self, hosts: Hosts) -> None:
        self.candidates: list[Candidate] = []
        self._hosts = hosts
        self._known: dict[str, Candidate] = {}

    @property
    def is_out(self) -> bool:
        """Whether none of them will be asked any more."""
        for candidate in self.candidates:  # noqa: SIM110 - asked seven times for each file: no generator
            if not (candidate.is_dropped or candidate.host.dropped):
                return False
        return True

    def offer(self, mirrors: Iterable[Mirror], rank: Callable[[Mirror], float]) -> list[Candidate]:
        """Add mirrors, in order of preference; return those that are new."""
        new = []
        for mirror in mirrors:
            if mirror.url not in self._known:
                place = (float(not mirror.is_local), float(len(self._known)), rank(mirror))
                candidate = Candidate(mirror, self._hosts.of(mirror.origin), place)
                self._known[mirror.url] = candidate
                new.append(candidate)
        if new:
            self.candidates = sorted([*self.candidates, *new], key=lambda candidate: candidate.rank)
        return new

    def earlier(self, url: str, validator: str | None) -> Candidate:
        """Return the giver of bytes that an earlier run left: the mirror of that URL, or nobody known."""
        found = self._known.get(url)
        if found is None:
            found = Candidate(Mirror(url=url or "an earlier run", source=""), Host(url), (2.0,))
            found.is_dropped = True  # it cannot be asked; it can be blamed
        if validator and found.validator is None:
            found.validator = validator
        return found


__all__ = ["LOCAL", "Candidate", "Roster"]
