"""Weigh all attempts into the error: one cause, whose fault, one sentence, one thing to do. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from surefetch.causes import cause as row_of
from surefetch.diagnose import weights, words
from surefetch.diagnose.attempts import LEADS_ON
from surefetch.diagnose.certificates import issuer_of
from surefetch.diagnose.tables import issuers
from surefetch.diagnose.words import host_of, is_inside
from surefetch.events import Attempt
from surefetch.model import Struct

#: What is wanted where nothing particular is.
ALL: Final = "downloads"
#: How the detail of a certificate begins that is the proxy's own.
OF_THE_PROXY: Final = re.compile(r"the proxy `[^`]*` itself: ")


class Facts(Struct, frozen=True, kw_only=True):
    """What else is known when the attempts are weighed."""

    wanted: str = ""  # the dataset's name, or the address
    offline: str = ""  # what decided that offline is set: "variable HF_HUB_OFFLINE"; "" if it is not
    proxy: str = ""  # in use, without userinfo
    proxy_named_by: str = ""  # "variable https_proxy", "setting proxy", "the system's settings", …
    reachable: tuple[str, ...] = ()  # hosts that answered well: mirrors, the package index
    proxied: tuple[str, ...] = ()  # failed hosts that were asked through the proxy
    passed: tuple[tuple[str, str], ...] = ()  # (failed host, "variable no_proxy (…)") that go past a proxy
    indexes: tuple[str, ...] = ()  # of them the package indexes
    digests: tuple[tuple[str, str], ...] = ()  # (URL, hexadecimal digest) of whole bodies that were wrong
    issuers: tuple[tuple[str, str], ...] = ()  # (host, issuer) of chains that were not trusted
    unusable_trust: str = ""  # "variable SSL_CERT_FILE names `…`, which does not exist"
    has_address: bool = True  # somebody names an http or https address of what is missing
    deadline: str = ""  # what decided it: "argument", "variable SUREFETCH_DEADLINE", …
    kept_bytes: int = 0  # of unfinished artifacts, for the next run
    total_bytes: int = 0  # of everything wanted
    files: int = 1  # that were wanted
    missing: tuple[str, ...] = ()  # names of those that did not come
    shell: str = "posix"  # one of causes.SHELLS
    surefetch: str = "surefetch"  # how the program was called


class Verdict(Struct, frozen=True, kw_only=True):
    """The error that all attempts together make."""

    code: str
    fault: str  # "you" | "network" | "mirror" | "owner"
    message: str
    hint: str
    is_sure: bool = True  # False: the message says "most likely"


class _Choice(Struct, frozen=True, kw_only=True):
    """A cause that a rule chose, with what it rests on."""

    code: str
    lead: str = ""  # replaces the cause's sentence
    host: str = ""
    detail: str = ""
    action: str = ""  # replaces the cause's next action
    fault: str = ""  # replaces the cause's
    is_sure: bool = True


class _Case(Struct, frozen=True, kw_only=True):
    """The attempts, sorted for the rules."""

    facts: Facts
    failed: tuple[Attempt, ...]  # without the searches that merely found nothing
    searches: tuple[Attempt, ...]  # causes `source.*`
    by_host: dict[str, tuple[Attempt, ...]]

    @property
    def causes(self) -> dict[str, str]:
        """host -> the cause that says most about it."""
        return {host: min((a.cause for a in attempts), key=rank) for host, attempts in self.by_host.items()}

    @property
    def single_host(self) -> str:
        """The one host that was asked, without its port; "" if there were none or several."""
        return next(iter(self.by_host)).partition(":")[0] if len(self.by_host) == 1 else ""


def weigh(attempts: Sequence[Attempt], facts: Facts | None = None) -> Verdict:
    """Weigh all attempts of a failed fetch.

    A fault of this machine or network that explains several failures goes before those of single hosts; of a
    mixture the most actionable cause is named, and the message says how many hosts failed in all.
    """
    case = _sort(attempts, facts or Facts())
    for rule in RULES:
        if choice := rule(case):
            return _verdict(choice, case)
    return _verdict(_Choice(code="service.outage"), case)


def describe_attempts(attempts: Sequence[Attempt]) -> list[str]:
    """Say in plain words what each mirror answered: one line per host and cause, in order of first use."""
    groups: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.cause:
            groups.setdefault((place_of(attempt), attempt.cause), []).append(attempt)
    is_one = len({attempt.artifact for attempt in attempts if attempt.artifact}) < 2
    return [_line(place, code, group, is_one=is_one) for (place, code), group in groups.items()]


def place_of(attempt: Attempt) -> str:
    """Name where an attempt went: a host, a path, or a source."""
    url = re.search(r"https?://\S+", attempt.mirror, re.IGNORECASE)
    if url and (place := words.place_of(url.group())):
        is_index = attempt.source == "package" and "://" not in attempt.mirror[:8]
        return f"package index {place}" if is_index else place
    return attempt.mirror or attempt.source or "this machine"


def rank(code: str) -> int:
    """Return how late a cause stands in the order of actions; lower is more actionable."""
    family = code.partition(".")[0] + "."
    for wanted in (code, family):
        if wanted in weights.ORDER:
            return weights.ORDER.index(wanted)
    return len(weights.ORDER)


# --- the rules, the most certain first ------------------------------------------------------------


def _local(case: _Case) -> _Choice | None:
    """This machine failed: nothing that a host says matters then."""
    for attempt in sorted(case.failed, key=lambda a: rank(a.cause)):
        own = attempt.cause.startswith(("local.", "usage.")) and attempt.cause not in (
            "local.clock",
            "usage.no-cause",
        )
        if own and attempt.source != "caches":
            return _Choice(code=attempt.cause, detail=attempt.detail)
    return None


def _offline(case: _Case) -> _Choice | None:
    if not case.facts.offline:
        return None
    return _Choice(code="usage.offline", detail=f"decided by {case.facts.offline}")


def _nothing_tried(case: _Case) -> _Choice | None:
    if case.failed:
        return None
    best = min(case.searches, key=lambda a: weights.SEARCHES.get(a.cause, 9), default=None)
    code, detail = ("source.no-copy", "") if best is None else (best.cause, best.detail)
    if code != "source.no-copy" or case.facts.has_address:
        return _Choice(code=code, detail=detail)
    lead = "nothing names an https or http address of it, and no copy was found on this machine"
    action = f"name one: `{case.facts.surefetch} get {case.facts.wanted} --mirror URL`"
    return _Choice(code=code, lead=lead, detail=detail, action=action, fault=row_of(code).fault)


def _portal(case: _Case) -> _Choice | None:
    return _first(case, {"body.captive-portal"})


def _clock(case: _Case) -> _Choice | None:
    """Two hosts whose certificates are out of date at once, and none that is in date: the clock."""
    hosts = [host for host, code in case.causes.items() if code in weights.DATES]
    if first := _first(case, {"local.clock"}):
        return first
    if len(hosts) < 2 or case.facts.reachable:
        return None
    return _Choice(
        code="local.clock", host=hosts[0], detail=f"the certificates of {_and(hosts)} are out of date at once"
    )


def _authorities(case: _Case) -> _Choice | None:
    """A file of authorities that is named and cannot be used: no wonder that nobody is trusted."""
    problem = case.facts.unusable_trust
    first = _first(case, {"tls.unknown-issuer", "tls.intercepted", "tls.no-trust-store"})
    if not problem or not first:
        return None
    variable = re.search(r"variable (\w+)", problem)
    action = weights.TRUST_NEXT["setting"]
    if variable and "setting" not in problem:
        action = weights.TRUST_NEXT[case.facts.shell].replace("{variable}", variable.group(1))
    return _Choice(
        code="tls.no-trust-store",
        lead="the file of authorities that is named here cannot be used",
        host=first.host,
        detail=f"{problem}; {first.detail}" if first.code != "tls.no-trust-store" else problem,
        action=action.replace("{surefetch}", case.facts.surefetch),
        fault="you",
    )


def _proxys_certificate(case: _Case) -> _Choice | None:
    """The certificate of an https proxy stands before every host."""
    attempt = next((a for a in case.failed if OF_THE_PROXY.match(a.detail)), None)
    if attempt is None:
        return None
    lead = row_of(attempt.cause).sentence.replace("the server's", "the proxy's")
    return _Choice(code=attempt.cause, lead=lead, detail=attempt.detail, fault="network")


def _inspection(case: _Case) -> _Choice | None:
    """A known inspector, or one issuer that is no public authority at several hosts."""
    if first := _first(case, {"tls.intercepted"}):
        return first
    hosts: dict[str, set[str]] = {}
    pairs = [
        (place_of(a), issuer_of(a.detail))
        for a in case.failed
        if a.cause in ("tls.unknown-issuer", "tls.self-signed")
    ]
    for host, issuer in (*pairs, *case.facts.issuers):
        if issuer and not issuers().is_public(issuer):
            hosts.setdefault(issuer, set()).add(host)
    for issuer, seen in hosts.items():
        if len({host.partition(":")[0] for host in seen}) >= 2:
            return _Choice(
                code="tls.intercepted",
                host=min(seen),
                detail=f"{_and(sorted(seen))} show the same issuer “{issuer}”",
            )
    return None


def _proxy(case: _Case) -> _Choice | None:
    """The proxy stands before every host: what is wrong with it is wrong for all."""
    first = _first(case, weights.PROXY_WIDE)
    if first is None or first.code != "proxy.unreachable" or "took the connection" not in first.detail:
        return first
    others = {code for code in case.causes.values() if code not in weights.SILENT}
    return msgspec.structs.replace(first, code="proxy.upstream") if others else first


def _silent_proxy(case: _Case) -> _Choice | None:
    """Several hosts, one proxy before them all, and silence: it is the proxy that is silent."""
    proxied, proxy = set(case.facts.proxied), case.facts.proxy
    if not case.causes or not proxy or case.facts.reachable:
        return None
    if any(host not in proxied or code not in weights.SILENT for host, code in case.causes.items()):
        return None
    has_tunnel = "transfer.no-first-byte" in case.causes.values() or any(
        attempt.detail.startswith("the connection stood") for attempt in case.failed
    )
    if proxy.startswith("https:") and not has_tunnel:
        detail = f"the proxy `{proxy}` is configured as https://, and gives a TLS handshake no answer"
        return _Choice(code="proxy.scheme", detail=detail)
    if proxy.startswith("socks") and not has_tunnel:
        detail = f"the proxy `{proxy}` took the connection, and says nothing in SOCKS"
        return _Choice(code="proxy.unreachable", detail=detail)
    if len(case.causes) == 1 and has_tunnel:
        return None  # one host alone may be silent itself
    hosts = _and(sorted(case.causes)[:3])
    detail = f"the proxy `{case.facts.proxy}` took what was asked of {hosts}, and none of it was answered"
    return _Choice(code="proxy.unreachable", detail=detail)


def _past_the_proxy(case: _Case) -> _Choice | None:
    """Hosts that an exception takes past the proxy, and that cannot be reached directly."""
    passed = dict(case.facts.passed)
    hosts = [host for host, code in case.causes.items() if code in weights.NOT_LET_OUT and host in passed]
    if not hosts or len(hosts) < len(case.causes):
        return None
    attempt = case.by_host[hosts[0]][0]
    who = passed[hosts[0]]
    name = who.partition(" ")[2].partition(" ")[0]
    return _Choice(
        code=attempt.cause,
        host=hosts[0],
        detail=f"{attempt.detail}; {who} takes it past the proxy",
        action=f"take `{host_of('//' + hosts[0])}` out of `{name}`, so that it is asked through the proxy",
    )


def _same_bytes(case: _Case) -> _Choice | None:
    """One wrong digest from several hosts: changed by the publisher; for several files: one page for all."""
    hosts: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for url, digest in case.facts.digests:
        hosts.setdefault(digest, set()).add(host_of(url))
        names.setdefault(digest, set()).add(url.partition("?")[0].rpartition("/")[2])
    for digest, seen in hosts.items():
        pages = {a.cause for a in case.failed if a.cause in ("proxy.denied", "body.html", "body.login-page")}
        if len(names[digest]) > 1:
            return _same_answer(case, digest, min(seen), len(names[digest]), min(pages, key=rank, default=""))
        if len(seen) > 1 and not pages and all(code in weights.WRONG_BYTES for code in case.causes.values()):
            return _Choice(
                code="body.changed-upstream",
                detail=f"{_and(sorted(seen))} gave the same digest {digest[:12]}…",
            )
    return None


def _same_answer(case: _Case, digest: str, host: str, count: int, page: str) -> _Choice:
    """One answer for many files: a page is what it says; nobody on the way is blamed for other bytes."""
    said = f"digest {digest[:12]}…"
    if not page:
        lead = f"the same bytes came for {count} different files"
        return _Choice(code="body.corrupt", lead=lead, host=host, detail=said)
    attempt = next(a for a in case.failed if a.cause == page)
    is_known = page == "body.html" and not attempt.detail.startswith("a web page came")
    if is_known:
        return _Choice(code=page, host=host, detail=f"{attempt.detail}, for {count} files")
    lead = "one and the same answer came for different files"
    if not (is_inside(host) and not case.facts.proxy and page != "proxy.denied"):
        lead += ": a block page or portal on the way"
    return _Choice(code=page, lead=lead, host=host, detail=said)


def _out_of_time(case: _Case) -> _Choice | None:
    """Not every way was tried to its end: what single hosts did meanwhile decides nothing."""
    late = [attempt for attempt in case.failed if attempt.cause == "transfer.deadline"]
    if not late:
        return None
    asked = [f"{place_of(a)}: {a.detail}" for a in late if "://" in a.mirror]
    return _Choice(code=late[0].cause, detail="; ".join([late[0].detail, *asked[:2]]))


def _outage(case: _Case) -> _Choice | None:
    """Every host of it failed on its own side, while others answer."""
    is_theirs = all(code in weights.OWN_SIDE for code in case.causes.values())
    if len(case.causes) < 2 or not is_theirs or not case.facts.reachable:
        return None
    attempt = case.failed[0]
    return _Choice(code="service.outage", host=place_of(attempt), detail=attempt.detail)


def _closed(case: _Case) -> _Choice | None:
    """Every host fails in the same way and the package index alone answers: a network that is closed."""
    kinds, facts = set(case.causes.values()), case.facts
    if len(case.causes) < 2 or not facts.indexes or set(facts.reachable) - set(facts.indexes):
        return None
    if len(kinds) > 1 or next(iter(kinds)).partition(".")[0] not in ("dns", "connect"):
        return None
    index = _and(facts.indexes[:2])
    lead = f"this network lets only the package index through ({index}), which does not have it"
    attempt = case.failed[0]
    return _Choice(
        code=attempt.cause,
        lead=lead,
        host=place_of(attempt),
        detail=attempt.detail,
        action=weights.CLOSED_NEXT.replace("{surefetch}", facts.surefetch),
    )


def _all_alike(case: _Case) -> _Choice | None:
    """Every host fails in the same way: then it is this side, not theirs."""
    causes = case.causes
    if len(causes) < 2 or case.facts.reachable:
        return None
    kinds = set(causes.values())
    families = {code.partition(".")[0] for code in kinds}
    if families == {"dns"} and "dns.blocked" not in kinds:
        return _alike("dns.timeout" if kinds == {"dns.timeout"} else "dns.unavailable", case)
    if len(kinds) == 1:
        return _alike(next(iter(kinds)), case)
    if families <= {"dns", "connect"} and kinds & {"connect.timeout", "connect.unreachable"}:
        counts = Counter(causes.values())
        return _alike(min(counts, key=lambda code: (-counts[code], rank(code))), case)
    return None


def _mixture(case: _Case) -> _Choice | None:
    """Of different failures the most actionable names the error; among equals the one that occurs most."""
    if not case.failed:
        return None
    counts = Counter(case.causes.values() or (a.cause for a in case.failed))  # no host: a content failed
    code = min(counts, key=lambda code: (rank(code), -counts[code]))
    attempt = next(a for a in case.failed if a.cause == code)
    return _Choice(code=code, host=place_of(attempt), detail=attempt.detail)


RULES: Final[tuple[Callable[[_Case], _Choice | None], ...]] = (
    _local, _offline, _nothing_tried, _portal, _proxys_certificate, _clock, _authorities, _inspection, _proxy,
    _same_bytes, _silent_proxy, _past_the_proxy, _out_of_time, _outage, _closed, _all_alike, _mixture,
)  # fmt: skip


# --- helpers and words --------------------------------------------------------------------------------


def _sort(attempts: Sequence[Attempt], facts: Facts) -> _Case:
    attempts = [_meant(attempt) for attempt in attempts]
    failed = _without_cuts([a for a in attempts if a.cause and not a.cause.startswith("source.")])
    by_host: dict[str, list[Attempt]] = {}
    for attempt in failed:
        if re.search(r"https?://", attempt.mirror):
            by_host.setdefault(place_of(attempt), []).append(attempt)
    well = {place_of(a).partition(":")[0] for a in attempts if not a.cause and "://" in a.mirror}
    reachable = tuple(dict.fromkeys((*facts.reachable, *sorted(well))))
    return _Case(
        facts=msgspec.structs.replace(facts, reachable=reachable),
        failed=tuple(failed),
        searches=tuple(a for a in attempts if a.cause.startswith("source.")),
        by_host={host: tuple(group) for host, group in by_host.items()},
    )


def _without_cuts(failed: Sequence[Attempt]) -> list[Attempt]:
    """Leave out answers that were cut where the same address has refused the file since."""
    last = {(a.mirror, a.artifact): a.cause for a in failed}
    refused = {place for place, cause in last.items() if cause in weights.LAST_WORDS}
    return [a for a in failed if a.cause not in weights.CUT or (a.mirror, a.artifact) not in refused]


def _meant(attempt: Attempt) -> Attempt:
    """Read an attempt by where it went: an index that has no page of a package simply does not list it."""
    replace = msgspec.structs.replace
    if attempt.source == "package" and attempt.cause == "http.not-found" and not attempt.artifact:
        return replace(attempt, cause="source.not-in-index", detail=f"{place_of(attempt)} has no page of it")
    if attempt.cause == "source.not-in-index" and (
        page := re.search(r"a web page titled “(.*)”", attempt.detail)
    ):
        kinds = (
            cause for pattern, cause in weights.PAGES if re.search(pattern, page.group(1), re.IGNORECASE)
        )
        return replace(attempt, cause=next(kinds, "body.html"))
    return attempt


def _first(case: _Case, wanted: Iterable[str]) -> _Choice | None:
    found = [a for a in case.failed if a.cause in set(wanted)]
    if not found:
        return None
    attempt = min(found, key=lambda a: rank(a.cause))
    return _Choice(code=attempt.cause, host=place_of(attempt), detail=attempt.detail)


def _alike(code: str, case: _Case) -> _Choice:
    attempt = next((a for a in case.failed if a.cause == code), case.failed[0])
    return _Choice(code=code, lead=weights.ALIKE.get(code, ""), host=place_of(attempt), detail=attempt.detail)


def _verdict(choice: _Choice, case: _Case) -> Verdict:
    row, facts, hosts = row_of(choice.code), case.facts, len(case.by_host)
    is_alike = choice.lead == weights.ALIKE.get(choice.code, " ")
    is_ours = choice.action or (is_alike and choice.code in weights.OURS_IF_ALIKE)
    fault = choice.fault or ("network" if is_ours else row.fault)
    wanted = f"`{facts.wanted}`" if facts.wanted else "it"
    lead = choice.lead or row.sentence
    if not choice.is_sure:
        lead = f"most likely {lead}"
    message = f"{wanted} could not be had: {lead}" if facts.wanted != ALL else f"{ALL} fail here: {lead}"
    if choice.detail and choice.detail not in message:
        place = f"{choice.host}: " if choice.host and choice.host not in choice.detail else ""
        message += f" ({place}{choice.detail}{_for_many(choice, case)})"
    is_proxys = choice.code.startswith("proxy.") or OF_THE_PROXY.match(choice.detail)
    if is_proxys and facts.proxy_named_by and facts.proxy_named_by not in message:
        message += f"; {facts.proxy_named_by} names the proxy"
    elif choice.host in facts.proxied and facts.proxy not in message:
        message += f"; it was asked through the proxy `{facts.proxy}`, which {facts.proxy_named_by} names"
    if hosts > 1 and not is_alike:
        message += f"; {hosts} hosts were asked, and none gave it"
    others = [host for host in facts.reachable if host != case.single_host]
    if fault in ("mirror", "owner") and others:
        message += f"; it's them, not you: {_and(others[:2])} can be reached"
    if 0 < len(facts.missing) < facts.files:
        message += f"; {_some(facts.missing)} missing, {_of_files(facts)} here"
    if facts.kept_bytes and facts.total_bytes:
        message += (
            f"; kept {_megabytes(facts.kept_bytes)} of {_megabytes(facts.total_bytes)} MB for the next run"
        )
    hint = choice.action or _action(choice, facts, is_alike=is_alike)
    return Verdict(code=choice.code, fault=fault, message=message, hint=hint, is_sure=choice.is_sure)


def _action(choice: _Choice, facts: Facts, *, is_alike: bool) -> str:
    """The one thing to do now that no mirror gave it."""
    row = row_of(choice.code)
    if is_alike and choice.code in weights.ALIKE_NEXT:
        return weights.ALIKE_NEXT[choice.code].replace("{surefetch}", facts.surefetch)
    if inner := _behind_proxy(choice, facts):
        return weights.INNER_NEXT.format(host=inner, surefetch=facts.surefetch)
    if said := _by_detail(choice):
        return said.replace("{surefetch}", facts.surefetch).replace("{host}", _asked_last(choice))
    if choice.code == "transfer.deadline" and (
        longer := weights.DEADLINE_NEXT.get(facts.deadline.partition(" ")[0])
    ):
        return longer
    if choice.code == "connect.timeout" and choice.host in facts.proxied:
        return weights.PROXIED_NEXT.replace("{host}", _asked_last(choice))
    if facts.kept_bytes and choice.code in weights.DOWN:
        return weights.DOWN_NEXT.format(host=_asked_last(choice))
    is_file = "://" in facts.wanted
    # Whoever has a file of another size has not been cut: it has another file, again and again.
    is_cut = choice.code in weights.RESUMED and not choice.detail.startswith("the server has ")
    if is_file and (choice.code in weights.TYPED or (choice.code in weights.RESUMED and not is_cut)):
        return weights.TYPED_NEXT
    if is_file and is_cut and facts.kept_bytes:
        return weights.AGAIN_FILE
    is_lost = choice.code in weights.RESUMED and not (is_cut and facts.kept_bytes)
    if choice.code in weights.ELSEWHERE or is_lost:
        text = weights.ELSEWHERE_FILE if is_file else weights.ELSEWHERE_DATASET
        return text.format(surefetch=facts.surefetch, wanted=facts.wanted or "NAME")
    action = row.action(
        facts.shell,
        host=_asked_last(choice),
        proxy=facts.proxy,
        dataset=_name(facts.wanted),
        surefetch=facts.surefetch,
    )
    if choice.code in weights.PROXY_NEXT:
        action = proxy_action(action, choice.code, facts.proxy_named_by, facts.surefetch)
        if facts.proxy.startswith("socks"):
            action = action.replace("http://NAME", f"{facts.proxy.partition(':')[0]}://NAME").partition(
                "; for NTLM"
            )[0]
    return re.sub(r"^nothing if (another|other) \w+ works?[;:] (else |otherwise )?", "", action)


def _behind_proxy(choice: _Choice, facts: Facts) -> str:
    """The host inside this network that the proxy did not give, without its port; "" if there is none."""
    host = _asked_last(choice).partition(":")[0]
    is_asked_so = choice.code in weights.INNER_CAUSES and choice.host in facts.proxied
    is_asked_so |= "through the proxy `" in choice.detail
    return host if host and is_asked_so and weights.INNER.search(host) else ""


def _asked_last(choice: _Choice) -> str:
    """The host that the advice is about: where redirects led, if they led elsewhere."""
    led = re.match(f"{LEADS_ON}`([^`]+)`: ", choice.detail)
    return led.group(1) if led else choice.host


def _by_detail(choice: _Choice) -> str:
    """What a detail changes about what is to be done, or ""."""
    rows = (
        action
        for code, detail, action in weights.BY_DETAIL
        if re.fullmatch(code, choice.code) and re.search(detail, choice.detail, re.IGNORECASE | re.DOTALL)
    )
    return next(rows, "")


def proxy_action(action: str, code: str, named_by: str, surefetch: str) -> str:
    """Name the very setting that names the proxy, for it alone mends it."""
    kind, _, name = named_by.partition(" ")
    if kind == "variable":
        for usual in ("HTTPS_PROXY HTTP_PROXY ALL_PROXY", "Env:HTTPS_PROXY, Env:HTTP_PROXY"):
            action = action.replace(usual, f"Env:{name}" if "Env:" in usual else name)
        return action.replace("HTTPS_PROXY", name)
    if not named_by:
        return action
    return weights.PROXY_NEXT[code].replace("{surefetch}", surefetch)


def _line(place: str, code: str, group: Sequence[Attempt], *, is_one: bool) -> str:
    details = list(dict.fromkeys(a.detail for a in group if a.detail))
    said = f" ({details[0]})" if details else ""
    files = {a.artifact for a in group if a.artifact}
    count = (
        f", {len(files)} files" if len(files) > 1 else "".join(f", `{file}`" for file in files if not is_one)
    )
    seconds = max((a.seconds for a in group), default=0.0)
    time = f", {seconds:.1f} s" if seconds >= 0.05 else ""
    return f"{place}: {row_of(code).sentence}{said}{count}{time}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _some(names: Sequence[str]) -> str:
    shown = [f"`{name}`" for name in names[:2]]
    more = [f"{len(names) - 2:,} more"] if len(names) > 2 else []
    return f"{_and([*shown, *more])} {'are' if len(names) > 1 else 'is'}"


def _of_files(facts: Facts) -> str:
    here = facts.files - len(facts.missing)
    return f"{here:,} of {facts.files:,} files {'are' if here > 1 else 'is'}"


def _for_many(choice: _Choice, case: _Case) -> str:
    """Say for how many files a refusal was the answer, and whether its host was asked for the others."""
    refused = {a.artifact for a in case.failed if (place_of(a), a.cause) == (choice.host, choice.code)}
    if choice.code not in weights.REFUSED or len(refused) < 2:
        return ""
    is_given_up = len(refused) < len(case.facts.missing) == case.facts.files
    return f", for {len(refused):,} files" + (", and it was not asked for the others" if is_given_up else "")


def _name(wanted: str) -> str:
    return wanted if "://" not in wanted else ""


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f}" if count >= 1e7 else f"{count / 1e6:.1f}"
