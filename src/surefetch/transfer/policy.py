"""Where a request may go: schemes, private hosts, redirects. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from surefetch.errors import SurefetchError
from surefetch.events import Failure
from surefetch.transfer import addresses, urls
from surefetch.transfer.addresses import Reach
from surefetch.transfer.answers import Refused

if TYPE_CHECKING:
    from surefetch.transfer.transfers import Transfer

#: Nobody else is to blame; the connections that stand go on.
NO_SOCKET: Final = Refused(
    cause="local.limit", detail="no further connection: too many files open", failure=Failure.CONNECT
)
#: What addresses of a network's own sign-in page have in their host or path.
_SIGN_IN: Final = (  # compiled where somebody is led astray
    r"(?i)log-?[io]n|sign-?in|auth(?!or)|guest|portal|captive|splash|hotspot|wi-?fi|wlan|welcome"
)


def refuse_url(url: str, *, is_named: bool) -> Refused | None:
    """Say why a URL is not asked, if it is not.

    Args:
        url: Without userinfo.
        is_named: The user, a setting, a mirror rule or their package client named its host.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in urls.PORTS:
        return Refused(cause="policy.scheme", detail=f"`{urls.mask(url)}` is neither https nor http")
    try:
        host = urls.host(url)
    except ValueError as error:
        return Refused(cause="policy.scheme", detail=urls.mask(str(error)))
    if addresses.names_private(host) and not is_named:
        what = "a private address" if addresses.is_literal(host) else "a name of private networks"
        return Refused(cause="policy.private-address", detail=f"`{host}` is {what}")
    return None


def reach(url: str, transfer: Transfer, named_hosts: frozenset[str]) -> Reach:
    """Say how far into this network the request for a transfer's URL may go.

    Addresses of the link itself are for hosts that the user named, in any spelling: not for those that a
    file names, nor for those that another host leads to.
    """
    try:
        host, asked_host = urls.host(url), urls.host(transfer.asked_url)
    except ValueError:  # what it is refused for
        return Reach.PUBLIC
    is_named, is_of_link = host in named_hosts, addresses.is_link_local(host)
    is_users = transfer.is_named and transfer.may_be_private and host == asked_host
    if is_users or (is_named and is_of_link):
        return Reach.LINK
    return Reach.PRIVATE if is_named or (transfer.may_be_private and not is_of_link) else Reach.PUBLIC


def leads_within(transfer: Transfer, named_hosts: frozenset[str]) -> bool:
    """Say whether who answered may lead on within this network: it is inside, and somebody named it.

    Named are the host that was asked, also by a file, and who was led to so.
    """
    asked_host = urls.host(transfer.asked_url)
    is_named = urls.host(transfer.url) == asked_host and asked_host in named_hosts
    return (transfer.may_be_private or is_named) and transfer.is_inside


def refuse_text(url: str, error: Exception) -> Refused:
    """Say what is wrong with a setting or an address that nothing can be asked with."""
    if isinstance(error, SurefetchError):
        return Refused(cause=error.code, detail=urls.mask(error.message))
    if isinstance(error, UnicodeError):
        said = f"`{urls.mask(urls.base(url))}` has a host that cannot be written for a name server"
        return Refused(cause="policy.scheme", detail=said)
    return Refused(cause="policy.scheme", detail=urls.mask(str(error)))


def refuse_hop(
    here: str, there: str, hops: Sequence[str], limit: int, *, may_return: bool = False
) -> Refused | None:
    """Say why a redirect is not followed, if it is not.

    Args:
        here: The URL that answered.
        there: Where it leads.
        hops: All URLs that were asked for this, `here` too.
        limit: How many redirects are followed.
        may_return: It may lead to where it was asked already: with a cookie, the answer will be another.
    """
    if len(hops) > limit or (there in hops and not may_return):
        return Refused(cause="http.redirect-loop", detail=f"to {urls.mask(there)}")
    if here.lower().startswith("https:") and there.lower().startswith("http:"):
        return Refused(cause="http.downgrade", detail=f"to {urls.mask(there)}")
    return None


def refused_address(transfer: Transfer, address: str) -> Refused:
    """Say what it means that a host which nobody named turned out to be at a private address."""
    host = urls.host(transfer.url)
    if not transfer.hops and addresses.is_nowhere(address):
        return Refused(cause="dns.blocked", detail=f"`{host}` is given as {address}")
    return Refused(cause="policy.private-address", detail=f"`{host}` is at {address}")


def leads_to_sign_in(asked_url: str, hops: Sequence[str]) -> bool:
    """Whether a redirect into a network reads as that network's sign-in page.

    Only plain http is led astray so, and the page is told where the user wanted to go. It is not asked.

    Args:
        asked_url: What was asked for.
        hops: Where redirects led, the last into the network.
    """
    if not hops or any(not url.lower().startswith("http:") for url in (asked_url, *hops[:-1])):
        return False
    place, _, query = hops[-1].partition("?")
    return re.search(_SIGN_IN, place) is not None or urls.host(asked_url) in unquote(query).lower()
