"""Text as libcurl takes it: bytes, and addresses in ASCII. Pure."""

from __future__ import annotations

import string
from typing import Final
from urllib.parse import quote, urlsplit

from surefetch.transfer import urls

#: What an address may have beside what `quote` keeps: it is taken as it stands.
_KEPT: Final = string.punctuation


def encoded(text: str) -> bytes:
    """Write text as UTF-8, as names and passwords are sent (RFC 7617, 2.1).

    What Python could not read in a variable stays the bytes that it was.
    """
    return text.encode("utf-8", "surrogateescape")


def in_ascii(url: str) -> str:
    """Write an address in ASCII: its host as DNS has it, the rest percent-encoded (RFC 3987, 3.1).

    Raises:
        UnicodeError: The host cannot be written so.
    """
    if url.isascii():
        return url
    base = urls.base(url)
    host = urlsplit(base).hostname or ""
    if not host.isascii():
        base = urlsplit(base)._replace(netloc=_authority(base, host)).geturl()
    return base + quote(encoded(url[len(urls.base(url)) :]), safe=_KEPT)


def _authority(base: str, host: str) -> str:
    port = urlsplit(base).port
    return host.encode("idna").decode("ascii") + ("" if port is None else f":{port}")
