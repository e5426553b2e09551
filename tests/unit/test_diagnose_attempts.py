"""Judge one attempt: recorded observations in, cause and class out."""

import errno
from typing import Any

import pytest

from surefetch.causes import table
from surefetch.diagnose.attempts import RULES, judge, name_where_it_led
from surefetch.diagnose.certificates import common_name, issuer_of
from surefetch.diagnose.verdict import Facts, weigh
from surefetch.diagnose.words import http_date, retry_after
from surefetch.events import Attempt, Failure, Phase
from surefetch.observation import Certificate, Observation

NOW = 1_780_000_000.0
URL = "https://data.example/files/train-images-idx3-ubyte.gz"
YEAR = 365 * 86400.0


def certificate(issuer: str, subject: str = "CN = data.example", **more: Any) -> Certificate:
    return Certificate(
        subject=subject,
        issuer=issuer,
        not_before=NOW - YEAR,
        not_after=NOW + YEAR,
        san=("data.example",),
        **more,
    )


def saw(**facts: Any) -> Observation:
    return Observation(**{"url": URL, "now": NOW, "port": 443, **facts})


def untrusted(verify: int, *chain: Certificate, **more: Any) -> Observation:
    return saw(curl_code=60, phase=Phase.TLS, tls_verify_result=verify, chain=chain, **more)


def answered(status: int, body: bytes = b"", **more: Any) -> Observation:
    headers = tuple(more.pop("headers", {}).items())
    return saw(
        status=status, phase=Phase.BODY, headers=headers, first_bytes=body, length_received=len(body),
        artifact="train-images-idx3-ubyte.gz", expected_size=9912422, **more,
    )  # fmt: skip


PROXY = {"proxy": "http://proxy.corp.example:8080"}
LEAF = certificate("C = US, O = DigiCert Inc, CN = DigiCert TLS RSA SHA256 2020 CA1")
OWN = certificate("O = Lab, CN = Lab Root", subject="CN = data.example")
CASES: dict[str, tuple[Observation, str]] = {
    # the name
    "nxdomain": (saw(curl_code=6, phase=Phase.RESOLVE, resolver="EAI_NONAME"), "dns.nxdomain"),
    "again": (saw(curl_code=6, phase=Phase.RESOLVE, resolver="EAI_AGAIN"), "dns.unavailable"),
    "c-ares": (
        saw(
            curl_code=6,
            curl_message="Could not resolve host: data.example (Timeout while contacting DNS servers)",
        ),
        "dns.timeout",
    ),
    "refused by resolver": (
        saw(curl_code=6, curl_message="Could not resolve host: data.example (Could not contact DNS servers)"),
        "dns.unavailable",
    ),
    "resolve timeout": (
        saw(curl_code=28, phase=Phase.RESOLVE, curl_message="Resolving timed out after 8000 milliseconds"),
        "dns.timeout",
    ),
    "sinkhole": (saw(curl_code=7, os_errno=111, phase=Phase.CONNECT, answers=("0.0.0.0",)), "dns.blocked"),
    "sinkhole 127": (
        saw(curl_code=7, os_errno=111, phase=Phase.CONNECT, answers=("127.0.0.1",)),
        "dns.blocked",
    ),
    "umbrella": (untrusted(20, answers=("146.112.61.106",)), "dns.blocked"),
    "localhost is no sinkhole": (
        saw(
            url="http://localhost:81/x",
            port=81,
            curl_code=7,
            os_errno=111,
            phase=Phase.CONNECT,
            answers=("127.0.0.1",),
        ),
        "connect.refused",
    ),
    "a test's port is no sinkhole": (
        saw(
            url="https://data.example:8443/x",
            port=8443,
            curl_code=7,
            os_errno=111,
            phase=Phase.CONNECT,
            answers=("127.0.0.1",),
        ),
        "connect.refused",
    ),
    # the connection
    "refused": (saw(curl_code=7, os_errno=111, phase=Phase.CONNECT, address="192.0.2.1"), "connect.refused"),
    "refused on a Mac": (saw(curl_code=7, os_errno=61, phase=Phase.CONNECT), "connect.refused"),
    "refused on Windows": (saw(curl_code=7, os_errno=10061, phase=Phase.CONNECT), "connect.refused"),
    "refused in words": (
        saw(curl_code=7, curl_message="Failed to connect: Connection refused"),
        "connect.refused",
    ),
    "unreachable": (saw(curl_code=7, os_errno=101, phase=Phase.CONNECT), "connect.unreachable"),
    "no route": (saw(curl_code=7, os_errno=113, phase=Phase.CONNECT), "connect.unreachable"),
    "interface is down": (saw(curl_code=7, os_errno=100, phase=Phase.CONNECT), "connect.unreachable"),
    "own firewall": (saw(curl_code=7, os_errno=1, phase=Phase.CONNECT), "connect.unreachable"),
    "timeout": (
        saw(curl_code=28, phase=Phase.CONNECT, curl_message="Connection timed out after 8001 ms"),
        "connect.timeout",
    ),
    "kernel timeout": (saw(curl_code=7, os_errno=110, phase=Phase.CONNECT), "connect.timeout"),
    "reset in handshake": (
        saw(
            curl_code=35, os_errno=104, phase=Phase.TLS, curl_message="Recv failure: Connection reset by peer"
        ),
        "connect.reset",
    ),
    "eof in handshake": (
        saw(
            curl_code=35,
            phase=Phase.TLS,
            curl_message="TLS connect error: error:0A000126:SSL routines::unexpected eof while reading",
        ),
        "connect.reset",
    ),
    "hung up": (saw(curl_code=52, phase=Phase.WAIT, curl_message="Empty reply from server"), "connect.reset"),
    "reset while waiting": (saw(curl_code=56, os_errno=104, phase=Phase.WAIT), "connect.reset"),
    "silent handshake": (
        saw(curl_code=28, phase=Phase.TLS, curl_message="SSL connection timeout"),
        "connect.timeout",
    ),
    # the proxy
    "proxy name": (saw(curl_code=5, phase=Phase.RESOLVE, **PROXY), "proxy.name"),
    "proxy quotes": (saw(curl_code=5, phase=Phase.RESOLVE, proxy="http://'proxy:8080"), "proxy.malformed"),
    "proxy refused": (saw(curl_code=7, os_errno=111, phase=Phase.CONNECT, **PROXY), "proxy.unreachable"),
    "proxy silent": (saw(curl_code=28, phase=Phase.CONNECT, **PROXY), "proxy.unreachable"),
    "proxy auth": (
        saw(curl_code=56, proxy_status=407, proxy_headers=(("proxy-authenticate", "NTLM"),), **PROXY),
        "proxy.auth-required",
    ),
    "proxy auth in words": (
        saw(curl_code=56, curl_message="CONNECT tunnel failed, response 407", **PROXY),
        "proxy.auth-required",
    ),
    "proxy denied": (saw(curl_code=56, proxy_status=403, **PROXY), "proxy.denied"),
    "proxy cannot": (saw(curl_code=56, proxy_status=502, **PROXY), "proxy.upstream"),
    "proxy limits": (saw(curl_code=56, proxy_status=429, **PROXY), "proxy.busy"),
    "proxy asks to wait": (
        saw(curl_code=56, proxy_status=503, headers=(("retry-after", "3"),), **PROXY),
        "proxy.busy",
    ),
    "squid dns": (
        saw(curl_code=56, proxy_status=503, proxy_headers=(("X-Squid-Error", "ERR_DNS_FAIL 0"),), **PROXY),
        "dns.nxdomain",
    ),
    "web server": (saw(curl_code=56, proxy_status=405, **PROXY), "proxy.not-a-proxy"),
    "ssh": (
        saw(curl_code=8, phase=Phase.CONNECT, curl_message="Invalid status line", **PROXY),
        "proxy.not-a-proxy",
    ),
    "proxy hung up": (saw(curl_code=56, os_errno=104, phase=Phase.TLS, **PROXY), "proxy.cut"),
    "proxy hung up in words": (
        saw(curl_code=56, phase=Phase.TLS, curl_message="Proxy CONNECT aborted", **PROXY),
        "proxy.cut",
    ),
    "proxy gave nothing": (
        saw(url="http://data.example/x", curl_code=52, phase=Phase.WAIT, **PROXY),
        "proxy.cut",
    ),
    "cut inside a tunnel that was there": (
        saw(curl_code=56, os_errno=104, phase=Phase.WAIT, **PROXY),
        "connect.reset",
    ),
    "cut inside the tunnel": (
        saw(curl_code=56, os_errno=104, phase=Phase.WAIT, proxy_status=200, **PROXY),
        "connect.reset",
    ),
    "https proxy": (
        saw(
            curl_code=35,
            phase=Phase.CONNECT,
            proxy="https://proxy.corp.example:8080",
            curl_message="error:0A00010B:SSL routines::wrong version number",
        ),
        "proxy.scheme",
    ),
    "http target 407": (answered(407, b"", url="http://data.example/x", **PROXY), "proxy.auth-required"),
    "http target squid": (
        answered(
            403,
            b"<html>",
            url="http://data.example/x",
            headers={"x-squid-error": "ERR_ACCESS_DENIED 0"},
            **PROXY,
        ),
        "proxy.denied",
    ),
    "socks": (
        saw(
            curl_code=97,
            curl_message="Can't complete SOCKS5 connection to data.example. (4)",
            proxy="socks5h://127.0.0.1:1080",
        ),
        "proxy.upstream",
    ),
    "socks auth": (
        saw(
            curl_code=97,
            curl_message="User was rejected by the SOCKS5 server (1 1).",
            proxy="socks5h://127.0.0.1:1080",
        ),
        "proxy.auth-required",
    ),
    # TLS
    "expired": (untrusted(10, certificate("CN = R3, O = Let's Encrypt")), "tls.expired"),
    "too early": (untrusted(9, certificate("CN = R3, O = Let's Encrypt")), "tls.not-yet-valid"),
    "hostname": (
        untrusted(
            0,
            LEAF,
            curl_message="SSL: no alternative certificate subject name matches target "
            "hostname 'data.example'",
        ),
        "tls.hostname",
    ),
    "self-signed": (untrusted(18, certificate("CN = data.example")), "tls.self-signed"),
    "incomplete": (untrusted(20, LEAF), "tls.incomplete-chain"),
    "incomplete, own CA": (untrusted(21, certificate("CN = Lab Intermediate CA")), "tls.incomplete-chain"),
    "unknown": (untrusted(19, OWN, certificate("CN = Lab Root", "CN = Lab Root")), "tls.unknown-issuer"),
    "unknown alone": (untrusted(20, OWN), "tls.unknown-issuer"),
    "zscaler": (
        untrusted(20, certificate("O = Zscaler Inc., CN = Zscaler Intermediate Root CA")),
        "tls.intercepted",
    ),
    "netskope": (untrusted(19, certificate("CN = ca.acme.goskope.com, O = Acme")), "tls.intercepted"),
    "by its words": (untrusted(19, certificate("CN = ACME Web Gateway CA")), "tls.intercepted"),
    "behind a proxy": (
        untrusted(19, OWN, certificate("CN = Lab Root", "CN = Lab Root"), proxy_status=200, **PROXY),
        "tls.intercepted",
    ),
    "kaspersky": (
        untrusted(20, certificate("O = AO Kaspersky Lab, CN = Kaspersky Anti-Virus Personal Root")),
        "tls.intercepted",
    ),
    "no roots here": (
        untrusted(20, LEAF, certificate("CN = DigiCert Global Root CA", "CN = DigiCert TLS")),
        "tls.no-trust-store",
    ),
    "bad bundle": (
        saw(curl_code=77, phase=Phase.TLS, curl_message="error setting certificate file"),
        "tls.no-trust-store",
    ),
    "not tls": (
        saw(curl_code=35, phase=Phase.TLS, curl_message="error:0A00010B:SSL routines::wrong version number"),
        "tls.not-tls",
    ),
    "old tls": (
        saw(
            curl_code=35,
            phase=Phase.TLS,
            curl_message="error:0A00042E:SSL routines::tlsv1 alert protocol version",
        ),
        "tls.protocol",
    ),
    "http to a tls port": (
        answered(400, b"<html>The plain HTTP request was sent to HTTPS port", url="http://x.example"),
        "http.tls-port",
    ),
    "tls alert": (
        saw(
            url="http://x.example:443/",
            curl_code=1,
            curl_message="Received HTTP/0.9 when not allowed",
            first_bytes=b"\x15\x03\x01\x00\x02\x02",
        ),
        "http.tls-port",
    ),
    "a status that is none": (
        saw(curl_code=1, curl_message="Unsupported response code in HTTP response"),
        "http.malformed",
    ),
    # statuses
    **{
        f"status {status}": (answered(status, b"no"), cause)
        for status, cause in {
            401: "http.unauthorized",
            403: "http.forbidden",
            404: "http.not-found",
            410: "http.gone",
            429: "http.rate-limited",
            451: "http.legal",
            500: "http.server-error",
            502: "http.server-error",
            503: "http.unavailable",
            504: "http.server-error",
            204: "body.empty",
            202: "http.unexpected-status",
            511: "body.captive-portal",
            418: "http.blocked-by-waf",
            304: "http.unexpected-status",
        }.items()
    },
    "waf 202": (answered(202, b"", headers={"x-amzn-waf-action": "challenge"}), "http.blocked-by-waf"),
    "waf 403": (
        answered(403, b"<title>Just a moment...</title>", headers={"server": "cloudflare"}),
        "http.blocked-by-waf",
    ),
    "cloudflare is not always a waf": (
        answered(403, b"<h1>Forbidden</h1>", headers={"server": "cloudflare"}),
        "http.forbidden",
    ),
    "waf 503": (
        answered(503, b"<title>DDoS protection by Cloudflare</title> checking your browser before accessing"),
        "http.blocked-by-waf",
    ),
    "cloudflare's own error page": (
        answered(
            522, b"<html><title>x | 522: Connection timed out</title><div id='cf-error-details'>Cloudflare"
        ),
        "http.unavailable",
    ),
    "github limit": (
        answered(403, b'{"message":"API rate limit exceeded"}', headers={"x-ratelimit-remaining": "0"}),
        "service.rate-limit",
    ),
    "gated": (answered(403, b'{"error":"gated"}', headers={"x-error-code": "GatedRepo"}), "service.auth"),
    "404 with a login in its menu": (
        answered(404, b"<html><title>Not found</title><form><input type='password'></form>"),
        "http.not-found",
    ),
    "filter's 403": (
        answered(403, b"<html><title>Access Denied</title>blocked by your organization"),
        "proxy.denied",
    ),
    "bucket closed": (
        answered(403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
        "http.forbidden",
    ),
    # redirects
    "loop": (saw(curl_code=47, status=302, redirects=(URL,) * 9), "http.redirect-loop"),
    "downgrade": (
        saw(
            curl_code=1,
            status=301,
            redirects=("http://data.example/x",),
            curl_message='Protocol "http" disabled',
        ),
        "http.downgrade",
    ),
    "downgrade seen": (answered(301, headers={"location": "http://data.example/x"}), "http.downgrade"),
    "dead end": (
        answered(404, redirects=("https://new.example/x",), effective_url="https://new.example/x"),
        "http.redirect-dead",
    ),
    "dead host": (
        saw(
            curl_code=6,
            resolver="EAI_NONAME",
            redirects=("https://new.example/x",),
            effective_url="https://new.example/x",
        ),
        "http.redirect-dead",
    ),
    "moved and gone on the same host": (
        answered(404, redirects=("https://data.example/y",), effective_url="https://data.example/y"),
        "http.not-found",
    ),
    "to a portal": (
        answered(200, b"<html>hi", content_type="text/html", effective_url="http://10.1.0.1/start"),
        "body.captive-portal",
    ),
    "to a login": (
        answered(
            200, b"<html>hi", content_type="text/html", effective_url="https://login.data.example/?next=1"
        ),
        "body.login-page",
    ),
    # bodies
    "page": (answered(200, b"<!doctype html><title>Moved</title>", content_type="text/html"), "body.html"),
    "empty": (answered(200, b""), "body.empty"),
    "cut": (
        answered(200, b"\x1f\x8b\x08" + bytes(90), curl_code=18, length_promised=9912422),
        "body.truncated",
    ),
    "broke": (
        answered(200, b"\x1f\x8b\x08" + bytes(90), curl_code=56, os_errno=104, length_promised=9912422),
        "body.truncated",
    ),
    "stalled": (
        answered(
            200,
            b"\x1f\x8b\x08" + bytes(90),
            curl_code=28,
            curl_message="Operation timed out after 9 s with 93 bytes",
        ),
        "transfer.stalled",
    ),
    "crawled": (
        answered(
            200,
            b"\x1f\x8b\x08" + bytes(90),
            curl_code=28,
            seconds=(("body", 9.0),),
            curl_message="Operation too slow. Less than 1000 bytes/sec",
        ),
        "transfer.slow",
    ),
    "silent": (saw(curl_code=28, phase=Phase.WAIT), "transfer.no-first-byte"),
    "garbage": (saw(curl_code=8, phase=Phase.WAIT, curl_message="Weird server reply"), "http.malformed"),
    "encoding": (saw(curl_code=61, phase=Phase.BODY, status=200), "body.unasked-encoding"),
    "headers": (
        saw(curl_code=56, phase=Phase.WAIT, curl_message="Too large response headers: 400000 > 307200"),
        "policy.header-size",
    ),
    "too large": (saw(curl_code=63, phase=Phase.BODY, status=200), "body.too-large"),
    # this machine
    "full": (saw(curl_code=23, os_errno=28, status=200, phase=Phase.BODY), "local.disk-full"),
    "quota": (saw(curl_code=23, os_errno=122, status=200, phase=Phase.BODY), "local.disk-full"),
    "read-only": (saw(curl_code=23, os_errno=30, status=200, phase=Phase.BODY), "local.read-only"),
}


@pytest.mark.parametrize(("seen", "cause"), CASES.values(), ids=CASES.keys())
def test_an_observation_has_one_cause(seen: Observation, cause: str) -> None:
    judged = judge(seen)
    assert judged.cause == cause
    is_down = (
        cause == "http.redirect-dead" and "not-found" not in judged.detail and "404" not in judged.detail
    )
    assert judged.failure is (Failure.GATEWAY if is_down else Failure(table()[cause].failure))


def test_each_rule_decides_some_case() -> None:
    deciding = {next(rule for rule in RULES if rule(seen)) for seen, _ in CASES.values()}
    assert deciding == set(RULES)


def test_the_proxy_tells_which_scheme_it_wants() -> None:
    assert judge(CASES["proxy auth"][0]).detail == (
        "the proxy `http://proxy.corp.example:8080` answered 407 and asks for NTLM"
    )


def test_a_proxys_503_may_mean_that_it_has_enough_to_do() -> None:
    judged = judge(saw(curl_code=56, proxy_status=503, **PROXY))
    assert (judged.cause, judged.failure) == ("proxy.upstream", Failure.BUSY)


def test_a_503_of_squid_that_names_a_host_it_cannot_reach_is_no_matter_of_enough_to_do() -> None:
    told = (("X-Squid-Error", "ERR_CONNECT_FAIL 111"),)
    judged = judge(saw(curl_code=56, proxy_status=503, proxy_headers=told, **PROXY))
    assert (judged.cause, judged.failure) == ("proxy.upstream", Failure.GATEWAY)


def test_the_issuer_can_be_read_back_from_a_detail() -> None:
    assert issuer_of(judge(CASES["zscaler"][0]).detail) == "Zscaler Intermediate Root CA"
    assert common_name("/C=US/O=Acme/CN=Acme Root") == "Acme Root"


def test_dates_of_certificates_are_told() -> None:
    early = Certificate(subject="CN = x", issuer="CN = R3", not_before=NOW + YEAR, not_after=NOW + 2 * YEAR)
    assert (
        "valid from 28 May 2027, this machine's clock says 28 May 2026" in judge(untrusted(9, early)).detail
    )


def led_to(url: str, **facts: Any) -> Observation:
    return saw(redirects=(url,), effective_url=url, **facts)


def test_a_gateways_status_is_told_in_words() -> None:
    judged = judge(saw(status=522, phase=Phase.WAIT))
    assert judged.cause == "http.unavailable"
    assert judged.detail == "status 522: its gateway gets no connection to the server in time"


def test_a_chunk_of_no_size_is_no_broken_connection() -> None:
    message = "chunk hex-length char not a hex digit: 0x7a"
    judged = judge(saw(status=200, curl_code=56, curl_message=message, phase=Phase.BODY, length_received=100))
    assert judged.cause == "body.truncated" and "the server broke its own framing: chunk" in judged.detail
    hint = weigh([Attempt(mirror=URL, cause=judged.cause, detail=judged.detail)], Facts(kept_bytes=1)).hint
    assert "goes on where it ended" not in hint
    judged = judge(saw(status=200, curl_code=56, curl_message=message, phase=Phase.BODY))
    assert judged.cause == "http.malformed"


def test_another_host_that_fails_behind_a_redirect_is_named() -> None:
    for facts in ({"status": 500}, {"status": 403}, {"curl_code": 28, "phase": Phase.WAIT}):
        judged = judge(led_to("https://cdn.example:8443/x", **facts))
        assert judged.detail.startswith("it leads on to `cdn.example:8443`: "), judged
    assert "leads on" not in judge(led_to("https://data.example/y", status=500)).detail


def test_a_dead_port_behind_a_redirect_is_the_redirecting_servers_fault() -> None:
    refused = {"curl_code": 7, "os_errno": errno.ECONNREFUSED, "phase": Phase.CONNECT}
    judged = judge(led_to("https://data.example:9/x", **refused))
    assert judged.cause == "http.redirect-dead" and "`https://data.example:9/x`" in judged.detail
    assert judge(saw(**refused)).cause == "connect.refused"


def test_silence_is_told_of_the_host_that_a_redirect_led_to() -> None:
    silent = Attempt(mirror=URL, cause="transfer.no-first-byte", detail="nothing for 9 s")
    told = name_where_it_led(silent, led_to("https://cdn.example/x"))
    assert told.detail == "it leads on to `cdn.example`: nothing for 9 s"
    assert name_where_it_led(told, led_to("https://cdn.example/x")) == told
    assert name_where_it_led(silent, saw()) == name_where_it_led(silent, None) == silent


def test_secrets_in_redirects_are_not_told() -> None:
    seen = answered(
        404, redirects=("https://u:p@new.example/x?sig=abc",), effective_url="https://u:p@new.example/x?sig=1"
    )
    assert "sig" not in judge(seen).detail and "u:p" not in judge(seen).detail


def test_retry_after_is_read_in_both_forms() -> None:
    assert retry_after("120", "", NOW) == 120.0
    assert retry_after("Thu, 28 May 2026 20:27:40 GMT", "", NOW) == 60.0
    assert retry_after("Thu, 28 May 2020 20:27:40 GMT", "", NOW) == 0.0
    assert retry_after("Thu, 28 May 2020 20:27:40 GMT", "Thu, 28 May 2020 20:27:38 GMT", NOW) == 2.0
    assert retry_after("soon", "", NOW) is None and retry_after("", "", NOW) is None
    assert http_date("nonsense") is None
    assert judge(answered(429, headers={"retry-after": "7"})).retry_after == 7.0


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit": '"api|pages|resolvers";r=0;t=57', "ratelimit-policy": '"fixed window";q=3000;w=300'},
        {"ratelimit": "limit=100, remaining=0, reset=57"},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 57)},
        {"ratelimit-remaining": "0", "ratelimit-reset": "57"},
    ],
    ids=["Hugging Face", "an earlier draft", "GitHub", "seconds"],
)
def test_when_a_used_up_limit_counts_anew_is_read_and_told(headers: dict[str, str]) -> None:
    seen = answered(429, headers=headers)
    assert seen.limit_reset() == 57.0
    assert judge(seen).detail.endswith("the limit of requests from here is used up; it counts anew in 57 s")


def test_a_limit_that_is_not_used_up_asks_for_no_pause() -> None:
    for headers in (
        {"ratelimit": '"api";r=10;t=57'},
        {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "57"},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"},
    ):
        assert answered(429, headers=headers).limit_reset() is None


def test_the_words_of_a_service_are_told() -> None:
    terms = b'{"code":403,"message":"You must accept the rules"}'
    assert judge(answered(403, terms)).detail == (
        "status 403; the service, which wants an account, answered: “You must accept the rules”"
    )
    campus = b"<html><title>Campus network only</title>"
    assert judge(answered(403, campus)).detail == "status 403; it says “Campus network only”"
    assert judge(answered(403, b"<html><title>403 Forbidden</title>")).detail == "status 403"
    assert judge(answered(410, b'{"message": "Record has been deleted"}')).detail == (
        "status 410; it says “Record has been deleted”"
    )
    assert (
        judge(answered(404, b"404: Not Found")).detail == "status 404; the server answered: “404: Not Found”"
    )


def test_another_known_file_is_named_whatever_the_status() -> None:
    judged = judge(answered(200, b"\x1f\x8b\x08"), digest="ab" * 32, lookup={"ab" * 32: "mnist: x.gz"}.get)
    assert judged.cause == "body.wrong-file" and "mnist: x.gz" in judged.detail
