"""Look at names and connections: which addresses a host has, and whether each family connects."""

from __future__ import annotations

import socket
import time
from typing import Final

from surefetch.diagnose.facts import Dial

#: Seconds that one connection may take.
DIAL_SECONDS: Final = 3.0
_FAMILIES: Final = ((socket.AF_INET, "IPv4"), (socket.AF_INET6, "IPv6"))


def dial(host: str, port: int, seconds: float = DIAL_SECONDS) -> tuple[Dial, ...]:
    """Resolve a host and connect once by each address family that it has; nothing is sent.

    A name that does not resolve gives no dial: the request itself tells why.
    """
    return tuple(
        _connect(number, family, address, seconds)
        for number, family in _FAMILIES
        if (address := _first_address(host, port, number)) is not None
    )


def _first_address(host: str, port: int, family: int) -> tuple[str, int] | None:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except OSError:
        return None
    return (str(found[0][4][0]), port) if found else None


def _connect(number: int, family: str, address: tuple[str, int], seconds: float) -> Dial:
    started = time.monotonic()
    with socket.socket(number, socket.SOCK_STREAM) as plain:
        plain.settimeout(seconds)
        try:
            plain.connect(address)
        except TimeoutError:
            return Dial(family=family, address=address[0], error=f"no answer within {seconds:.0f} s")
        except OSError as error:
            return Dial(family=family, address=address[0], error=(error.strerror or str(error)).lower())
    return Dial(family=family, address=address[0], seconds=time.monotonic() - started)
