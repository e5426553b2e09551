"""Which addresses a public host may not lead to. Pure."""

from __future__ import annotations

import ipaddress
from functools import cache, lru_cache
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Shared address space of carriers (RFC 6598): inside a provider's network, so not public.
_SHARED: Final = "100.64.0.0/10"
#: Addresses of no network's inside: benchmarking (RFC 2544), which VPN clients hand out as stand-ins for
#: public hosts ("fake IP"), and documentation (RFC 5737, RFC 3849), as gateways of closed networks do.
_STAND_INS: Final = ("198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
#: NAT64 (RFC 6052): an IPv4 address is in the last four bytes.
_NAT64: Final = "64:ff9b::/96"


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
    return parsed in _network(_SHARED) or _is_inside(parsed)


def is_nowhere(address: str) -> bool:
    """Whether it is loopback or unspecified: what a blocking name server answers with."""
    parsed = _parse(address)
    return parsed is not None and (parsed.is_loopback or parsed.is_unspecified)


def is_literal(host: str) -> bool:
    """Whether a URL's host is an IP address, not a name."""
    return _parse(host.strip("[]")) is not None


def is_link_local(host: str) -> bool:
    """Whether a URL's host is an address of its own link, where no mirror is: a cloud's metadata service."""
    parsed = _meant(host.strip("[]"))
    return parsed is not None and parsed.is_link_local


def names_private(host: str) -> bool:
    """Whether a URL's host is private by its very name: a private address, or this machine."""
    host = host.strip("[]").rstrip(".").lower()
    return host == "localhost" or host.endswith(".localhost") or is_private(host)


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


def _parse(address: str) -> _Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)
