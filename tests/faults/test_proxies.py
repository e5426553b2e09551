"""Faults of proxies, produced for real: squid and servers that are no proxies."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect
from tests.fakes.ports import free_port
from tests.fakes.servers import Leaf, TestAuthority, socks, squid
from tests.faults.kit import BIG, any_file, failed

SECRET = "hunter2-secret"  # of nobody: it is never shown


def test_a_proxy_that_wants_a_password_is_named(surefetch: Run, site: Site) -> None:
    with squid("basic") as proxy:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, http_proxy=proxy.url())
        wrong = failed(surefetch, *words, http_proxy=proxy.url(f"ann:{SECRET}"))
        right = surefetch(*words, http_proxy=proxy.url("ann:se%3Ac%20ret"))
    assert (error.cause, error.fault, error.exit) == ("proxy.auth-required", "you", 7), error
    assert "NAME:PASSWORD" in error.hint
    assert wrong.cause == "proxy.auth-required" and SECRET not in wrong.screen
    assert right.returncode == 0, right.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_the_proxy_denies_is_named(surefetch: Run, scheme: str) -> None:
    with squid() as proxy:
        url = f"{scheme}://blocked.test/big.bin"
        error = failed(surefetch, *any_file(url), http_proxy=proxy.url(), https_proxy=proxy.url())
    assert (error.cause, error.fault, error.exit) == ("proxy.denied", "network", 7), error
    assert "blocked.test" in error.hint and "doctor --report" in error.hint


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_behind_the_proxy_that_refuses_is_not_the_proxys_fault(surefetch: Run, scheme: str) -> None:
    with squid() as proxy:
        url = f"{scheme}://127.0.0.3:{free_port()}/big.bin"
        error = failed(surefetch, *any_file(url), http_proxy=proxy.url(), https_proxy=proxy.url())
    assert (error.cause, error.fault, error.exit) == ("proxy.upstream", "mirror", 5), error


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_proxy_that_could_not_reach_the_host_is_asked_again(surefetch: Run, status: int) -> None:
    with FaultyServer() as proxy:
        proxy.serve("data.test:443", b"", Script(status=status))
        error = failed(surefetch, *any_file("https://data.test/big.bin"), https_proxy=proxy.origin)
        tries = proxy.targets()
    assert (error.cause, error.fault, error.exit) == ("proxy.upstream", "mirror", 5), error
    assert tries == ["data.test:443"] * 4


def test_what_a_caching_proxy_keeps_wrong_is_asked_for_past_it(surefetch: Run, site: Site) -> None:
    kept = (("Cache-Control", "max-age=9999"), ("Date", formatdate(usegmt=True)))
    with squid(caches=True) as proxy:
        words = any_file(site.server.serve("/big.bin", BIG, Script(flip=7, headers=kept)))
        error = failed(surefetch, *words, http_proxy=proxy.url())
        site.server.serve("/big.bin", BIG, Script(headers=kept))
        asked = len(site.server.seen)
        result = surefetch(*words, "-v", http_proxy=proxy.url())
        log = proxy.log()
    assert (error.cause, error.fault) == ("body.corrupt", "mirror"), error
    assert result.returncode == 0, result.stderr
    assert "a cache on the way keeps it so" in result.stderr
    assert "_HIT/" in log and len(site.server.seen) == asked + 1


def test_a_proxy_that_leads_everything_to_its_portal_is_told_as_that(surefetch: Run) -> None:
    portal = "http://portal.test/login?from=data.test"
    with FaultyServer() as proxy:
        for url in ("http://data.test/big.bin", portal):
            proxy.serve(url, b"", redirect(portal))
        error = failed(surefetch, *any_file("http://data.test/big.bin"), http_proxy=proxy.origin)
        asked = proxy.targets()
    assert (error.cause, error.fault, error.exit) == ("body.captive-portal", "network", 10), error
    assert f"leads there and again to `{portal}`" in error.message
    assert asked == ["http://data.test/big.bin", portal]


def test_a_proxy_whose_name_does_not_resolve_is_named(surefetch: Run, site: Site) -> None:
    words = any_file(site.server.serve("/big.bin", BIG))
    error = failed(surefetch, *words, http_proxy="http://proxy.of-no-such-name.invalid:3128")
    assert (error.cause, error.fault, error.exit) == ("proxy.name", "you", 4), error
    assert "proxy.of-no-such-name.invalid" in error.message and "variable http_proxy" in error.message
    assert "unset http_proxy`" in error.hint


def test_a_proxy_that_a_setting_names_is_mended_by_the_setting(surefetch: Run, site: Site) -> None:
    words = any_file(site.server.serve("/big.bin", BIG))
    error = failed(surefetch, *words, SUREFETCH_PROXY=f"http://127.0.0.1:{free_port()}")
    assert (error.cause, error.exit) == ("proxy.unreachable", 7), error
    assert "setting proxy names the proxy" in error.message and "config set proxy direct" in error.hint


def test_a_proxy_that_is_not_running_is_named(surefetch: Run, site: Site) -> None:
    port = free_port()
    words = any_file(site.server.serve("/big.bin", BIG))
    error = failed(surefetch, *words, http_proxy=f"http://ann:{SECRET}@127.0.0.1:{port}")
    assert (error.cause, error.fault, error.exit) == ("proxy.unreachable", "network", 7), error
    assert f"127.0.0.1:{port}" in error.hint and SECRET not in error.screen


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_server_as_a_proxy_is_named(surefetch: Run, scheme: str) -> None:
    with FaultyServer() as server:
        server.serve("/", b"", page("It works!"))
        url = f"{scheme}://127.0.0.3/big.bin"
        error = failed(surefetch, *any_file(url), http_proxy=server.origin, https_proxy=server.origin)
    assert error.cause in ("proxy.not-a-proxy", "http.not-found") if scheme == "http" else "proxy.not-a-proxy"
    assert error.fault in ("you", "mirror")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_something_else_as_a_proxy_is_named(surefetch: Run, scheme: str) -> None:
    with FaultyServer(greeting=b"SSH-2.0-OpenSSH_9.7\r\n") as server:
        proxy = f"http://127.0.0.1:{server.port}"
        error = failed(
            surefetch, *any_file(f"{scheme}://127.0.0.3/big.bin"), http_proxy=proxy, https_proxy=proxy
        )
    assert (error.cause, error.fault, error.exit) == ("proxy.not-a-proxy", "you", 7), error
    assert f"127.0.0.1:{server.port}" in error.hint


@pytest.mark.parametrize("value", ["http://proxy:80:80", "http://[::1", "http://proxy:port", "http://"])
def test_a_proxy_that_cannot_be_read_is_told(surefetch: Run, site: Site, value: str) -> None:
    error = failed(surefetch, *any_file(site.server.serve("/big.bin", BIG)), http_proxy=value)
    assert (error.cause, error.fault, error.exit) == ("proxy.malformed", "you", 7), error
    assert site.server.targets() == [] and "hint:" not in error.message
    assert "export http_proxy=" in error.hint


def test_a_proxy_of_a_scheme_that_is_none_is_told(surefetch: Run, site: Site) -> None:
    error = failed(surefetch, *any_file(site.server.serve("/big.bin", BIG)), http_proxy="ftp://127.0.0.1:21")
    assert (error.cause, error.fault, error.exit) == ("proxy.scheme", "you", 7), error


def test_an_https_proxy_that_speaks_plain_http_is_told(surefetch: Run, site: Site) -> None:
    with squid() as proxy:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, http_proxy=proxy.url(scheme="https"))
    assert (error.cause, error.fault, error.exit) == ("proxy.scheme", "you", 7), error
    assert "http://" in error.hint


class Mute:
    """A port that accepts connections, reads, and never says a word; a context manager."""

    def __enter__(self) -> Mute:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._accepted:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._accepted.append(self._listener.accept()[0])


#: Patience that a test has with a proxy that never answers.
QUICK = {
    "SUREFETCH_CONNECT_TIMEOUT": "2",
    "SUREFETCH_FIRST_BYTE_TIMEOUT": "2",
    "SUREFETCH_STALL_TIMEOUT": "2",
}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_takes_everything_and_answers_nothing_is_named(surefetch: Run, scheme: str) -> None:
    with Mute() as mute:
        proxy = f"http://127.0.0.1:{mute.port}"
        urls = [f"{scheme}://127.0.0.{n}/big.bin" for n in (3, 4, 5)]
        words = ("get", *urls, *any_file("")[2:])
        error = failed(surefetch, *words, http_proxy=proxy, https_proxy=proxy, **QUICK)
    assert (error.cause, error.fault, error.exit) == ("proxy.unreachable", "network", 7), error
    assert f"127.0.0.1:{mute.port}" in error.message and f"unset {scheme}_proxy" in error.hint


def test_an_https_proxy_that_never_greets_is_most_likely_a_plain_one(surefetch: Run) -> None:
    with Mute() as mute:
        words = any_file("https://127.0.0.3/big.bin")
        error = failed(surefetch, *words, https_proxy=f"https://127.0.0.1:{mute.port}", **QUICK)
    assert (error.cause, error.fault, error.exit) == ("proxy.scheme", "you", 7), error
    assert "http://" in error.hint


def test_a_socks_proxy_that_does_not_greet_is_doubted(surefetch: Run) -> None:
    with Mute() as mute:
        words = any_file("http://127.0.0.3/big.bin")
        error = failed(surefetch, *words, ALL_PROXY=f"socks5h://127.0.0.1:{mute.port}", **QUICK)
    assert (error.cause, error.fault, error.exit) == ("proxy.unreachable", "network", 7), error
    assert "SOCKS" in error.message and "http://" in error.hint


def test_a_host_that_refuses_a_socks_proxy_is_not_the_proxys_fault(surefetch: Run) -> None:
    with socks() as proxy:
        words = any_file(f"http://127.0.0.3:{free_port()}/big.bin")
        error = failed(surefetch, *words, ALL_PROXY=proxy.url(scheme="socks5h"))
    assert (error.cause, error.fault, error.exit) == ("proxy.upstream", "mirror", 5), error
    assert "connection refused" in error.message


def test_a_socks_proxy_that_wants_a_password_is_told_how_it_is_written(surefetch: Run, site: Site) -> None:
    with socks("ann", "secret") as proxy:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, ALL_PROXY=proxy.url(scheme="socks5h"))
    assert (error.cause, error.fault, error.exit) == ("proxy.auth-required", "you", 7), error
    assert "ALL_PROXY=socks5h://NAME:PASSWORD@HOST:PORT" in error.hint


def test_an_exception_that_takes_a_host_past_the_proxy_is_named(surefetch: Run, site: Site) -> None:
    words = any_file(f"http://127.0.0.3:{free_port()}/big.bin")
    error = failed(surefetch, *words, http_proxy="http://127.0.0.1:9", no_proxy="localhost,127.0.0.0/8")
    assert (error.cause, error.exit) == ("connect.refused", 5), error
    assert "no_proxy (127.0.0.0/8) takes it past the proxy" in error.message
    assert "take `127.0.0.3` out of `no_proxy`" in error.hint


def test_a_filters_page_through_a_proxy_is_a_denial(surefetch: Run) -> None:
    blocked = page("Web page blocked", status=200)
    with FaultyServer() as proxy:
        proxy.serve("http://data.example/big.bin", BIG, Script(body=blocked.body, headers=blocked.headers))
        error = failed(surefetch, *any_file("http://data.example/big.bin"), http_proxy=proxy.origin)
    assert (error.cause, error.fault, error.exit) == ("proxy.denied", "network", 7), error


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("NTLM", "px or cntlm"),
        ("Negotiate", "kinit"),
        ("Bearer", "ask IT"),
        ("Basic", "NAME:PASSWORD"),
    ],
)
def test_what_a_proxy_asks_for_decides_what_to_do(surefetch: Run, scheme: str, asked: str, word: str) -> None:
    with FaultyServer() as proxy:
        for target in ("http://data.test/big.bin", "data.test:443"):
            proxy.serve(target, b"", Script(status=407, headers=(("Proxy-Authenticate", asked),)))
        words = any_file(f"{scheme}://data.test/big.bin")
        error = failed(surefetch, *words, http_proxy=proxy.origin, https_proxy=proxy.origin)
    assert (error.cause, error.fault, error.exit) == ("proxy.auth-required", "you", 7), error
    assert f"asks for {asked}" in error.message and word in error.hint, error.screen


@pytest.mark.parametrize(
    ("script", "cause", "evidence"),
    [
        (Script(status=511), "body.captive-portal", "answered 511"),
        (redirect("http://login.corp.test/sso?to=x"), "body.captive-portal", "http://login.corp.test/sso"),
        (redirect("http://filter.corp.test/blocked"), "proxy.denied", "http://filter.corp.test/blocked"),
        (redirect("https://127.0.0.1/"), "proxy.not-a-proxy", "answered 302"),
    ],
)
def test_what_a_proxy_answers_instead_of_a_tunnel_is_read(
    surefetch: Run, script: Script, cause: str, evidence: str
) -> None:
    with FaultyServer() as proxy:
        proxy.serve("data.test:443", b"", script)
        error = failed(surefetch, *any_file("https://data.test/big.bin"), https_proxy=proxy.origin)
    assert error.cause == cause and evidence in error.message, error


CERTIFICATES: dict[str, tuple[Callable[[TestAuthority], Leaf], str, str]] = {
    "expired": (lambda ca: ca.leaf("127.0.0.1", expired=True), "tls.expired", "tell IT"),
    "another name": (lambda ca: ca.leaf("proxy.test"), "tls.hostname", "another name"),
    "only itself": (lambda ca: ca.self_signed("127.0.0.1"), "tls.self-signed", "ca_bundle"),
}


@pytest.mark.parametrize("row", CERTIFICATES.values(), ids=CERTIFICATES.keys())
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxys_own_certificate_is_not_held_against_the_hosts(
    surefetch: Run, tmp_path: Path, scheme: str, row: tuple[Callable[[TestAuthority], Leaf], str, str]
) -> None:
    make, cause, word = row
    authority = TestAuthority(tmp_path)
    with FaultyServer(tls=make(authority).context()) as front:
        proxy = front.origin
        urls = [f"{scheme}://127.0.0.{n}/big.bin" for n in (3, 4)]
        variables = {f"{scheme}_proxy": proxy, "SUREFETCH_CA_BUNDLE": str(authority.pem)}
        error = failed(surefetch, "get", *urls, *any_file("")[2:], **variables)
    assert (error.cause, error.fault, error.exit) == (cause, "network", 6), error
    assert f"the proxy `{proxy}` itself" in error.message and "the server's" not in error.message, error
    assert f"variable {scheme}_proxy names the proxy" in error.message and word in error.hint, error


def test_of_two_proxies_the_one_that_failed_is_named(surefetch: Run) -> None:
    dead = free_port()
    with FaultyServer() as proxy:
        proxy.serve("http://data.test/big.bin", b"", redirect("https://data.test/big.bin"))
        words = any_file("http://data.test/big.bin")
        error = failed(surefetch, *words, http_proxy=proxy.origin, https_proxy=f"http://127.0.0.1:{dead}")
    assert (error.cause, error.exit) == ("proxy.unreachable", 7), error
    assert "variable https_proxy" in error.message and f"127.0.0.1:{dead}" in error.hint, error


def test_a_tunnel_that_stands_and_is_silent_is_not_the_proxys(surefetch: Run) -> None:
    with FaultyServer() as proxy:
        proxy.serve("data.test:443", b"", Script(status=200, body=b"", has_length=False, stall_after=0))
        error = failed(surefetch, *any_file("https://data.test/x"), https_proxy=proxy.origin, **QUICK)
    assert error.cause == "connect.timeout" and "through the proxy" in error.hint, error
