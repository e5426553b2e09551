"""Which hosts are inside a network, by their addresses and by their names."""

from __future__ import annotations

import pytest

from surefetch.model import Lookup
from surefetch.transfer import addresses, policy
from surefetch.transfer.addresses import Reach
from surefetch.transfer.transfers import Page


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "169.254.43518", "127.0.0.1.",
        "127%2e0.0.1", "0.0.0.0", "%31%32%37.0.0.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a00:5]", "[::127.0.0.1]", "[64:ff9b::a00:5]",
        "[64:ff9b:1::a00:5]", "[2002:7f00:1::1]", "[fec0::1]", "[fd00:ec2::254]", "[fe80::1%25eth0]",
        "localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal", "nas.local", "router.lan",
        "printer.home.arpa", "intranet", "wiki.corp",
    ],
)  # fmt: skip
def test_what_is_inside_a_network_is_refused_however_it_is_written(host: str) -> None:
    refused = policy.refuse_url(f"http://{host}/x", is_named=False)
    assert refused and refused.cause == "policy.private-address"
    assert policy.refuse_url(f"http://{host}/x", is_named=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "data.example", "8.8.8.8", "134744072", "0x08.8.8.8", "1.2.3.4.5", "08.example", "256.1.1.1",
        "198.18.0.7", "203.0.113.9", "[2606:4700::1]", "[64:ff9b::808:808]", "internal.example", "1e9.net",
    ],
)  # fmt: skip
def test_what_is_outside_is_asked(host: str) -> None:
    assert policy.refuse_url(f"http://{host}/x", is_named=False) is None


@pytest.mark.parametrize(
    ("asked", "url", "is_user", "named", "reach"),
    [
        ("http://nas.example/", "http://nas.example/", True, (), Reach.LINK),
        ("http://169.254.7.7/", "http://169.254.7.7/", True, (), Reach.LINK),
        ("http://data.example/", "http://data.example/", False, (), Reach.PUBLIC),
        ("http://nas.example/", "http://nas.example/", False, ("nas.example",), Reach.PRIVATE),
        ("http://10.1.2.3/", "http://wiki.corp/", True, (), Reach.PRIVATE),
        ("http://10.1.2.3/", "http://169.254.169.254/", True, (), Reach.PUBLIC),
        ("http://10.1.2.3/", "http://169.254.169.254/", True, ("169.254.169.254",), Reach.LINK),
        ("http://data.example/", "http://[::1/", True, (), Reach.PUBLIC),
    ],
)
def test_addresses_of_the_link_are_for_hosts_that_the_user_named(
    asked: str, url: str, is_user: bool, named: tuple[str, ...], reach: Reach
) -> None:
    page = Page(1, Lookup(source="http", kind="index", target=asked), asked, (), 1, is_user, 0.0)
    assert policy.reach(url, page, frozenset(named)) is reach


def test_an_address_is_beyond_what_a_request_may_reach() -> None:
    beyond: dict[Reach, list[str]] = {reach: [] for reach in Reach}
    for address in (
        "8.8.8.8",
        "10.1.2.3",
        "127.0.0.1",
        "169.254.169.254",
        "fe80::1%eth0",
        "::ffff:169.254.1.1",
    ):
        for reach, found in beyond.items():
            found += [address] if addresses.is_beyond(address, reach) else []
    assert beyond[Reach.LINK] == []
    assert beyond[Reach.PRIVATE] == ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.1.1"]
    assert beyond[Reach.PUBLIC] == ["10.1.2.3", "127.0.0.1", *beyond[Reach.PRIVATE]]


@pytest.mark.parametrize(
    ("asked", "place", "is_sign_in"),
    [
        ("http://data.example/x", "http://10.5.50.1/login?dst=", True),
        ("http://data.example/x", "http://192.168.1.99:1000/fgtauth?0a1b", True),
        ("http://data.example/x", "http://192.168.1.1:8002/?redirurl=http%3A%2F%2FData.example%2Fx", True),
        ("http://data.example/x", "https://guest.lan/", True),
        ("http://data.example/x", "http://10.1.2.3/authors/x", False),
        ("https://data.example/x", "http://10.1.2.3/login", False),
    ],
)
def test_a_networks_sign_in_page_is_known_by_where_it_leads(asked: str, place: str, is_sign_in: bool) -> None:
    assert policy.leads_to_sign_in(asked, [place]) is is_sign_in
    assert policy.leads_to_sign_in(asked, ["https://else.example/", place]) is False
    assert policy.leads_to_sign_in(asked, []) is False
