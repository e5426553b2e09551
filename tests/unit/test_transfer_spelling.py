"""Text as libcurl takes it."""

import pytest

from surefetch.transfer.credentials import basic
from surefetch.transfer.spelling import encoded, in_ascii


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://example.org/a%20b?c=d#e", "https://example.org/a%20b?c=d#e"),
        ("https://example.org/données/a%20b?c=é", "https://example.org/donn%C3%A9es/a%20b?c=%C3%A9"),
        ("https://bücher.example:8443/x", "https://xn--bcher-kva.example:8443/x"),
        ("http://[::1]:80/é", "http://[::1]:80/%C3%A9"),
        ("", ""),
    ],
)
def test_an_address_is_asked_for_in_ascii(url: str, written: str) -> None:
    assert in_ascii(url) == written


def test_a_host_that_dns_cannot_have_is_said() -> None:
    with pytest.raises(UnicodeError):
        in_ascii(f"https://{'ü' * 80}.example/x")


def test_bytes_of_a_variable_that_are_no_text_stay_what_they_are() -> None:
    assert encoded(b"us\xe9r".decode("utf-8", "surrogateescape")) == b"us\xe9r"
    assert basic("us\udce9r", "") == "Authorization: Basic dXPpcjo="
