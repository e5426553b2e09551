"""Which proxy a URL goes through, and the engine through real ones: squid and microsocks."""

import itertools
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.diagnose.attempts import judge
from surefetch.errors import SettingError
from surefetch.events import Failed, Failure, Finished
from surefetch.transfer.options import Options
from surefetch.transfer.proxies import (
    ProxyResolver,
    System,
    matches,
    others_decide,
    read_pac,
    read_proxy,
    system_settings,
)
from surefetch.transfer.trust import Trust
from tests.fakes.driver import driving, ending
from tests.fakes.faulty_server import FaultyServer, Script
from tests.fakes.ports import free_port
from tests.fakes.servers import Proxy, TestAuthority, TlsFront, socks, squid

URL = "https://data.example.org/file.gz"
CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)

# --- the rule -----------------------------------------------------------------------------------------------

RULES: list[tuple[dict[str, str], str, str | None, str]] = [
    ({}, "https", None, "nothing set"),
    ({"https_proxy": "http://p:1"}, "https", "http://p:1", "variable https_proxy"),
    ({"HTTPS_PROXY": "http://p:1"}, "https", "http://p:1", "variable HTTPS_PROXY"),
    ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://UP:1"}, "https", "http://low:1", "https_proxy"),
    ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, "https", "http://up:1", "variable HTTPS_PROXY"),
    ({"https_proxy": "http://p:1"}, "http", None, "nothing set"),
    ({"HTTP_PROXY": "http://p:1"}, "http", "http://p:1", "variable HTTP_PROXY"),
    ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http", None, "nothing set"),
    ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http", "http://p:1", "variable http_proxy"),
    ({"ALL_PROXY": "socks5h://p"}, "https", "socks5h://p:1080", "variable ALL_PROXY"),
    ({"all_proxy": "http://a:1", "http_proxy": "http://b:1"}, "http", "http://b:1", "variable http_proxy"),
    ({"https_proxy": "http://p:1", "no_proxy": "example.org"}, "https", None, "variable no_proxy"),
    ({"https_proxy": "http://p:1", "NO_PROXY": "*"}, "https", None, "variable NO_PROXY"),
]


@pytest.mark.parametrize(("environ", "scheme", "proxy", "decided_by"), RULES)
def test_the_rule(environ: dict[str, str], scheme: str, proxy: str | None, decided_by: str) -> None:
    decision = ProxyResolver(environ).resolve(URL.replace("https", scheme))
    assert decision.proxy == proxy
    assert decided_by in decision.decided_by


EXCEPTIONS = [
    ("data.example.org", "data.example.org", 443, True),
    ("DATA.Example.org.", "data.example.org", 443, True),
    ("data.example.org", "example.org", 443, True),
    ("data.example.org", "data.example.org.:443", 443, True),
    ("notexample.org", "example.org", 443, False),
    ("data.example.org", ".example.org", 443, True),
    ("example.org", ".example.org", 443, False),
    ("data.example.org", "*.example.org", 443, True),
    ("example.org", "*.example.org", 443, False),
    ("data.example.org", "other.net, .example.org", 443, True),
    ("data.example.org", "other.net .example.org", 443, True),
    ("data.example.org", "data.example.org:443", 443, True),
    ("data.example.org", "data.example.org:8443", 443, False),
    ("10.1.2.3", "10.0.0.0/8", 80, True),
    ("10.1.2.3", "10.1.2.3", 80, True),
    ("11.1.2.3", "10.0.0.0/8", 80, False),
    ("10.1.2.3", "10.1.2.3:80", 80, True),
    ("fd00::1", "fd00::/8", 80, True),
    ("::1", "[::1]:80", 80, True),
    ("::1", "::1", 80, True),
    ("anything", "*", 80, True),
    ("data.example.org", "", 443, False),
]


@pytest.mark.parametrize(("host", "entries", "port", "is_excepted"), EXCEPTIONS)
def test_exceptions(host: str, entries: str, port: int, is_excepted: bool) -> None:
    assert bool(matches(host, port, entries)) is is_excepted


def test_a_missing_scheme_is_repaired_and_said() -> None:
    decision = read_proxy("ann:pw@proxy.corp:8080", "variable https_proxy")
    assert decision.proxy == "http://proxy.corp:8080"
    assert "no scheme" in decision.repaired
    assert "pw" not in decision.repaired + repr(decision)


def test_userinfo_is_split_off_and_decoded() -> None:
    decision = read_proxy("http://DOM%5Cann:p%40ss@proxy:1/", "x")
    assert (decision.proxy, decision.user, decision.password) == ("http://proxy:1", "DOM\\ann", "p@ss")


@pytest.mark.parametrize("password", ["ge/heim", "ge#heim", "ge?heim", "ge@heim", "8080/geheim"])
def test_a_password_that_should_be_escaped_is_taken_and_said_without_it(password: str) -> None:
    decision = read_proxy(f"http://ann:{password}@proxy:1", "variable https_proxy")
    assert (decision.proxy, decision.password) == ("http://proxy:1", password)
    assert "heim" not in decision.repaired + repr(decision)
    assert bool(decision.repaired) == ("@" not in password)


@pytest.mark.parametrize(
    "value", ["http://", "http://proxy:port", "http://a b:1", "://", "http://proxy:99999"]
)
def test_what_is_no_address_is_said_without_its_password(value: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_proxy(value.replace("http://", "http://ann:geheim@"), "variable https_proxy")
    assert caught.value.code in ("proxy.malformed", "proxy.scheme")
    assert "geheim" not in str(caught.value)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(SettingError) as caught:
        read_proxy("ftp://proxy:21", "variable https_proxy")
    assert caught.value.code == "proxy.scheme"


def test_the_setting_wins_and_can_say_direct() -> None:
    environ = {"https_proxy": "http://p:1"}
    assert ProxyResolver(environ, proxy="direct").resolve(URL).proxy is None
    assert ProxyResolver(environ, proxy="http://s:2").resolve(URL).decided_by == "setting proxy"
    decision = ProxyResolver(environ, no_proxy=".example.org").resolve(URL)
    assert (decision.proxy, decision.decided_by) == (None, "setting no_proxy (.example.org)")


def test_system_then_pip_come_last() -> None:
    system = System(proxies={"https": "http://sys:3"})
    assert ProxyResolver({}, system=system, pip_proxy="http://pip:4").resolve(URL).proxy == "http://sys:3"
    assert ProxyResolver({}, system=system, bypass=lambda host: True).resolve(URL).proxy is None
    decision = ProxyResolver({}, pip_proxy="pip:4").resolve(URL)
    assert (decision.proxy, decision.decided_by) == ("http://pip:4", "pip's configuration")
    assert ProxyResolver({"https_proxy": "http://p:1"}, system=system).resolve(URL).proxy == "http://p:1"


@pytest.mark.parametrize(
    "host", ["localhost", "data.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0"]
)
def test_what_pip_is_told_is_not_for_this_machine(host: str) -> None:
    asked: list[str] = []
    resolver = ProxyResolver({}, pip_proxy=lambda: asked.append("pip") or "http://pip:4")
    assert resolver.resolve(f"http://{host}:8080/f").decided_by == "nothing set"
    assert asked == []
    assert resolver.resolve("http://10.1.2.3/f").proxy == "http://pip:4"
    environ = {"http_proxy": "http://p:1"}
    assert ProxyResolver(environ, pip_proxy="pip:4").resolve(f"http://{host}/f").proxy == "http://p:1"


def test_a_pac_script_is_asked_before_the_system() -> None:
    resolver = ProxyResolver({}, pac=lambda url: "PROXY pac.corp:8080; DIRECT")
    assert resolver.resolve(URL).proxy == "http://pac.corp:8080"
    direct = ProxyResolver({}, pac=lambda url: "DIRECT", pip_proxy="http://pip:4").resolve(URL)
    assert (direct.proxy, direct.decided_by) == (None, "the PAC script")
    assert ProxyResolver({"https_proxy": "v:1"}, pac=lambda url: "DIRECT").resolve(URL).proxy == "http://v:1"
    assert read_pac("DIRECT") == ""
    assert read_pac("SOCKS5 s:1; PROXY p:2") == "socks5h://s:1"


def test_only_macos_and_windows_have_settings_of_their_own() -> None:
    assert system_settings("linux") == (None, None)


def test_what_others_would_decide() -> None:
    upper = {"HTTP_PROXY": "http://ann:pw@p:1"}
    assert others_decide("http://example.org/", upper) == {
        "requests": "http://p:1", "urllib": "http://p:1", "curl": "direct", "httpx": "http://p:1",
    }  # fmt: skip
    without_port = others_decide("http://example.org/", {"http_proxy": "ann:p/w@p"})
    assert (without_port["requests"], without_port["curl"]) == ("http://p:80", "http://p:1080")
    every = {"ALL_PROXY": "http://p:1"}
    assert others_decide(URL, every)["urllib"] == "direct"
    cidr = {"http_proxy": "http://p:1", "NO_PROXY": "10.0.0.0/8"}
    decided = others_decide("http://10.1.2.3/", cidr)
    assert [decided[name] == "direct" for name in ("requests", "urllib", "curl", "httpx")] == [
        True,
        False,
        True,
        False,
    ]


def test_urllib_is_described_as_it_is() -> None:
    """The one of them that is always at hand is asked itself."""
    import os
    from unittest import mock
    from urllib.request import getproxies_environment, proxy_bypass_environment

    values = [
        "",
        "data.example.org",
        ".example.org",
        "*.example.org",
        "example.org",
        "*",
        "a b",
        "data.example.org:443",
    ]
    names = ("https_proxy", "HTTPS_PROXY", "ALL_PROXY")
    for name, exceptions in itertools.product(names, values):
        environ = {name: "http://p:1", "no_proxy": exceptions}
        with mock.patch.dict(os.environ, environ, clear=True):
            uses = bool(getproxies_environment().get("https")) and not proxy_bypass_environment(
                "data.example.org:443"
            )
        assert (others_decide(URL, environ)["urllib"] != "direct") == uses, environ


def test_the_table_of_the_documents_is_true() -> None:
    """docs/network.md tells what others heed; the table there and OTHERS may not drift apart."""
    document = (Path(__file__).parents[2] / "docs" / "network.md").read_text(encoding="utf-8")
    table = [line.split("|") for line in document.splitlines() if line.startswith("| `")]
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:7]] for cells in table if len(cells) == 8}
    proxy = {"http_proxy": "http://p:1"}
    name, address = "http://data.example.org/x", "http://10.1.2.3/x"
    cases = {
        "`http_proxy`": (name, proxy, True),
        "`HTTP_PROXY`": (name, {"HTTP_PROXY": "http://p:1"}, True),
        "`HTTP_PROXY` in a CGI program": (name, {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, True),
        "`ALL_PROXY`": (name, {"ALL_PROXY": "http://p:1"}, True),
        "`NO_PROXY`: address": (address, proxy | {"NO_PROXY": "10.1.2.3"}, False),
        "`NO_PROXY`: range": (address, proxy | {"NO_PROXY": "10.0.0.0/8"}, False),
        "`NO_PROXY`: `host:port`": (name, proxy | {"NO_PROXY": "data.example.org:80"}, False),
        "`NO_PROXY`: `*`": (name, proxy | {"NO_PROXY": "*"}, False),
        "`NO_PROXY`: `.suffix`": (name, proxy | {"NO_PROXY": ".example.org"}, False),
        "`NO_PROXY`: `*.suffix`": (name, proxy | {"NO_PROXY": "*.example.org"}, False),
        "`NO_PROXY`: `suffix` for its subdomains": (name, proxy | {"NO_PROXY": "example.org"}, False),
        "`NO_PROXY`: list split by spaces": (name, proxy | {"NO_PROXY": "a.b data.example.org"}, False),
    }
    assert set(cases) == set(rows)
    for label, (url, environ, heeded_means_proxy) in cases.items():
        decided = others_decide(url, environ)
        uses = [ProxyResolver(environ).resolve(url).proxy is not None]
        uses += [decided[client] != "direct" for client in ("requests", "urllib", "curl", "httpx")]
        assert ["yes" if use == heeded_means_proxy else "no" for use in uses] == rows[label], label


# --- real proxies -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trust(authority: TestAuthority) -> Trust:
    return Trust(system=str(authority.pem))


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        server.serve("/data", CONTENT)
        yield server


@pytest.fixture(scope="module")
def secure(authority: TestAuthority) -> Iterator[FaultyServer]:
    with FaultyServer(tls=authority.leaf("127.0.0.1", "localhost").context()) as server:
        server.serve("/data", CONTENT)
        yield server


@pytest.fixture(scope="module")
def plain_squid() -> Iterator[Proxy]:
    with squid() as proxy:
        yield proxy


@pytest.fixture(scope="module", params=["basic", "digest"])
def asking_squid(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with squid(request.param) as proxy:
        yield proxy


def through(proxy: str, url: str, trust: Trust, **more: object) -> Finished | Failed:
    with driving(Options(connect_timeout=5), proxies=ProxyResolver({}, proxy=proxy), trust=trust) as driver:
        events, sink = driver.fetch(url, SIZE, **more)
        end = ending(events)
        assert isinstance(end, Failed) or bytes(sink.data) == CONTENT
        seen = driver.engine.observation(end.id)
        assert seen is None or "c%20ret" not in repr(seen)
        return end


def test_http_and_https_through_squid(
    plain_squid: Proxy, server: FaultyServer, secure: FaultyServer, trust: Trust
) -> None:
    for one in (server, secure):
        assert isinstance(through(plain_squid.url(), f"{one.origin}/data", trust), Finished)
    for _ in range(100):  # squid writes its log a little later
        if "CONNECT" in plain_squid.log():
            return
        time.sleep(0.05)
    raise AssertionError(plain_squid.log())


def test_a_variable_without_scheme_works(plain_squid: Proxy, server: FaultyServer) -> None:
    with driving(environ={"HTTP_PROXY": f"127.0.0.1:{plain_squid.port}"}) as driver:
        assert isinstance(ending(driver.fetch(f"{server.origin}/data", SIZE)[0]), Finished)


def test_name_and_password_for_squid(
    asking_squid: Proxy, server: FaultyServer, secure: FaultyServer, trust: Trust
) -> None:
    for one in (server, secure):
        url = f"{one.origin}/data"
        assert isinstance(through(asking_squid.url("ann:se%3Ac%20ret"), url, trust), Finished)
        for userinfo in ("", "ann:wrong"):
            end = through(asking_squid.url(userinfo), url, trust)
            assert isinstance(end, Failed)
            assert (end.failure, end.cause) == (Failure.PROXY, "proxy.auth-required")


def test_what_a_proxy_says_after_it_was_told_who_asks_is_its_answer(
    asking_squid: Proxy, trust: Trust
) -> None:
    """The question came first, with a header of its own, and was answered."""
    resolver = ProxyResolver({}, proxy=asking_squid.url("ann:se%3Ac%20ret"))
    for scheme in ("http", "https"):
        with driving(Options(connect_timeout=5), proxies=resolver, trust=trust) as driver:
            events, _ = driver.fetch(f"{scheme}://127.0.0.1:{free_port()}/data", SIZE)
            seen = driver.engine.observation(ending(events).id)
        assert seen is not None
        judged = judge(seen)
        assert judged.cause == "proxy.upstream" and "ERR_CONNECT_FAIL" in judged.detail, (scheme, judged)


def test_a_name_and_password_beyond_ascii_are_sent_as_utf8() -> None:
    asks = Script(status=407, headers=(("Proxy-Authenticate", 'Basic realm="x"'),))
    with FaultyServer() as played, driving(proxies=_beyond_ascii(played)) as driver:
        for name, scripts in {"first": (asks, Script()), "second": (Script(),)}.items():
            played.serve(f"http://data.example.org/{name}", CONTENT, *scripts)
            events, sink = driver.fetch(f"http://data.example.org/{name}", SIZE)
            assert isinstance(ending(events), Finished)
            assert bytes(sink.data) == CONTENT
            shown = played.seen[-1].headers["proxy-authorization"]
            assert b64decode(shown.partition(" ")[2]) == "usér:p@ss:w/örd%".encode()


def _beyond_ascii(proxy: FaultyServer) -> ProxyResolver:
    return ProxyResolver({}, proxy=f"http://us%C3%A9r:p%40ss%3Aw%2F%C3%B6rd%25@127.0.0.1:{proxy.port}")


def test_a_host_that_the_proxy_does_not_allow(plain_squid: Proxy, trust: Trust) -> None:
    for url in ("http://blocked.test/data", "https://blocked.test/data"):
        end = through(plain_squid.url(), url, trust, is_named=False)
        assert isinstance(end, Failed)
        assert (end.failure, end.cause) == (Failure.PROXY, "proxy.denied")


def test_what_the_proxy_could_not_do_is_the_hosts_fault(plain_squid: Proxy, trust: Trust) -> None:
    for scheme in ("http", "https"):
        end = through(plain_squid.url(), f"{scheme}://127.0.0.1:1/data", trust)
        assert isinstance(end, Failed)
        assert end.failure in (Failure.CONNECT, Failure.SERVER, Failure.BUSY), end
        assert not end.cause.startswith("proxy."), end


def test_a_proxy_behind_tls(
    plain_squid: Proxy, authority: TestAuthority, server: FaultyServer, secure: FaultyServer, trust: Trust
) -> None:
    context = authority.leaf("127.0.0.1").context()
    with TlsFront(plain_squid.port, context) as front:
        for one in (server, secure):
            end = through(f"https://127.0.0.1:{front.port}", f"{one.origin}/data", trust)
            assert isinstance(end, Finished)


def test_a_proxy_with_a_scheme_that_does_not_fit(
    plain_squid: Proxy, server: FaultyServer, trust: Trust
) -> None:
    end = through(plain_squid.url(scheme="https"), f"{server.origin}/data", trust)
    assert isinstance(end, Failed)
    assert (end.failure, end.cause) == (Failure.PROXY, "proxy.scheme")


def test_socks_proxies(server: FaultyServer, secure: FaultyServer, trust: Trust) -> None:
    with socks() as proxy:
        for scheme, one in itertools.product(("socks5", "socks5h"), (server, secure)):
            assert isinstance(through(proxy.url(scheme=scheme), f"{one.origin}/data", trust), Finished)


def test_name_and_password_for_socks(server: FaultyServer, trust: Trust) -> None:
    with socks("ann", "secret") as proxy:
        url = f"{server.origin}/data"
        assert isinstance(through(proxy.url("ann:secret", "socks5h"), url, trust), Finished)
        for userinfo in ("", "ann:wrong"):
            end = through(proxy.url(userinfo, "socks5h"), url, trust)
            assert isinstance(end, Failed)
            assert (end.failure, end.cause) == (Failure.PROXY, "proxy.auth-required")


def test_a_proxy_that_is_not_there(server: FaultyServer, secure: FaultyServer, trust: Trust) -> None:
    for scheme, one in itertools.product(("http", "https", "socks5h"), (server, secure)):
        end = through(f"{scheme}://127.0.0.1:{free_port()}", f"{one.origin}/data", trust)
        assert isinstance(end, Failed)
        assert (end.failure, end.cause) == (Failure.PROXY, "proxy.unreachable")


def test_a_proxy_whose_name_is_unknown(server: FaultyServer, trust: Trust) -> None:
    end = through("http://no-such-proxy.invalid:1", f"{server.origin}/data", trust)
    assert isinstance(end, Failed)
    assert (end.failure, end.cause) == (Failure.PROXY, "proxy.name")


def test_a_web_server_is_no_proxy(secure: FaultyServer, trust: Trust) -> None:
    with FaultyServer() as other:
        other.serve("127.0.0.1", b"", Script(status=405))
        end = through(f"http://127.0.0.1:{other.port}", f"{secure.origin}/data", trust)
    assert isinstance(end, Failed)
    assert (end.failure, end.cause) == (Failure.PROXY, "proxy.not-a-proxy")


def test_a_proxy_that_hangs_up_is_not_said_to_be_none(
    secure: FaultyServer, server: FaultyServer, trust: Trust
) -> None:
    for one, way in itertools.product((secure, server), ("close_at_once", "reset_at_once")):
        with FaultyServer() as proxy:
            script = Script(**{way: True})
            proxy.serve(one.origin.partition("//")[2], b"", script)  # CONNECT HOST:PORT
            proxy.serve(f"{one.origin}/data", b"", script)
            end = through(f"http://127.0.0.1:{proxy.port}", f"{one.origin}/data", trust)
        assert isinstance(end, Failed)
        assert (end.failure, end.cause) == (Failure.CUT, "proxy.cut"), (one.origin, way)


def test_a_proxy_that_asks_to_wait_is_busy(secure: FaultyServer, trust: Trust) -> None:
    with FaultyServer() as proxy:
        script = Script(status=429, headers=(("Retry-After", "3"),))
        proxy.serve(secure.origin.partition("//")[2], b"", script)
        end = through(f"http://127.0.0.1:{proxy.port}", f"{secure.origin}/data", trust)
    assert isinstance(end, Failed)
    assert (end.failure, end.cause, end.retry_after) == (Failure.BUSY, "proxy.busy", 3.0)


def test_a_proxy_that_let_others_through_is_busy_where_it_denies() -> None:
    denies = Script(status=403, headers=(("X-Squid-Error", "ERR_ACCESS_DENIED 0"),))
    for order, failure in ((("good", "denied"), Failure.BUSY), (("denied",), Failure.PROXY)):
        with FaultyServer() as proxy, driving(environ={"http_proxy": f"127.0.0.1:{proxy.port}"}) as driver:
            proxy.serve("http://data.example.org/good", CONTENT)
            proxy.serve("http://data.example.org/denied", b"", denies)
            ends = [ending(driver.fetch(f"http://data.example.org/{name}", SIZE)[0]) for name in order]
        assert ends[-1].failure is failure
        assert ends[-1].cause == ("proxy.busy" if failure is Failure.BUSY else "proxy.denied")


def test_a_proxy_that_answers_with_other_words_is_none(
    secure: FaultyServer, server: FaultyServer, trust: Trust
) -> None:
    with FaultyServer(greeting=b"220 mail.example.org ESMTP\r\n") as mail:
        for scheme, one in (("http", secure), ("socks5h", server)):
            end = through(f"{scheme}://127.0.0.1:{mail.port}", f"{one.origin}/data", trust)
            assert isinstance(end, Failed)
            assert (end.failure, end.cause) == (Failure.PROXY, "proxy.not-a-proxy"), scheme


def test_the_address_policy_is_for_the_host_and_not_for_the_proxy(
    plain_squid: Proxy, server: FaultyServer, trust: Trust
) -> None:
    end = through(plain_squid.url(), f"{server.origin}/data", trust, is_named=False)
    assert isinstance(end, Failed)
    assert end.cause == "policy.private-address"


def test_no_credential_of_the_proxy_reaches_a_host(
    asking_squid: Proxy, server: FaultyServer, trust: Trust
) -> None:
    through(asking_squid.url("ann:se%3Ac%20ret"), f"{server.origin}/data", trust)
    assert "proxy-authorization" not in server.seen[-1].headers
