"""URLs as people and servers write them, and as they go over the wire."""

import pytest

from surefetch.transfer import policy, urls


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://data.example/dane/żółć.bin", "https://data.example/dane/%C5%BC%C3%B3%C5%82%C4%87.bin"),
        ("https://data.example/文?name=文 1", "https://data.example/%E6%96%87?name=%E6%96%87%201"),
        ("https://data.example/a b%20c%2Fd", "https://data.example/a%20b%20c%2Fd"),
        ("https://żółć.example:8443/x", "https://xn--kda4b0koi.example:8443/x"),
        ("http://ü:p%40w@bücher.example?q", "http://%C3%BC:p%40w@xn--bcher-kva.example?q"),
        ("http://[2001:db8::1]:80/ü", "http://[2001:db8::1]:80/%C3%BC"),
        (" https://data.example/x\n", "https://data.example/x"),
        ("https://data.example/a?b=%zz&c=[1]", "https://data.example/a?b=%zz&c=[1]"),
        ("Https://data.example/A", "https://data.example/A"),
        ("HTTPS://data.example/ü", "https://data.example/%C3%BC"),
    ],
)
def test_letters_of_any_script_are_escaped_once(written: str, sent: str) -> None:
    assert urls.spelled(written) == sent
    assert urls.spelled(sent) == sent


@pytest.mark.parametrize("url", ["http://" + "ü" * 80 + ".example/x", "http://ü..example/x"])
def test_a_host_that_is_no_name_in_any_script_is_refused(url: str) -> None:
    refused = policy.refuse_url(urls.spelled(url), is_named=True)
    assert refused and refused.cause == "policy.scheme" and "can be no host's name" in refused.detail
    assert urls.named_host(url) == ""


@pytest.mark.parametrize("url", ["http://[::1/x", "http://u:p@[::1/x", "http://h:99999/x", "http:///x"])
def test_an_address_that_cannot_be_read_is_refused_and_stops_nothing(url: str) -> None:
    bare = urls.split_userinfo(urls.spelled(url))[0]
    assert policy.refuse_url(bare, is_named=True)
    assert urls.named_host(url) == ""
    assert urls.follow("http://data.example/a", url) in (url, "http://data.example/x")


def test_a_redirect_may_lead_to_letters_of_any_script() -> None:
    location = "/żó b#part".encode().decode("latin-1")  # as headers are read
    assert urls.follow("http://data.example/a", location) == "http://data.example/%C5%BC%C3%B3%20b"


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("http://żółć.example/ż?ó", "http://xn--kda4b0koi.example/%C5%BC?%C3%B3"),
        ("http://127\u30020\u30020\u30021:8080/x", "http://127.0.0.1:8080/x"),  # full stops (RFC 3490, 3.1)
        ("http://\u2460\u2461\u2466.0.0.1/x", "http://127.0.0.1/x"),
        ("//[::1]:80/a b", "http://[::1]:80/a%20b"),
        ("mailto:ann @example", "mailto:ann%20@example"),
    ],
)
def test_a_redirects_host_is_written_as_name_servers_take_it(location: str, leads_to: str) -> None:
    assert urls.follow("http://data.example/a", location.encode().decode("latin-1")) == leads_to


def test_a_redirect_in_no_known_script_keeps_its_bytes() -> None:
    assert urls.follow("http://data.example/a", "/d\xe9j\xe0") == "http://data.example/d%E9j%E0"
