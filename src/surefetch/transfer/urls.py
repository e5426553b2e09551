"""URLs as the engine needs them: origins, hosts, userinfo split off, secrets masked. Pure."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import msgspec

PORTS: Final = {"http": 80, "https": 443}
MASK: Final = "***"
_AS_USUAL: Final = ("https://", "http://")
#: What goes over the wire escaped: all but printing ASCII, and what RFC 3986 knows no place for at all.
_UNSAFE: Final = re.compile(r"[^!-\[\]-~]")
#: What stays as it is when a whole URL is escaped; `%` too, for what is escaped already.
_SAFE: Final = "%/:=&?~#+!$,;'@()*[]|^`{}\"<>-._"
#: Query parameters that are keys to something: tokens, signatures, signed policies.
_CONFIDENTIAL: Final = (
    r"(?i)(?<=[?&;])((?:[\w.-]*(?:token|secret|password|passwd|api[_-]?key|signature|credential)[\w.-]*"
    r"|x-(?:amz|goog|oss|ms)-[\w-]*|sig|sign|key|auth|code|access_?key(?:id)?|policy|key-pair-id)=)[^&#;]*"
)
#: Names and passwords: in their place; with a `/`, `?`, `#` or space that should be escaped, so that what
#: follows the name is no port; before a host without a scheme.
_USERINFO: Final = (
    r"(?<=//)[^/?#@\s]*@"
    r"|(?<=//)[^/?#@\s:\[]*:(?!\d*(?:[/?#\s`'\"]|$))[^@\n`'\"]*@(?=[\w\[])"
    r"|(?<![^\s`'\"=])[^/?#@\s:`'\"]+:[^/?#@\s]*@(?=[\w.\[\]-]+(?:[:/]|$)|[\w-]+\.\w)"
)


class Place(msgspec.Struct, frozen=True):
    """Where a URL leads: what is the same for all URLs of a server."""

    origin: str  # scheme://host:port, lower case, the port always said
    host: str  # lower case, without brackets
    port: int


def origin(url: str) -> str:
    """Return scheme, host and port, lower case, the port always said: `https://example.org:443`.

    Raises:
        ValueError: The URL has no host, one that is not ASCII (see `spelled`), or a port that is none.
    """
    return _place(base(url)).origin


def host(url: str) -> str:
    """Return the host in lower case, without brackets.

    Raises:
        ValueError: As `origin`.
    """
    return _place(base(url)).host


def named_host(url: str) -> str:
    """Return the host of an address that somebody wrote, as requests name it; "" where it has none."""
    try:
        return host(spelled(url))
    except ValueError:  # what every request to it is refused for
        return ""


def port(parts: SplitResult) -> int:
    """Return the port, the scheme's own if none is said."""
    return parts.port if parts.port is not None else PORTS.get(parts.scheme, 0)


def split_userinfo(url: str) -> tuple[str, str | None, str | None]:
    """Take user and password out of a URL.

    Returns:
        The URL without them; the user and the password, decoded, None where there is none.
    """
    if "@" not in url:
        return url, None, None
    front = base(url)
    scheme, _, authority = front.partition("://")
    userinfo, at, place = authority.rpartition("@")
    if not at:
        return url, None, None
    user, colon, password = userinfo.partition(":")
    bare = f"{scheme}://{place}{url[len(front) :]}"
    return bare, unquote(user), unquote(password) if colon else None


@lru_cache(maxsize=256)  # asked nine times in a row for each of thousands of small files
def base(url: str) -> str:
    """Return scheme and authority as they stand."""
    start = url.find("://") + 3
    for mark in "/?#":
        if (end := url.find(mark, start)) >= 0:
            url = url[:end]
    return url


@lru_cache(maxsize=1024)
def _place(base: str) -> Place:
    parts = urlsplit(base)
    if not parts.hostname:
        raise ValueError(f"`{mask(base)}` has no host")
    if not parts.hostname.isascii():
        raise ValueError(f"`{parts.hostname}` can be no host's name")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    number = port(parts)
    return Place(f"{parts.scheme}://{name}:{number}", parts.hostname, number)


def spelled(url: str) -> str:
    """Return a URL as it goes over the wire: letters beyond ASCII and unsafe characters escaped, as UTF-8.

    The host is written by IDNA (RFC 3490); one that is no name in any script stays, and `host` refuses it.
    What is escaped already stays too. The scheme is in lower case.
    """
    if not _UNSAFE.search(url):
        return url if url.startswith(_AS_USUAL) else _with_small_scheme(url)
    url = _with_small_scheme(url.strip())
    front = base(url)
    userinfo, at, place = front.partition("://")[2].rpartition("@")
    scheme = front.partition("://")[0]
    name, colon, number = place.partition(":")
    place = f"{_in_ascii(name)}{colon}{number}"
    return f"{scheme}://{quote(userinfo, safe=_SAFE)}{at}{place}{quote(url[len(front) :], safe=_SAFE)}"


def _with_small_scheme(url: str) -> str:
    """Keyboards of telephones write `Https://`."""
    scheme, colon, rest = url.partition("://")
    return f"{scheme.lower()}{colon}{rest}" if colon and scheme.isalpha() else url


def _in_ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:  # e.g. a label that is too long
        return host


def follow(base: str, location: str) -> str:
    """Return where a Location header leads, as it goes over the wire, without fragment.

    Servers send raw spaces, and bytes beyond ASCII (latin-1 by now): letters of UTF-8, or of what they like.
    """
    raw = location.strip().encode("latin-1", "ignore")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = quote(raw, safe=_SAFE)
    with contextlib.suppress(ValueError):  # a broken IPv6 address: refused when it is asked
        text = urljoin(base, text)
    return (spelled(text) if "://" in text else quote(text, safe=_SAFE)).partition("#")[0]


def mask(text: str) -> str:
    """Replace what is secret in a URL, or in every URL of a text: userinfo, tokens, signatures."""
    if "@" not in text and "=" not in text:
        return text
    # Compiled when first needed, and kept by `re`: most fetches mask nothing.
    return re.sub(_CONFIDENTIAL, rf"\1{MASK}", re.sub(_USERINFO, f"{MASK}@", text))
