"""The one error at the end of a fetch: verdict, every attempt, and the way by hand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from surefetch.diagnose import weights
from surefetch.diagnose.certificates import issuer_of
from surefetch.diagnose.verdict import OF_THE_PROXY, Facts, Verdict, place_of, weigh
from surefetch.errors import (
    FetchError,
    IntegrityError,
    OfflineError,
    SettingError,
    StoreError,
    SurefetchError,
)
from surefetch.events import Attempt, Done
from surefetch.model import Artifact
from surefetch.session.bench import Bench
from surefetch.session.called import program_name, shell_of
from surefetch.session.targets import Target
from surefetch.sources.http import file_at
from surefetch.transfer import urls
from surefetch.units import human_size

if TYPE_CHECKING:
    from surefetch.session.facade import Session
    from surefetch.transfer.proxies import Decision, ProxyResolver

#: Endings of a question to a package index that answered, if only that it has no such page.
ANSWERED: Final = ("", "source.not-in-index", "http.not-found")
#: Causes that the way to a host may have: by a proxy, or past it.
WAYS: Final = ("proxy.", "connect.", "dns.", "transfer.no-first-byte", "tls.not-tls")
#: Addresses that a hint shows at most.
SHOWN: Final = 2


def fetch_error(session: Session, target: Target, bench: Bench, done: Done) -> SurefetchError:
    """Weigh all attempts into one error; its hint ends with the way by hand."""
    wanted = wanted_by_hand(target, done)
    missing = [a for a in wanted if a.digest is None or a.name not in bench.files]
    proxy, named_by, proxied, passed = _ways(session, done.attempts)
    indexes = _indexes(done.attempts)
    facts = Facts(
        wanted=urls.mask(target.dataset.name),
        has_address=bool(target.mirrors) or any(artifact.urls for artifact in wanted),
        offline=_decided(session, "offline") if session.settings.offline else "",
        deadline=_decided(session, "deadline"),
        proxy=proxy,
        proxy_named_by=named_by,
        proxied=proxied,
        passed=passed,
        reachable=(*_givers(bench), *indexes),
        indexes=indexes,
        digests=tuple(bench.wrong_digests),
        issuers=_issuers(done.attempts),
        unusable_trust=_unusable_trust(session, done.attempts),
        kept_bytes=bench.kept_bytes,
        total_bytes=sum(artifact.size or 0 for artifact in wanted),
        files=len(wanted),
        missing=tuple(artifact.name for artifact in missing),
        surefetch=program_name(),
        shell=shell_of(session.environ),
    )
    verdict = weigh(done.attempts, facts)
    hint = _hint(target, verdict, missing or wanted)
    noted = "".join(f"; {note}" for note in bench.notes)
    return _kind(verdict.code)(
        verdict.message + noted, code=verdict.code, hint=hint, attempts=done.attempts, fault=verdict.fault
    )


def _kind(code: str) -> type[SurefetchError]:
    if code == "usage.offline":
        return OfflineError
    if code.startswith("local."):
        return StoreError
    return IntegrityError if code.startswith("body.") else FetchError


def _decided(session: Session, setting: str) -> str:
    """What decided a setting: "argument", "variable HF_HUB_OFFLINE", a file's path."""
    return next((d.decided_by for d in session.decisions if d.name == setting), "argument")


Ways = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]


def _ways(session: Session, attempts: Sequence[Attempt]) -> Ways:
    """The proxy of failed requests and what named it; hosts that are behind it; hosts that go past it."""
    from surefetch.session.engine import make_resolver

    asked = {a.mirror: a for a in attempts if "://" in a.mirror[:8] and _tells_of_the_way(a)}
    if not asked:
        return "", "", (), ()
    resolver = make_resolver(session)
    proxies: list[tuple[str, str]] = []
    proxied, passed = [], []
    for attempt in asked.values():
        place = place_of(attempt)
        try:
            decision = _decision(resolver, attempt)
        except SettingError as error:  # the attempt itself tells what is wrong with the value
            named = re.match(r"(variable \w+|setting \w+|.*?) names the proxy", error.message)
            return "", named.group(1) if named else "", (), ()
        if decision.proxy:
            proxies.append((decision.proxy, decision.decided_by))
            proxied.append(place)
        elif "no_proxy" in decision.decided_by.lower():
            passed.append((place, decision.decided_by))
    proxy, named_by = proxies[0] if proxies else ("", "")
    return proxy, named_by, tuple(proxied), tuple(passed)


def _tells_of_the_way(attempt: Attempt) -> bool:
    return attempt.cause.startswith(WAYS) or OF_THE_PROXY.match(attempt.detail) is not None


def _decision(resolver: ProxyResolver, attempt: Attempt) -> Decision:
    """How a failed request was sent; where a redirect led to another scheme, that has a proxy of its own."""
    decision = resolver.resolve(attempt.mirror)
    named = re.search(r"the proxy `([^`]*)`", attempt.detail)
    for scheme in ("https", "http") if named and named.group(1) != decision.proxy else ():
        with contextlib.suppress(SettingError):
            other = resolver.resolve(f"{scheme}://{place_of(attempt)}")
            if named and other.proxy == named.group(1):
                return other
    return decision


def _givers(bench: Bench) -> tuple[str, ...]:
    """Hosts that gave bytes."""
    hosts = [urlsplit(url).hostname for urls in bench.givers.values() for url in urls]
    return tuple(dict.fromkeys(host for host in hosts if host))


def _indexes(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Package indexes that answered, if only that they do not have it."""
    answered = [a for a in attempts if a.source == "package" and a.cause in ANSWERED]
    return tuple(dict.fromkeys(place_of(a) for a in answered if "http" in a.mirror))


def _issuers(attempts: Sequence[Attempt]) -> tuple[tuple[str, str], ...]:
    """(host, issuer) of every chain that was not trusted."""
    hosts = [a for a in attempts if a.cause.startswith("tls.") and not OF_THE_PROXY.match(a.detail)]
    found = ((place_of(a), issuer_of(a.detail)) for a in hosts)
    return tuple(dict.fromkeys((host, issuer) for host, issuer in found if issuer))


def _unusable_trust(session: Session, attempts: Sequence[Attempt]) -> str:
    """What is wrong with the files of authorities that are named here, where somebody was not trusted."""
    from surefetch.transfer.trust import unusable

    is_asked = any(attempt.cause.startswith("tls.") for attempt in attempts)
    return unusable(session.environ, session.settings.ca_bundle) if is_asked else ""


def _hint(target: Target, verdict: Verdict, wanted: Sequence[Artifact]) -> str:
    """The one thing to do, and below it the way by hand where there is one."""
    name = _quoted(urls.mask(target.dataset.name))
    command = f"{program_name()} get {name}{_digest_option(target)} --from DIR"
    action = re.sub(r"`[^`]* get \S+ --from FOLDER`", lambda _: f"`{command}`", verdict.hint)
    if verdict.code.startswith("local.") or verdict.code in weights.CONTENTS or target.learns:
        return action
    can_help = verdict.code not in weights.NO_BROWSER and not verdict.code.startswith(("usage.", "source."))
    by_hand = _by_hand(target, wanted, command) if can_help else ""
    if by_hand or command in action:
        return "\n".join(filter(None, (action, by_hand)))
    return f"{action}\nif you have it on another machine or disk: `{command}`"


def _by_hand(target: Target, wanted: Sequence[Artifact], command: str) -> str:
    """Tell how to fetch with a browser and prove it here."""
    lines = [
        f"      {urls.mask(url)}    "
        f"({human_size(artifact.size)}, {artifact.digest or 'proven by its content'})"
        for artifact in wanted
        for url in (artifact.urls or [file_at(mirror, artifact) for mirror in target.mirrors])[:1]
    ]
    if not lines:
        return ""
    more = [f"      … and {len(lines) - SHOWN} more files"] if len(lines) > SHOWN else []
    first = f"by hand: download in a browser, here or elsewhere, then `{command}`"
    return "\n".join([first, *lines[:SHOWN], *more])


def _quoted(name: str) -> str:
    """Put an address in quotes where a shell would cut it: at `&`, `;` and the like."""
    return f'"{name}"' if re.search(r"[^\w:/.,@%+=~\[\]-]", name) else name


def _digest_option(target: Target) -> str:
    """What a file that no catalog knows is named by, beside its URL."""
    digest = target.dataset.artifacts[0].digest if "://" in target.dataset.name else None
    return f" --{digest.algorithm} {digest.hex}" if digest else ""


def wanted_by_hand(target: Target, done: Done) -> list[Artifact]:
    """Return the artifacts of the first form that gives what is missing and has addresses."""
    dataset = target.dataset
    if target.artifacts:
        return [dataset.artifact(name) for name in sorted(target.artifacts)]
    for form in dataset.forms:
        if set(done.missing) <= set(form.gives):
            artifacts = [dataset.artifact(name) for name in form.artifacts]
            if all(artifact.urls for artifact in artifacts):
                return artifacts
    return list(dataset.artifacts[:1])
