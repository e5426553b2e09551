"""Writes down what was seen of a transfer, by libcurl and by the engine: bounded, without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final

import pycurl

from surefetch.events import Phase
from surefetch.observation import FIRST_BYTES, MAX_HEADERS, Certificate, Observation
from surefetch.transfer import addresses, urls
from surefetch.transfer.answers import parse_head
from surefetch.transfer.channel import Channel
from surefetch.transfer.transfers import Stage, Transfer

#: Headers whose values are keys to something.
_SECRET_HEADERS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "set-cookie",
        "proxy-authorization",
        "www-authenticate",
        "x-amz-security-token",
    }
)
_CHALLENGES: Final = frozenset({"www-authenticate", "proxy-authenticate"})
_HEADER_CHARACTERS: Final = 2048
_CHAIN: Final = 8  # certificates at most
_TIMES: Final = (
    (Phase.RESOLVE, pycurl.NAMELOOKUP_TIME_T),
    (Phase.CONNECT, pycurl.CONNECT_TIME_T),
    (Phase.TLS, pycurl.APPCONNECT_TIME_T),
    (Phase.WAIT, pycurl.STARTTRANSFER_TIME_T),
    (Phase.BODY, pycurl.TOTAL_TIME_T),
)
#: libcurl sets the clocks of later phases too when an earlier one fails.
_BEFORE_READY: Final = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS)


def phase_of(transfer: Transfer) -> Phase:
    """Tell how far a transfer has come, from libcurl's clocks."""
    channel = transfer.channel
    if transfer.accepted is not None or transfer.kept:
        return Phase.BODY
    if channel is None:
        return Phase.QUEUED
    if transfer.stage is Stage.LEFT:
        return Phase.RESOLVE
    if channel.is_ready:
        return Phase.WAIT
    if channel.info(pycurl.CONNECT_TIME_T):
        is_tls = transfer.url.startswith("https:") and not channel.info(pycurl.APPCONNECT_TIME_T)
        return Phase.TLS if is_tls or transfer.proxy else Phase.WAIT
    if channel.info(pycurl.NAMELOOKUP_TIME_T) or channel.tried_address:
        return Phase.CONNECT
    # libcurl's clock of the queue stands even where it goes on; an address is not looked up.
    is_looked_up = channel.info(pycurl.QUEUE_TIME_T) and not addresses.is_literal(_first_host(transfer))
    return Phase.RESOLVE if is_looked_up else Phase.QUEUED


def observe(transfer: Transfer, code: int, message: str, resolver: str = "") -> Observation:
    """Write down what is known of a transfer now.

    Args:
        transfer: On the wire or just off it.
        code: libcurl's code, 0 for none.
        message: libcurl's message.
        resolver: What the resolver said, if it was asked.
    """
    artifact, accepted = transfer.wanted.artifact, transfer.accepted
    channel = transfer.channel
    return Observation(
        url=urls.mask(transfer.asked_url),
        effective_url=urls.mask(transfer.url) if transfer.hops else "",
        redirects=tuple(map(urls.mask, transfer.hops)),
        artifact=artifact.name,
        expected_size=artifact.size,
        phase=phase_of(transfer),
        curl_code=code,
        curl_message=urls.mask(message),
        resolver=resolver,
        proxy=transfer.proxy,
        first_bytes=bytes(transfer.kept[:FIRST_BYTES]),
        length_promised=accepted.stop if accepted else _length(transfer),
        length_received=transfer.position - accepted.start if accepted else transfer.received,
        now=time.time(),
        **(_wire_facts(channel, transfer) if channel else {}),
    )


def certificates(chain: Sequence[Sequence[tuple[str, str]]]) -> tuple[Certificate, ...]:
    """Read the chain as libcurl's CERTINFO gives it."""
    return tuple(_certificate(dict(fields)) for fields in chain[:_CHAIN])


def _first_host(transfer: Transfer) -> str:
    return urls.host(transfer.proxy or transfer.url)


def _wire_facts(channel: Channel, transfer: Transfer) -> dict[str, Any]:
    info = channel.info
    head = parse_head(channel.head)
    is_tls = bool(info(pycurl.APPCONNECT_TIME_T)) or info(pycurl.SSL_VERIFYRESULT)
    verify = info(pycurl.SSL_VERIFYRESULT) or info(pycurl.PROXY_SSL_VERIFYRESULT)
    headers = head.headers if head else ()
    return {
        "address": info(pycurl.PRIMARY_IP) or channel.refused_address or channel.tried_address,
        "port": info(pycurl.PRIMARY_PORT) or None,
        "seconds": tuple(
            (phase.value, microseconds / 1e6)
            for phase, name in _TIMES
            if (microseconds := info(name)) > 0 and (channel.is_ready or phase in _BEFORE_READY)
        ),
        "os_errno": info(pycurl.OS_ERRNO) or channel.socket_errno,
        "proxy_status": info(pycurl.HTTP_CONNECTCODE) or None,
        "proxy_headers": _masked(head.proxy_headers if head else ()),
        "tls_verify_result": verify if is_tls else None,
        "chain": certificates(info(pycurl.INFO_CERTINFO)),
        "status": head.status if head else None,
        "http_version": head.version if head else "",
        "headers": _masked(headers),
        "content_type": head.get("content-type") if head else "",
    }


def _length(transfer: Transfer) -> int | None:
    value = transfer.head.get("content-length") if transfer.head else ""
    return int(value) if value.isdigit() else None


def _masked(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _mask_header(name, value)) for name, value in headers[:MAX_HEADERS])


def _mask_header(name: str, value: str) -> str:
    if name in _SECRET_HEADERS and name not in _CHALLENGES:
        return urls.MASK
    return urls.mask(value[:_HEADER_CHARACTERS])


def _certificate(fields: dict[str, str]) -> Certificate:
    names = fields.get("X509v3 Subject Alternative Name", "")
    access = re.search(r"CA Issuers\s*-\s*URI:(\S+)", fields.get("Authority Information Access", ""))
    return Certificate(
        subject=fields.get("Subject", ""),
        issuer=fields.get("Issuer", ""),
        not_before=_date(fields.get("Start date", "")),
        not_after=_date(fields.get("Expire date", "")),
        issuer_url=urls.mask(access.group(1)) if access else "",
        san=tuple(name.strip().partition(":")[2] for name in names.split(",") if ":" in name),
    )


def _date(text: str) -> float | None:
    """Read OpenSSL's form: `Jan  2 03:04:05 2026 GMT`."""
    parts = text.split()
    if len(parts) != 5:
        return None
    month, day, clock, year, zone = parts
    from email.utils import parsedate_to_datetime  # for certificates of failures

    try:
        return parsedate_to_datetime(f"{day} {month} {year} {clock} {zone}").timestamp()
    except (ValueError, TypeError):
        return None
