"""Who gave wrong bytes: told at once where one mirror gave all, else found by leaving mirrors out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from surefetch.plan.mirrors import Candidate


class Measure(Enum):
    """What to do about an artifact whose bytes are wrong."""

    DROP = "drop"  # the candidate gave them all: it is out, and so are its bytes
    LEAVE_OUT = "leave out"  # fetch its bytes from the others: right then, and it was the culprit
    ALONE = "alone"  # more than one gives wrong bytes: fetch everything from this one


class Verdict(NamedTuple):
    """A measure against, or for, one candidate."""

    measure: Measure
    candidate: Candidate


class Blame:
    """Mutable: which candidates are left out while the culprit is looked for.

    Only the bytes of one suspect are fetched again in each round, from all others at once; that costs a
    share of the artifact, where going alone to one mirror costs most of it at the rate of one.
    """

    def __init__(self) -> None:
        self.suspect: Candidate | None = None  # left out in this round
        self._cleared: list[Candidate] = []  # were left out, and the bytes were wrong without them too
        self._alone: Candidate | None = None
        self._is_alone = False  # several culprits: one at a time from here on

    def allows(self, candidate: Candidate) -> bool:
        """Whether the candidate may be asked in this round."""
        if self._is_alone:
            return candidate is self._alone
        return candidate is not self.suspect

    @property
    def is_searching(self) -> bool:
        """Whether somebody is left out."""
        return self._is_alone or self.suspect is not None

    def judge(self, givers: Sequence[Candidate], others: Sequence[Candidate]) -> Verdict:
        """Say what follows from wrong bytes.

        Args:
            givers: Who gave them.
            others: Everybody who may still be asked, givers among them, the best first.
        """
        if len(givers) == 1:
            self.suspect, self._cleared, self._alone = None, [], None
            return Verdict(Measure.DROP, givers[0])
        # Bytes of an earlier run first, then the mirrors that are ranked last.
        order = sorted(givers, key=lambda giver: others.index(giver) if giver in others else len(others))
        for giver in reversed(order):
            if giver not in self._cleared and any(other is not giver for other in others):
                self._cleared.append(giver)
                self.suspect = giver
                return Verdict(Measure.LEAVE_OUT, giver)
        return self.next_alone(others or givers)

    def next_alone(self, others: Sequence[Candidate]) -> Verdict:
        """Go to one mirror alone: those asked so far give wrong bytes together, or no bytes at all."""
        self.suspect, self._is_alone = None, True
        self._alone = others[0]
        return Verdict(Measure.ALONE, self._alone)
