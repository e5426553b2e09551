"""Which of the machines behind a host's name failed, or fell silent: the others are tried first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from surefetch.events import Answered, Cancelled, Event, Failed, Finished, LookupFailed
from surefetch.transfer import urls
from surefetch.transfer.transfers import Transfer

#: Seconds after which a request without a byte speaks of the machine that has it.
SILENCE: Final = 1.0


class Machines:
    """Mutable: addresses by host. A name server gives several, and libcurl keeps to the first that connects.

    Behind a proxy nothing is known of them.
    """

    def __init__(self, active: Mapping[int, Transfer]) -> None:
        """Begin with none.

        Args:
            active: Requests under way, the oldest first.
        """
        self._active = active
        self._failed: dict[str, set[str]] = {}
        self._asked: dict[str, set[str]] = {}  # that ended a request, well or not
        self._left: dict[tuple[str, int], frozenset[str]] = {}  # by URL, and how often it went elsewhere

    def avoided(self, transfer: Transfer) -> set[str] | None:
        """Return the addresses that a request is to go to only where its host has no others.

        None: it has no others as far as is known. It may have moved: its name is to be looked up anew.
        """
        if transfer.proxy:
            return set()
        if transfer.takes_any:
            return None
        host, now = urls.host(transfer.url), time.monotonic()
        if transfer.elsewhere and not transfer.hops:
            key = transfer.asked_url, transfer.elsewhere
            return set(self._left.setdefault(key, frozenset(self._asked.get(host, ()))))
        failed = self._failed.get(host, set())
        oldest = next(iter(self._active.values()))
        if not _is_silent(oldest, now):  # as nearly always
            return failed
        others = (one for one in self._active.values() if one is not transfer and _is_silent(one, now))
        return failed | {_address(one) for one in others if urls.host(one.url) == host}

    def has_no_other(self, transfer: Transfer) -> bool:
        """Whether it got no connection because an address was avoided; then it, and others, may go to any."""
        channel = transfer.channel
        if channel is None or channel.is_ready or not channel.has_avoided:
            return False
        if transfer.elsewhere and not transfer.hops:
            transfer.is_alone = True
            return False
        self._failed.pop(urls.host(transfer.url), None)
        transfer.takes_any = True
        return True

    def ended(self, transfer: Transfer, event: Event) -> None:
        """Note how a request ended at the address that it went to."""
        address, lent = _address(transfer), transfer.channel.lent if transfer.channel else []
        if not address or transfer.proxy:
            return
        self._asked.setdefault(urls.host(transfer.url), set()).add(address)
        if len(lent) > 1:  # the others did not connect, or later: they are not known to be better
            in_vain = {one for one in lent if one != address}
            self._failed.setdefault(urls.host(transfer.url), set()).update(in_vain)
        is_silent = isinstance(event, Cancelled) and _is_silent(transfer, time.monotonic())
        if is_silent or isinstance(event, Failed | LookupFailed):
            self._failed.setdefault(urls.host(transfer.url), set()).add(address)
        elif self._failed and isinstance(event, Finished | Answered):
            self._failed.get(urls.host(transfer.url), set()).discard(address)


def _address(transfer: Transfer) -> str:
    return transfer.channel.tried_address if transfer.channel else ""


def _is_silent(transfer: Transfer, now: float) -> bool:
    return now - max(transfer.asked_at, transfer.told_at) > SILENCE
