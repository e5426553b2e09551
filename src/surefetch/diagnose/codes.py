"""Tables of numbers and words that others use: libcurl's codes, errno, statuses, resolvers' wordings."""

from __future__ import annotations

import errno
import re
from typing import Final

#: CURLcode values (curl/curl.h).
UNSUPPORTED, URL_MALFORMED, NO_PROXY_NAME, NO_HOST, NO_CONNECT, WEIRD = 1, 3, 5, 6, 7, 8
HTTP2, PARTIAL, WRITE_ERROR, TIMED_OUT, RANGE, TLS_CONNECT = 16, 18, 23, 28, 33, 35
TOO_MANY_REDIRECTS, GOT_NOTHING, SEND, RECEIVE, CLIENT_CERTIFICATE = 47, 52, 55, 56, 58
VERIFICATION, BAD_ENCODING, TOO_LARGE, NO_AUTHORITIES, HTTP2_STREAM, PROXY = 60, 61, 63, 77, 92, 97
HEADERS_TOO_LARGE = 100

#: What the operating system says of a connection: Linux, macOS and Windows numbers -> cause.
CONNECT_ERRNO: Final = {
    **dict.fromkeys((111, 61, 10061), "connect.refused"),
    **dict.fromkeys((100, 101, 113, 50, 51, 65, 99, 49, 10050, 10051, 10065, 10049), "connect.unreachable"),
    **dict.fromkeys((97, 47, 10047), "connect.unreachable"),  # address family not supported
    **dict.fromkeys((1, 13, 10013), "connect.unreachable"),  # this machine's own firewall
    **dict.fromkeys((110, 60, 10060), "connect.timeout"),
    **dict.fromkeys((104, 54, 103, 53, 32, 10053, 10054), "connect.reset"),
}
#: The same in libcurl's words, for where no number is given.
CONNECT_WORDS: Final = (
    (r"refused", "connect.refused"),
    (r"timed? ?out|timeout", "connect.timeout"),
    (
        r"unreachable|no route|network is down|cannot assign requested|not supported|permission denied",
        "connect.unreachable",
    ),
    (r"reset|aborted|broken pipe", "connect.reset"),
)
#: What resolvers say -> cause.
RESOLVER: Final = (
    (
        r"EAI_AGAIN|temporary failure|SERVFAIL|no name ?servers?|could not contact|refused"
        r"|network (is )?(down|unreachable)|EAI_FAIL\b|EAI_SYSTEM",
        "dns.unavailable",
    ),
    (r"timed? ?out|timeout", "dns.timeout"),
    (
        r"EAI_NONAME|EAI_NODATA|EAI_ADDRFAMILY|NXDOMAIN|not known|not found"
        r"|no data|no such host|does not exist",
        "dns.nxdomain",
    ),
)
#: Failed writes: errno -> cause.
LOCAL_ERRNO: Final = {
    errno.ENOSPC: "local.disk-full",
    122: "local.disk-full",  # EDQUOT on Linux
    69: "local.disk-full",  # EDQUOT on macOS
    errno.EROFS: "local.read-only",
    errno.EACCES: "local.permission",
    errno.EPERM: "local.permission",
    errno.ENAMETOOLONG: "local.name-too-long",
    errno.ENOENT: "local.path",
    errno.ENOTDIR: "local.path",
    errno.EISDIR: "local.path",
    errno.EFBIG: "local.disk-full",
    errno.EMFILE: "local.limit",
    errno.ENFILE: "local.limit",
    errno.EIO: "local.io",
}
#: Statuses -> cause, where nothing else in the answer says more.
STATUS: Final = {
    204: "body.empty",
    205: "body.empty",
    401: "http.unauthorized",
    402: "service.auth",
    403: "http.forbidden",
    404: "http.not-found",
    407: "proxy.auth-required",
    408: "transfer.no-first-byte",
    410: "http.gone",
    416: "http.range",
    418: "http.blocked-by-waf",
    421: "http.unexpected-status",
    429: "http.rate-limited",
    431: "http.unexpected-status",
    451: "http.legal",
    500: "http.server-error",
    502: "http.server-error",
    503: "http.unavailable",
    504: "http.server-error",
    509: "body.quota-page",
    511: "body.captive-portal",
    521: "http.unavailable",
    522: "http.unavailable",
    523: "http.unavailable",
    526: "http.server-error",
    529: "http.unavailable",
}
#: What a gateway says of the server behind it (Cloudflare's own statuses).
GATEWAY_WORDS: Final = {
    520: "its gateway got an answer from the server that it does not understand",
    521: "the server refuses its gateway's connections",
    522: "its gateway gets no connection to the server in time",
    523: "its gateway has no route to the server",
    524: "its gateway got no answer of the server in time",
    525: "its gateway's TLS handshake with the server failed",
    526: "its gateway does not trust the server's certificate",
}
#: A proxy's answer to CONNECT -> cause.
PROXY_STATUS: Final = {
    401: "proxy.auth-required",
    407: "proxy.auth-required",
    403: "proxy.denied",
    451: "proxy.denied",
    502: "proxy.upstream",
    503: "proxy.upstream",
    504: "proxy.upstream",
    500: "proxy.upstream",
    511: "body.captive-portal",
    429: "proxy.busy",
    # What a web server answers to a request that only proxies understand.
    400: "proxy.not-a-proxy",
    404: "proxy.not-a-proxy",
    405: "proxy.not-a-proxy",
    501: "proxy.not-a-proxy",
    200: "proxy.not-a-proxy",
    301: "proxy.not-a-proxy",
    302: "proxy.not-a-proxy",
}
#: Squid's X-Squid-Error header -> cause (squid's errorpage documentation).
SQUID: Final = {
    "ERR_DNS_FAIL": "dns.nxdomain",
    "ERR_ACCESS_DENIED": "proxy.denied",
    "ERR_CACHE_ACCESS_DENIED": "proxy.auth-required",
    "ERR_CONNECT_FAIL": "proxy.upstream",
    "ERR_CANNOT_FORWARD": "proxy.upstream",
    "ERR_READ_TIMEOUT": "proxy.upstream",
    "ERR_SECURE_CONNECT_FAIL": "proxy.upstream",
    "ERR_ZERO_SIZE_OBJECT": "proxy.upstream",
    "ERR_INVALID_URL": "proxy.not-a-proxy",
}
#: What a SOCKS5 proxy answers (RFC 1928, 6).
SOCKS_REPLIES: Final = {
    "1": "general failure",
    "2": "its rules do not allow the connection",
    "3": "network unreachable",
    "4": "host unreachable",
    "5": "connection refused",
    "6": "the host did not answer in time",
}
#: Addresses of DNS filters' block pages (Cisco Umbrella's published ones).
BLOCK_PAGES: Final = re.compile(r"146\.112\.(61|255)\.\d+|67\.215\.65\.13\d")
SINKHOLE: Final = re.compile(r"0\.0\.0\.0|::|127\.\d+\.\d+\.\d+|::1")
PLAIN_TEXT: Final = re.compile(
    r"wrong.version.number|packet length too long|http request|unknown protocol|record overflow"
    r"|bad record type|first record does not look like a TLS",
    re.I,
)
#: What a server says when it ends a stream of HTTP/2 (RFC 9113, 7), in libcurl's words.
STREAM_RESET: Final = re.compile(
    r"stream \d+ (?:was )?(?:reset by server|not closed cleanly)[^(]*\(?(?:error|err) \w+[: ]+([A-Z_]{6,})"
)
STREAM_ERRORS: Final = {
    "ENHANCE_YOUR_CALM": "http.rate-limited",
    "REFUSED_STREAM": "http.unavailable",
    "PROTOCOL_ERROR": "http.malformed",
    "FRAME_SIZE_ERROR": "http.malformed",
}
#: A server that hangs up because no certificate was shown to it: TLS 1.3's alert 116, and older words.
WANTS_CERTIFICATE: Final = re.compile(r"alert certificate required|alert no certificate", re.I)
CUT: Final = re.compile(
    r"reset by peer|unexpected eof|SSL_ERROR_SYSCALL|connection (was )?(closed|aborted)|broken pipe", re.I
)
LOGIN_PATH: Final = re.compile(
    r"/(log-?in|sign-?in|sign_in|logon|sso|saml2?|cas|adfs|oauth2?|auth|users/sign_in|session/new)([/?#.]|$)",
    re.I,
)
LOGIN_HOST: Final = re.compile(
    r"^(log-?in|sign-?in|sso|idp|auth|accounts?|cas|shibboleth|adfs)[.\d-]|\.okta\.com$|microsoftonline\.com$",
    re.I,
)
PORTAL_HOST: Final = re.compile(
    r"captive|hotspot|wi-?fi|guest|portal|splash|^(10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+$|\.(lan|local|home|internal)$",
    re.I,
)
