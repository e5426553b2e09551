"""Addresses that were signed for a time, and whether it is over. Pure; needed after a refusal only."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

#: What a refusal of such an address is.
CAUSES: Final = frozenset({"http.forbidden", "http.unauthorized", "body.storage-error"})
#: Seconds that two clocks may differ by, and a link end sooner.
_CLOCKS: Final = 10.0
#: How S3, Google and Azure say it.
_WORDS: Final = re.compile(r"the storage service says .*(expired|time frame|expiry)", re.DOTALL)


def end_of(url: str, said: str, now: float) -> str | None:
    """Tell whether an address was refused because its time is over: asking again can change nothing.

    Args:
        url: The address, with nothing masked.
        said: What is told of the refusal.
        now: Seconds since 1970.

    Returns:
        What can be added to that, which may be nothing; None: its time is not known to be over.
    """
    until = signed_until(url)
    if until is not None and until.timestamp() < now + _CLOCKS:
        return f"; the link was signed until {until:%Y-%m-%d %H:%M} UTC"
    return "" if _WORDS.search(said) else None


def signed_until(url: str) -> datetime | None:
    """Return when a signature of S3 and its kin, Google, Azure or CloudFront ends; None: nothing says it."""
    query = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    with contextlib.suppress(KeyError, ValueError, OverflowError):
        for vendor in ("x-amz", "x-goog"):
            if began := query.get(f"{vendor}-date"):
                return _moment(began) + timedelta(seconds=int(query[f"{vendor}-expires"]))
        if "sig" in query:
            return _moment(query["se"])
        if "signature" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
    return None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
