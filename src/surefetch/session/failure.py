"""The one error at the end of a fetch: verdict, every attempt, and the way by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from surefetch.diagnose import weights
from surefetch.diagnose.certificates import issuer_of
from surefetch.diagnose.verdict import Facts, Verdict, place_of, weigh
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
from surefetch.reporters import human_size
from surefetch.session.bench import Bench
from surefetch.session.called import program_name, shell_of
from surefetch.session.targets import Target

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: Endings of a question to a package index that answered, if only that it has no such page.
ANSWERED: Final = ("", "source.not-in-index", "http.not-found")
#: Addresses that a hint shows at most.
SHOWN: Final = 2


def fetch_error(session: Session, target: Target, bench: Bench, done: Done) -> SurefetchError:
    """Weigh all attempts into one error; its hint ends with the way by hand."""
    wanted = wanted_by_hand(target, done)
    proxy, named_by = _proxy(session, done.attempts)
    indexes = _indexes(done.attempts)
    facts = Facts(
        wanted=target.dataset.name,
        offline=_offline(session),
        proxy=proxy,
        proxy_named_by=named_by,
        reachable=(*_givers(bench), *indexes),
        indexes=indexes,
        digests=tuple(bench.wrong_digests),
        issuers=_issuers(done.attempts),
        kept_bytes=bench.kept_bytes,
        total_bytes=sum(artifact.size or 0 for artifact in wanted),
        surefetch=program_name(),
        shell=shell_of(session.environ),
    )
    verdict = weigh(done.attempts, facts)
    missing = [artifact for artifact in wanted if artifact.name not in bench.digests]
    hint = _hint(target, verdict, missing or wanted)
    return _kind(verdict.code)(
        verdict.message, code=verdict.code, hint=hint, attempts=done.attempts, fault=verdict.fault
    )


def _kind(code: str) -> type[SurefetchError]:
    if code == "usage.offline":
        return OfflineError
    if code.startswith("local."):
        return StoreError
    return IntegrityError if code.startswith("body.") else FetchError


def _offline(session: Session) -> str:
    if not session.settings.offline:
        return ""
    return next((d.decided_by for d in session.decisions if d.name == "offline"), "argument")


def _proxy(session: Session, attempts: Sequence[Attempt]) -> tuple[str, str]:
    """The proxy that a failed request went through, and what named it; asked only when one is at fault."""
    from surefetch.session.engine import make_resolver, pip_settings

    url = next((a.mirror for a in attempts if a.cause.startswith("proxy.") and "://" in a.mirror[:8]), "")
    if not url:
        return "", ""
    try:
        decision = make_resolver(session, pip_settings(session)).resolve(url)
    except SettingError as error:  # the attempt itself tells what is wrong with the value
        named = re.match(r"(variable \w+|setting \w+|.*?) names the proxy", error.message)
        return "", named.group(1) if named else ""
    return decision.proxy or "", decision.decided_by if decision.proxy else ""


def _givers(bench: Bench) -> tuple[str, ...]:
    """Hosts that gave bytes."""
    hosts = [urlsplit(url).hostname for urls in bench.givers.values() for url in urls]
    return tuple(dict.fromkeys(host for host in hosts if host))


def _indexes(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Package indexes that answered, if only that they do not have it."""
    return tuple(
        dict.fromkeys(place_of(a) for a in attempts if a.source == "package" and a.cause in ANSWERED)
    )


def _issuers(attempts: Sequence[Attempt]) -> tuple[tuple[str, str], ...]:
    """(host, issuer) of every chain that was not trusted."""
    found = ((place_of(a), issuer_of(a.detail)) for a in attempts if a.cause.startswith("tls."))
    return tuple(dict.fromkeys((host, issuer) for host, issuer in found if issuer))


def _hint(target: Target, verdict: Verdict, wanted: Sequence[Artifact]) -> str:
    """The one thing to do, and below it the way by hand where there is one."""
    command = f"{program_name()} get {target.dataset.name}{_digest_option(target)} --from DIR"
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
        f"      {url}    ({human_size(artifact.size)}, {artifact.digest or 'proven by its content'})"
        for artifact in wanted
        for url in (artifact.urls or target.mirrors)[:1]
    ]
    if not lines:
        return ""
    more = [f"      … and {len(lines) - SHOWN} more files"] if len(lines) > SHOWN else []
    first = f"by hand: download in a browser, here or elsewhere, then `{command}`"
    return "\n".join([first, *lines[:SHOWN], *more])


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
