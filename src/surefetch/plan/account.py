"""What stands in the books of one artifact: its mirrors, its bytes, its requests under way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from surefetch.events import Attempt, Cancel, Discard, Order, Request, Shorten
from surefetch.model import Artifact, Digest, Lookup, Mirror, Struct
from surefetch.plan import segments
from surefetch.plan.blame import Blame
from surefetch.plan.hosts import Host, Hosts
from surefetch.plan.mirrors import Candidate, Roster
from surefetch.plan.policy import PROGRESS, PROGRESS_BYTES, SMALL_BYTES, Limits
from surefetch.plan.running import Ending, Running
from surefetch.plan.segments import Pace
from surefetch.plan.spans import Spans
from surefetch.plan.widening import Widening

if TYPE_CHECKING:
    from surefetch.plan.checking import Check
    from surefetch.plan.ways import Way

#: What is assumed of a mirror that nothing is known about.
UNKNOWN_FIRST_BYTE: Final = 0.3  # seconds
UNKNOWN_RATE: Final = 1e6  # bytes per second
#: The cause of a fetch that has used up its time.
LATE: Final = "transfer.deadline"
#: Seconds of silence that are told as such.
STANDSTILL: Final = 1.0
#: Seconds of bytes from which a rate is read.
LEAST_MEASURED: Final = 0.05


class State(Enum):
    """How an artifact stands."""

    IDLE = "idle"  # may be asked for
    FETCHING = "fetching"
    PROVING = "proving"
    PROVEN = "proven"
    EXHAUSTED = "exhausted"  # no mirror is left


class Held(Struct, frozen=True, kw_only=True):
    """What an earlier run left of an artifact."""

    ranges: tuple[tuple[int, int], ...]
    size: int | None = None  # of the whole, as a mirror told it then
    validators: Mapping[str, str] = {}  # URL -> validator that its mirror had


class Shared(Struct, frozen=True, kw_only=True):
    """What all artifacts of one fetch share."""

    hosts: Hosts
    ids: Iterator[int]
    limits: Limits
    jitter: Callable[[], float]
    rank: Callable[[Mirror], float]
    attempts: list[Attempt]


class Account:
    """Mutable books of one artifact. `ArtifactPlan` makes decisions of them.

    Attributes:
        artifact: The artifact.
        state: How it stands.
        size: Its size: promised, or told by a mirror, or None.
        spans: Which bytes are here, and who gave them.
        is_small: Whether one request is right for it.
        shares: Whether it shares a connection where a host multiplexes.
        running: Requests under way, by number.
        blocked: Hosts that it would have asked at the last step if they had room.
    """

    def __init__(self, artifact: Artifact, shared: Shared) -> None:
        self.artifact = artifact
        self.state = State.IDLE
        self.size = 0 if artifact.is_empty else artifact.size
        self.is_small = artifact.bound <= SMALL_BYTES
        self.shares = artifact.may_share
        self.spans: Spans[Candidate] = Spans()
        self.running: dict[int, Running] = {}
        self.blocked: list[Host] = []
        self.last_byte = float("-inf")
        self._shared, self._limits = shared, shared.limits
        self._roster = Roster(shared.hosts)
        self._blame = Blame()
        self._seen: dict[Digest, Candidate] = {}  # of whole files that one mirror gave, and that were wrong
        self._check: Check | None = None  # a second opinion is being gathered
        self._has_checked = False  # and did not tell who lied
        self._widening = Widening()
        self._is_guess = self._has_guessed = False  # what came is taken for all
        self._size_changes = 0  # times that most mirrors told another size than the one believed
        self._forgotten: list[segments.Range] = []  # ordered to be discarded, and not told to be
        self._rounds: dict[int, int] = {}  # piece -> times that it was wrong
        self._began = 0.0  # time of the first request, 0 before
        self._silent_since = math.inf  # the last byte, or the first request after nobody was asked
        self._lined_up: float | None = None  # since when it waits for its turn
        self._look_at = float("-inf")  # not worth looking for more to do before
        # Kept by the planner:
        self.need = self.want = 0  # ways that need it, that could use it
        self.ways: list[Way] = []
        self.lookups: list[Lookup] = []  # not answered yet
        self.is_open = True
        self.is_examined = False  # its sources were asked
        self.is_queued = self.is_parked = self.has_slot = False
        self.wakes: float | None = None

    @property
    def mirrors(self) -> list[Mirror]:
        """Its mirrors, the best first."""
        return [candidate.mirror for candidate in self._roster.candidates]

    @property
    def received(self) -> int:
        """Bytes that are here."""
        return self.spans.total

    def seconds(self, now: float) -> float:
        """Seconds since it was asked for first; 0 before."""
        return now - self._began if self._began else 0.0

    # --- mirrors --------------------------------------------------------------------------------------------

    def _waiting(self) -> list[Candidate]:
        """Mirrors that may be asked, now or after a pause."""
        return [c for c in self._roster.candidates if not c.is_out]

    def _room(self, candidate: Candidate) -> int:
        """How many more requests of this artifact a mirror's host may be given."""
        return candidate.host.room(self._limits, shares=self.shares)

    def _usable(self) -> list[Candidate]:
        """Mirrors that may be asked in this round, the best first; those that take no ranges last."""
        allowed = [
            c
            for c in self._roster.candidates
            if not c.is_out and self._blame.allows(c) and (self.size is None or c.size in (None, self.size))
        ]
        honest = [c for c in allowed if not c.host.is_liar]
        return sorted(honest or allowed, key=_preference)

    def _sole_hope(self) -> Running | None:
        """Return the request that is waited for because nobody else can be asked.

        It is the one over which a byte came last. If somebody is at work on it, a new one would begin anew.
        """
        runs = [run for run in self.running.values() if not (run.ending or run.asks_size)]
        candidates = dict.fromkeys([run.candidate for run in runs] + self._waiting())
        if not runs or len(candidates) > 1 or runs[0].candidate.host.is_mute:
            return None
        return max(runs, key=lambda run: (run.gained > 0, run.opened_at is not None and run.last_byte))

    # --- requests -------------------------------------------------------------------------------------------

    def _begin(
        self, candidate: Candidate, start: int, stop: int | None, now: float, *, compares: bool = False
    ) -> list[Order]:
        """Ask for [start, stop); a mirror that takes no ranges is asked for everything, as far as `stop`."""
        is_plain = candidate.takes_ranges is False
        request = Request(
            id=next(self._shared.ids),
            artifact=self.artifact,
            mirror=candidate.mirror,
            start=0 if is_plain else start,
            stop=self.artifact.size if is_plain else stop,
            validator=None if candidate.is_fickle else candidate.validator,
            compares=compares,
            is_anew=candidate.wants_anew,
            elsewhere=candidate.elsewhere,
            past_caches=candidate.passes_caches,
        )
        run = self.running[request.id] = Running(request, candidate, start, stop, now)
        run.overlaps = is_plain
        candidate.running += 1
        candidate.host.asked(shares=self.shares)
        self._shared.hosts.requests += 1
        self.state = State.FETCHING
        self._silent_since = min(self._silent_since, now)
        if is_plain and stop is not None and stop != self.artifact.size:
            return [request, Shorten(id=request.id, stop=stop)]
        return [request]

    def _newest(self) -> Running:
        """Return the request that was begun last."""
        return next(reversed(self.running.values()))

    def _release(self, run: Running, now: float) -> None:
        del self.running[run.request.id]
        if run.twin:
            run.twin.twin = None
        candidate = run.candidate
        candidate.running -= 1
        is_range = self._is_range(run.request)
        candidate.best[is_range] = max(candidate.best[is_range], run.gained)
        candidate.host.giving -= run.opened_at is not None
        asked = run.request.stop or self.size or 0
        is_closed = run.opened_at is not None and run.at < asked
        candidate.host.released(now, self._limits, shares=self.shares, is_closed=is_closed)
        self._shared.hosts.freed.append(candidate.host)
        if (
            run.opened_at is not None
            and now - run.opened_at > LEAST_MEASURED
            and not run.request.mirror.is_local
        ):
            rate = run.meter.rate(now, 0.0)
            if rate > 0:
                candidate.rate = rate
                candidate.host.rate = rate

    def _break_off(self, run: Running, ending: Ending) -> list[Order]:
        if run.ending:
            return []
        run.ending = ending
        return [Cancel(id=run.request.id)]

    def _stop(self, ending: Ending) -> list[Order]:
        return [order for run in self.running.values() for order in self._break_off(run, ending)]

    def _is_range(self, request: Request) -> bool:
        return request.start > 0 or (request.stop is not None and request.stop != self.artifact.size)

    def _is_splittable(self) -> bool:
        return self.size is not None and self.size > SMALL_BYTES

    def _progress(self) -> float:
        """Bytes after which a request counts as having worked."""
        return min(max(1.0, self.size * PROGRESS), PROGRESS_BYTES) if self.size else float(segments.GRAIN)

    def _gaps(self) -> list[segments.Range]:
        """What is neither here nor asked for."""
        assert self.size is not None
        asked = [(run.at, run.stop or self.size) for run in self.running.values() if not run.ending]
        return segments.subtract(self.spans.gaps(0, self.size), asked)

    # --- guesses --------------------------------------------------------------------------------------------

    def _belief(self, runs: list[Running], now: float) -> float:
        """Bytes per second to expect of a connection that nothing is known about: what the others give."""
        rates = [run.meter.rate(run.last_byte, UNKNOWN_RATE) for run in runs if run.opened_at is not None]
        return sum(rates) / len(rates) if rates else UNKNOWN_RATE

    def _total_rate(self, candidate: Candidate) -> float:
        """Bytes per second to expect of a mirror over all connections that it may have."""
        if candidate.silences and not candidate.given:
            return 1.0  # it was asked before, in vain
        return candidate.belief(UNKNOWN_RATE) * max(1, candidate.lanes)

    def _pace(self, run: Running, now: float, belief: float) -> Pace:
        candidate = run.candidate
        return run.pace(now, candidate.belief(belief), candidate.first_byte(UNKNOWN_FIRST_BYTE))

    def _promise(self, candidate: Candidate, start: int, belief: float) -> Pace:
        """What to expect of a new request for bytes from `start` on."""
        rate = candidate.belief(belief)
        skipped = start if candidate.takes_ranges is False else 0
        return Pace(candidate.first_byte(UNKNOWN_FIRST_BYTE) + skipped / rate, rate)

    def _eta(self, run: Running, now: float, belief: float) -> float:
        pace = self._pace(run, now, belief)
        return pace.wait + run.left / pace.rate

    def discarded(self, start: int, stop: int) -> None:
        """Note that bytes were discarded as ordered: what comes of them from now on stays."""
        self._forgotten.remove((start, stop))

    # --- telling --------------------------------------------------------------------------------------------

    def _forget(self, start: int, stop: int) -> Discard:
        """Have bytes discarded; what is written of them until that is done goes, too."""
        self._forgotten.append((start, stop))
        return Discard(artifact=self.artifact, start=start, stop=stop)

    def tell_late(self, now: float) -> None:
        """Tell what each mirror that is asked does when the time for all is used up."""
        left = f", {self.size - self.spans.total:,} bytes to go" if self.size else ""
        live = [run for run in self.running.values() if not run.ending]
        for candidate in dict.fromkeys(run.candidate for run in live):
            runs = [run for run in live if run.candidate is candidate]
            opened = [run for run in runs if run.opened_at is not None]
            silence = now - max((run.last_byte for run in opened), default=runs[0].began)
            detail = f"{sum(run.meter.rate(now, 0.0) for run in runs):,.0f} bytes a second{left}"
            if not opened:
                detail = f"no answer for {silence:.0f} s"
            elif silence >= STANDSTILL:
                detail = f"nothing for {silence:.0f} s{left}"
            self._tell(candidate, LATE, detail, now - runs[0].began, sum(run.gained for run in runs))

    def _drop(self, candidate: Candidate, cause: str, detail: str) -> None:
        if not candidate.is_dropped or not candidate.mirror.source:
            self._tell(candidate, cause, detail, 0.0, candidate.given)
            candidate.spoilt(cause)
        candidate.is_dropped = True

    def _tell(self, candidate: Candidate, cause: str, detail: str, seconds: float, count: int) -> None:
        self._shared.attempts.append(
            Attempt(
                mirror=candidate.mirror.url,
                cause=cause,
                detail=detail,
                artifact=self.artifact.name,
                source=candidate.mirror.source,
                seconds=seconds,
                bytes=max(0, count),
            )
        )


def _preference(candidate: Candidate) -> tuple[object, ...]:
    """Local ones first, those in doubt last, else as they are ranked."""
    doubt = bool(candidate.failures or candidate.host.in_row)
    is_plain = candidate.takes_ranges is False
    return (
        not candidate.mirror.is_local,
        is_plain,
        candidate.is_suspect,
        candidate.silences,
        doubt,
        candidate.rank,
    )
