"""`surefetch run`: a program runs unchanged, and downloads of known files are answered with proven bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from surefetch.errors import UsageError
from surefetch.session.answering import SessionAnswers
from surefetch.session.clerk import KnownFiles
from surefetch.session.desk import Desk
from surefetch.session.supply import Answers
from surefetch.session.user_python import find_python

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: Tells the hook where the desk is; the hook's own `VARIABLE`.
VARIABLE = "SUREFETCH_HOOK"

#: Switches with which Python ignores PYTHONPATH (-E, -I) or does not run `sitecustomize` (-S).
_DEAF = set("EIS")


def run(
    supplier: Answers,
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    python: str | None = None,
) -> int:
    """Run a program with the hook in it.

    Args:
        supplier: Knows URLs and gets bytes.
        command: A script (`train.py`), Python's own switches (`-m pytest`), or any command; arguments follow.
        environ: The program's environment, to which the hook is added.
        say: Takes one-line messages for the user.
        python: For a script or switches; None: the user's Python.

    Returns:
        The program's exit code; 128 + number if a signal ended it, as shells have it.

    Raises:
        UsageError: The program cannot be started.
    """
    words = resolve(command, environ, python)
    clerk = KnownFiles(supplier, say, environ)
    try:
        with Desk(clerk) as desk:
            code = _wait(_start(words, with_hook(environ, desk.place)))
    finally:
        clerk.close()
    if not clerk.processes:
        say(deafness(words))
    return code


def run_for(
    session: Session,
    command: Sequence[str],
    *,
    python: str | None = None,
    explain: Callable[[str], str] | None = None,
) -> int:
    """Run a program with a session's catalog, store and environment; result and errors as `run`."""
    answers = SessionAnswers(session, explain)
    try:
        say = _prefixed(session.reporter.say)
        return run(answers, command, environ=session.environ, say=say, python=python)
    finally:
        answers.close()


def _prefixed(say: Callable[[str], None]) -> Callable[[str], None]:
    """Say whose line it is, among those of the user's program."""
    return lambda line: say(f"surefetch: {line}")


def resolve(command: Sequence[str], environ: Mapping[str, str], python: str | None = None) -> list[str]:
    """Return the whole command: a script or Python's switches get the user's Python before them.

    Raises:
        UsageError: Nothing was given, or there is no Python.
    """
    if not command:
        raise UsageError("there is nothing to run", hint="surefetch run train.py")
    first = command[0]
    is_for_python = first in ("-m", "-c") or (first.endswith(".py") and Path(first).is_file())
    return [find_python(environ, python)[0], *command] if is_for_python else list(command)


def with_hook(environ: Mapping[str, str], place: Path) -> dict[str, str]:
    """Return the environment with the hook's folder first on PYTHONPATH, and where the desk is."""
    boot = str(files("surefetch").joinpath("hook", "boot"))
    before = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != boot]
    return {**environ, "PYTHONPATH": os.pathsep.join([boot, *before]), VARIABLE: str(place)}


def deafness(words: Sequence[str]) -> str:
    """Say why no process of the program said hello."""
    switches = [word for word in words[1:] if word.startswith("-") and not word.startswith("--")]
    deaf = next((word for word in switches if _DEAF & set(word[1:])), None)
    if "python" in Path(words[0]).name.lower() and deaf:
        return f"`{deaf}` keeps Python from loading the hook, so all downloads went out as always"
    return (
        "no Python of that program loaded the hook, so downloads went out as always: a clean environment, "
        "`python -I`, `-E` or `-S`, or no Python at all; `surefetch install` helps there too"
    )


def _start(words: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(words), env=dict(environ))
    except OSError as error:
        raise UsageError(
            f"`{words[0]}` cannot be started: {error.strerror or error}",
            code="usage.argument",
            hint="a script, `-m MODULE` or a command follows `surefetch run`, e.g. `surefetch run train.py`",
        ) from error


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the program. Ctrl-C reaches it by the terminal; what others send this process is passed on."""
    with _signals(process):
        while True:
            try:
                code = process.wait()
                return code if code >= 0 else 128 - code
            except KeyboardInterrupt:  # the program decides
                if not _is_at_terminal():
                    process.send_signal(signal.SIGINT)


def _is_at_terminal() -> bool:
    """Whether a terminal's Ctrl-C comes to this process: the program has it, too, and once is enough."""
    if sys.platform == "win32":
        return True
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:  # there is none
        return False


@contextmanager
def _signals(process: subprocess.Popen[bytes]) -> Iterator[None]:
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name) and sys.platform != "win32"]
    try:
        before = {
            name: signal.signal(getattr(signal, name), lambda number, frame: process.send_signal(number))
            for name in names
        }
    except ValueError:  # not on the main thread, where signals do not arrive
        before = {}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
