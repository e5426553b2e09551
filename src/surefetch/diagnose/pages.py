"""The page of each cause, for `surefetch explain CODE` and the documents: row and prose, joined."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from surefetch.causes import SHELLS, Cause, cause, table

#: Whose fault, in a sentence.
FAULTS: Final = {
    "you": "something on this machine or in its settings, which you can change",
    "network": "the network between you and the host",
    "mirror": "the host; nothing is wrong on your side",
    "owner": "the data's or service's owner; nothing is wrong on your side",
}
SHELL_NAMES: Final = {"posix": "bash, zsh", "powershell": "PowerShell", "cmd": "Windows cmd"}
EXPLAIN_INTRO: Final = "Each cause has a stable code. `surefetch explain CODE` prints its page, offline."


def page(code: str, *, surefetch: str = "surefetch") -> str:
    """Return a cause's whole page, in Markdown.

    Args:
        code: A code of causes.toml.
        surefetch: How the program was called; stands in the commands.

    Raises:
        KeyError: No such code.
    """
    row = cause(code)
    meaning, _, avoid = _prose(code).partition("\n## What not to do\n")
    sections = (
        f"# {code}\n\n{_capital(row.sentence)}.",
        f"- Whose fault: {FAULTS[row.fault]}.\n- Exit code: {row.exit}.",
        f"## What it means\n\n{meaning.strip()}",
        f"## How it is recognised\n\n{_capital(row.evidence)}.",
        f"## What surefetch does by itself\n\n{_capital(row.does)}.",
        f"## What to do now\n\n{_actions(row, surefetch)}",
        f"## What not to do\n\n{avoid.strip()}",
    )
    return "\n\n".join(sections).replace("{surefetch}", surefetch) + "\n"


def index() -> str:
    """Return the list of all causes, in Markdown, by family."""
    lines = ["# Causes", "", EXPLAIN_INTRO]
    families = dict.fromkeys(code.partition(".")[0] for code in table())
    for family in families:
        lines += ["", f"## {family}", "", "| code | what it means | fault | exit |", "|---|---|---|---|"]
        rows = [row for code, row in table().items() if code.startswith(f"{family}.")]
        lines += [f"| [{r.code}]({r.code}.md) | {r.sentence} | {r.fault} | {r.exit} |" for r in rows]
    return "\n".join(lines) + "\n"


def _prose(code: str) -> str:
    return files("surefetch.diagnose").joinpath("pages", f"{code}.md").read_text(encoding="utf-8")


def _actions(row: Cause, surefetch: str) -> str:
    if isinstance(row.next, str):
        return f"{_capital(row.action(surefetch=surefetch))}."
    return "\n".join(f"- {SHELL_NAMES[shell]}: {row.action(shell, surefetch=surefetch)}." for shell in SHELLS)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
