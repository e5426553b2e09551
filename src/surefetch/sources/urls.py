"""URLs as text: rewriting, taking secrets out, and what a `file:` URL means. Nothing is contacted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, urljoin, urlsplit

_AUTHORITY = r"(?s)(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:(?P<userinfo>[^/?#]*)@)?(?P<rest>.*)"
_DRIVE = r"/[A-Za-z]:(/|$)"


def split_userinfo(url: str) -> tuple[str, tuple[str, str] | None]:
    """Take user and password out of a URL.

    Returns:
        The URL without them, and (user, password), percent-decoded; None when there is no user. The
        password is empty where only a user stands there.
    """
    if "@" not in url:
        return url, None
    match = re.fullmatch(_AUTHORITY, url)
    if not match or match["userinfo"] is None:
        return url, None
    user, _, password = match["userinfo"].partition(":")
    return match["scheme"] + match["rest"], (unquote(user), unquote(password)) if user or password else None


def redacted(url: str) -> str:
    """Write a URL for people and logs: without user and password."""
    bare, credentials = split_userinfo(url)
    return bare.replace("://", "://***@", 1) if credentials else bare


def rewritten(url: str, rules: Mapping[str, str]) -> str | None:
    """Apply the rule with the longest prefix that fits; None when no rule does.

    Args:
        url: The URL.
        rules: URL prefix -> the prefix that takes its place.
    """
    if not rules:
        return None
    prefix = max((prefix for prefix in rules if prefix and url.startswith(prefix)), key=len, default=None)
    return None if prefix is None else rules[prefix] + url[len(prefix) :]


def joined(base: str, link: str) -> str | None:
    """Resolve a link of a page (RFC 3986, 5.2); None when it makes no URL of a scheme that is fetched.

    A page that came over the network may not point at files of this machine.
    """
    try:
        url = urljoin(base, link.strip())
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:  # e.g. a broken IPv6 address
        return None
    if scheme == "file":
        return url if base.startswith("file:") else None
    return split_userinfo(url)[0] if scheme in ("http", "https") and host else None


def below(base: str, name: str) -> str:
    """Give the URL of a name in a folder, whether the folder's URL ends in a slash or not.

    A query of the folder's URL (some private indexes carry a token there) is kept.
    """
    path, mark, query = base.partition("?")
    return f"{path.rstrip('/')}/{quote(name, safe='/')}{mark}{query}"


def host(url: str) -> str:
    """Return a URL's host in lower case, without port; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def last_segment(url: str) -> str:
    """Return the file name at the end of a URL's path, percent-decoded."""
    return unquote(url.partition("#")[0].partition("?")[0].rpartition("/")[2])


def local_path(url: str) -> str:
    """Return the path that a `file:` URL names (RFC 8089), on POSIX or, by its drive letter, on Windows."""
    rest = re.split(r"[?#]", url.removeprefix("file:"), maxsplit=1)[0]
    authority, path = "", rest
    if rest.startswith("//"):
        authority, slash, tail = rest[2:].partition("/")
        path = slash + tail
    path = unquote(path)
    if authority and authority.lower() != "localhost":
        return f"//{authority}{path}"  # a share on another machine (RFC 8089, E.3.1)
    return path[1:] if re.match(_DRIVE, path) else path


def file_url(path: str) -> str:
    """Write an absolute path of POSIX or Windows as a `file:` URL (RFC 8089); `local_path` reads it back."""
    if re.match(r"[A-Za-z]:[\\/]|\\\\", path):
        path = path.replace("\\", "/")
    if path.startswith("//"):  # a share
        return "file:" + quote(path, safe="/")
    return "file://" + quote(path if path.startswith("/") else f"/{path}", safe="/:")
