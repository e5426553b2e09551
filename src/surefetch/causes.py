"""The table of causes: what went wrong at the root, as stable dotted codes."""

from functools import cache
from typing import Any, Final

import msgspec

#: Shells that a next action can be written for.
SHELLS: Final = ("posix", "powershell", "cmd")
#: What the words in braces become where nothing better is known.
PLAIN_WORDS: Final = {"surefetch": "surefetch", "host": "the host", "proxy": "the proxy", "dataset": "NAME"}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `causes.toml`."""

    code: str
    sentence: str  # what a beginner reads
    fault: str  # "you" | "network" | "mirror" | "owner"
    failure: str  # how the planner takes it: a value of `events.Failure`
    exit: int  # the process's exit code
    evidence: str = ""  # what decides it
    does: str = ""  # what surefetch does by itself
    next: str | dict[str, str] = ""  # the one next action, or one for each of SHELLS

    def action(self, shell: str = "posix", **words: str) -> str:
        """Return the next action for a shell, with `host`, `proxy`, `dataset`, `surefetch` filled in."""
        text = self.next if isinstance(self.next, str) else self.next.get(shell, self.next.get("posix", ""))
        for word, plain in PLAIN_WORDS.items():
            marked = f"`{{{word}}}`"  # a name stands in backticks, the words for an unknown one do not
            value = words.get(word, "")
            text = text.replace(marked, f"`{value}`" if value else plain)
            text = text.replace(f"{{{word}}}", value or plain)
        return text


def cause(code: str) -> Cause:
    """Return the row of a cause code.

    Raises:
        KeyError: No such code.
    """
    return table()[code]


@cache
def table() -> dict[str, Cause]:
    """Read the whole table, in the file's order. It costs a parse of TOML: only failures come here."""
    from importlib.resources import files

    import tomli

    rows: dict[str, dict[str, Any]] = tomli.loads(
        files("surefetch").joinpath("causes.toml").read_text(encoding="utf-8")
    )
    return {code: msgspec.convert({"code": code, **row}, Cause) for code, row in rows.items()}
