"""Text as libcurl takes it."""

from surefetch.transfer.credentials import basic
from surefetch.transfer.spelling import encoded


def test_bytes_of_a_variable_that_are_no_text_stay_what_they_are() -> None:
    assert encoded(b"us\xe9r".decode("utf-8", "surrogateescape")) == b"us\xe9r"
    assert basic("us\udce9r", "") == "Authorization: Basic dXPpcjo="
