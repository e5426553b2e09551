"""The one error at the end of a fetch: verdict, every attempt, and the way by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from surefetch.diagnose.verdict import Facts, weigh
from surefetch.errors import FetchError, IntegrityError, OfflineError, StoreError, SurefetchError
from surefetch.events import Done
from surefetch.model import Artifact
from surefetch.reporters import human_size
from surefetch.session.bench import Bench
from surefetch.session.called import program_name, shell_of
from surefetch.session.targets import Target

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def fetch_error(session: Session, target: Target, bench: Bench, done: Done) -> SurefetchError:
    """Weigh all attempts into one error; its hint ends with the way by hand."""
    facts = Facts(
        wanted=target.dataset.name,
        offline=_offline(session),
        reachable=_reachable(bench),
        digests=tuple(bench.wrong_digests),
        kept_bytes=bench.kept_bytes,
        surefetch=program_name(),
        shell=shell_of(session.environ),
    )
    verdict = weigh(done.attempts, facts)
    has_hand = not verdict.code.startswith("local.") and not target.learns
    by_hand = _by_hand(target, done) if has_hand else ""
    hint = "\n".join(text for text in (verdict.hint, by_hand) if text)
    return _kind(verdict.code)(verdict.message, code=verdict.code, hint=hint, attempts=done.attempts)


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


def _reachable(bench: Bench) -> tuple[str, ...]:
    """Hosts that gave bytes."""
    hosts = [urlsplit(url).hostname for urls in bench.givers.values() for url in urls]
    return tuple(dict.fromkeys(host for host in hosts if host))


def _by_hand(target: Target, done: Done) -> str:
    """Tell how to fetch with a browser and prove it here."""
    artifacts = wanted_by_hand(target, done)
    lines = [
        f"{url}    ({human_size(artifact.size)}, {artifact.digest})"
        for artifact in artifacts
        for url in (artifact.urls or target.mirrors)[:1]
    ]
    command = f"surefetch get {target.dataset.name}{_digest_option(target)} --from DIR"
    if not lines:
        return f"if you have it on another machine or disk: `{command}`"
    return "by hand: download with a browser, then prove and keep it\n" + "\n".join(
        f"      {line}" for line in [*lines, command]
    )


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
