"""The one error at the end of a fetch: verdict, every attempt, and the way by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from surefetch.causes import cause
from surefetch.errors import FetchError, IntegrityError, OfflineError, StoreError
from surefetch.events import Attempt, Done
from surefetch.model import Artifact
from surefetch.reporters import human_size
from surefetch.session.targets import Target

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def fetch_error(session: Session, target: Target, done: Done) -> FetchError | StoreError:
    """Weigh all attempts into one error."""
    name = target.dataset.name
    halted = [attempt for attempt in done.attempts if attempt.mirror == "this machine"]
    if halted:
        return StoreError(halted[0].detail, code=halted[0].cause, attempts=done.attempts)
    if session.settings.offline:
        return OfflineError(
            f"offline is set{_decided(session)}, and {_missing(target, done)} is not here",
            hint=_by_hand(target, done),
            attempts=done.attempts,
        )
    code = _heaviest(done.attempts)
    kind = IntegrityError if code.startswith("body.") else FetchError
    message = f"`{name}` could not be had: {cause(code).sentence}"
    return kind(message, code=code, hint=_by_hand(target, done), attempts=done.attempts)


def _decided(session: Session) -> str:
    decided = next((d.decided_by for d in session.decisions if d.name == "offline"), "argument")
    return f" by {decided}" if decided != "argument" else ""


def _missing(target: Target, done: Done) -> str:
    if len(done.missing) == 1:
        return f"`{done.missing[0]}` of `{target.dataset.name}`"
    return f"`{target.dataset.name}`"


def _heaviest(attempts: tuple[Attempt, ...]) -> str:
    """The cause that most attempts share; among equals the first."""
    codes = [attempt.cause for attempt in attempts if attempt.cause and attempt.source != "caches"]
    return max(codes, key=codes.count) if codes else "source.no-copy"


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
