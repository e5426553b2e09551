"""The engine against a raw-socket server: where redirects lead, with which cookies, to which addresses."""

import time

import pytest

from surefetch.events import Failure, Finished
from tests.edge.test_transfer import CONTENT, SIZE, fails
from tests.fakes.driver import Driver, driving, ending
from tests.fakes.faulty_server import FaultyServer, Script, redirect

# --- redirects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_good_redirects_are_followed(driver: Driver, server: FaultyServer, status: int) -> None:
    server.serve("/target", CONTENT)
    url = server.serve(f"/redirect/{status}", b"", redirect("/target", status))
    events, sink = driver.fetch(url, SIZE, start=10, stop=20)
    assert isinstance(ending(events), Finished)
    assert sink.data[10:] == CONTENT[10:20]
    assert server.seen[-1].headers["range"] == "bytes=10-19"


def test_eight_redirects_are_followed_and_not_nine(driver: Driver, server: FaultyServer) -> None:
    server.serve("/hop/0", CONTENT)
    for n in range(1, 10):
        server.serve(f"/hop/{n}", b"", redirect(f"{n - 1}"))
    assert isinstance(ending(driver.fetch(f"{server.origin}/hop/8", SIZE)[0]), Finished)
    assert fails(driver, f"{server.origin}/hop/9").cause == "http.redirect-loop"


def test_a_redirect_in_a_circle_is_known(driver: Driver, server: FaultyServer) -> None:
    server.serve("/circle/a", b"", redirect("/circle/b"))
    server.serve("/circle/b", b"", redirect("/circle/a"))
    end = fails(driver, f"{server.origin}/circle/a")
    assert (end.failure, end.cause) == (Failure.MISSING, "http.redirect-loop")
    assert server.targets().count("/circle/a") == 1


def test_a_redirect_to_another_scheme_is_refused(driver: Driver, server: FaultyServer) -> None:
    for path, location in (
        ("/f", "file:///etc/passwd"),
        ("/ftp", "ftp://127.0.0.1/x"),
        ("/g", "gopher://127.0.0.1/"),
    ):
        end = fails(driver, server.serve(path, b"", redirect(location)))
        assert (end.failure, end.cause) == (Failure.MISSING, "http.redirect-dead")


def test_the_body_of_a_redirect_need_not_end(driver: Driver, server: FaultyServer) -> None:
    server.serve("/after", CONTENT)
    script = Script(status=302, headers=(("Location", "/after"),), body=b"x" * 50, stall_after=10)
    events, _ = driver.fetch(server.serve("/slow-redirect", b"", script), SIZE)
    assert isinstance(ending(events), Finished)


def test_a_redirect_to_the_servers_own_choice_is_followed(driver: Driver, server: FaultyServer) -> None:
    script = Script(status=300, headers=(("Location", server.serve("/choice", CONTENT)),))
    events, _ = driver.fetch(server.serve("/choices", b"", script), SIZE)
    assert isinstance(ending(events), Finished)


@pytest.mark.parametrize("leads_on", [True, False])
def test_a_head_that_needs_no_body_is_not_waited_for(
    driver: Driver, server: FaultyServer, leads_on: bool
) -> None:
    """Without a length, and with the connection left open, nothing says that there is no body."""
    headers = (("Location", server.serve("/led", CONTENT)),) if leads_on else ()
    status = 302 if leads_on else 404
    script = Script(status=status, headers=headers, body=b"", has_length=False, stall_after=0)
    began = time.monotonic()
    end = ending(driver.fetch(server.serve("/bare", b"", script), SIZE)[0])
    assert time.monotonic() - began < 4
    assert isinstance(end, Finished) if leads_on else getattr(end, "cause", "") == "http.not-found", end


# --- cookies ------------------------------------------------------------------------------------------------


def cookie(text: str, location: str) -> Script:
    return Script(status=302, headers=(("Location", location), ("Set-Cookie", text)))


def test_a_cookie_goes_along_the_redirects_of_its_host(driver: Driver, server: FaultyServer) -> None:
    server.serve("/b", b"", cookie("key=2; HttpOnly", "/c"))
    server.serve("/c", CONTENT)
    events, _ = driver.fetch(server.serve("/a", b"", cookie("seen=1; Path=/", "/b")), SIZE)
    assert isinstance(ending(events), Finished)
    assert [seen.headers.get("cookie") for seen in server.seen[-3:]] == [None, "seen=1", "seen=1; key=2"]


def test_with_a_cookie_the_same_address_may_be_asked_again(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/door", CONTENT, cookie("seen=1", "/door"), Script())
    assert isinstance(ending(driver.fetch(url, SIZE)[0]), Finished)
    assert server.seen[-1].headers["cookie"] == "seen=1"
    end = fails(driver, server.serve("/circle", b"", cookie("a=b", "/circle")))
    assert end.cause == "http.redirect-loop"


@pytest.mark.parametrize("domain", ["", "; Domain=127.0.0.2"])
def test_a_cookie_is_for_its_own_request_and_host(driver: Driver, server: FaultyServer, domain: str) -> None:
    with FaultyServer(host="127.0.0.2") as other:
        url = server.serve("/away", b"", cookie(f"a=b; Path=/{domain}", other.serve("/x", CONTENT)))
        assert isinstance(ending(driver.fetch(url, SIZE)[0]), Finished)
        assert "cookie" not in other.seen[-1].headers
    assert isinstance(ending(driver.fetch(server.serve("/next", CONTENT), SIZE)[0]), Finished)
    assert "cookie" not in server.seen[-1].headers


def test_odd_locations_are_understood(driver: Driver, server: FaultyServer) -> None:
    server.serve("/with%20space/d%C3%A9j%C3%A0", CONTENT)
    url = server.serve("/odd", b"", redirect("/with space/dÃ©jÃ\xa0#fragment"))
    events, _ = driver.fetch(url, SIZE)
    assert isinstance(ending(events), Finished), server.targets()[-1]


# --- addresses ----------------------------------------------------------------------------------------------


def test_a_private_address_that_nobody_named_is_refused(driver: Driver, server: FaultyServer) -> None:
    before = server.connections
    url = server.serve("/private", CONTENT)
    for address in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "127.1")):
        end = fails(driver, address, is_named=False)
        assert end.failure in (Failure.POLICY, Failure.NAME), end
        assert end.cause in ("policy.private-address", "dns.blocked"), end
    assert server.connections == before


def test_a_redirect_from_a_public_host_into_this_network_is_refused(server: FaultyServer) -> None:
    """The server plays a proxy, through which a public host answers."""
    with FaultyServer(host="127.0.0.2") as inside, driving(environ={"http_proxy": server.origin}) as driver:
        server.serve("http://public.example/go", b"", redirect(inside.serve("/x", CONTENT)))
        for is_named in (True, False):
            end = fails(driver, "http://public.example/go", is_named=is_named)
            assert (end.failure, end.cause) == (Failure.POLICY, "policy.private-address")
        assert inside.connections == 0


def test_a_sign_in_page_of_this_network_is_told_as_such_and_not_asked(server: FaultyServer) -> None:
    """The server plays a proxy, as what answers in a public host's place."""
    with FaultyServer(host="127.0.0.2") as inside, driving(environ={"http_proxy": server.origin}) as driver:
        page = inside.serve("/guest/login", CONTENT)
        server.serve("http://public.example/go", b"", redirect(f"{page}?token=tok-123"))
        end = fails(driver, "http://public.example/go", is_named=True)
        assert (end.failure, end.cause) == (Failure.CORRUPT, "body.captive-portal")
        assert page in end.detail and "tok-123" not in end.detail
        assert inside.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127%2e0.0.1", "metadata.google.internal", "nas"])
def test_no_spelling_hides_an_inner_address_behind_a_proxy(server: FaultyServer, host: str) -> None:
    with driving(environ={"http_proxy": server.origin}) as driver:
        server.serve("http://public.example/go", b"", redirect(f"http://{host}:8080/x"))
        end = fails(driver, "http://public.example/go", is_named=False)
        assert (end.failure, end.cause) == (Failure.POLICY, "policy.private-address")
        assert server.targets()[-1] == "http://public.example/go"


def test_within_this_network_a_named_host_may_lead_on(driver: Driver, server: FaultyServer) -> None:
    with FaultyServer(host="127.0.0.2") as other:
        url = server.serve("/onward", b"", redirect(other.serve("/x", CONTENT)))
        for _ in range(2):  # the second time over an open connection
            assert isinstance(ending(driver.fetch(url, SIZE)[0]), Finished)


def test_a_host_that_a_file_named_may_lead_on_within_this_network(server: FaultyServer) -> None:
    """A company's catalog names its artifact proxy, which leads to its storage."""
    with (
        FaultyServer(host="127.0.0.2") as other,
        driving(named_hosts=frozenset({"127.0.0.1"})) as driver,
    ):
        url = server.serve("/onward", b"", redirect(other.serve("/on", b"", redirect(f"{server.origin}/x"))))
        server.serve("/x", CONTENT)
        for _ in range(2):  # the second time over an open connection
            assert isinstance(ending(driver.fetch(url, SIZE, is_named=False)[0]), Finished)


def test_a_host_that_nobody_named_leads_nowhere_within_this_network(server: FaultyServer) -> None:
    with (
        FaultyServer(host="127.0.0.2") as other,
        driving(environ={"http_proxy": server.origin}, named_hosts=frozenset({"127.0.0.1"})) as driver,
    ):
        server.serve("http://public.example/go", b"", redirect(other.serve("/x", CONTENT)))
        end = fails(driver, "http://public.example/go", is_named=False)
        assert (end.failure, end.cause) == (Failure.POLICY, "policy.private-address")


def test_a_redirect_to_a_private_host_that_was_named_is_followed(server: FaultyServer) -> None:
    named = frozenset({"127.0.0.2"})
    with (
        FaultyServer(host="127.0.0.2") as inside,
        driving(environ={"http_proxy": server.origin, "no_proxy": "127.0.0.2"}, named_hosts=named) as driver,
    ):
        server.serve("http://public.example/go", b"", redirect(inside.serve("/x", CONTENT)))
        events, _ = driver.fetch("http://public.example/go", SIZE, is_named=False)
        assert isinstance(ending(events), Finished)


def test_an_open_connection_is_no_way_around_the_policy(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/reused", CONTENT).replace("127.0.0.1", "127.1")
    assert isinstance(ending(driver.fetch(url, SIZE)[0]), Finished)
    end = fails(driver, url, is_named=False)
    assert end.failure in (Failure.POLICY, Failure.NAME)
