"""Text as libcurl takes it: bytes. Addresses are written by `urls.spelled`. Pure."""

from __future__ import annotations


def encoded(text: str) -> bytes:
    """Write text as UTF-8, as names and passwords are sent (RFC 7617, 2.1).

    What Python could not read in a variable stays the bytes that it was.
    """
    return text.encode("utf-8", "surrogateescape")
