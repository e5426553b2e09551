"""The seam between the planner and the edges: orders (what is wanted done) and events (what happened).

All values are frozen; times are seconds on a clock that only goes forward; ranges are half-open.
"""

from __future__ import annotations

from enum import Enum

from surefetch.model import Artifact, Digest, Lookup, Mirror, Recipe, Struct


class Failure(Enum):
    """What the planner reacts to: a closed set. The root cause is the attempt's `cause`."""

    NAME = "name"  # the host's name cannot be resolved
    CONNECT = "connect"  # no connection to the host
    TLS = "tls"
    PROXY = "proxy"
    AUTH = "auth"  # refused: 401, 403, 451, a firewall
    MISSING = "missing"  # not there: 404, 410, a dead redirect
    BUSY = "busy"  # 429, 503: come back later
    SERVER = "server"  # other 5xx
    GATEWAY = "gateway"  # what answers did not reach the server behind it (502, 504)
    TIMEOUT = "timeout"  # silence, stall or crawl
    CUT = "cut"  # the connection broke, or the body is short
    CORRUPT = "corrupt"  # bytes, length or content are wrong
    POLICY = "policy"  # we refuse
    LOCAL = "local"  # this machine: disk, permission


class Phase(Enum):
    """How far a request had come."""

    QUEUED = "queued"
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    WAIT = "wait"  # request sent, no byte of the answer yet
    BODY = "body"


class Attempt(Struct, frozen=True, kw_only=True):
    """One order with its ending, for errors and receipts."""

    mirror: str  # URL without secrets, a path, or `source: target` for a lookup
    cause: str  # a code of causes.toml; "" when it went well
    detail: str = ""  # what was seen, for people
    artifact: str = ""
    source: str = ""
    seconds: float = 0.0
    bytes: int = 0


# --- orders ---------------------------------------------------------------------------------------------


class Look(Struct, frozen=True, kw_only=True):
    """Carry out a lookup; ends in `Answered` or `LookupFailed`."""

    lookup: Lookup


class Request(Struct, frozen=True, kw_only=True):
    """Ask a mirror for bytes [start, stop) of an artifact; `stop` None asks for all from `start` on.

    Ends in exactly one of `Finished`, `Failed` or `Cancelled`, with the same `id`.
    """

    id: int
    artifact: Artifact
    mirror: Mirror
    start: int = 0
    stop: int | None = None
    validator: str | None = None  # a strong ETag or a date, sent as If-Range (RFC 9110, 13.1.5)
    compares: bool = False  # hold the bytes against those of the part instead of keeping them; see `Differed`
    is_anew: bool = False  # over a new connection: another machine may answer under the mirror's name
    past_caches: bool = False  # none on the way may answer with what it keeps (RFC 9111, 5.2.1.4)
    elsewhere: int = 0  # not 0: of another machine than all before, under the mirror's name, for the nth time


class Shorten(Struct, frozen=True, kw_only=True):
    """Let a running request end at `stop`, because another one took over the rest.

    A later order may let it go on again, at most as far as it was asked for.
    """

    id: int
    stop: int


class Divide(Struct, frozen=True, kw_only=True):
    """Have a connection that requests share carry so many at once at most; others go over more."""

    streams: int


class Cancel(Struct, frozen=True, kw_only=True):
    """Break off a running request; ends in `Cancelled`."""

    id: int


class Prove(Struct, frozen=True, kw_only=True):
    """Hash an artifact whose bytes are all here and publish it if they are right; `Proven` or `Disproven`."""

    artifact: Artifact


class Discard(Struct, frozen=True, kw_only=True):
    """Forget bytes [start, stop) of an unfinished artifact: they came from a mirror not to be believed.

    `Discarded` says that it is done.
    """

    artifact: Artifact
    start: int
    stop: int


class Derive(Struct, frozen=True, kw_only=True):
    """Make a tensor by a recipe from artifacts in the store and publish it; `Derived` or `NotDerived`."""

    tensor: str
    form: str
    recipe: Recipe


class Wait(Struct, frozen=True, kw_only=True):
    """Send a `Tick` at this time if nothing else happens earlier."""

    until: float


class Done(Struct, frozen=True, kw_only=True):
    """Nothing is left to do: everything wanted is there, or no way is left."""

    missing: tuple[str, ...]  # wanted tensors and artifacts that could not be had
    attempts: tuple[Attempt, ...]


Order = Look | Request | Shorten | Divide | Cancel | Prove | Discard | Derive | Wait | Done

# --- events ---------------------------------------------------------------------------------------------


class Tick(Struct, frozen=True, kw_only=True):
    """Time has passed."""


class Answered(Struct, frozen=True, kw_only=True):
    """A lookup came back. `answer` is what its kind promises: a page, a listing, a command's output."""

    lookup: Lookup
    answer: bytes


class LookupFailed(Struct, frozen=True, kw_only=True):
    """A lookup did not work."""

    lookup: Lookup
    failure: Failure
    cause: str
    detail: str = ""
    seconds: float = 0.0


class Opened(Struct, frozen=True, kw_only=True):
    """A mirror began to answer with bytes of the artifact."""

    id: int
    start: int  # the first byte it will send
    size: int | None  # of the whole artifact, if the mirror says
    takes_ranges: bool  # it honoured a range, or says that it would
    validator: str | None  # a strong ETag, or Last-Modified
    address: str = ""  # the address connected to
    seconds: float = 0.0  # from the order to the first byte
    round_trip: float = 0.0  # seconds, as its connection shows; 0 where it was not made for it, or to a proxy
    is_multiplexed: bool = False  # over HTTP/2: many requests may share the connection
    encoding: str = ""  # that the answer says to be in although nobody asked: its digest tells
    is_stored: bool = False  # a cache on the way may have kept the answer


class Received(Struct, frozen=True, kw_only=True):
    """Bytes [start, stop) have arrived and are in the part. Sent at most every few dozen milliseconds."""

    id: int
    start: int
    stop: int


class Disordered(Struct, frozen=True, kw_only=True):
    """Packets of a request's connection came before an earlier one, which was lost or overtaken on the way.

    Sent at most once for each request, soon after it was seen, where the system tells (Linux).
    """

    id: int
    segments: int  # packets that came in order before
    round_trip: float  # seconds: the shortest seen
    queued: float  # seconds that packets wait on the way now, beside that
    recent: int  # packets that came in the last round trip
    used: float  # share of the link that was used then, by how fast packets come in a row


class Discarded(Struct, frozen=True, kw_only=True):
    """Bytes [start, stop) were discarded as ordered; all that was written of them before has been told."""

    artifact: Artifact
    start: int
    stop: int


class Differed(Struct, frozen=True, kw_only=True):
    """A request that compares has brought other bytes than the part has. Sent once, before its ending."""

    id: int
    start: int  # the first byte that differs
    stop: int  # at least one more; a short stretch that a third mirror can be asked for


class Finished(Struct, frozen=True, kw_only=True):
    """A request has delivered all that was asked of it (or of what `Shorten` left to it).

    Bytes before `stop` that no `Received` told have arrived with it.
    """

    id: int
    stop: int


class Failed(Struct, frozen=True, kw_only=True):
    """A request ended early. What arrived before stays in the part."""

    id: int
    failure: Failure
    cause: str
    detail: str = ""
    retry_after: float | None = None  # seconds, from the server
    wrong_digest: str | None = None  # SHA-256 of an answer that is certainly another file
    size: int | None = None  # of the whole file, as told by who has nothing at the place asked for (416)
    is_stored: bool = False  # a cache on the way may have kept the answer
    is_alone: bool = False  # nobody was asked: the mirror's name leads to no other machine


class Cancelled(Struct, frozen=True, kw_only=True):
    """A request was broken off by order."""

    id: int
    phase: Phase


class Proven(Struct, frozen=True, kw_only=True):
    """The artifact's bytes are right and published."""

    artifact: Artifact
    digest: Digest


class Disproven(Struct, frozen=True, kw_only=True):
    """All bytes are here and they are wrong. `wrong_pieces` tell which stretches, where pieces are known."""

    artifact: Artifact
    actual: Digest
    wrong_pieces: tuple[int, ...] | None = None  # indices; None: nobody knows
    cause: str = "body.corrupt"
    detail: str = ""


class PieceJudged(Struct, frozen=True, kw_only=True):
    """A piece is complete and hashed while the others still arrive; once for each time it is complete.

    A piece that is right need not be told.
    """

    artifact: Artifact
    index: int
    is_right: bool


class Derived(Struct, frozen=True, kw_only=True):
    """The tensor is published; its digest is right if the specification has one."""

    tensor: str
    form: str
    sha256: str


class NotDerived(Struct, frozen=True, kw_only=True):
    """The recipe failed, or gave other content than promised."""

    tensor: str
    form: str
    cause: str
    detail: str = ""


class Halted(Struct, frozen=True, kw_only=True):
    """Something on this machine makes going on pointless: a full disk, a folder without permission."""

    cause: str
    detail: str = ""


#: What happens to a request, by its `id`: most of what happens at all.
OfRequest = Opened | Received | Disordered | Differed | Finished | Failed | Cancelled
#: The same for `isinstance`, the usual ones first: of a union it would need twice as long.
OF_REQUESTS = (Received, Opened, Finished, Disordered, Differed, Failed, Cancelled)

Event = (
    OfRequest | Tick | Answered | LookupFailed | Discarded | Proven | Disproven | PieceJudged | Derived
    | NotDerived | Halted
)  # fmt: skip
