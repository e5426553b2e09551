"""The plan for one artifact: which mirror to ask for which bytes, until they are proven or no way is left."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from surefetch.events import (
    Cancelled,
    Differed,
    Disordered,
    Disproven,
    Divide,
    Event,
    Failed,
    Failure,
    Finished,
    Opened,
    Order,
    PieceJudged,
    Prove,
    Proven,
    Received,
)
from surefetch.model import PIECE_BYTES, Mirror
from surefetch.plan import segments
from surefetch.plan.account import Held, Shared, State
from surefetch.plan.blame import Measure
from surefetch.plan.hosts import Host
from surefetch.plan.mirrors import Candidate
from surefetch.plan.policy import (
    GIVEN_UP,
    asked_pause,
    denies,
    is_away,
    is_page,
    is_refusal,
    takes_back,
    weighed,
)
from surefetch.plan.racing import RACE_SILENCE, SAME_AGAIN
from surefetch.plan.refusals import BESIDE, Refusals
from surefetch.plan.running import QUIET, Ending, Running
from surefetch.plan.sizing import OTHER

#: A request that lost its race after so many seconds of silence counts as a failure of its mirror.
SILENT: Final = 3.0
#: Seconds between two looks at whether somebody could help: often at first, less so in a long transfer.
LOOK_AGAIN: Final = 0.02
LOOK_RARELY: Final = 0.2
#: Seconds after which to look although nothing happened.
HELP_AFTER: Final = 0.2
#: The same where nobody could, when we looked last.
HELP_RARELY: Final = 1.0
#: A file of so many bytes, wrong as it came in parts from its only mirror, is asked for once more as a whole.
ONCE_MORE: Final = 64 << 20
#: Pieces that several mirrors may have spoilt are fetched again so often before one of them is dropped.
PIECE_ROUNDS: Final = 6


class ArtifactPlan(Refusals):
    """State machine for one artifact; changes with each event."""

    @property
    def is_usable(self) -> bool:
        """Whether a mirror is left that may be asked, now or after a pause."""
        if self.state is State.EXHAUSTED:
            return False
        return bool(self.running) or not self._roster.is_out or bool(self._reserves())

    def offer(self, mirrors: Iterable[Mirror]) -> None:
        """Add mirrors, in order of preference; a local one goes first. Known ones are passed over."""
        new = self._roster.offer(mirrors, self._shared.rank)
        for candidate in new:
            candidate.host.plans.append(self)
        if any(not candidate.is_out for candidate in new) and self.state is State.EXHAUSTED:
            self.state = State.IDLE

    def resume(self, held: Held) -> None:
        """Take in what an earlier run left; called once the mirrors are known, before the first step."""
        for url, validator in held.validators.items():
            self._roster.earlier(url, validator)
        if self.size is None and held.size is not None and held.size <= (self.artifact.bound or held.size):
            self.size = held.size  # believed until a mirror tells another one
        giver = self._roster.earlier("", None)  # nobody's yet: the disk may have changed it since
        limit = self.size if self.size is not None else self.artifact.bound
        for start, stop in held.ranges:
            giver.given += self.spans.add(start, min(stop, limit) if limit else stop, giver)

    # --- events -------------------------------------------------------------------------------------------

    def handle(self, event: Event, now: float) -> list[Order]:
        """Take in an event that concerns this artifact and say what follows from it alone."""
        if isinstance(event, Received):
            run = self.running.get(event.id)
            return self._received(run, event.start, event.stop, now) if run else []
        is_news = not (isinstance(event, Opened) and self.is_small)  # what is small is here next
        self._look_at = float("-inf") if is_news else now + LOOK_AGAIN
        match event:
            case Opened() | Finished() | Failed() | Cancelled() | Disordered() | Differed() if (
                event.id in self.running
            ):
                return self._answered(self.running[event.id], event, now)
            case Proven():
                self._proven()
            case Disproven():
                self._silent_since = now
                return self._disproven(event)
            case PieceJudged():
                is_news = not event.is_right and self.state in (State.IDLE, State.FETCHING)
                return self._piece_wrong(event.index, "body.corrupt") if is_news else []
        return []

    def _answered(self, run: Running, event: Event, now: float) -> list[Order]:
        match event:
            case Opened():
                return self._opened(run, event, now)
            case Finished():
                return self._finished(run, event.stop, now)
            case Disordered():
                self._disordered(run, event, now)
            case Differed():
                return self._differed(run, event)
            case Failed() if self._is_all(event.size):
                # Its answer before was to be longer, or had no end.
                self.size = run.candidate.size = event.size
                self._release(run, now)
            case Failed() if event.is_alone:
                run.candidate.is_dropped = True
                self._release(run, now)
            case Failed():
                run.candidate.is_stored |= event.is_stored
                return self._failed(run, event.failure, event.cause, event.detail, now, event.retry_after)
            case Cancelled():
                self._cancelled(run, event, now)
        return []

    def _is_all(self, size: int | None) -> bool:
        """Whether everything is here of a file whose size a mirror tells and nobody promised."""
        return self.artifact.size is None and size == self.spans.total == self.spans.end > 0

    def _opened(self, run: Running, event: Opened, now: float) -> list[Order]:
        candidate, seconds = run.candidate, event.seconds or now - run.began
        is_crowded = self._widening.is_crowded(candidate, seconds, event.round_trip, now)
        usual = candidate.host.first_byte if is_crowded else seconds
        is_back = candidate.host.is_away
        candidate.is_stored |= event.is_stored
        candidate.host.worked(usual, now, event.round_trip)
        candidate.host.gave(run.began, had_refused=candidate.excuses > 0)
        is_own = not (self.shares and candidate.host.is_multiplexed)
        if self.is_small and is_own and candidate.host.answered_small(now, self._limits):
            self._shared.hosts.freed.append(candidate.host)
        if event.is_multiplexed and not candidate.host.is_multiplexed:
            candidate.host.multiplexes()
            self._shared.hosts.freed.append(candidate.host)
        has_waited = run.served_at(self._limits) > run.began
        if has_waited or is_back or candidate.takes_ranges is None:  # it is no silence that ends, or ends now
            self._silent_since = now
        if self._is_range(run.request):
            candidate.takes_ranges = event.takes_ranges and not candidate.has_lied
            candidate.gave_range |= candidate.takes_ranges
        elif not event.takes_ranges:  # it does not say that it would: nothing is risked on it
            candidate.is_full = True
        elif candidate.takes_ranges is None:
            candidate.takes_ranges = True
        run.opened(event.start, now)
        if run.ending:
            return []
        was_unknown = self.size is None
        if ending := self._weigh_size(candidate, event.size):
            return self._break_off(run, ending)
        size = candidate.size
        orders = self._change_size(size, run) if size is not None and self._is_outvoted(size) else []
        orders += self._weigh_validator(run, event.validator)
        if was_unknown and self.size is not None:
            orders += self._bound_others(run, self.size)
        if event.start != run.request.start:
            orders += self._began_elsewhere(run)
        elif is_crowded:
            orders += self._give_back(run)
        elif run.stop is None:
            run.stop = self.size
        return orders

    def _weigh_validator(self, run: Running, validator: str | None) -> list[Order]:
        """Forget what a mirror gave, and break off what it still gives, of a file that it has replaced."""
        candidate = run.candidate
        before, candidate.validator = candidate.validator, validator or candidate.validator
        if before is None or validator is None or before == validator or candidate.is_fickle:
            return []
        candidate.changes += 1
        stale = self.spans.remove_giver(candidate)
        for giver in self.spans.givers():
            if giver.mirror.source == "":  # an earlier run's bytes may be of the file that was
                stale += self.spans.remove_giver(giver)
        orders: list[Order] = []
        for other in self.running.values():
            if other.candidate is candidate and other is not run and other.opened_at is not None:
                orders += self._break_off(other, Ending.LOST)
        return [*orders, *[self._forget(start, stop) for start, stop in stale]]

    def _began_elsewhere(self, run: Running) -> list[Order]:
        """A mirror sends the whole file where a range was asked for: take it if nobody does better."""
        others = any(other is not run and not other.ending for other in self.running.values())
        better = any(c.takes_ranges is not False for c in self._usable())  # itself, if it has another version
        return self._break_off(run, Ending.NO_RANGES) if others or better else []

    def _received(self, run: Running, start: int, stop: int, now: float) -> list[Order]:
        candidate, host = run.candidate, run.candidate.host
        self._add(run, start, stop)
        run.advanced(stop, now)
        self.last_byte = self._silent_since = host.last_byte = candidate.last_byte = now
        host.in_row = candidate.silences = 0
        if candidate.failures and candidate.given - candidate.given_before >= self._progress():
            candidate.failures, candidate.asked = 0, 0.0
        orders = self._end_endless(run) if self.size is None else []
        return [*orders, *self._divide(host, stop - start, now)] if self.shares else orders

    def _divide(self, host: Host, count: int, now: float) -> list[Order]:
        """Have those that share a connection use more of them where one is slow."""
        if not host.is_multiplexed or not host.came_shared(count, self.artifact.bound, now):
            return []
        return [Divide(streams=max(1, self._limits.streams // self._limits.wire))]

    def _disordered(self, run: Running, event: Disordered, now: float) -> None:
        is_alone = not run.ending and len(self.running) == 1
        if self.size is not None and is_alone and self._is_splittable():
            left = self.size - self.spans.total
            self._widening.disordered(run, event, left, now, self._limits)

    def _add(self, run: Running, start: int, stop: int) -> None:
        candidate = run.candidate
        if run.asks_size:
            return
        if run.request.compares:
            if self._check and not run.ending:
                self._check.confirmed.add(start, stop, candidate)
            return
        if self.size is not None:
            stop = max(start, min(stop, self.size))  # on their way when the size became known
        for first, last in segments.subtract([(start, stop)], self._forgotten):
            added = self.spans.add(first, last, candidate)
            candidate.given += added
            run.gained += added
            if added < last - first and first >= run.at:  # a race: who wrote first is not told
                self.spans.double(first, last, candidate)

    def _finished(self, run: Running, stop: int, now: float) -> list[Order]:
        candidate = run.candidate
        orders = self._received(run, run.position, stop, now) if stop > run.position else []
        self.last_byte = self._silent_since = candidate.host.last_byte = now
        if self.size is None and run.stop is None and not run.ending and stop >= self.spans.end:
            self.size = candidate.size = stop
        self._release(run, now)
        is_short = run.stop is not None and stop < run.stop and stop != run.shortest
        if is_short and not run.brings_on:
            self._judge(run, Failure.CUT, "body.truncated", f"{stop:,} of {run.stop:,} bytes came", now, None)
            return orders
        candidate.failures = 0
        return orders + (self._compared(run) if run.request.compares and not run.ending else [])

    def _failed(
        self,
        run: Running,
        failure: Failure,
        cause: str,
        detail: str,
        now: float,
        retry_after: float | None,
    ) -> list[Order]:
        self._release(run, now)
        failure = weighed(failure, cause)
        host = run.candidate.host
        is_giving = host.open > 0 and now - host.last_byte < SAME_AGAIN and host.last_byte > host.cut_at
        if failure is Failure.CONNECT:
            is_giving &= host.last_byte > run.began
        is_patient = (retry_after or 0.0) <= self._limits.longest_pause
        if (
            failure is Failure.BUSY
            and self.is_small
            and is_patient
            and host.pace.refused(run.began, now, is_odd=run.beside <= 1)
        ):
            # It takes so many requests a second, over however few connections.
            self._shared.hosts.paced[host] = None
            host.unlimit()
            host.leave(now + asked_pause(retry_after or 0.0, self._shared.jitter()))
            return []
        if failure is Failure.BUSY and host.pace.is_by_chance:
            host.unlimit()
        elif (failure in (Failure.BUSY, Failure.CONNECT) and is_giving and is_patient) or (
            is_refusal(failure, cause) and self._is_given_beside(run)
        ):
            # It gives over other connections: it is not gone, it does not want more of us at once.
            self._limit(run, now, is_said=failure in (Failure.BUSY, Failure.CONNECT))
            host.leave(now + max(0.5, asked_pause(retry_after or 0.0, self._shared.jitter())))
            return self._take_in(run.candidate)
        if denies(failure, cause) and run.candidate.excuses:
            host.refused_again(run.candidate.excused_at)
        may_give = is_giving or (host.open > 0 and host.last_byte < 0)  # to others
        if may_give and self._is_one_too_many(run, failure, cause, now):
            return []
        self._judge(run, failure, cause, detail, now, retry_after)
        return []

    def _judge(
        self,
        run: Running,
        failure: Failure,
        cause: str,
        detail: str,
        now: float,
        retry_after: float | None,
    ) -> None:
        """Say what a failure means for the mirror and for its host."""
        candidate = run.candidate
        self._tell(candidate, cause, detail, now - run.began, run.gained)
        if not candidate.host.open and (failure in BESIDE or is_page(cause)):
            candidate.host.failed_alone()
        if failure is Failure.CUT and run.opened_at is not None:
            candidate.host.cut_at = now
        is_there = failure is Failure.GATEWAY and candidate.host.last_byte >= run.began  # for others
        is_empty = not run.gained
        is_news = not self._has_relapsed(candidate)  # else it is the file that fails, not its host
        may_return = candidate.host.is_out_of_order(failure, cause, now, is_empty=is_empty, is_news=is_news)
        may_return |= is_away(failure, cause)
        is_fresh = now < candidate.last_byte + self._limits.missed
        may_return |= failure is Failure.CUT and is_empty and candidate.is_dead
        may_return |= failure is Failure.SERVER and is_fresh and not self.is_small
        if may_return and candidate.host.is_missed(failure, now, self._limits) and not is_there:
            candidate.host.missed(run.began, now, self._shared.jitter())
            if failure is Failure.AUTH:
                self._leave_in_silence(run, now)
            return
        if self._may_be_shut_out(candidate, failure, cause, now):
            return
        if candidate.host.failed(failure, cause, run.began, now):
            self._shared.hosts.dropped.append(candidate.host)
        if cause in ("http.range-lie", "http.range") and self._is_range(run.request):
            candidate.has_lied, candidate.takes_ranges = True, False  # the whole file may be right
            return
        may_mind = candidate.minds_ranges(failure, cause) or self._hardly_gives_ranges(candidate, failure)
        if may_mind and self._is_range(run.request):
            candidate.takes_ranges, candidate.failures = False, 0  # likewise
            self._silent_since = now
            return
        is_fresh &= takes_back(failure) and run.opened_at is None
        if is_fresh and candidate.took_back(failure, run.began, self._shared.jitter(), now):
            return
        others = [other for other in self._waiting() if other is not candidate]
        has_others, has_better = bool(others), any(not other.failures for other in others)
        if failure is Failure.CUT and run.brings_on and not has_better:
            candidate.failures = 0  # each try brings the file nearer, and there is no better way
            return
        # Where others give, a mirror that fell silent on several connections is not tried again.
        began = now if failure is Failure.TIMEOUT and has_others else run.began
        candidate.failed(failure, began, self._shared.jitter(), retry_after, now, self._limits)
        if candidate.is_dropped:
            candidate.spoilt(cause)
            candidate.may_be_elsewhere &= failure is not Failure.CUT
            candidate.host.lies += failure is Failure.CORRUPT

    def _cancelled(self, run: Running, event: Cancelled, now: float) -> None:
        silence = now - max(run.last_byte, run.served_at(self._limits))
        self._release(run, now)
        run.candidate.silences += silence >= (QUIET if run.opened_at is None else RACE_SILENCE)
        is_silent = run.ending is Ending.SILENT or (run.ending is Ending.LOST and silence >= SILENT)
        hope = self._sole_hope() if is_silent else None
        if hope and hope.opened_at is not None and hope.is_quiet(now):
            return  # all connections of the only mirror are silent: one is kept, others are tried beside it
        if is_silent and (self._has_waited_for_others(run, now) or self._says_nothing_new(run, silence)):
            return
        if is_silent:
            failure, cause = GIVEN_UP[event.phase]
            self._judge(run, failure, cause, f"nothing for {silence:.0f} s", now, None)
        elif run.ending is Ending.SLOW:
            rate = run.gained / max(1.0, now - run.began)
            detail = f"{rate:,.0f} bytes a second, {run.left:,} bytes to go"
            self._judge(run, Failure.TIMEOUT, "transfer.slow", detail, now, None)
        elif run.ending is Ending.WRONG_SIZE:
            detail = f"it has {run.candidate.size:,} bytes, not {self.size:,}"
            self._judge(run, Failure.CORRUPT, "body.wrong-file", detail, now, None)
        elif run.ending is Ending.OTHER_SIZE and run.candidate.size != self.size:
            detail = (
                f"it has {run.candidate.size:,} bytes, another mirror has {self.size or self.spans.end:,}"
            )
            self._tell(run.candidate, "body.wrong-file", detail, now - run.began, 0)
        elif run.ending is None:
            self._judge(run, Failure.CUT, "connect.reset", "it was broken off", now, None)

    # --- proof --------------------------------------------------------------------------------------------

    def _proven(self) -> None:
        self.state = State.PROVEN
        if culprit := self._blame.culprit:
            self._drop(culprit, "body.corrupt", "without its bytes the file is right")
        for giver in self.spans.givers():
            giver.host.lies = 0
            if giver.passes_caches:
                self._tell(
                    giver, "body.corrupt", "a cache on the way keeps it so; past it the file is right", 0, 0
                )

    def _disproven(self, event: Disproven) -> list[Order]:
        self.state = State.IDLE
        if self._is_guess:
            self._is_guess = False
            return self._start_over()
        if not self.spans.total:  # nobody need be asked for no bytes, and they are not it
            for candidate in self._waiting():
                self._drop(candidate, event.cause, event.detail or "a file of no bytes has another digest")
            self.state = State.EXHAUSTED
            return []
        if event.wrong_pieces:
            return [order for index in event.wrong_pieces for order in self._piece_wrong(index, event.cause)]
        self._disproof = event
        if len(self.spans.givers()) > 1 and not self._blame.is_searching and self._begin_check():
            return []
        return self._accuse(event)

    def _accuse(self, event: Disproven) -> list[Order]:
        """Drop the one who gave everything, or leave somebody out to see whether the bytes are right then."""
        others = [c for c in self._roster.candidates if not c.is_out]
        verdict = self._blame.judge(self.spans.given(), others, self._total_rate)
        if verdict.measure is Measure.DROP and self._is_cut_short(verdict.candidate):
            verdict.candidate.size = OTHER
            return self._start_over()
        if verdict.measure is Measure.DROP and self._may_be_another(verdict.candidate):
            return self._start_over()
        if verdict.measure is Measure.DROP and self._may_spoil_ranges(verdict.candidate, others):
            verdict.candidate.takes_ranges = verdict.candidate.gave_range = False
            return self._start_over()
        if verdict.measure is Measure.DROP:
            known = self._seen.setdefault(event.actual, verdict.candidate)
            is_known = known is not verdict.candidate  # another mirror gave just the same
            cause = "body.changed-upstream" if is_known else event.cause
            self._drop(verdict.candidate, cause, event.detail or f"its digest is {event.actual}")
            verdict.candidate.host.lies += 1
            return self._start_over()
        for giver in self.spans.givers():
            giver.is_suspect = True
        return self._carry_out(verdict)

    def _may_spoil_ranges(self, candidate: Candidate, others: list[Candidate]) -> bool:
        """Whether the whole file may be right that nobody else has, and whose parts were wrong together."""
        is_alone = all(other is candidate for other in others)
        can_be = candidate.gave_range and self.spans.total <= ONCE_MORE
        return is_alone and can_be and not candidate.is_out

    def _is_cut_short(self, candidate: Candidate) -> bool:
        """Whether its bytes may be wrong only because they end where another mirror says."""
        if self.artifact.size is not None or candidate.size is not None:
            return False
        return any(c.size == self.size and not c.is_out for c in self._roster.candidates)

    def _step_check(self, now: float) -> list[Order]:
        """Go on with a check, or judge without an opinion of everybody."""
        check = self._check
        assert check
        orders = self._work_on_check(now)
        if self.blocked:
            self._silent_since = math.inf  # nobody is asked: whoever has no room is not silent
        if orders or self.running or self.blocked:
            return orders
        if check.doubt:  # no third decides: it is one of these two, the others need not be tried
            self._blame.clear([c for c in self.spans.givers() if c not in (check.giver, check.checker)])
        elif check.confirmed.total == self.size:
            self._blame.clear(self.spans.givers())  # leaving anybody out would give the same bytes again
        return [*self._end_check(), *self._accuse(self._disproof)]

    def _piece_wrong(self, index: int, cause: str) -> list[Order]:
        """Fetch one piece again, and drop the mirror that gave it."""
        start, stop = index * PIECE_BYTES, min((index + 1) * PIECE_BYTES, self.artifact.bound)
        if not self.spans.covers(start, stop):
            return []  # known already: it is being fetched again
        givers = self.spans.givers(start, stop)
        self._rounds[index] = self._rounds.get(index, 0) + 1
        is_last = not any(c not in givers and not c.is_out for c in self._roster.candidates)
        if len(givers) == 1 or self._rounds[index] >= PIECE_ROUNDS:
            culprit = max(givers, key=lambda giver: giver.rank)
            culprit.strikes += 1
            if not is_last or self._rounds[index] > 1:  # the last one may have been spoilt on the way, once
                self._drop(culprit, cause, f"piece {index} is wrong")
                self._widening.replace(self._usable(), self._limits)
            else:
                self._tell(culprit, cause, f"piece {index} is wrong", 0.0, 0)
        for giver in givers:
            giver.is_suspect = True
        self.spans.remove(start, stop)
        return [self._forget(start, stop)]

    # --- what is to be done -------------------------------------------------------------------------------

    def line_up(self, now: float) -> list[Host]:
        """Note that it waits for its turn: meanwhile nobody is silent.

        Returns:
            Hosts whose room it waits for: what a step would find, for less. Empty where it takes one.
        """
        self._lined_up = now if self._lined_up is None else self._lined_up
        if self.state is not State.IDLE or not self.is_small or self.spans.total or self.size == 0:
            return []
        hosts = []
        for candidate in self._waiting():
            if candidate.ready() > now or candidate.host.queue(self._limits, shares=self.shares) > 0:
                return []
            hosts.append(candidate.host)
        self._began = self._began or now
        return hosts

    def step(self, now: float) -> list[Order]:
        """Say what is to be done now: begin requests, shorten or break off others, prove."""
        self.blocked = []
        if self._lined_up is not None:
            self._silent_since += now - self._lined_up
            self._lined_up = None
        if self.state not in (State.IDLE, State.FETCHING):
            return self._stop_dropped()
        orders = self._watch(now)
        if self._check and self.spans.total == self.size:
            if not self.running or now >= self._look_at:
                orders += self._check_again(now)
            if self._check:
                return orders
        if self._check:  # bytes were forgotten meanwhile: first things first
            orders += self._end_check()
        if self._is_guess and self.running:
            return orders
        if self._is_guess:
            self.state = State.PROVING
            return [*orders, Prove(artifact=self.artifact)]
        if self.size is not None and self.spans.total == self.size:
            self.state = State.PROVING
            late = [run for run in self.running.values() if run.stop is None or run.at < run.stop]
            orders += [order for run in late for order in self._break_off(run, Ending.LOST)]
            return [*orders, Prove(artifact=self.artifact)]
        if self.running and now < self._look_at:
            return orders
        self._began = self._began or now
        self._look_at = now + min(LOOK_RARELY, max(LOOK_AGAIN, (now - self._began) / 20))
        if self._blame.is_searching:
            verdict = self._blame.doubts([c for c in self._roster.candidates if not c.is_out])
            orders += self._carry_out(verdict) if verdict else []
        orders += self._let_go_on(now)
        orders += self._cull(now)
        orders += self._fill(now)
        if self.running or not self._roster.is_out or self._reserves():
            self.state = State.FETCHING
        else:
            self.state = State.EXHAUSTED
        return orders

    def _check_again(self, now: float) -> list[Order]:
        self._look_at = now + LOOK_AGAIN
        return self._step_check(now)

    def is_due(self, now: float) -> bool:
        """Whether a step could find something to do."""
        return now >= self._look_at or self.spans.total == self.size

    def stop(self) -> list[Order]:
        """Break off: the artifact is no longer wanted."""
        return self._stop(Ending.UNWANTED)

    def wakes_at(self, now: float) -> float | None:
        """When `step` should be called again if nothing happens; None: no need."""
        if self.state not in (State.IDLE, State.FETCHING):
            return None
        runs = list(self.running.values())
        if len(runs) == len(self._roster.candidates) == 1 and runs[0].began == now:
            # It has only begun, as most do at most steps: nothing can be due before that.
            return now + min(HELP_AFTER, self._limits.first_byte_timeout, self._limits.patience)
        times = [run.limit(self._limits) for run in runs if not run.ending]
        if times:
            times.append(now + (HELP_AFTER if self._could_help() else HELP_RARELY))
            times.append(self._hushed_at())
        times += [candidate.ready() for candidate in self._waiting()]
        times.append(self._patient_until())
        soonest = min([time for time in times if time > now], default=math.inf)
        return soonest if soonest < math.inf else None

    def is_patient(self, now: float) -> bool:
        """Whether it waits for its only mirror, or for one that has asked to be left alone for a while."""
        is_paused = any(c.asked and c.ready() > now - self._limits.patience for c in self._waiting())
        return is_paused or self._sole_hope() is not None

    def _could_help(self) -> bool:
        """Whether there is somebody to ask beside those who are."""
        return len(self._roster.candidates) > 1 or any(
            self._room(run.candidate) > 0 for run in self.running.values()
        )


__all__ = ["ArtifactPlan", "Held", "Shared", "State"]
