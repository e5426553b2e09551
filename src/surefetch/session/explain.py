"""The verb `explain`: an error text, an exception, a cause code or our own last failure, in plain words."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.causes import table
from surefetch.diagnose import explain as knowledge
from surefetch.diagnose.pages import page
from surefetch.errors import SurefetchError, UsageError
from surefetch.model import Struct
from surefetch.session import last
from surefetch.session.called import program_name, shell_of

if TYPE_CHECKING:
    from surefetch.session.facade import Session

FAULTS = {
    "you": "something on this machine",
    "network": "the network between",
    "mirror": "the server",
    "owner": "the owner of the service; neither you nor this network",
    "": "not known",
}


class Explained(Struct, frozen=True, kw_only=True):
    """What an error means, for people (`str`) and programs (`to_json`)."""

    explanation: knowledge.Explanation | None = None
    text: str = ""  # the whole answer

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    @property
    def cause(self) -> str | None:
        """The cause code; None when the text does not tell."""
        return self.explanation.cause if self.explanation else None

    def to_json(self) -> dict[str, Any]:
        """Return what `explain --json` prints (docs/schema/explain.schema.json)."""
        fields = msgspec.to_builtins(self.explanation) if self.explanation else {"cause": None, "verdict": ""}
        return {"schema_version": 1, "ok": True, **fields, "text": self.text}


def explain(
    subject: str | BaseException | None = None, *, host: str | None = None, session: Session | None = None
) -> Explained:
    """Explain an error.

    Args:
        subject: A traceback or any tool's output, an exception, or a cause code. None: the last exception of
            this interpreter (a notebook's failed cell).
        host: The host that failed, where the text does not name it.
        session: Whose catalog knows URLs; None: the default one.

    Raises:
        UsageError: There is nothing to explain.
    """
    if isinstance(subject, str) and subject.strip() in table():
        code = subject.strip()
        return Explained(text=page(code, surefetch=program_name()))
    if isinstance(subject, SurefetchError):
        return of_error(subject)
    return of_text(_text_of(subject), host, session)


def of_text(text: str, host: str | None = None, session: Session | None = None) -> Explained:
    """Explain a text."""
    import os

    explanation = knowledge.explain(
        text,
        host,
        shell=shell_of(os.environ),
        surefetch=program_name(),
        lookup=lambda url: _dataset_of(url, session),
    )
    return Explained(explanation=explanation, text="\n".join(_lines(explanation)))


def of_error(error: SurefetchError) -> Explained:
    """Explain an error of our own: it says all by itself; its page says more."""
    row = table()[error.code]
    explanation = knowledge.Explanation(
        cause=error.code, verdict=error.message, fault=row.fault, action=error.hint, is_sure=True
    )
    more = f"{program_name()} explain {error.code}    tells more about this cause"
    return Explained(explanation=explanation, text=f"{error.message}\n\n{error.hint}\n\n{more}".strip())


def of_last(session: Session) -> Explained:
    """Explain our own last transfer.

    Raises:
        UsageError: Nothing was transferred yet.
    """
    transfer = last.read(session)
    if transfer is None:
        raise UsageError("nothing was transferred yet", hint=f"{program_name()} get mnist")
    if not transfer.code:
        return Explained(text=f"the last transfer, of `{transfer.name}`, went well")
    error = SurefetchError(
        transfer.message, code=transfer.code, hint=transfer.hint, attempts=transfer.attempts
    )
    return of_error(error)


def below_traceback(text: str) -> str:
    """Return what to print below a program's traceback: nothing unless the text tells."""
    explained = of_text(text)
    return explained.text if explained.cause else ""


def _text_of(subject: str | BaseException | None) -> str:
    if isinstance(subject, BaseException):
        return "".join(traceback.format_exception(subject))
    if isinstance(subject, str):
        return subject
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None) or sys.exc_info()[1]
    if error is None:
        raise UsageError(
            "no exception was raised here yet", hint='`sf.explain("…")` takes a text, `sf.explain(error)` one'
        )
    return _text_of(error)


def _dataset_of(url: str, session: Session | None) -> str | None:
    from surefetch.session.facade import Session

    found = (session or Session.default()).catalog.find_url(url)
    return found[0].name if found else None


def _lines(explanation: knowledge.Explanation) -> list[str]:
    """The answer: verdict first, whose fault, the evidence, one action, the command that cures it last."""
    if explanation.cause is None:
        lines = [explanation.verdict[:1].upper() + explanation.verdict[1:] + "."]
        lines += [f"Last line: {explanation.evidence}"] if explanation.evidence else []
        if explanation.command:
            lines += ["", explanation.command]
        return lines
    verdict = explanation.verdict
    lines = [verdict if explanation.is_sure else verdict[:1].upper() + verdict[1:]]
    lines += ["", f"Fault:     {FAULTS.get(explanation.fault, explanation.fault)}  ({explanation.cause})"]
    lines += [f"Evidence:  {explanation.evidence}"] if explanation.evidence else []
    lines += [f"Do:        {explanation.action}"] if explanation.action else []
    return [*lines, "", explanation.command] if explanation.command else lines
