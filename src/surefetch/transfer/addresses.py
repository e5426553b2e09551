"""Which addresses a public host may not lead to. Pure."""

from __future__ import annotations

import ipaddress
from enum import Enum
from functools import cache, lru_cache
from typing import Final
from urllib.parse import unquote

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Inside a network although `ipaddress` does not say so: shared space of carriers (RFC 6598), site-local
#: addresses (RFC 3879: deprecated, still routed), protocols' own (RFC 6890, in later Pythons; a cloud has its
#: metadata at 192.0.0.192), and the service of Azure that virtual machines ask.
_INSIDE: Final = ("100.64.0.0/10", "fec0::/10", "192.0.0.0/24", "168.63.129.16/32")
#: Endings of names that private networks use and no public name server knows (RFC 6761, 6762, 8375; ICANN's
#: `internal`, where clouds have their metadata services).
_INSIDE_NAMES: Final = (
    ".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".corp", ".home", ".lan",
    ".home.arpa",
)  # fmt: skip
#: Addresses of no network's inside: benchmarking (RFC 2544), which VPN clients hand out as stand-ins for
#: public hosts ("fake IP"), and documentation (RFC 5737, RFC 3849), as gateways of closed networks do.
_STAND_INS: Final = ("198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
#: NAT64 (RFC 6052): an IPv4 address is in the last four bytes.
_NAT64: Final = "64:ff9b::/96"


class Reach(Enum):
    """How far into this network a request may go."""

    PUBLIC = "public"  # to public addresses alone
    PRIVATE = "private"  # to private ones, too
    LINK = "link"  # and to those of the link itself, where a cloud has its metadata service


def is_beyond(address: str, reach: Reach) -> bool:
    """Whether an IP address is one that a request may not go to."""
    if reach is Reach.LINK:
        return False
    return is_link_local(address) if reach is Reach.PRIVATE else is_private(address)


@lru_cache(maxsize=1024)
def is_private(address: str) -> bool:
    """Whether an IP address is loopback, private, link-local, a cloud's metadata service or no host at all.

    Args:
        address: In text; a zone (`fe80::1%eth0`) is ignored. What is no address is not private.
    """
    parsed = _meant(address)
    if parsed is None:
        return False
    if any(parsed in _network(network) for network in _STAND_INS):
        return False
    return any(parsed in _network(network) for network in _INSIDE) or _is_inside(parsed)


def is_nowhere(address: str) -> bool:
    """Whether it is loopback or unspecified: what a blocking name server answers with."""
    parsed = _parse(address)
    return parsed is not None and (parsed.is_loopback or parsed.is_unspecified)


def is_literal(host: str) -> bool:
    """Whether a URL's host is an IP address, in any spelling, not a name."""
    return _literal(host) is not None


@lru_cache(maxsize=1024)
def is_link_local(host: str) -> bool:
    """Whether a host is an address of its own link, where no mirror is: a cloud's metadata service."""
    literal = _literal(host)
    meant = _meant(str(literal)) if literal else None
    return meant is not None and meant.is_link_local


@lru_cache(maxsize=1024)
def names_private(host: str) -> bool:
    """Whether a URL's host is private by its very name: a private address in any spelling, or a local name.

    Through a proxy the name is all that is seen. One without a dot is looked up in the own network.
    """
    if address := _literal(host):
        return is_private(str(address))
    name = _plain(host)
    return "." not in name or name.endswith(_INSIDE_NAMES)


def _is_inside(address: _Address) -> bool:
    return (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


def _meant(address: str) -> _Address | None:
    """Return an address, or the IPv4 address that an IPv6 one stands for; None where it is none."""
    parsed = _parse(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return parsed
    inner = parsed.ipv4_mapped or parsed.sixtofour
    if inner is None and parsed in _network(_NAT64):
        inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return inner or parsed


def _plain(host: str) -> str:
    return unquote(host.strip("[]")).rstrip(".").lower()


def _literal(host: str) -> _Address | None:
    return _parse(_plain(host)) or _numeric(_plain(host))


def _numeric(host: str) -> ipaddress.IPv4Address | None:
    """Read an IPv4 address as libcurl and browsers do: `2130706433`, `0x7f.1`, `0177.0.0.1` (inet_aton)."""
    parts = host.split(".")
    try:
        numbers = [int(part, 16 if part[:2] == "0x" else 8 if part[:1] == "0" else 10) for part in parts]
        *front, last = numbers
        value = sum(number << 8 * (3 - place) for place, number in enumerate(front)) + last
    except ValueError:
        return None
    fits = len(parts) <= 4 and all(0 <= n < 256 for n in front) and 0 <= last < 1 << 8 * (5 - len(parts))
    return ipaddress.IPv4Address(value) if fits else None


def _parse(address: str) -> _Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)
