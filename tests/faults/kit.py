"""One fault, a whole command, and what the person is told of it."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.cli.conftest import sha256
from tests.conftest import Run

#: A file of a size at which cuts, stalls and ranges mean something; no compressor makes it smaller.
BIG = random.Random(20).randbytes(300_000)
#: Advice that is never of use in an error: causes that pass by themselves say how long to wait instead.
EMPTY_ADVICE = ("please retry", "try again", "check your internet connection", "verify=False", "--insecure")


@dataclass(frozen=True)
class Told:
    """What a failed command told."""

    cause: str
    fault: str
    exit: int
    message: str
    hint: str
    attempts: tuple[dict[str, Any], ...]

    @property
    def screen(self) -> str:
        """Message and hint."""
        return f"{self.message}\n{self.hint}"

    def causes(self) -> set[str]:
        """The causes of all attempts that did not go well."""
        return {attempt["cause"] for attempt in self.attempts} - {""}


def failed(run: Run, *words: str, timeout: float = 60, **variables: str) -> Told:
    """Run a whole command that must fail; return what it told."""
    return told(run(*words, "--json", timeout=timeout, **variables))


def told(result: subprocess.CompletedProcess[str]) -> Told:
    """Read the error of a command that ran with `--json`, and hold it to what is true of every error."""
    assert result.returncode not in (0, 1), result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    error = json.loads(result.stdout)["error"]
    found = Told(
        cause=error["cause"],
        fault=error["fault"],
        exit=result.returncode,
        message=error["message"],
        hint=error["hint"],
        attempts=tuple(error["attempts"]),
    )
    assert found.hint, found.message
    assert not any(advice in found.screen for advice in EMPTY_ADVICE), found.screen
    assert len(found.hint.splitlines()) <= 7, found.hint
    return found


def any_file(url: str, content: bytes = BIG) -> Sequence[str]:
    """The words that ask for a file by address and digest."""
    return "get", url, "--sha256", sha256(content), "--size", str(len(content))
