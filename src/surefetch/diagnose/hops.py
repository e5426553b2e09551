"""Rules of the way to a host: this machine, the name, the proxy, the connection, TLS."""

from __future__ import annotations

import re

import msgspec

from surefetch.diagnose import codes
from surefetch.diagnose.certificates import judge_chain
from surefetch.diagnose.findings import Finding
from surefetch.diagnose.words import (
    clean,
    connect_words,
    errno_words,
    host_of,
    last_host,
    proxy_host,
    proxy_words,
)
from surefetch.events import Phase
from surefetch.observation import Observation

#: libcurl's words for bytes that are no HTTP.
_NO_HTTP = re.compile(r"invalid (status|response|header)|http/0\.9|malformed", re.I)


def judge_local(seen: Observation) -> Finding | None:
    if seen.curl_code == codes.WRITE_ERROR and seen.os_errno in codes.LOCAL_ERRNO:
        return Finding(
            cause=codes.LOCAL_ERRNO[seen.os_errno], detail=seen.curl_message or errno_words(seen.os_errno)
        )
    return None


def judge_address(seen: Observation) -> Finding | None:
    """The URL itself."""
    message = seen.curl_message.lower()
    if seen.curl_code == codes.URL_MALFORMED:
        return Finding(cause="policy.scheme", detail=f"the address cannot be read: {seen.curl_message}")
    if seen.curl_code == codes.UNSUPPORTED and not re.search("http/|response", message):  # about the answer
        if seen.redirects and seen.url.startswith("https:"):
            return Finding(cause="http.downgrade", detail=f"it redirects to `{clean(seen.redirects[-1])}`")
        return Finding(cause="policy.scheme", detail=seen.curl_message)
    return None


def judge_proxy(seen: Observation) -> Finding | None:
    """The hop before the host: everything until the tunnel stands is about the proxy."""
    message = seen.curl_message
    if seen.curl_code == codes.NO_PROXY_NAME:
        malformed = bool(re.search(r"[\s\"'@/]|^$", proxy_host(seen)))
        return Finding(
            cause="proxy.malformed" if malformed else "proxy.name",
            detail=f"the proxy's name `{proxy_host(seen)}` does not resolve",
        )
    if not seen.proxy:
        return None
    if seen.curl_code in (codes.UNSUPPORTED, 0) and re.search(
        r"unsupported proxy|proxy (scheme|syntax)", message, re.I
    ):
        return Finding(cause="proxy.scheme", detail=message)
    if squid := _squid(seen):
        return squid
    if seen.proxy_status is not None and not 200 <= seen.proxy_status < 300:
        return tunnel(seen, seen.proxy_status)
    if (
        seen.curl_code
        and (match := re.search(r"(?:response|HTTP code) (\d{3})", message))
        and "CONNECT" in message
    ):
        return tunnel(seen, int(match.group(1)))
    if seen.curl_code == codes.PROXY:
        return _socks(seen)
    return _proxy_connection(seen) if seen.proxy_status is None and seen.status is None else None


def _proxy_connection(seen: Observation) -> Finding | None:
    message, where = seen.curl_message, proxy_words(seen)
    wants_tunnel = seen.url.startswith("https:") and not seen.proxy.startswith("socks")
    if wants_tunnel and seen.phase in (Phase.WAIT, Phase.BODY):
        return None  # through a tunnel that stood: the host's words
    if seen.phase in (Phase.RESOLVE, Phase.CONNECT) and seen.curl_code in (codes.NO_CONNECT, codes.TIMED_OUT):
        return Finding(cause="proxy.unreachable", detail=f"{where}: {connect_words(seen)}")
    is_tls_proxy = seen.proxy.startswith("https:")
    if (
        seen.curl_code == codes.TLS_CONNECT
        and is_tls_proxy
        and codes.PLAIN_TEXT.search(message)
        and not seen.chain
    ):
        return Finding(
            cause="proxy.scheme", detail=f"{where} speaks plain http, but is configured as https://"
        )
    if seen.curl_code == codes.GOT_NOTHING or (
        wants_tunnel and seen.curl_code in (codes.SEND, codes.RECEIVE) and not _NO_HTTP.search(message)
    ):
        return Finding(cause="proxy.cut", detail=f"{where} hung up without an answer")
    if seen.curl_code in (codes.WEIRD, codes.UNSUPPORTED, 43) or _NO_HTTP.search(message):
        return Finding(
            cause="proxy.not-a-proxy", detail=f"{where} does not answer as a proxy does: {message}"
        )
    if seen.curl_code == codes.TIMED_OUT and (is_tls_proxy or wants_tunnel or seen.proxy.startswith("socks")):
        return _silent_proxy(seen, where)
    return None


def _silent_proxy(seen: Observation, where: str) -> Finding:
    """It took the connection, and said nothing of a tunnel."""
    if seen.proxy.startswith("https:"):
        detail = f"{where} is configured as https://, and gives a TLS handshake no answer"
        return Finding(cause="proxy.scheme", detail=detail)
    if seen.proxy.startswith("socks"):
        return Finding(
            cause="proxy.unreachable", detail=f"{where} took the connection, and says nothing in SOCKS"
        )
    it = f"it hangs, or `{last_host(seen)}` does"
    detail = f"{where} took the connection, and opened no tunnel in time: {it}"
    return Finding(cause="proxy.unreachable", detail=detail)


def tunnel(seen: Observation, status: int) -> Finding:
    if led := _led_by_proxy(seen, status):
        return led
    cause = codes.PROXY_STATUS.get(status, "proxy.denied" if 400 <= status < 500 else "proxy.upstream")
    if status == 503 and seen.header("retry-after"):
        cause = "proxy.busy"
    detail = f"{proxy_words(seen)} answered {status}"
    schemes = [
        value.split()[0]
        for name, value in (*seen.proxy_headers, *seen.headers)
        if name.lower() == "proxy-authenticate" and value
    ]
    if cause == "proxy.auth-required" and schemes:
        detail += f" and asks for {' or '.join(dict.fromkeys(schemes))}"
    return Finding(cause=cause, detail=detail)


def _led_by_proxy(seen: Observation, status: int) -> Finding | None:
    """A filter that answers CONNECT with the address of its page; a web server leads to itself at most."""
    headers = (*seen.proxy_headers, *seen.headers)
    place = next((value for name, value in headers if name.lower() == "location"), "")
    host = host_of(place)
    if not 300 <= status < 400 or host in ("", host_of(seen.proxy), last_host(seen)):
        return None
    is_sign_in = (
        codes.LOGIN_PATH.search(place) or codes.LOGIN_HOST.search(host) or codes.PORTAL_HOST.search(host)
    )
    detail = f"{proxy_words(seen)} answered {status} and leads to `{clean(place)}`"
    return Finding(cause="body.captive-portal" if is_sign_in else "proxy.denied", detail=detail)


def _squid(seen: Observation) -> Finding | None:
    for name, value in (*seen.proxy_headers, *seen.headers):
        if name.lower() == "x-squid-error" and value.split():
            cause = codes.SQUID.get(value.split()[0])
            if cause:
                return Finding(cause=cause, detail=f"{proxy_words(seen)} says {value.split()[0]}")
    return None


def _socks(seen: Observation) -> Finding:
    message = seen.curl_message
    if re.search(r"user was rejected|no authentication|auth", message, re.I):
        return Finding(cause="proxy.auth-required", detail=f"{proxy_words(seen)}: {message}")
    if re.search(r"not allowed|rule|denied", message, re.I):
        return Finding(cause="proxy.denied", detail=f"{proxy_words(seen)}: {message}")
    if re.search(r"closed|failed to (send|receive)", message, re.I):
        return Finding(cause="proxy.cut", detail=f"{proxy_words(seen)} hung up: {message}")
    if reply := re.search(r"can.?not complete SOCKS[45]\w* connection to .*\((\d+)\)", message, re.I):
        cause = "proxy.denied" if reply.group(1) == "2" else "proxy.upstream"  # RFC 1928, 6
        said = codes.SOCKS_REPLIES.get(reply.group(1), message)
        return Finding(cause=cause, detail=f"{proxy_words(seen)} says: {said}")
    if re.search(r"host unreachable|network unreachable|refused|TTL|can.t complete", message, re.I):
        return Finding(cause="proxy.upstream", detail=f"{proxy_words(seen)}: {message}")
    return Finding(cause="proxy.not-a-proxy", detail=f"{proxy_words(seen)} does not speak SOCKS: {message}")


def judge_name(seen: Observation) -> Finding | None:
    host = host_of(seen.effective_url or seen.url)
    if seen.curl_code == codes.TIMED_OUT and (
        seen.phase is Phase.RESOLVE or "resolving timed out" in seen.curl_message.lower()
    ):
        return Finding(cause="dns.timeout", detail=f"no name server answered for `{host}`")
    if seen.curl_code != codes.NO_HOST:
        return None
    words = re.sub(r"could not resolve[^:(]*:?", "", seen.curl_message, flags=re.I).replace(host, "")
    said = f"{seen.resolver} {words}"
    for pattern, cause in codes.RESOLVER:
        if re.search(pattern, said, re.I):
            return Finding(
                cause=cause, detail=f"for `{host}` the resolver says {seen.resolver or seen.curl_message}"
            )
    return Finding(cause="dns.nxdomain", detail=f"`{host}` does not resolve")


def judge_blocked_name(seen: Observation) -> Finding | None:
    """The resolver's answer leads nowhere, or to a filter's page. Names that are meant to be local pass."""
    host = host_of(seen.effective_url or seen.url)
    answers = seen.answers or ((seen.address,) if codes.SINKHOLE.fullmatch(seen.address) else ())
    if seen.proxy or not answers or host in answers or host == "localhost" or host.endswith(".localhost"):
        return None
    if all(codes.BLOCK_PAGES.fullmatch(answer) for answer in answers):
        return Finding(
            cause="dns.blocked", detail=f"`{host}` resolves to {answers[0]}, a DNS filter's block page"
        )
    never = all(answer in ("0.0.0.0", "::") for answer in answers)  # noqa: S104 - compared, never bound
    if never or (
        _is_usual_port(seen) and seen.curl_code and all(codes.SINKHOLE.fullmatch(a) for a in answers)
    ):
        return Finding(cause="dns.blocked", detail=f"`{host}` resolves to {answers[0]}, which leads nowhere")
    return None


def _is_usual_port(seen: Observation) -> bool:
    """Whether a public server would be there: whoever runs one of their own names its port."""
    url = seen.effective_url or seen.url
    return re.match(r"https?://[^/:?#]+\.[a-z]+(:(80|443))?([/?#]|$)", url) is not None


def judge_connect(seen: Observation) -> Finding | None:
    if seen.curl_code == codes.TIMED_OUT and seen.phase in (Phase.RESOLVE, Phase.CONNECT):
        return Finding(cause="connect.timeout", detail=connect_words(seen))
    if seen.curl_code != codes.NO_CONNECT:
        return None
    by_number = codes.CONNECT_ERRNO.get(seen.os_errno)
    by_words = next(
        (c for pattern, c in codes.CONNECT_WORDS if re.search(pattern, seen.curl_message, re.I)), None
    )
    return Finding(cause=by_number or by_words or "connect.refused", detail=connect_words(seen))


def judge_tls(seen: Observation) -> Finding | None:
    message = seen.curl_message
    if seen.curl_code == codes.NO_AUTHORITIES:
        return Finding(cause="tls.no-trust-store", detail=message)
    if seen.curl_code == codes.CLIENT_CERTIFICATE or codes.WANTS_CERTIFICATE.search(message):
        return Finding(cause="service.auth", detail=f"the server wants a client certificate: {message}")
    if seen.curl_code in (codes.VERIFICATION, 51, 83, 90, 91) and _is_of_the_proxy(seen):
        found = judge_chain(msgspec.structs.replace(seen, proxy=""), host_of(seen.proxy))
        return Finding(cause=found.cause, detail=f"{proxy_words(seen)} itself: {found.detail}")
    if seen.curl_code in (codes.VERIFICATION, 51, 83, 90, 91):
        return judge_chain(seen, host_of(seen.effective_url or seen.url))
    if seen.curl_code == codes.TIMED_OUT and seen.phase is Phase.TLS:
        return Finding(
            cause="connect.timeout", detail="the connection stood, and the TLS handshake got no answer"
        )
    if (
        seen.curl_code in (codes.TLS_CONNECT, codes.SEND, codes.RECEIVE)
        and codes.PLAIN_TEXT.search(message)
        and seen.phase is not Phase.BODY
    ):
        return Finding(
            cause="tls.not-tls",
            detail=_plain_words(seen),
        )
    if seen.curl_code != codes.TLS_CONNECT:
        return None
    if codes.CONNECT_ERRNO.get(seen.os_errno) == "connect.reset" or (
        codes.CUT.search(message) and "alert" not in message.lower()
    ):
        return Finding(cause="connect.reset", detail="the connection was cut during the TLS handshake")
    if "certificate" in message.lower() and "verif" in message.lower():
        return judge_chain(seen, last_host(seen))
    return Finding(cause="tls.protocol", detail=message or "the TLS handshake failed")


def _is_of_the_proxy(seen: Observation) -> bool:
    """Whether a certificate is the proxy's own: before a tunnel stands, nobody else can show one."""
    return seen.proxy.startswith("https:") and seen.proxy_status is None


def _plain_words(seen: Observation) -> str:
    if seen.proxy:
        return f"`{last_host(seen)}`, or the proxy `{seen.proxy}` in its place, answers in plain text"
    return f"port {seen.port or 443} of `{last_host(seen)}` answers in plain text"
