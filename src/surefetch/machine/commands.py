"""The fixed table of local commands, and how they are run: no shell, bounded time and output, C locale."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from surefetch.errors import FetchError
from surefetch.model import Struct

#: Bytes kept of what a command prints; one that prints more is ended.
MAX_OUTPUT_BYTES: Final = 4 << 20

# Says where pip lies without importing it, and what the bundled wheels are called.
_WHERE_PIP = (
    "import importlib.util as u; s = u.find_spec('pip'); "
    "print((s and s.submodule_search_locations or [''])[0])"
)
_PACKAGE = r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?"  # Debian Policy, 5.6.1 and 5.6.12


class Command(Struct, frozen=True, kw_only=True):
    """A row of the table."""

    programs: tuple[str, ...]  # the first that is on PATH is run
    arguments: tuple[str, ...]  # `{}` takes the caller's arguments, one each
    accepts: str = ""  # pattern for each of the caller's arguments
    seconds: float = 10.0  # it is ended after that


class Output(Struct, frozen=True, kw_only=True):
    """What a command printed, and how it ended."""

    code: int
    text: str
    errors: str

    @property
    def complaint(self) -> str:
        """The first line that it complained with, for people."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E:")]
        return next(iter(errors or lines), f"it ended with code {self.code}")


TABLE: Final[dict[str, Command]] = {
    "apt-print-uris": Command(
        programs=("apt-get",),
        arguments=("-qq", "download", "--print-uris", "{}"),
        accepts=_PACKAGE,
        seconds=20.0,
    ),
    "apt-config": Command(programs=("apt-config",), arguments=("dump",)),
    "apt-update": Command(programs=("apt-get",), arguments=("-qq", "update"), seconds=120.0),
    # Not `-I`: the user's PATH and variables are what pip itself would see.
    "where-pip": Command(programs=("python3", "python", "py"), arguments=("-c", _WHERE_PIP), seconds=5.0),
    "uv-help": Command(programs=("uv",), arguments=("pip", "install", "--help"), seconds=5.0),
    # The same call as pip's subprocess provider and uv's make.
    "keyring-get": Command(
        programs=("keyring",), arguments=("get", "{}", "{}"), accepts=r"[^\s-]\S*", seconds=15.0
    ),
}


def run(
    row: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    more_environ: Mapping[str, str] | None = None,
) -> Output | None:
    """Run a command of the table.

    Args:
        row: Its key.
        arguments: What takes the place of its `{}`s.
        environ: The user's environment; the command gets it with the C locale.
        more_environ: Variables to set beside it.

    Returns:
        What it printed; None when none of its programs is on PATH.

    Raises:
        FetchError: An argument is refused, or the command took too long or printed too much.
    """
    command = TABLE[row]
    for argument in arguments:
        if not re.fullmatch(command.accepts, argument):
            raise FetchError(f"`{argument}` is no argument for `{row}`", code="usage.argument")
    program = _find(command.programs, environ)
    if program is None:
        return None
    given = iter(arguments)
    line = [program, *(next(given) if part == "{}" else part for part in command.arguments)]
    locale = {"LC_ALL": "C", "LANGUAGE": "C", "PYTHONIOENCODING": "utf-8"}
    return _run(line, {**environ, **locale, **(more_environ or {})}, command.seconds)


def _find(programs: Sequence[str], environ: Mapping[str, str]) -> str | None:
    path = environ.get("PATH", os.defpath)
    for program in programs:
        found = shutil.which(program, path=path)
        # On Windows `which` looks into the current folder first; what lies there is not the user's choice.
        if found and Path(found).is_absolute() and Path(found).parent != Path.cwd():
            return found
    return None


def _run(line: Sequence[str], environ: Mapping[str, str], seconds: float) -> Output:
    name = Path(line[0]).name
    try:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            start_new_session=os.name == "posix",  # so that its children end with it
        )
    except OSError as error:
        raise FetchError(f"`{name}` could not be started: {error}", code="local.permission") from error
    with process:
        readers = [_Reader(process, pipe) for pipe in (process.stdout, process.stderr)]
        stop = time.monotonic() + seconds
        for reader in readers:
            reader.join(max(0.0, stop - time.monotonic()))
        is_over = any(reader.is_over for reader in readers)
        if is_over or any(reader.is_alive() for reader in readers) or not _has_ended(process, stop):
            _end(process)
            why = "printed too much" if is_over else f"gave no answer in {seconds:g} s"
            raise FetchError(f"`{name}` {why}", code="transfer.deadline")
        text, errors = (reader.text for reader in readers)
        return Output(code=process.returncode, text=text, errors=errors)


def _has_ended(process: subprocess.Popen[bytes], stop: float) -> bool:
    try:
        process.wait(max(0.1, stop - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where the system knows groups, all that it started."""
    if os.name == "posix":
        import signal

        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # the group is gone already
            return
    else:
        process.kill()


class _Reader(threading.Thread):
    """Reads a pipe to its end; ends the process when it has printed too much."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        assert pipe
        self._process, self._pipe, self._blocks, self.is_over = process, pipe, list[bytes](), False
        self.start()

    def run(self) -> None:
        left = MAX_OUTPUT_BYTES
        while block := self._pipe.read1(1 << 16):  # type: ignore[attr-defined] # a BufferedReader
            self._blocks.append(block)
            left -= len(block)
            if left < 0:
                self.is_over = True
                _end(self._process)
                return

    @property
    def text(self) -> str:
        return b"".join(self._blocks).decode("utf-8", "replace")
