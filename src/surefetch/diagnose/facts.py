"""What `doctor` has seen, as recorded values: gathered by `probes`, judged by `doctor`."""

from __future__ import annotations

from surefetch.diagnose.findings import Finding
from surefetch.model import Struct
from surefetch.observation import Observation


class Dial(Struct, frozen=True, kw_only=True):
    """One try to connect by one address family."""

    family: str  # "IPv4" | "IPv6"
    address: str
    seconds: float | None = None  # None: no connection
    error: str = ""  # what the system said


class HostFacts(Struct, frozen=True, kw_only=True):
    """What was seen of one host."""

    url: str  # that was asked, secrets masked
    role: str = "mirror"  # "mirror" | "index" | "named"
    proxy: str = ""  # used, without userinfo; "": directly
    proxy_decided_by: str = ""
    proxy_repaired: str = ""
    dials: tuple[Dial, ...] = ()
    answers: bool = False  # it began to send what was asked for
    lists_it: bool | None = None  # of a package index that answers: whether it has the dataset's package
    seen: Observation | None = None
    cause: str = ""  # why it failed; "" when it answers, or when nothing can be said
    detail: str = ""
    takes_ranges: bool | None = None
    sample_bytes: int = 0
    sample_seconds: float = 0.0  # from the first byte on

    @property
    def has_unreadable_proxy(self) -> bool:
        """Whether what names its proxy cannot be read: then it was not asked."""
        return not self.proxy and self.cause in ("proxy.malformed", "proxy.scheme")


class FileFacts(Struct, frozen=True, kw_only=True):
    """What was seen of one file in another tool's cache."""

    path: str
    dataset: str
    artifact: str
    size: int
    framework: str = ""
    cause: str = ""  # "" when its digest is right
    detail: str = ""
    is_proven: bool = False  # its digest was computed and is right


class ClientFacts(Struct, frozen=True, kw_only=True):
    """Which proxy and which authorities another client would use for a URL."""

    name: str
    proxy: str  # without userinfo, or "direct"
    authorities: str  # "variable REQUESTS_CA_BUNDLE", "its own list (certifi)", "the system's"


class Facts(Struct, frozen=True, kw_only=True):
    """Everything that was seen, of one run of doctor."""

    wanted: str = ""
    platform: str = ""
    shell: str = "posix"  # one of causes.SHELLS
    surefetch: str = "surefetch"
    version: str = ""
    now: float = 0.0  # this machine's clock, seconds since 1970, UTC
    seconds: float = 0.0  # that looking took
    offline: str = ""  # what decided that offline is set
    variables: tuple[tuple[str, str], ...] = ()  # that play a part, secrets masked
    settings: tuple[tuple[str, str, str], ...] = ()  # (name, value, what decided it) of those that differ
    store: str = ""
    store_cause: str = ""  # why it cannot be written; "" if it can
    store_detail: str = ""
    free_bytes: int | None = None
    needed_bytes: int = 0
    trust: str = ""  # whom TLS trusts here
    trust_problem: str = ""
    unusable_trust: str = ""  # what is wrong with files of authorities that are named here
    ca_bundle: str = ""  # file of authorities that was named here beside the system's
    hosts: tuple[HostFacts, ...] = ()
    files: tuple[FileFacts, ...] = ()
    repaired: tuple[str, ...] = ()  # paths of files that were replaced by proven ones
    not_repaired: tuple[str, ...] = ()  # paths of those that could not be
    clients: tuple[ClientFacts, ...] = ()
    not_checked: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """What doctor found: the judgement over the facts."""

    facts: Facts
    findings: tuple[Finding, ...]  # what blocks now comes first
    well: tuple[str, ...]  # what was looked at and is all right, one line each
    verdict: str  # one sentence
    action: str  # the one thing to do; "" for nothing
    exit: int  # 0 fine, 20 mended by us, 21 you must act, 22 only the owner can
