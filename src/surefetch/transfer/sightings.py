"""What was seen of requests that failed, and whom the engine blames for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import pycurl

from surefetch.errors import SurefetchError
from surefetch.events import Failure
from surefetch.model import Lookup
from surefetch.observation import Observation
from surefetch.transfer import answers, policy, signed, urls
from surefetch.transfer.answers import Refused
from surefetch.transfer.channel import Channel
from surefetch.transfer.judge import (
    BY_LENGTH,
    ENGINE_KNOWS,
    FINAL,
    GATEWAYS,
    LOCAL_CAUSES,
    SOCKS,
    UNNAMED,
    Verdict,
    judge_observation,
)
from surefetch.transfer.observe import observe
from surefetch.transfer.transfers import Transfer

#: Observations kept; the oldest are forgotten first.
KEPT: Final = 512

#: What a proxy says that let other requests to the same host through -> what it means: it has enough to do.
#: Squid's `maxconn` answers 403 beyond so many connections, for one.
_ODD_OF_A_PROXY: Final = {
    "proxy.denied": "proxy.busy",
    "proxy.not-a-proxy": "proxy.busy",
    "proxy.auth-required": "proxy.auth-required",
    "proxy.cut": "proxy.cut",
}

Judge = Callable[[Observation], Verdict | None]


class Sightings:
    """Mutable: the observations of the last requests and pages that failed. Pages have negative ids."""

    def __init__(self, judge: Judge | None) -> None:
        """Begin with none.

        Args:
            judge: Names the cause of a failure before the engine's own judge does; it may return None.
        """
        self._judge = judge
        self._kept: dict[int, Observation] = {}

    def look(self, transfer: Transfer) -> Observation:
        """Write down what is known of a transfer under way."""
        return observe(transfer, 0, "")

    def remember(self, transfer: Transfer, code: int, message: str, resolver: str) -> Observation:
        """Write down what is known of a transfer that ended, and keep it; see `observe`."""
        seen = observe(transfer, code, message, resolver)
        self._kept[transfer.id] = seen
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return seen

    def of_request(self, request_id: int) -> Observation | None:
        """Return what was kept of a request."""
        return self._kept.get(request_id)

    def of_page(self, lookup: Lookup) -> Observation | None:
        """Return what was kept of a lookup's page, the last time it was asked for."""
        wanted = urls.mask(urls.spelled(lookup.target))
        found = (seen for number, seen in reversed(self._kept.items()) if number < 0)
        return next((seen for seen in found if seen.url == wanted), None)

    def all(self) -> list[Observation]:
        """Return everything that was kept, oldest first."""
        return list(self._kept.values())

    def judge(self, transfer: Transfer, seen: Observation, *, has_passed: bool = False) -> Verdict:
        """Say what a failure is: by the engine's own rule where that knows best, else by the judge given.

        Args:
            transfer: What failed.
            seen: What was seen of it.
            has_passed: Its proxy let other requests through to its host.
        """
        refused = transfer.refused
        verdict = judge_observation(seen, refused)
        if self._judge and refused and refused.cause in BY_LENGTH and seen.status in (200, 203):
            named = self._judge(seen)  # a page or error document of another length tells what it is
            verdict = named if named and named[1] not in UNNAMED else verdict
        elif self._judge and not (refused and refused.cause in ENGINE_KNOWS):
            verdict = self._judge(seen) or verdict
        failure, cause, detail = verdict
        if cause == "policy.scheme" and transfer.hops:  # whoever led there is at fault, not who named the URL
            failure, cause, detail = Failure.MISSING, "http.redirect-dead", f"it leads on: {detail}"
        if portal := _portal(transfer, cause):
            failure, cause, detail = Failure.CORRUPT, "body.captive-portal", portal
        if failure is Failure.SERVER and seen.status in GATEWAYS:
            failure = Failure.GATEWAY
        elif failure is Failure.SERVER and seen.status in FINAL:
            failure = Failure.MISSING
        if cause in signed.CAUSES and not transfer.hops:  # a redirect gives a new signature each time
            end = signed.end_of(transfer.asked_url, detail, answers.clock(seen.header("date"), time.time()))
            if end is not None:
                failure, detail = Failure.POLICY, f"{detail}{end}"
        if has_passed and cause in _ODD_OF_A_PROXY:
            failure, cause = Failure.BUSY, _ODD_OF_A_PROXY[cause]
            detail += ", and let others through before"
        return (refused.failure if refused and refused.failure else failure), cause, detail

    def blame_disk(self, transfer: Transfer) -> tuple[str, str]:
        """Return cause and detail of bytes that could not be written."""
        error = transfer.local
        if isinstance(error, SurefetchError):
            return error.code, error.message
        return LOCAL_CAUSES.get(error.errno or 0 if error else 0, "local.path"), str(error)

    def refused_by_socks(self, channel: Channel, message: str) -> Refused:
        """Return what a SOCKS proxy answered, as a refusal."""
        cause = SOCKS.get(channel.info(pycurl.PROXY_ERROR), "proxy.not-a-proxy")
        return Refused(cause=cause, detail=message)


def _portal(transfer: Transfer, cause: str) -> str:
    """Say where a network, or its proxy, leads to a page of its own; "" if it does not."""
    asked, hops = transfer.asked_url, transfer.hops
    if cause == "policy.private-address" and policy.leads_to_sign_in(asked, hops):
        return f"it redirects to `{urls.mask(transfer.url.partition('?')[0])}`"
    is_seen = transfer.proxy.startswith("http") and transfer.url.startswith("http:")
    is_loop = cause == "http.redirect-loop" and len(hops) == 2 and hops[0] == hops[1]
    if is_seen and is_loop and urls.host(hops[0]) != urls.host(asked):
        return f"the proxy `{urls.mask(transfer.proxy)}` leads there and again to `{urls.mask(hops[0])}`"
    return ""
