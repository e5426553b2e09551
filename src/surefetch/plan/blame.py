"""Who gave wrong bytes: told at once where one mirror gave all, else found by leaving mirrors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import msgspec

from surefetch.plan.mirrors import Candidate


class Measure(Enum):
    """What to do about an artifact whose bytes are wrong."""

    DROP = "drop"  # the candidate gave them all: it is out, and so are its bytes
    LEAVE_OUT = "leave out"  # fetch its bytes from the others: if they are right then, it was the culprit
    ALONE = "alone"  # fetch everything that it did not give from it: if they are wrong then, it is one


class Verdict(msgspec.Struct, frozen=True):
    """A measure against, or for, one candidate."""

    measure: Measure
    candidate: Candidate


class Blame:
    """Mutable: which candidates may be asked while the culprit is looked for.

    Who has lied about ranges is left out first. Each further round tries what is cheapest of: one suspect's
    bytes from all others, or all others' bytes from one. The former costs a share of the artifact at the rate
    of many, and names the culprit if there is only one.
    """

    def __init__(self) -> None:
        self.suspect: Candidate | None = None  # left out in this round
        self.alone: Candidate | None = None  # the only one to be asked in this round
        self.doubted: Candidate | None = None  # who gave all that is asked of the one alone again
        self._cleared: list[Candidate] = []  # were left out, and the bytes were wrong without them too

    def allows(self, candidate: Candidate) -> bool:
        """Whether the candidate may be asked in this round."""
        return candidate is self.alone if self.alone else candidate is not self.suspect

    @property
    def culprit(self) -> Candidate | None:
        """Who it was if the bytes turn out to be right in this round; None: one of several."""
        return self.suspect or self.doubted

    @property
    def is_searching(self) -> bool:
        """Whether somebody is left out."""
        return bool(self.alone or self.suspect)

    def judge(
        self,
        given: Mapping[Candidate, int],
        others: Sequence[Candidate],
        rate: Callable[[Candidate], float],
    ) -> Verdict:
        """Say what follows from wrong bytes.

        Args:
            given: Who gave how many of them.
            others: Everybody who may still be asked, givers among them, the best first.
            rate: Bytes per second to expect of each.
        """
        self.suspect = self.alone = self.doubted = None
        if len(given) == 1:
            self._cleared = []
            return Verdict(Measure.DROP, next(iter(given)))
        liar = next((giver for giver in given if self._is_doubtful(giver, others)), None)
        if liar:
            return self._begin(Verdict(Measure.LEAVE_OUT, liar))
        rates = {candidate: rate(candidate) for candidate in others}
        total, all_bytes = sum(rates.values()), sum(given.values())
        rounds = [
            (count / (total - rates.get(giver, 0.0)), Verdict(Measure.LEAVE_OUT, giver))
            for giver, count in given.items()
            if giver not in self._cleared and any(other is not giver for other in others)
        ]
        rounds += [
            ((all_bytes - given.get(other, 0)) / rates[other], Verdict(Measure.ALONE, other))
            for other in others
        ]
        if not rounds:  # nobody is left to ask
            return Verdict(Measure.DROP, next(iter(given)))
        return self._begin(min(rounds, key=lambda pair: pair[0])[1])

    def doubts(self, others: Sequence[Candidate]) -> Verdict | None:
        """Leave somebody out who has just lied, in a round that counts on its bytes."""
        asked = [candidate for candidate in others if self.allows(candidate)]
        liar = next((candidate for candidate in asked if self._is_doubtful(candidate, others)), None)
        return self.leave_out(liar) if liar else None

    def clear(self, candidates: Sequence[Candidate]) -> None:
        """Do not leave these out in a round of their own."""
        self._cleared += [candidate for candidate in candidates if candidate not in self._cleared]

    def leave_out(self, candidate: Candidate) -> Verdict:
        """Leave out the one that a check speaks against. Three who differ prove nothing: the bytes decide."""
        self.suspect = self.alone = self.doubted = None
        return self._begin(Verdict(Measure.LEAVE_OUT, candidate))

    def reopen(self, others: Sequence[Candidate]) -> Verdict | None:
        """Nobody who may be asked is left: say how to go on with the others."""
        suspect, self.suspect, self.alone, self.doubted = self.suspect, None, None, None
        if suspect is not None and suspect in others:
            return self._begin(Verdict(Measure.ALONE, suspect))
        return None

    def _is_doubtful(self, candidate: Candidate, others: Sequence[Candidate]) -> bool:
        """Whether it sent another stretch than it said, and the bytes were never tried without its own."""
        is_needed = all(other is candidate for other in others)
        return candidate.has_lied and candidate not in self._cleared and not is_needed

    def _begin(self, verdict: Verdict) -> Verdict:
        if verdict.measure is Measure.LEAVE_OUT:
            self.suspect = verdict.candidate
            self._cleared.append(verdict.candidate)
        else:
            self.alone = verdict.candidate
        return verdict
