"""Several processes that want the same at once: one fetches, the others wait, as long as it is alive."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from surefetch.errors import InterruptError, SurefetchError
from surefetch.model import Struct

if TYPE_CHECKING:
    from surefetch.plan.planner import Goal
    from surefetch.session.facade import Session
    from surefetch.session.targets import Target
    from surefetch.store.lead import Lead

#: Seconds without a sign of life until nobody waits for whoever leads: it is stopped, or out of reach.
QUIET: Final = 10.0
#: Seconds between two looks.
LOOK: Final = 0.05
#: Seconds until somebody who waits is told why.
TELL: Final = 1.0


class Turn(Struct, frozen=True):
    """What a fetch knows of the others that want the same."""

    is_shared: bool = False  # others could have had their turn before
    waited: float = 0.0  # seconds that were spent on waiting for another process


@contextmanager
def taken(session: Session, target: Target, goal: Goal, local: Sequence[object]) -> Iterator[Turn]:
    """Wait while another process fetches the same, and hold others back meanwhile.

    Whoever has the turn has to look again at what is missing. What nobody's bytes prove, and what is not
    fetched because this is offline, is nobody's business.
    """
    if target.learns or session.settings.offline:
        yield Turn()
        return
    lead = session.store.lead(_key(session, target, goal, local))
    waited = 0.0 if lead.take() else _wait(session, lead, target.dataset.name)
    is_over = False
    try:
        lead.live()
        yield Turn(is_shared=True, waited=waited)
        is_over = True
    except InterruptError:
        raise
    except SurefetchError as error:
        is_over = error.code != "transfer.deadline"  # another one may have more time
        raise
    finally:
        lead.release(is_over=is_over)


def _wait(session: Session, lead: Lead, name: str) -> float:
    """Wait until nobody else leads, or whoever does gives no sign of life; return the seconds that took."""
    began = since = now = time.monotonic()
    before = seen = lead.sign()
    is_told = False
    while seen is not None and seen.is_of(before):
        looked = now
        time.sleep(LOOK)
        now = time.monotonic()
        since += now - looked if now - looked > TELL else 0.0  # this process was stopped, as may be the other
        if lead.take() or now - since > QUIET or 0 < session.settings.deadline < now - began:
            break
        if not is_told and now - began > TELL:
            session.reporter.say(f"another process gets `{name}` already: waiting for it")
            is_told = True
        before, seen = seen, lead.sign()
        since = now if seen != before else since
    return time.monotonic() - began


def _key(session: Session, target: Target, goal: Goal, local: Sequence[object]) -> str:
    """Return a text that is equal where the same is wanted, by the same means.

    Whoever may go faster, or knows more mirrors, does not wait for one who may not.
    """
    dataset, settings = target.dataset, session.settings
    digests = sorted(str(artifact.digest) for artifact in dataset.artifacts)
    wanted = sorted(goal.tensors), sorted(goal.artifacts)
    means = msgspec.structs.replace(settings, store="", catalogs=(), deadline=0.0, trace="", progress=True)
    text = repr(
        (dataset.name, dataset.version, digests, wanted, target.mirrors, list(map(str, local)), means)
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
