"""Small words about an observation that several rules use."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from surefetch.diagnose import codes
from surefetch.events import Phase
from surefetch.observation import Observation


def host_of(url: str) -> str:
    """Return a URL's host in lower case, without port or brackets, or ""."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_inside(host: str) -> bool:
    """Return whether a host is this machine or an address of its network: no filter stands before it."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_private
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def connect_words(seen: Observation) -> str:
    """Say where a connection failed, and how."""
    where = seen.address or last_host(seen)
    port = f" port {seen.port}" if seen.port and seen.port > 0 else ""
    if seen.curl_code == codes.TIMED_OUT:
        return f"no answer from {where}{port}"
    return f"{where}{port}: {errno_words(seen.os_errno) or seen.curl_message or 'no connection'}"


def errno_words(number: int) -> str:
    """Return what the operating system calls an error, or ""."""
    return os.strerror(number).lower() if number else ""


def proxy_words(seen: Observation) -> str:
    """Name the proxy in the words of a sentence."""
    return f"the proxy `{seen.proxy}`" if seen.proxy else "a proxy"


def proxy_host(seen: Observation) -> str:
    """Return the host of the proxy's address as it was configured."""
    return seen.proxy.partition("://")[2].rpartition(":")[0] or seen.proxy


def last_host(seen: Observation) -> str:
    """Return the host that was asked last."""
    return host_of(seen.effective_url or seen.url)


def carries_body(seen: Observation) -> bool:
    """Return whether the answer is one that carries a file."""
    return seen.status in (200, 203, 206) or (seen.status is None and seen.length_received > 0)


def rate(seen: Observation) -> float:
    """Return bytes per second of the body, 0.0 if unknown."""
    seconds = dict(seen.seconds).get(Phase.BODY.value, 0.0)
    return seen.length_received / seconds if seconds > 0 else float(seen.length_received > 0)


def place_of(url: str) -> str:
    """Return a URL's host in lower case, and its port where one is said."""
    port = re.match(r"https?://(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/:?#]*):(\d+)", url, re.IGNORECASE)
    host = host_of(url)
    return f"{host}:{port.group(1)}" if port and host else host


def path_of(url: str) -> str:
    """Return a URL's path, without query or fragment, or ""."""
    _, slash, path = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")[2].partition("/")
    return slash + path


def file_name(url: str) -> str:
    """Return the file name of a URL's path."""
    return url.partition("?")[0].partition("#")[0].rpartition("/")[2]


def clean(url: str) -> str:
    """Return a URL without query and userinfo: either may hold secrets."""
    head, separator, rest = url.partition("?")[0].partition("://")
    return f"{head}{separator}{rest.rpartition('@')[2]}" if separator else head


def retry_after(value: str, date: str, now: float | None) -> float | None:
    """Read a Retry-After header: seconds, or a date (RFC 9110, 10.2.3). None if absent or unreadable.

    A date is held against the answer's own Date: the server's clock may be another one than ours.
    """
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    until, began = http_date(value), http_date(date)
    began = now if began is None else began
    return max(0.0, until - began) if until is not None and began is not None else None


def http_date(value: str) -> float | None:
    """Read an HTTP date as seconds since 1970, or None."""
    try:
        date: datetime = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return date.timestamp() if date.tzinfo else None


def duration(seconds: float) -> str:
    """Say how long that is, in the unit that a person would take: `40 s`, `5 minutes`, `2 hours`."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
