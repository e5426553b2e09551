"""Taking answers in: judged by head and first bytes, then written to their sinks. Never talks to libcurl.

Everything here may run inside libcurl's callbacks, where a transfer cannot be ended: it only gets an outcome,
which the engine carries out once libcurl is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableSequence
from typing import Final

from msgspec import structs

from surefetch.errors import SurefetchError
from surefetch.events import Event, Opened, Received
from surefetch.model import Artifact
from surefetch.transfer import answers
from surefetch.transfer.answers import Accepted, Redirected, Refused
from surefetch.transfer.options import Options
from surefetch.transfer.transfers import Download, Outcome, Page, Stage, Transfer

#: `Received` is sent at most this often, or when this much has come.
TELL_SECONDS: Final = 0.02
TELL_BYTES: Final = 1 << 20
#: Of the body of an answer that is refused: kept, to be hashed and named.
_EVIDENCE_BYTES: Final = 256 << 10
#: Of the body of a redirect: read, so that the connection can be used again.
_REDIRECT_BODY_BYTES: Final = 64 << 10
#: Seconds to wait for all of an answer that looks wrong and may be right.
_DOUBT_SECONDS: Final = 5.0
#: Seconds that a complete file waits for its answer's end, where the answer does not name its length.
_END_GRACE: Final = 0.5


class Intake:
    """Mutable: adds to the engine's events, and to `due` each transfer that has got an outcome."""

    def __init__(
        self,
        options: Options,
        events: MutableSequence[Event],
        opened: Callable[[Download], None],
    ) -> None:
        self._options, self._events = options, events
        self._opened = opened
        self.due: list[Transfer] = []
        self._untold: dict[Download, None] = {}  # may have written bytes that nobody was told of
        self._validators: dict[str, str] = {}  # asked URL -> of its last answer

    def take(self, transfer: Transfer, data: memoryview) -> None:
        """Take bytes of an answer's body in; they are copied or written before this returns."""
        transfer.received += len(data)
        if transfer.outcome is not None:
            return
        match transfer.stage:
            case Stage.ACCEPTED:
                self.write(transfer, data)
            case Stage.ASKED:
                self.weigh(transfer, data, is_whole=False)
            case Stage.REFUSED:
                self._keep_evidence(transfer, data)
            case Stage.REDIRECTED if transfer.received > _REDIRECT_BODY_BYTES:
                self._decide(transfer, Outcome.FOLLOW)

    def weigh(self, transfer: Transfer, data: bytes | memoryview = b"", *, is_whole: bool) -> None:
        """Judge an answer by its head and first bytes, and take the stage that follows.

        Args:
            transfer: Its channel has the head, `kept` the first bytes.
            data: What has come since, taken in before this returns.
            is_whole: Nothing more will come.
        """
        assert transfer.channel
        lines = transfer.channel.head
        head = transfer.head = answers.parse_head(lines)
        if head is None:
            self._refuse(transfer, Refused(cause="http.malformed"), data)
            return
        if (size := sum(map(len, lines))) > self._options.header_bytes:
            self._refuse(
                transfer, Refused(cause="policy.header-size", detail=f"{size:,} bytes of them"), data
            )
            return
        match answers.weigh(head, transfer.wanted):
            case Redirected() as verdict:
                transfer.stage, transfer.redirected = Stage.REDIRECTED, verdict
                set_deadline(transfer, self._options.evidence_timeout)
            case Refused() as verdict:
                self._refuse(transfer, verdict, data)
            case Accepted() as verdict:
                self._weigh_first_bytes(transfer, verdict, data, is_whole=is_whole)

    def look_at_head(self, transfer: Transfer) -> None:
        """Judge an answer by its head alone where no body comes: to lead on or to refuse it needs none.

        Some servers say neither that there is no body nor that it is over. What libcurl answers itself, a
        proxy's question for a password, is left to it, and so is everything before the request was sent.
        """
        assert transfer.channel
        lines = transfer.channel.head
        if len(lines) == transfer.lines_seen or not transfer.channel.is_ready or lines[-1].strip():
            return
        transfer.lines_seen = len(lines)
        head = answers.parse_head(lines)
        if head and head.status >= 300 and head.status != 407:
            self.weigh(transfer, is_whole=False)

    def conclude(self, transfer: Transfer, *, is_whole: bool) -> None:
        """Judge an answer that has ended, if it is not judged; take one that looked wrong and is right.

        Args:
            transfer: libcurl is through with it.
            is_whole: It ended as an answer should.
        """
        if transfer.stage is Stage.ASKED and (is_whole or transfer.kept):
            self.weigh(transfer, is_whole=True)
        if is_whole and _is_doubted(transfer) and answers.is_right(transfer.kept, transfer.wanted.artifact):
            assert transfer.refused and transfer.refused.doubted
            data, verdict = bytes(transfer.kept), transfer.refused.doubted
            transfer.refused = None
            transfer.kept.clear()
            self._open(transfer, verdict)
            self.write(transfer, data)

    def write(self, transfer: Transfer, data: bytes | memoryview) -> None:
        """Pass bytes on, after those kept while the answer was judged; see whether all is here."""
        if transfer.kept or transfer.is_held:
            transfer.kept += data
            if transfer.is_held:
                return
            data = bytes(transfer.kept)
            transfer.kept.clear()
        stop = transfer.stop if transfer.stop is not None else transfer.limit
        surplus = transfer.position + len(data) - stop
        if surplus > 0:
            data = data[: max(0, len(data) - surplus)]
        if len(data) and not self._store(transfer, data):
            return
        transfer.position += len(data)
        self.tell(transfer)
        if surplus > 0 and stop == transfer.limit:
            detail = f"more than {transfer.limit:,} bytes came"
            transfer.refused = Refused(cause="body.too-large", detail=detail)
            self._decide(transfer, Outcome.FAIL)
        elif transfer.is_complete:
            self._complete(transfer)

    def tell(self, transfer: Transfer, *, is_last: bool = False) -> None:
        """Send `Received` if there is something to tell and it is time."""
        untold = transfer.position - transfer.told
        if not untold or not isinstance(transfer, Download):
            return
        now = time.monotonic()
        if is_last or untold >= TELL_BYTES or now - transfer.told_at >= TELL_SECONDS:
            self._events.append(Received(id=transfer.id, start=transfer.told, stop=transfer.position))
            transfer.told, transfer.told_at = transfer.position, now
            self._untold.pop(transfer, None)

    def tell_all(self) -> None:
        """Send `Received` for everything that is written and not told."""
        for transfer in list(self._untold):
            self.tell(transfer, is_last=True)

    def forget(self, transfer: Transfer) -> None:
        """Note that a transfer has ended: its ending tells of all bytes."""
        if isinstance(transfer, Download):
            self._untold.pop(transfer, None)

    def _weigh_first_bytes(
        self, transfer: Transfer, verdict: Accepted, data: bytes | memoryview, *, is_whole: bool
    ) -> None:
        assert transfer.head
        first = (bytes(transfer.kept[:4096]) + bytes(data[:4096]))[:4096]
        if verdict.start == 0:
            if not first and transfer.limit > 0:
                if is_whole:
                    self._refuse(transfer, Refused(cause="body.empty"))
                return
            if answers.needs_more(first) and not is_whole:
                transfer.kept += data
                return
            kind, artifact = transfer.head.get("content-type"), transfer.wanted.artifact
            refused = answers.sniff(first, kind, artifact.name)
            if refused and not answers.is_promised(verdict, artifact):
                self._refuse(transfer, structs.replace(refused, doubted=verdict), data)
                return
        self._open(transfer, verdict)
        self.write(transfer, data)

    def _open(self, transfer: Transfer, verdict: Accepted) -> None:
        assert transfer.channel and transfer.head
        now = time.monotonic()
        transfer.stage, transfer.accepted = Stage.ACCEPTED, verdict
        is_new_file = self._is_new_file(transfer, verdict.validator)
        transfer.is_held = verdict.start != transfer.wanted.start or is_new_file
        transfer.position = transfer.told = verdict.start
        transfer.told_at = now
        if isinstance(transfer, Download):
            self._tell_of(transfer.wanted.artifact)
            self._events.append(
                Opened(
                    id=transfer.id,
                    start=verdict.start,
                    size=verdict.size,
                    takes_ranges=verdict.takes_ranges,
                    validator=verdict.validator,
                    is_multiplexed=transfer.head.version == "2",
                    address=transfer.channel.tried_address,
                    seconds=now - _asked_at(transfer),
                    round_trip=_round_trip(transfer),
                    encoding=verdict.encoding,
                    is_stored=transfer.may_be_stored,
                )
            )
            self._opened(transfer)

    def _tell_overlapping(self, transfer: Download, stop: int) -> None:
        """Tell what others have written of the bytes up to `stop` first: who writes a byte first gives it."""
        for other in list(self._untold):
            if (
                other.position > other.told
                and other is not transfer
                and other.told < stop
                and other.position > transfer.position
                and other.sink is transfer.sink
            ):
                self.tell(other, is_last=True)

    def _is_new_file(self, transfer: Transfer, validator: str | None) -> bool:
        """Whether a mirror has another file than before: its owner forgets bytes before these are written."""
        if validator is None or not isinstance(transfer, Download):
            return False
        before = self._validators.get(transfer.asked_url, transfer.validator)
        self._validators[transfer.asked_url] = validator
        return before not in (None, validator)

    def _tell_of(self, artifact: Artifact) -> None:
        """Tell what has come so far: an answer of another file makes the planner forget bytes it knows of."""
        for transfer in list(self._untold):
            if transfer.position > transfer.told and transfer.wanted.artifact is artifact:
                self.tell(transfer, is_last=True)

    def _complete(self, transfer: Transfer) -> None:
        """Everything is here: wait for the answer's end if it is due, so that the connection can be kept."""
        assert transfer.accepted and transfer.stop is not None
        if transfer.accepted.stop is not None and transfer.accepted.stop > transfer.stop:
            self._decide(transfer, Outcome.FINISH)
        elif transfer.deadline is None or isinstance(transfer, Page):
            set_deadline(transfer, _END_GRACE)

    def _store(self, transfer: Transfer, data: bytes | memoryview) -> bool:
        if isinstance(transfer, Page):
            transfer.content += data
            return True
        assert isinstance(transfer, Download)
        self._tell_overlapping(transfer, transfer.position + len(data))
        try:
            transfer.sink.write(transfer.position, data)
        except (OSError, SurefetchError) as error:
            transfer.local = error
            self._decide(transfer, Outcome.HALT)
            return False
        self._untold[transfer] = None
        return True

    def _refuse(self, transfer: Transfer, refused: Refused, data: bytes | memoryview = b"") -> None:
        transfer.stage, transfer.refused = Stage.REFUSED, refused
        usual = self._options.evidence_timeout
        set_deadline(transfer, max(usual, _DOUBT_SECONDS) if _is_doubted(transfer) else usual)
        self._keep_evidence(transfer, data)

    def _keep_evidence(self, transfer: Transfer, data: bytes | memoryview) -> None:
        most = answers.DOUBTED_BYTES if _is_doubted(transfer) else _EVIDENCE_BYTES
        transfer.kept += data
        del transfer.kept[most:]
        if transfer.received > most:
            self._decide(transfer, Outcome.FAIL)

    def _decide(self, transfer: Transfer, outcome: Outcome) -> None:
        transfer.outcome = outcome
        self.due.append(transfer)


def _is_doubted(transfer: Transfer) -> bool:
    """Whether an answer that looks wrong may be the file: all of it tells."""
    verdict = transfer.refused.doubted if transfer.refused else None
    return verdict is not None and answers.may_be_right(verdict, transfer.wanted)


def _asked_at(transfer: Transfer) -> float:
    """When a request was sent; one that had to wait for a connection was ordered earlier."""
    assert transfer.channel
    has_waited = transfer.channel.is_reused and not transfer.hops
    return transfer.channel.ready_at if has_waited else transfer.began


def _round_trip(transfer: Transfer) -> float:
    """Seconds of a round trip to the host, by how long its connection took to make; 0: it was there already.

    TCP takes one (RFC 9293, 3.5), TLS 1.3 one more (RFC 8446, 2).
    """
    assert transfer.channel
    if transfer.channel.is_reused or transfer.proxy:
        return 0.0
    trips = 2 if transfer.url.startswith("https:") else 1
    return (transfer.channel.ready_at - transfer.channel.socket_at) / trips


def set_deadline(transfer: Transfer, seconds: float) -> None:
    """Have a transfer looked at after so many seconds, unless it is looked at earlier anyway."""
    due = time.monotonic() + seconds
    transfer.deadline = due if transfer.deadline is None else min(due, transfer.deadline)
