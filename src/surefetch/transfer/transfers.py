"""What the engine knows of each request under way: downloads into a sink, pages into memory."""

from __future__ import annotations

from enum import Enum

from surefetch.errors import SurefetchError
from surefetch.events import Phase, Request
from surefetch.model import Artifact, Lookup
from surefetch.transfer import addresses, answers, urls
from surefetch.transfer.answers import Accepted, Head, Redirected, Refused, Wanted
from surefetch.transfer.channel import Channel
from surefetch.transfer.options import Sink

#: Where an artifact has neither size nor bound: larger than any file.
_UNBOUNDED = 1 << 50


class Stage(Enum):
    """How an answer is being taken."""

    ASKED = "asked"  # nothing judged yet
    ACCEPTED = "accepted"  # its bytes go to the sink
    REFUSED = "refused"  # its bytes are evidence
    REDIRECTED = "redirected"  # its bytes are of no use
    LEFT = "left"  # off the wire; its ending waits for a name server


class Outcome(Enum):
    """What is to be done with a transfer once libcurl is not at work."""

    FINISH = "finish"  # everything is here
    FOLLOW = "follow"  # to where the redirect leads
    FAIL = "fail"  # `refused` says why
    HALT = "halt"  # `local` says why


class Transfer:
    """Mutable account of one request on one channel."""

    def __init__(
        self, number: int, url: str, wanted: Wanted, may_be_private: bool, began: float, validator: str | None
    ) -> None:
        url = urls.spelled(url)
        self.id, self.url, self.wanted, self.began = number, url, wanted, began
        self.asked_url = url
        self.asked_at = began  # the current hop
        self.may_be_private = self.is_named = may_be_private  # the latter by the user, for good
        self.validator = validator
        self.headers: tuple[str, ...] = ()  # of the request, beside those for its origin
        self.channel: Channel | None = None
        self.proxy = ""
        self.hops: list[str] = []
        self.stage = Stage.ASKED
        self.head: Head | None = None
        self.accepted: Accepted | None = None
        self.refused: Refused | None = None
        self.redirected: Redirected | None = None
        self.outcome: Outcome | None = None
        self.local: OSError | SurefetchError | None = None  # why the sink refused
        self.is_held = False  # until the owner has seen that it begins elsewhere
        self.held_ending: tuple[int, str] | None = None  # (libcurl's code, message) that came meanwhile
        self.has_negotiated = False
        self.is_anew = False  # over a new connection
        self.takes_any = False  # to any machine of its host: there is no other left
        self.elsewhere = 0  # see `Request`
        self.is_alone = False  # it was to go to another machine of its host, and there is none
        self.shares = False  # it may go over a connection that others use, too
        self.kept = bytearray()  # first bytes: not judged yet, or evidence
        self.received = 0  # bytes of the current answer's body
        self.lines_seen = 0  # of its head
        self.position = wanted.start  # of the next byte to write
        self.stop = wanted.stop
        self.told = wanted.start
        self.told_at = began
        self.deadline: float | None = None
        self.phase = Phase.QUEUED

    @property
    def limit(self) -> int:
        """Where the file ends at the latest."""
        artifact = self.wanted.artifact
        if artifact.size is not None:
            return artifact.size
        return artifact.max_size or _UNBOUNDED

    @property
    def may_share(self) -> bool:
        """Whether it may share a connection. A part of a file may not: it is asked for to have one more."""
        return self.wanted.artifact.may_share and not self.wanted.has_range

    @property
    def reach(self) -> int:
        """Where the answer ends, as far as it says; 0 before there is one."""
        if self.accepted is None:
            return 0
        return self.limit if self.accepted.stop is None else self.accepted.stop

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for has arrived."""
        return self.accepted is not None and self.stop is not None and self.position >= self.stop

    @property
    def has_kept_its_word(self) -> bool:
        """Whether all came of the range that it promised, maybe less than asked for (RFC 9110, 15.3.7)."""
        is_range = self.head is not None and self.head.status == 206
        return is_range and self.accepted is not None and self.position == self.accepted.stop

    @property
    def has_cookie(self) -> bool:
        """Whether the answer came with a cookie: asked once more with it, the same address may say else."""
        return self.head is not None and self.head.get("set-cookie") != ""

    @property
    def may_be_stored(self) -> bool:
        """Whether a cache on the way may have kept the answer: a proxy's, or one that says so."""
        is_seen = self.proxy.startswith("http") and self.url.startswith("http:")
        return self.head is not None and (is_seen or answers.is_stored(self.head))

    @property
    def is_inside(self) -> bool:
        """Whether who answered is inside this network."""
        assert self.channel
        if self.proxy:  # the address is the proxy's
            return addresses.names_private(urls.host(self.url))
        return addresses.is_private(self.channel.tried_address)

    def restart(self, url: str) -> None:
        """Forget the last answer before the next hop."""
        self.url, self.stage, self.head = url, Stage.ASKED, None
        self.accepted = self.refused = self.redirected = self.deadline = self.outcome = None
        self.kept.clear()
        self.received = self.lines_seen = 0
        if self.channel:
            self.channel.tried_address = ""


class Download(Transfer):
    """A request for bytes of an artifact."""

    def __init__(self, request: Request, url: str, sink: Sink, began: float) -> None:
        artifact = request.artifact
        stop = request.stop if request.stop is not None else artifact.size
        has_range = request.start > 0 or (stop is not None and stop != artifact.size)
        wanted = Wanted(
            artifact=artifact,
            start=request.start,
            stop=stop,
            has_range=has_range,
            validator=request.validator if request.start > 0 else None,
        )
        super().__init__(request.id, url, wanted, request.mirror.may_be_private, began, request.validator)
        self.sink, self.is_anew = sink, request.is_anew or request.elsewhere > 0
        self.elsewhere = request.elsewhere
        if wanted.validator:
            self.headers += (f"If-Range: {wanted.validator}",)
        if request.past_caches:
            self.headers += ("Cache-Control: no-cache", "Pragma: no-cache")


class Page(Transfer):
    """A request for a page that a lookup needs, kept in memory."""

    def __init__(
        self,
        number: int,
        lookup: Lookup,
        url: str,
        headers: tuple[str, ...],
        limit: int,
        private: bool,
        began: float,
    ) -> None:
        artifact = Artifact(name="page.html", form="page", max_size=limit)
        super().__init__(
            number, url, Wanted(artifact=artifact, start=0, stop=None, has_range=False), private, began, None
        )
        self.lookup, self.headers = lookup, headers
        self.content = bytearray()

    @property
    def may_share(self) -> bool:
        """Whether it may share a connection."""
        return True
