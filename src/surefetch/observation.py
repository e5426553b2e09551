"""What was seen of one exchange with a host: recorded by the edges, judged by `diagnose`. Frozen values only.

Everything is bounded, and nothing here is secret: the edge strips userinfo, and masks query strings and
credentials' headers, before it writes an observation down.
"""

from __future__ import annotations

import re
from typing import Final

from surefetch.events import Phase
from surefetch.model import Struct

#: Bytes of an unwanted answer that are kept to be named.
FIRST_BYTES: Final = 4096
#: Headers of one answer that are kept.
MAX_HEADERS: Final = 100


class Certificate(Struct, frozen=True, kw_only=True):
    """One certificate that a server (or whoever answered in its place) sent."""

    subject: str  # as libcurl's CURLINFO_CERTINFO writes it: "CN = *.example.org, O = …"
    issuer: str
    not_before: float | None = None  # seconds since 1970, UTC
    not_after: float | None = None
    issuer_url: str = ""  # where its issuer's certificate can be had, if it says so (RFC 5280, 4.2.2.1)
    san: tuple[str, ...] = ()  # names and addresses it is for: "example.org", "*.example.org", "192.0.2.1"


class Observation(Struct, frozen=True, kw_only=True):
    """One attempt as it was seen, from looking up the name to the first bytes; not reached means unset."""

    url: str
    effective_url: str = ""  # after redirects; "" is the same as `url`
    redirects: tuple[str, ...] = ()  # each address that a redirect led to, in order
    artifact: str = ""  # the file's published name
    expected_size: int | None = None  # bytes of the whole file, if known

    phase: Phase = Phase.QUEUED  # how far it came
    seconds: tuple[
        tuple[str, float], ...
    ] = ()  # (phase's value, seconds since the order) for each phase passed
    address: str = ""  # connected to, or tried last: "192.0.2.1", "2001:db8::1"
    answers: tuple[str, ...] = ()  # addresses that the resolver gave for the host
    resolver: str = (
        ""  # what the resolver said when it failed: "EAI_NONAME", "EAI_AGAIN", "NXDOMAIN", "timeout"
    )
    port: int | None = None

    curl_code: int = 0  # CURLcode; 0: no error of the transfer
    curl_message: str = ""  # CURLOPT_ERRORBUFFER
    os_errno: int = 0  # CURLINFO_OS_ERRNO, or of a local operation

    proxy: str = ""  # scheme://host:port without userinfo; "": direct
    proxy_status: int | None = None  # status of the proxy's answer to CONNECT
    proxy_headers: tuple[tuple[str, str], ...] = ()

    tls_verify_result: int | None = None  # X509_V_* of OpenSSL (0: verified); None: no TLS, or not that far
    chain: tuple[Certificate, ...] = ()  # as sent, the server's own first

    status: int | None = None  # of the last answer
    http_version: str = ""  # "1.1", "2"
    headers: tuple[tuple[str, str], ...] = ()  # of the last answer, names in lower case
    content_type: str = ""
    first_bytes: bytes = b""  # at most FIRST_BYTES of the body
    last_bytes: bytes = b""  # at most FIRST_BYTES from its end, if it was kept
    length_promised: int | None = None  # Content-Length, or the end of the range asked for
    length_received: int = 0

    now: float | None = None  # this machine's clock, seconds since 1970, UTC

    def header(self, name: str) -> str:
        """Return a header's value of the last answer, or "" if it was not there. `name` is in lower case."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return ""

    def limit_reset(self) -> float | None:
        """Return seconds until a limit of requests that is used up counts anew; None where none is.

        Some services say it in these headers and send no Retry-After: the Hugging Face Hub in `RateLimit`
        (draft-ietf-httpapi-ratelimit-headers), GitHub and GitLab as a time, others in seconds.
        """
        if found := re.search(
            r"\b(?:r=0\s*;\s*t|remaining=0,\s*reset)=(\d{1,9})\b", self.header("ratelimit")
        ):
            return float(found[1])
        for kind in ("x-ratelimit", "ratelimit"):
            reset = self.header(f"{kind}-reset")
            if self.header(f"{kind}-remaining") == "0" and re.fullmatch(r"\d{1,10}(\.\d+)?", reset):
                began = (self.now or 0.0) if float(reset) > 1e9 else 0.0
                return max(0.0, float(reset) - began)
        return None
