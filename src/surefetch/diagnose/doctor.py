"""Judge what doctor has seen: facts in, a report out. Pure rules; looking is done by `probes`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from surefetch.causes import cause as row_of
from surefetch.diagnose import verdict
from surefetch.diagnose.certificates import common_name
from surefetch.diagnose.facts import Facts, FileFacts, HostFacts, Report
from surefetch.diagnose.findings import Finding
from surefetch.diagnose.tables import issuers
from surefetch.diagnose.words import host_of, http_date
from surefetch.events import Attempt

#: Seconds that a clock may differ from a server's before certificates and signatures suffer.
CLOCK_SECONDS: Final = 300.0
#: With less room than this, in bytes, a store can take next to nothing.
LEAST_FREE: Final = 1_000_000
FINE, MENDED, YOURS, OWNERS = 0, 20, 21, 22
#: What was not checked where nobody could be asked.
NOBODY: Final = "hosts (none was named)"
NO_PLACE: Final = "no address and no package is known that has `{}`: only a copy of your own can give it"
_ANSWERS: Final = "{} of {} host{} of it answer{}"


def examine(facts: Facts) -> Report:
    """Judge all facts: what blocks now, what is only worth knowing, what is well, and the one thing to do."""
    findings = sorted(
        (f for rule in RULES for f in rule(facts)), key=lambda f: (not f.blocks, verdict.rank(f.cause))
    )
    blocking = [finding for finding in findings if finding.blocks]
    sentence, action, code = _conclude(facts, findings, blocking)
    return Report(
        facts=facts,
        findings=tuple(findings),
        well=tuple(line for rule in WELL for line in rule(facts)),
        verdict=sentence,
        action=action,
        exit=code,
    )


def _conclude(facts: Facts, findings: Sequence[Finding], blocking: Sequence[Finding]) -> tuple[str, str, int]:
    if blocking:
        first = blocking[0]
        fault = "network" if verdict.OF_THE_PROXY.search(first.detail) else row_of(first.cause).fault
        place = f"{first.subject}: " if first.subject else ""
        is_theirs = fault in ("mirror", "owner")
        sentence = f"{place}{first.detail or row_of(first.cause).sentence}"
        return sentence, first.hint, OWNERS if is_theirs else YOURS
    if facts.repaired:
        count = len(facts.repaired)
        return f"mended: {count} file{'s' * (count > 1)} of other tools replaced by proven ones", "", MENDED
    bad = [host for host in facts.hosts if not _is_good(host)]
    if bad and len(bad) < len(facts.hosts):
        return f"{len(bad)} of {len(facts.hosts)} sources fail, the others answer: nothing to do", "", FINE
    return "all is well", "", FINE


# --- what is wrong --------------------------------------------------------------------------------


def _offline(facts: Facts) -> Iterator[Finding]:
    if facts.offline:
        yield _finding(
            facts, "usage.offline", f"offline is set by {facts.offline}: no host was asked", blocks=True
        )


def _store(facts: Facts) -> Iterator[Finding]:
    if facts.store_cause:
        yield _finding(facts, facts.store_cause, facts.store_detail, subject=facts.store, blocks=True)
    elif facts.free_bytes is not None and facts.free_bytes < facts.needed_bytes:
        free, needed = _megabytes(facts.free_bytes), _megabytes(facts.needed_bytes)
        detail = f"{needed} MB are needed and {free} MB are free"
        yield _finding(facts, "local.disk-full", detail, subject=facts.store, blocks=True)
    elif facts.free_bytes is not None and facts.free_bytes < LEAST_FREE:
        detail = f"only {_megabytes(facts.free_bytes)} MB are free"
        yield _finding(facts, "local.disk-full", detail, subject=facts.store, blocks=True)


def _trust(facts: Facts) -> Iterator[Finding]:
    if facts.trust_problem:
        yield _finding(facts, "tls.no-trust-store", facts.trust_problem, blocks=True)


def _clock(facts: Facts) -> Iterator[Finding]:
    """The clock against the answers' Date; of several the median, for a server's may be wrong too."""
    skew = skew_of(facts)
    if skew is not None and abs(skew) > CLOCK_SECONDS:
        way = "ahead of" if skew > 0 else "behind"
        yield _finding(
            facts,
            "local.clock",
            f"this machine's clock is {_duration(abs(skew))} {way} the servers'",
            blocks=True,
        )


def _proxies(facts: Facts) -> Iterator[Finding]:
    for repaired in dict.fromkeys(host.proxy_repaired for host in facts.hosts if host.proxy_repaired):
        yield _finding(facts, "proxy.malformed", f"repaired for this run: {repaired}")


def _hosts(facts: Facts) -> Iterator[Finding]:
    """All mirrors fail: the weighed verdict blocks. Some do: each is worth knowing."""
    failed = [host for host in facts.hosts if host.cause]
    mirrors = [host for host in facts.hosts if host.role != "index"]
    good = [host for host in facts.hosts if _is_good(host)]
    helpers = [host for host in good if host.role != "index" or host.lists_it is not False]
    is_blocked = bool(failed) and not helpers
    if is_blocked or (failed and mirrors and not any(map(_is_good, mirrors)) and not _index_helps(facts)):
        weighed = verdict.weigh([_attempt(host) for host in failed], _weighing(facts, good))
        # Who reads this has run doctor: the hint goes on after that advice.
        hint = re.sub(r"^(run|try) `[^`]* doctor`: ", "", weighed.hint)
        yield Finding(cause=weighed.code, detail=weighed.message, hint=hint, blocks=True)
        return
    for host in failed:
        sentence = f"{row_of(host.cause).sentence}" + (f" ({host.detail})" if host.detail else "")
        yield _finding(facts, host.cause, sentence, subject=host_of(host.url), proxy=host.proxy)


def _nowhere(facts: Facts) -> Iterator[Finding]:
    """A dataset whose catalog names no host and no package: only a copy can give it."""
    if NOBODY in facts.not_checked:
        yield _finding(facts, "source.no-copy", NO_PLACE.format(facts.wanted), blocks=True)


def _silent(facts: Facts) -> Iterator[Finding]:
    silent = [host_of(host.url) for host in facts.hosts if not host.cause and not _is_good(host)]
    if silent and not any(map(_is_good, facts.hosts)) and not any(host.cause for host in facts.hosts):
        detail = f"{', '.join(silent)} did not answer within doctor's time"
        yield _finding(facts, "connect.timeout", detail, subject=silent[0], blocks=True)


def _ipv6(facts: Facts) -> Iterator[Finding]:
    for host in facts.hosts:
        by_family = {dial.family: dial for dial in host.dials}
        six, four = by_family.get("IPv6"), by_family.get("IPv4")
        if (
            six
            and four
            and six.seconds is None
            and four.seconds is not None
            and "unreachable" not in six.error
        ):
            detail = (
                f"IPv6 to {six.address}: {six.error or 'no answer'}; IPv4 answers in {four.seconds:.2f} s"
            )
            yield _finding(facts, "connect.ipv6-broken", detail, subject=host_of(host.url))
            return


def _inspection(facts: Facts) -> Iterator[Finding]:
    """Re-signed TLS that is trusted here: it works, and other clients may fail."""
    for host in facts.hosts:
        chain = host.seen.chain if host.seen else ()
        vendor = issuers().inspector(chain[0].issuer) if chain and not host.cause else ""
        if vendor:
            name = common_name(chain[0].issuer)
            detail = (
                f"{vendor} re-signs TLS here (issuer “{name}”), and this machine trusts it; others may not"
            )
            yield _finding(facts, "tls.intercepted", detail, subject=host_of(host.url))
            return


def _files(facts: Facts) -> Iterator[Finding]:
    for file in facts.files:
        if file.cause and file.path not in facts.repaired:
            yield Finding(
                cause="local.foreign-cache-corrupt",
                detail=f"{file.detail} ({file.size} bytes, {file.artifact} of {file.dataset})",
                subject=file.path,
                hint=_mending(facts, file),
                blocks=True,
            )


def _mending(facts: Facts, file: FileFacts) -> str:
    if file.path in facts.not_repaired:
        return (
            f"get the proven file first: `{facts.surefetch} get {file.dataset}`;"
            " or move this one away, so that its program asks for a new one"
        )
    command = f"{facts.surefetch} doctor {file.dataset} --repair"
    return f"let it be moved aside and replaced by the proven file: `{command}`"


RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    _offline, _store, _trust, _clock, _proxies, _hosts, _nowhere, _silent, _ipv6, _inspection, _files,
)  # fmt: skip


# --- what is well --------------------------------------------------------------------------------


def _well_hosts(facts: Facts) -> Iterator[str]:
    mirrors = [host for host in facts.hosts if host.role != "index"]
    good = [host for host in mirrors if _is_good(host)]
    if good:
        count = _ANSWERS.format(len(good), len(mirrors), "s" * (len(mirrors) > 1), "s" * (len(good) == 1))
        fastest = max(good, key=rate_of)
        speed = (
            f"; fastest {host_of(fastest.url)}, {rate_of(fastest) / 1e6:.1f} MB/s" if rate_of(fastest) else ""
        )
        yield f"hosts: {count}{speed}"
    for host in facts.hosts:
        if host.role == "index" and _is_good(host):
            has = ", and does not have it" if host.lists_it is False else ""
            yield f"package index: {host_of(host.url)} answers{has}"


def _well_proxy(facts: Facts) -> Iterator[str]:
    for proxy, by in dict.fromkeys(
        (host.proxy, host.proxy_decided_by) for host in facts.hosts if _is_good(host)
    ):
        yield f"proxy: {proxy or 'none'} ({by or 'nothing set'})"


def _well_trust(facts: Facts) -> Iterator[str]:
    if facts.trust and not facts.trust_problem:
        yield f"trust: {facts.trust}" + (f"; {facts.unusable_trust}" if facts.unusable_trust else "")


def _well_store(facts: Facts) -> Iterator[str]:
    if facts.store and not facts.store_cause and facts.free_bytes is not None:
        yield f"store: {facts.store}, {facts.free_bytes / 1e9:.1f} GB free"


def _well_clock(facts: Facts) -> Iterator[str]:
    skew = skew_of(facts)
    if skew is not None and abs(skew) <= CLOCK_SECONDS:
        yield f"clock: right within {max(1.0, abs(skew)):.0f} s"


def _well_files(facts: Facts) -> Iterator[str]:
    good = [file for file in facts.files if not file.cause]
    if good:
        proven = sum(file.is_proven for file in good)
        yield f"other tools' caches: {len(good)} file{'s' * (len(good) > 1)}, {proven} proven by digest"


WELL: Final = (_well_hosts, _well_proxy, _well_trust, _well_store, _well_clock, _well_files)


# --- measures --------------------------------------------------------------------------------


def skew_of(facts: Facts) -> float | None:
    """Return how far the clock is ahead of the servers' (median, seconds), or None if no Date was seen."""
    skews = sorted(
        host.seen.now - date
        for host in facts.hosts
        if host.seen
        and host.seen.now is not None
        and (date := http_date(host.seen.header("date"))) is not None
    )
    return skews[len(skews) // 2] if skews else None


def rate_of(host: HostFacts) -> float:
    """Return bytes per second of the sample, 0.0 if it was too short to tell."""
    return host.sample_bytes / host.sample_seconds if host.sample_seconds > 1e-4 else 0.0


def _is_good(host: HostFacts) -> bool:
    return host.answers and not host.cause


def _index_helps(facts: Facts) -> bool:
    """Whether an index answers and so may carry what the hosts do not give: then nothing blocks for sure."""
    return any(host.role == "index" and _is_good(host) and host.lists_it is not False for host in facts.hosts)


def _attempt(host: HostFacts) -> Attempt:
    return Attempt(mirror=host.url, cause=host.cause, detail=host.detail)


def _weighing(facts: Facts, good: Sequence[HostFacts]) -> verdict.Facts:
    through = next((host for host in facts.hosts if host.proxy or host.has_unreadable_proxy), None)
    return verdict.Facts(
        wanted=facts.wanted,
        proxy=through.proxy if through else "",
        proxy_named_by=through.proxy_decided_by if through else "",
        reachable=tuple(host_of(host.url) for host in good),
        indexes=tuple(host_of(host.url) for host in good if host.role == "index"),
        proxied=tuple(verdict.place_of(_attempt(host)) for host in facts.hosts if host.proxy),
        passed=tuple(
            (verdict.place_of(_attempt(host)), host.proxy_decided_by)
            for host in facts.hosts
            if not host.proxy and "no_proxy" in host.proxy_decided_by.lower()
        ),
        unusable_trust=facts.unusable_trust,
        shell=facts.shell,
        surefetch=facts.surefetch,
    )


def _finding(
    facts: Facts, cause: str, detail: str, *, subject: str = "", proxy: str = "", blocks: bool = False
) -> Finding:
    hint = row_of(cause).action(
        facts.shell, host=subject, proxy=proxy, dataset=facts.wanted, surefetch=facts.surefetch
    )
    return Finding(cause=cause, detail=detail, subject=subject, hint=hint, blocks=blocks)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}" if count >= 1e7 else f"{count / 1e6:.1f}"


def _duration(seconds: float) -> str:
    for unit, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"
