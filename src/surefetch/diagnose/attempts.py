"""Judge one attempt: what was observed -> the planner's class, the cause and the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from surefetch.causes import cause as row_of
from surefetch.diagnose import answers, hops
from surefetch.diagnose import bytes as naming
from surefetch.diagnose.findings import Finding, Judgement
from surefetch.diagnose.words import clean, host_of, retry_after
from surefetch.events import Failure
from surefetch.observation import Observation

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
        retry_after=retry_after(seen.header("retry-after"), seen.now),
    )


def _of_full_proxy(seen: Observation, told: Judgement) -> Judgement:
    """A proxy's 503 is its word for a host that it cannot reach, or for too many requests: less may do."""
    is_full = told.cause == "proxy.upstream" and seen.proxy_status == 503
    return replace(told, failure=Failure.BUSY) if is_full else told


def _after_redirect(seen: Observation, finding: Finding) -> Judgement:
    """A dead end behind a redirect to another host is the redirecting server's."""
    target = seen.effective_url or (seen.redirects[-1] if seen.redirects else "")
    is_down = finding.cause in ("dns.nxdomain", "connect.refused", "connect.unreachable")
    is_dead = is_down or finding.cause in ("http.not-found", "http.gone")
    if not seen.redirects or not is_dead or seen.proxy or host_of(target) == host_of(seen.url):
        return judgement(finding, seen)
    detail = f"it redirects to `{clean(target)}`: {finding.detail}"
    told = judgement(Finding(cause="http.redirect-dead", detail=detail), seen)
    # It may send us to another machine the next time, as a gateway may pass us on to another.
    return replace(told, failure=Failure.GATEWAY) if is_down else told
