"""The engine's own judge: what libcurl, a status or a proxy said, as a cause. Table-driven, pure.

`diagnose` knows more (captive portals, firewalls, inspection of TLS) and may be asked first; these tables are
what remains when it has no opinion.
"""

from __future__ import annotations

import errno
from typing import Final

import pycurl

from surefetch.causes import cause as cause_row
from surefetch.events import Failure, Phase
from surefetch.observation import Observation
from surefetch.transfer import answers
from surefetch.transfer.answers import Refused

#: (failure, cause, detail)
Verdict = tuple[Failure, str, str]

STATUSES: Final = {
    204: "body.empty",
    401: "http.unauthorized",
    403: "http.forbidden",
    404: "http.not-found",
    407: "proxy.auth-required",
    410: "http.gone",
    429: "http.rate-limited",
    451: "http.legal",
    503: "http.unavailable",
}
#: Statuses by their hundreds, where STATUSES has no row.
STATUS_CLASSES: Final = {5: "http.server-error"}
#: A gateway did not reach the server behind it, or not in time (RFC 9110, 15.6.3 and 15.6.5).
GATEWAYS: Final = frozenset({502, 504})
#: Statuses that the same request would meet again (RFC 9110, 15.5 and 15.6).
FINAL: Final = frozenset({400, 402, 405, 406, 411, 413, 414, 415, 417, 422, 426, 428, 431, 501, 505})
#: Answers to CONNECT; what is not here is by its hundreds, or no proxy's answer.
CONNECT_STATUSES: Final = {
    401: "proxy.auth-required",
    403: "proxy.denied",
    407: "proxy.auth-required",
    429: "proxy.busy",
    451: "proxy.denied",
    502: "connect.unreachable",
    503: "connect.unreachable",
    504: "connect.timeout",
}
#: X509_V_ERR_* of OpenSSL (x509_vfy.h).
VERIFY_RESULTS: Final = {
    2: "tls.unknown-issuer",
    7: "tls.unknown-issuer",
    9: "tls.not-yet-valid",
    10: "tls.expired",
    18: "tls.self-signed",
    19: "tls.unknown-issuer",
    20: "tls.unknown-issuer",
    21: "tls.unknown-issuer",
    62: "tls.hostname",
    63: "tls.hostname",
    64: "tls.hostname",
}
#: What OpenSSL's and libcurl's messages of a failed handshake contain, in lower case; the first row decides.
HANDSHAKES: Final = (
    ("wrong version number", "tls.not-tls"),
    ("packet length too long", "tls.not-tls"),
    ("http request", "tls.not-tls"),
    ("record layer failure", "tls.not-tls"),
    ("connection reset", "connect.reset"),
    ("unexpected eof", "connect.reset"),
    ("syscall", "connect.reset"),
    ("alert", "tls.protocol"),
    ("unsupported protocol", "tls.protocol"),
    ("no protocols available", "tls.protocol"),
    ("cipher", "tls.protocol"),
    ("key too small", "tls.protocol"),
)
ERRNOS: Final = {
    errno.ECONNREFUSED: "connect.refused",
    errno.ECONNRESET: "connect.reset",
    errno.EHOSTUNREACH: "connect.unreachable",
    errno.ENETUNREACH: "connect.unreachable",
    errno.EADDRNOTAVAIL: "connect.unreachable",
    errno.ENETDOWN: "connect.unreachable",
    errno.EPERM: "connect.unreachable",
    errno.EACCES: "connect.unreachable",
    errno.ETIMEDOUT: "connect.timeout",
}
#: What a time-out means, by how far the transfer had come.
TIMEOUTS: Final = {
    Phase.QUEUED: "transfer.no-first-byte",
    Phase.RESOLVE: "dns.timeout",
    Phase.CONNECT: "connect.timeout",
    Phase.TLS: "connect.timeout",
    Phase.WAIT: "transfer.no-first-byte",
    Phase.BODY: "transfer.slow",
}
#: What the resolver said.
RESOLVER: Final = {
    "EAI_NONAME": "dns.nxdomain",
    "EAI_NODATA": "dns.nxdomain",
    "NXDOMAIN": "dns.nxdomain",
    "timeout": "dns.timeout",
}
#: libcurl's codes that need nothing else to be read (curl/curl.h).
CODES: Final = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "http.malformed",  # also HTTP/0.9
    pycurl.E_URL_MALFORMAT: "policy.scheme",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy.name",
    8: "http.malformed",  # CURLE_WEIRD_SERVER_REPLY
    pycurl.E_HTTP2: "http.malformed",
    pycurl.E_PARTIAL_FILE: "body.truncated",
    pycurl.E_GOT_NOTHING: "connect.reset",
    pycurl.E_SEND_ERROR: "connect.reset",
    pycurl.E_RECV_ERROR: "connect.reset",
    pycurl.E_BAD_CONTENT_ENCODING: "body.unasked-encoding",
    pycurl.E_SSL_CACERT_BADFILE: "tls.no-trust-store",
    pycurl.E_SSL_ISSUER_ERROR: "tls.unknown-issuer",
    92: "connect.reset",  # CURLE_HTTP2_STREAM
    95: "connect.reset",  # CURLE_HTTP3
    96: "connect.reset",  # CURLE_QUIC_CONNECT_ERROR
    100: "policy.header-size",  # CURLE_TOO_LARGE
}
#: CURLINFO_PROXY_ERROR (CURLPX_* of curl/curl.h) of a SOCKS proxy: who failed, and how. The rest: no proxy.
SOCKS: Final = {
    3: "proxy.cut",  # CLOSED
    4: "proxy.auth-required",  # GSSAPI
    5: "proxy.auth-required",  # GSSAPI_PERMSG
    6: "proxy.auth-required",  # GSSAPI_PROTECTION
    12: "proxy.auth-required",  # NO_AUTH
    13: "proxy.cut",  # RECV_ADDRESS
    14: "proxy.cut",  # RECV_AUTH
    15: "proxy.cut",  # RECV_CONNECT
    16: "proxy.cut",  # RECV_REQACK
    19: "connect.refused",  # REPLY_CONNECTION_REFUSED
    20: "connect.unreachable",  # REPLY_GENERAL_SERVER_FAILURE
    21: "connect.unreachable",  # REPLY_HOST_UNREACHABLE
    22: "connect.unreachable",  # REPLY_NETWORK_UNREACHABLE
    23: "proxy.denied",  # REPLY_NOT_ALLOWED
    24: "connect.timeout",  # REPLY_TTL_EXPIRED
    25: "connect.unreachable",  # REPLY_UNASSIGNED
    26: "connect.unreachable",  # REQUEST_FAILED, of SOCKS4
    27: "dns.nxdomain",  # RESOLVE_HOST: by us, for socks4 and socks5
    33: "proxy.auth-required",  # USER_REJECTED
}
#: What a failed write means.
LOCAL_CAUSES: Final = {
    errno.ENOSPC: "local.disk-full",
    errno.EDQUOT: "local.disk-full",
    errno.EFBIG: "local.disk-full",
    errno.EROFS: "local.read-only",
    errno.EACCES: "local.permission",
    errno.EPERM: "local.permission",
    errno.ENAMETOOLONG: "local.name-too-long",
}
#: Causes that the engine knows by itself, whatever an observation looks like.
ENGINE_KNOWS: Final = frozenset(
    {
        "body.too-large", "body.unasked-encoding", "dns.blocked", "http.downgrade", "http.range-lie",
        "http.redirect-loop", "local.limit", "policy.header-size", "policy.private-address", "policy.scheme",
        "proxy.auth-required", "proxy.denied", "proxy.malformed", "proxy.not-a-proxy", "proxy.scheme",
        "tls.no-trust-store",
    }
)  # fmt: skip
#: What came was no HTTP: from a proxy, that it is none.
_OTHER_WORDS: Final = frozenset({1, 8})
#: Nothing came.
_HUNG_UP: Final = frozenset({pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING})
#: A wrong length may be the sign of another thing that came.
BY_LENGTH: Final = frozenset({"body.truncated", "body.too-large"})
#: Causes that say no more than a wrong length does.
UNNAMED: Final = BY_LENGTH | {"body.corrupt", "body.empty"}


def judge_observation(seen: Observation, refused: Refused | None = None) -> Verdict:
    """Name the cause of a failure.

    Args:
        seen: What was observed.
        refused: What the engine itself has found wrong, if it has.
    """
    if refused and refused.cause in BY_LENGTH and seen.status in (200, 203):
        refused = answers.sniff(seen.first_bytes, seen.content_type, seen.artifact) or refused
    cause, detail = _cause(seen, refused)
    failure = refused.failure if refused else None
    return failure or Failure(cause_row(cause).failure), cause, detail


def _cause(seen: Observation, refused: Refused | None) -> tuple[str, str]:
    if refused and refused.cause:
        return refused.cause, refused.detail
    if seen.curl_code:
        return _of_code(seen), seen.curl_message
    if seen.status is not None:
        return _of_status(seen)
    return "http.malformed", seen.curl_message


def _of_status(seen: Observation) -> tuple[str, str]:
    status = seen.status or 0
    title = answers.page_title(seen.first_bytes)
    detail = f"HTTP {status}{', ' if title else ''}{title}"
    if seen.proxy and (squid := seen.header("x-squid-error")):
        return SQUID.get(squid.split()[0], "proxy.denied"), f"{detail}, the proxy says {squid}"
    found = STATUSES.get(status) or STATUS_CLASSES.get(status // 100)
    return found or "http.unexpected-status", detail


def _of_code(seen: Observation) -> str:
    code = seen.curl_code
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return RESOLVER.get(seen.resolver, "dns.unavailable")
    if seen.proxy and seen.phase is not Phase.BODY and (found := _of_proxy(seen)):
        return found
    if code == pycurl.E_COULDNT_CONNECT:
        return ERRNOS.get(seen.os_errno, "connect.unreachable")
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return TIMEOUTS[seen.phase]
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return _of_certificate(seen)
    if code == pycurl.E_SSL_CONNECT_ERROR:
        return _of_handshake(seen)
    if "response headers" in seen.curl_message:  # "Too large response headers": libcurl's own bound
        return "policy.header-size"
    return CODES.get(code, "connect.reset")


def _of_proxy(seen: Observation) -> str | None:
    """Name what went wrong with the proxy itself; None when it did its part."""
    scheme = seen.proxy.partition("://")[0]
    squid = next((value.split()[0] for name, value in seen.proxy_headers if name == "x-squid-error"), "")
    if seen.proxy_status and seen.proxy_status // 100 != 2:
        if squid in SQUID:
            return SQUID[squid]
        return CONNECT_STATUSES.get(seen.proxy_status, "proxy.not-a-proxy")
    if seen.curl_code == pycurl.E_COULDNT_CONNECT:
        return "proxy.unreachable"
    if seen.curl_code == pycurl.E_OPERATION_TIMEDOUT and seen.phase is Phase.CONNECT:
        return "proxy.unreachable"
    through_tunnel = seen.url.startswith("https:") and (seen.proxy_status or seen.phase is Phase.WAIT)
    if scheme in ("http", "https") and seen.status is None and not through_tunnel:
        if seen.curl_code in _HUNG_UP:
            return "proxy.cut"
        if seen.curl_code in _OTHER_WORDS:
            return "proxy.not-a-proxy"
    if scheme == "https" and not seen.proxy_status and seen.curl_code == pycurl.E_SSL_CONNECT_ERROR:
        return "proxy.scheme" if _of_handshake(seen) == "tls.not-tls" else None
    return None


def _of_certificate(seen: Observation) -> str:
    if found := VERIFY_RESULTS.get(seen.tls_verify_result or 0):
        return found
    message = seen.curl_message.lower()
    if "subject name" in message or "hostname" in message or "host name" in message:
        return "tls.hostname"
    return "tls.unknown-issuer"


def _of_handshake(seen: Observation) -> str:
    message = seen.curl_message.lower()
    return next((found for text, found in HANDSHAKES if text in message), "tls.protocol")


#: What squid says in X-Squid-Error when it answers in the host's place.
SQUID: Final = {
    "ERR_ACCESS_DENIED": "proxy.denied",
    "ERR_CACHE_ACCESS_DENIED": "proxy.auth-required",
    "ERR_DNS_FAIL": "dns.nxdomain",
    "ERR_CONNECT_FAIL": "connect.refused",
    "ERR_READ_TIMEOUT": "transfer.no-first-byte",
    "ERR_READ_ERROR": "connect.reset",
    "ERR_ZERO_SIZE_OBJECT": "connect.reset",
    "ERR_SECURE_CONNECT_FAIL": "tls.protocol",
    "ERR_CANNOT_FORWARD": "connect.unreachable",
}
