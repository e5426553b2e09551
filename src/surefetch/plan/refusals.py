"""What a host refuses that gives beside, or gave a moment ago: it is asked again, for less at once."""

from __future__ import annotations

import math
from typing import Final

from surefetch.events import Failure
from surefetch.plan.mirrors import Candidate
from surefetch.plan.policy import PATIENCE, SHUT_OUT, denies, is_page
from surefetch.plan.running import Running
from surefetch.plan.segments import GRAIN
from surefetch.plan.sizing import Sizing

#: What a server may answer to one connection more than it takes. Not 404: many mirrors have some files only.
BESIDE: Final = frozenset({Failure.CUT, Failure.SERVER, Failure.GATEWAY, Failure.AUTH})
#: Times that a small file is excused so, at most; those where its failure alone would be the last word.
EXCUSES: Final = 6
LAST_WORDS: Final = 2
#: Seconds before an excused file is asked for again; doubles each time.
AGAIN: Final = 0.5
#: Seconds that the host is left alone then.
BREATHER: Final = 0.2
#: Where the whole file gave so many times what a range must give, ranges are cut.
MUCH: Final = 4
#: A silence shorter than this share of what a first byte may take says nothing of a mirror.
BRIEF: Final = 0.5


class Refusals(Sizing):
    """Mutable: tells refusals from failures."""

    def _limit(self, run: Running, now: float, *, is_said: bool) -> None:
        """Give a host no more requests at once than it has."""
        run.candidate.host.limit(run.began, now, is_said=is_said)
        self._note_limit(run.candidate)

    def _note_limit(self, candidate: Candidate) -> None:
        self._shared.hosts.limited[candidate.host] = None
        self._widening.refused(candidate)

    def _is_given_beside(self, run: Running) -> bool:
        """Whether a mirror gave no byte of its answer, and gives this very file over other connections."""
        others = [o for o in self.running.values() if o.candidate is run.candidate and not o.ending]
        return run.opened_at is None and any(other.opened_at is not None for other in others)

    def _hardly_gives_ranges(self, candidate: Candidate, failure: Failure) -> bool:
        """Whether answers to ranges end after next to nothing again, and one with the whole file does not."""
        is_again = failure is Failure.CUT and candidate.failures > 0 and candidate.takes_ranges is not False
        runs = [run for run in self.running.values() if run.candidate is candidate]
        whole, part = candidate.best
        whole = max([whole, *(run.gained for run in runs if not self._is_range(run.request))])
        return is_again and part < GRAIN and whole > MUCH * GRAIN

    def _is_one_too_many(self, run: Running, failure: Failure, cause: str, now: float) -> bool:
        """Whether a host that gives other files, or may, can have refused one because of them."""
        candidate, host = run.candidate, run.candidate.host
        may_be = failure in BESIDE or is_page(cause) or cause == "proxy.upstream"
        is_new = self.is_small or not candidate.given
        means_it = host.is_moody or (host.means_it and denies(failure, cause))
        if not (is_new and run.opened_at is None and may_be) or means_it:
            return False
        is_many = host.refused_beside()
        if is_many:
            self._limit(run, now, is_said=False)
            host.leave(now + BREATHER * (0.5 + self._shared.jitter()))
        most = EXCUSES if is_many else LAST_WORDS
        return (is_many or PATIENCE[failure].retries == 0) and self._excuse(candidate, most, now)

    def _has_waited_for_others(self, run: Running, now: float) -> bool:
        """Whether a silent request may have waited until others were through that its host gave meanwhile."""
        host = run.candidate.host
        is_behind = run.opened_at is None and host.last_byte > run.began
        if run.candidate.is_dropped or not is_behind:
            return False
        is_part = not self.is_small and run.candidate.given > 0
        is_known = run.began < run.candidate.excused_at  # the others of the same incident
        if not (is_part or is_known or self._excuse(run.candidate, LAST_WORDS, now)):
            return False
        self._silent_since = now
        if not (self.shares and host.is_multiplexed):  # there it was the connection that fell silent
            host.passed_over(run.began, now, self._limits, is_part=is_part)
            self._note_limit(run.candidate)
        return True

    def _says_nothing_new(self, run: Running, silence: float) -> bool:
        """Whether patience with all ended soon after a further request to a mirror that had failed."""
        candidate = run.candidate
        is_brief = silence < BRIEF * self._limits.first_byte_timeout
        return is_brief and candidate.is_dropped and candidate.failures > 0

    def _has_relapsed(self, candidate: Candidate) -> bool:
        """Note a failure; return whether its host, which gave none of this file, gave others since one."""
        before = max(candidate.failed_at, candidate.excused_at)
        candidate.has_relapsed |= not candidate.given and candidate.host.last_byte > before > -math.inf
        return candidate.has_relapsed

    def _may_be_shut_out(self, candidate: Candidate, failure: Failure, cause: str, now: float) -> bool:
        """Whether a host that gave many files may refuse this one as it would refuse any other."""
        is_last = failure is Failure.AUTH or is_page(cause)
        is_odd = self.is_small and is_last and candidate.host.gave_many and not candidate.host.means_it
        is_recent = candidate.host.is_missed(failure, now, self._limits)
        return is_odd and is_recent and self._excuse(candidate, LAST_WORDS, now)

    def _leave_in_silence(self, run: Running, now: float) -> None:
        """Leave a host alone for long that refuses everything, and ask it less often then."""
        host = run.candidate.host
        if host.pace.refused(run.began, now):
            self._shared.hosts.paced[host] = None
        host.leave(now + SHUT_OUT[-1] * (1 + self._shared.jitter() / 4))

    def _excuse(self, candidate: Candidate, most: int, now: float) -> bool:
        """Ask a mirror again later, its failure not counted; False where that was done so often before."""
        if candidate.excuses >= most:
            return False
        candidate.ready_at = now + AGAIN * 2.0**candidate.excuses * (0.5 + self._shared.jitter())
        candidate.excuses, candidate.excused_at = candidate.excuses + 1, now
        return True
