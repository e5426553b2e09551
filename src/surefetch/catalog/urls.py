"""Addresses as catalogs write them: whether they can be read, and one spelling for those of the same file."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

#: Pages that show a file, and other addresses of the same bytes -> the one spelling (GitHub's and the Hub's).
#: Compiled, like those below, when first needed, and kept by `re`: most fetches compare no addresses.
_SAME: Final = (
    (r"^raw\.githubusercontent\.com/([^/]+/[^/]+)/(?:refs/heads/)?", r"github.com/\1/raw/"),
    (r"^(github\.com/[^/]+/[^/]+)/blob/", r"\1/raw/"),
    (r"^(huggingface\.co/.+)/(?:blob|raw)/([^/]+/.+)$", r"\1/resolve/\2"),
)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443", "ftp": ":21"}
#: Queries that ask for the bytes instead of a page about them.
_IDLE_QUERY: Final = r"\?(?:raw=true|raw=1|download=true|download=1|dl=1)$"

#: Scheme and host of nearly all addresses: nothing to be read wrong.
_USUAL: Final = r"[a-z]+://[A-Za-z0-9._-]+(?:[/?]|$)"


def unreadable(url: str) -> str:
    """Say why an address cannot be read: a broken IPv6 address, a port that is none; "" if it can."""
    if re.match(_USUAL, url):
        return ""
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        return str(error)
    return ""


def shown(url: str) -> str:
    """Return an address for an error: without what may be a password or a token."""
    head, mark, _ = url.partition("?")
    return re.sub(r"//.*@", "//***@", head) + (f"{mark}***" if mark else "")


def normalise_url(url: str) -> str:
    """Reduce a URL to what tells its file: without scheme, default port, fragment, `?raw=true`."""
    scheme, _, rest = url.strip().partition("://")
    rest = rest.partition("#")[0]
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), ":80"))
    text = re.sub(_IDLE_QUERY, "", f"{host}{slash}{path}")
    for pattern, replacement in _SAME:
        text = re.sub(pattern, replacement, text)
    return text
