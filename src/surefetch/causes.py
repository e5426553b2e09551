"""The table of causes: what went wrong at the root, as stable dotted codes."""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `causes.toml`."""

    code: str
    sentence: str  # what a beginner reads
    fault: str  # "you" | "network" | "mirror" | "owner"
    failure: str  # how the planner takes it: a value of `events.Failure`
    exit: int  # the process's exit code


def cause(code: str) -> Cause:
    """Return the row of a cause code.

    Raises:
        KeyError: No such code.
    """
    return table()[code]


@cache
def table() -> dict[str, Cause]:
    """Read the whole table, in the file's order. It costs a parse of TOML: only failures come here."""
    import tomllib

    rows: dict[str, dict[str, Any]] = tomllib.loads(
        files("surefetch").joinpath("causes.toml").read_text(encoding="utf-8")
    )
    return {code: msgspec.convert({"code": code, **row}, Cause) for code, row in rows.items()}
