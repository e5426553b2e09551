"""Judge one attempt: what was observed -> the planner's class, the cause and the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from surefetch.causes import cause as row_of
from surefetch.diagnose import answers, hops
from surefetch.diagnose import bytes as naming
from surefetch.diagnose.findings import Finding, Judgement
from surefetch.diagnose.words import clean, host_of, place_of, retry_after
from surefetch.events import Attempt, Failure
from surefetch.observation import Observation

#: How a detail begins that is about another place than the attempt's address.
LEADS_ON: Final = "it leads on to "
#: What is said of a host that was shown a name and password, or a token.
IN_VAIN: Final = "and it does not take the login that it was shown"
#: What is dead behind a redirect: to another host, to another port of the same.
_DEAD_PORTS: Final = {"connect.refused", "connect.unreachable"}
_DOWN: Final = {*_DEAD_PORTS, "dns.nxdomain"}
_DEAD: Final = {*_DOWN, "http.not-found", "http.gone"}
Rule = Callable[[Observation], Finding | None]
#: Asked in this order; the first that finds something decides.
RULES: Final[tuple[Rule, ...]] = (
    hops.judge_local,
    hops.judge_blocked_name,
    hops.judge_proxy,
    hops.judge_address,
    hops.judge_name,
    hops.judge_connect,
    hops.judge_tls,
    answers.judge_broken,
    answers.judge_cut,
    answers.judge_silence,
    answers.judge_redirected_to_login,
    answers.judge_status,
    answers.judge_body,
)


def judge(seen: Observation, *, digest: str = "", lookup: naming.Lookup | None = None) -> Judgement:
    """Say why an attempt failed.

    Args:
        seen: What was observed of it.
        digest: Hexadecimal digest of the bytes that came, if they were hashed.
        lookup: Gives the name of a known file for a digest.
    """
    if digest and lookup and (known := lookup(digest)):
        return judgement(
            Finding(cause="body.wrong-file", detail=f"these bytes are another known file: {known}"), seen
        )
    for rule in RULES:
        if finding := rule(seen):
            return _of_full_proxy(seen, _after_redirect(seen, finding))
    return judgement(Finding(cause="body.corrupt", detail="what came is not the promised file"), seen)


def judgement(finding: Finding, seen: Observation) -> Judgement:
    """Add what the planner needs to a finding: its class, and when the server wants us back."""
    failure = Failure(row_of(finding.cause).failure)
    return Judgement(
        failure=failure,
        cause=finding.cause,
        detail=finding.detail,
        retry_after=retry_after(seen.header("retry-after"), seen.header("date"), seen.now),
    )


def name_where_it_led(attempt: Attempt, seen: Observation | None) -> Attempt:
    """Say of an attempt that ended in silence where its address led on.

    Args:
        attempt: What the planner tells; it knows of no redirects.
        seen: What was seen of that address last.
    """
    place = _led_to(seen) if seen and attempt.cause.startswith("transfer.") else ""
    if not place or attempt.detail.startswith(LEADS_ON):
        return attempt
    return msgspec.structs.replace(attempt, detail=f"{LEADS_ON}`{place}`: {attempt.detail}")


def name_what_was_shown(attempt: Attempt, seen: Observation | None) -> Attempt:
    """Say of a login that was shown to the host itself that it was in vain.

    Args:
        attempt: A refusal (401) of an address whose host is shown who asks.
        seen: What was seen of that address last; a redirect may have led to a host that is not.
    """
    if seen is not None and seen.redirects:
        return attempt
    return msgspec.structs.replace(attempt, detail=f"{attempt.detail}, {IN_VAIN}")


def _of_full_proxy(seen: Observation, told: Judgement) -> Judgement:
    """A proxy's 503 is its word for a host that it cannot reach, or for too many requests: less may do.

    Squid says in a header of its own which of them it is.
    """
    is_told = any(name.lower() == "x-squid-error" for name, _ in (*seen.proxy_headers, *seen.headers))
    is_full = told.cause == "proxy.upstream" and seen.proxy_status == 503 and not is_told
    return msgspec.structs.replace(told, failure=Failure.BUSY) if is_full else told


def _after_redirect(seen: Observation, finding: Finding) -> Judgement:
    """A dead end behind a redirect is the redirecting server's; of any other it is said where it is."""
    target = seen.effective_url or (seen.redirects[-1] if seen.redirects else "")
    place = _led_to(seen)
    if not place:
        return judgement(finding, seen)
    is_same = host_of(target) == host_of(seen.url)
    dead = _DEAD_PORTS if is_same else _DEAD
    if finding.cause in dead and not seen.proxy:
        detail = f"it redirects to `{clean(target)}`: {finding.detail}"
        told = judgement(Finding(cause="http.redirect-dead", detail=detail), seen)
        is_down = finding.cause in _DOWN
        # It may send us to another machine the next time, as a gateway may pass us on to another.
        return msgspec.structs.replace(told, failure=Failure.GATEWAY) if is_down else told
    is_told = f"`{host_of(target)}`" in finding.detail or "redirects to" in finding.detail
    if is_told or finding.cause.startswith(("proxy.", "local.")):
        return judgement(finding, seen)
    detail = f"{LEADS_ON}`{place}`: {finding.detail}"
    return judgement(Finding(cause=finding.cause, detail=detail), seen)


def _led_to(seen: Observation) -> str:
    """Name the place that was asked last, if redirects led to another host or port; "" if they did not."""
    target = seen.effective_url or (seen.redirects[-1] if seen.redirects else "")
    here, there = place_of(seen.url), place_of(target)
    return there if seen.redirects and here != there else ""
