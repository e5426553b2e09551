"""Which size an artifact has of which nobody promised one, and mirrors tell several."""

from __future__ import annotations

from typing import Final

from surefetch.events import Order, Shorten
from surefetch.plan import segments
from surefetch.plan.checking import Checking
from surefetch.plan.mirrors import FICKLE, Candidate
from surefetch.plan.running import Ending, Running

#: The size of a mirror that tells none, once it is known not to be what another one tells.
OTHER: Final = -1
#: A mirror that tells no size and gives more than so many times the size that another one tells, and so many
#: bytes more, has no end.
ENDLESS_TIMES: Final = 4
ENDLESS_BYTES: Final = 64 << 20
#: A mirror that tells another size each time is asked for so many whole files.
WHOLES: Final = 4


class Sizing(Checking):
    """Mutable: holds the sizes that mirrors tell against each other."""

    def give_up(self, ending: Ending, now: float) -> list[Order]:
        """Likewise; but where nobody tells the size and no more comes, see whether what came is all, once."""
        hope = self._sole_hope() if self.size is None and self.artifact.digest else None
        is_joined = self.spans.total == self.spans.end > 0
        if ending is not Ending.SILENT or hope is None or not is_joined or self._has_guessed:
            return super().give_up(ending, now)
        self._is_guess = self._has_guessed = True
        hope.candidate.host.is_mute, self._silent_since = True, now
        return self._stop(Ending.UNWANTED)

    def _weigh_size(self, candidate: Candidate, size: int | None) -> Ending | None:
        """Hold the size that a mirror tells against what is known."""
        if size is None:
            return None
        self._note_size(candidate, size)
        has_room = not self.artifact.bound or size <= self.artifact.bound
        if self.size is None and has_room and size >= self.spans.end:
            self.size = size
        if size == self.size or (has_room and self._is_outvoted(size)):
            return None
        return Ending.OTHER_SIZE if self.artifact.size is None else Ending.WRONG_SIZE

    def _note_size(self, candidate: Candidate, size: int) -> None:
        """Note the size that a mirror tells; one that tells another each time is asked for whole files only.

        Several machines may answer under its name, of which some have another version of the file.
        """
        candidate.resizes += candidate.size not in (None, OTHER, size)
        candidate.size = size
        if candidate.resizes >= FICKLE:
            candidate.has_lied, candidate.takes_ranges = True, False

    def _may_be_another(self, candidate: Candidate) -> bool:
        """Whether the next answer of a mirror may be of another file than the one that was wrong."""
        candidate.wholes += candidate.resizes > 0
        return candidate.resizes > 0 and candidate.wholes < WHOLES

    def _is_outvoted(self, size: int) -> bool:
        """Whether more mirrors tell another size than the one that was believed, which nobody promised."""
        if self.artifact.size is not None or self.size in (None, size):
            return False
        most = len(self._roster.candidates) + WHOLES * all(c.resizes for c in self._waiting())
        if self._size_changes >= most:  # one may tell another size each time
            return False
        told = [candidate.size for candidate in self._waiting()]
        return told.count(size) > told.count(self.size)

    def _change_size(self, size: int, teller: Running) -> list[Order]:
        """Believe the size that most mirrors tell, and nothing of what came from others."""
        orders: list[Order] = []
        self._size_changes += 1
        for run in self.running.values():
            if run.candidate.size not in (None, size) or (run is not teller and run.candidate.resizes):
                orders += self._break_off(run, Ending.OTHER_SIZE)
        orders += self._start_over()
        self.size = size
        right = {candidate.mirror.url for candidate in self._waiting() if candidate.size == size}
        attempts = self._shared.attempts
        attempts[:] = [one for one in attempts if one.cause != "body.wrong-file" or one.mirror not in right]
        for run in self.running.values():
            if run.ending or run.stop is None or run.stop <= size:
                continue
            if run.at >= size:
                orders += self._break_off(run, Ending.LOST)
            else:
                orders += self._shorten(run, size)
        return orders

    def _bound_others(self, run: Running, size: int) -> list[Order]:
        """Let requests that began while nobody knew the size end there; what has come beyond is forgotten.

        One that has given nothing yet keeps enough to show that it lives: all of it can be shared now.
        """
        endless = [other for other in self.running.values() if other is not run and other.stop is None]
        orders: list[Order] = []
        for other in endless:
            other.stop = min(size, segments.ROPE) if other.opened_at is None else size
            if twin := other.twin:
                twin.twin = other.twin = None
            orders.append(Shorten(id=other.request.id, stop=other.stop))
        return [*orders, self._forget(size, self.artifact.bound)] if endless else []

    def _end_endless(self, run: Running) -> list[Order]:
        """Believe another mirror's size, put aside as too small, where a body seems to have no end."""
        told = max((c.size or 0 for c in self._waiting()), default=0)
        if told <= 0 or run.position < ENDLESS_TIMES * told + ENDLESS_BYTES:
            return []
        detail = f"{run.position:,} bytes came and no end, another mirror has {told:,}"
        self._drop(run.candidate, "body.too-large", detail)
        orders = [*self._break_off(run, Ending.LOST), *self._start_over()]
        self.size = told
        return orders
