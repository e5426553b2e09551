"""The user's Python: which one it is, what it has, and running our scripts in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from surefetch.errors import UsageError
from surefetch.layouts.frameworks import PACKAGES
from surefetch.model import Struct

_PROBE_SECONDS = 60.0
_WORK_SECONDS = 900.0
_LAST_CHARACTERS = 2000  # of a script's output, for people
#: Files that tool installers leave in the environments they make for one tool alone.
_TOOL_MARKS = ("uv-receipt.toml", "pipx_metadata.json")


class Python(Struct, frozen=True, kw_only=True):
    """A Python with what was found in it."""

    executable: str
    version: str
    prefix: str
    home: str
    packages: dict[str, str]
    chosen_by: str  # "--python", "VIRTUAL_ENV", …


def find_python(environ: Mapping[str, str], argument: str | None = None) -> tuple[str, str]:
    """Return the user's Python and what decided: the argument, VIRTUAL_ENV, CONDA_PREFIX, PATH, or our own.

    surefetch's own Python comes last, and never if a tool installer made it for surefetch alone.

    Raises:
        UsageError: There is none.
    """
    if argument:
        return _named(argument, environ), "--python"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environ.get(variable)
        executable = _in_prefix(prefix) if prefix and not is_tool_environment(Path(prefix)) else None
        if executable:
            return executable, variable
    if found := _on_path(environ):
        return found, "PATH"
    if not is_tool_environment(Path(sys.prefix)):
        return sys.executable, "surefetch's own"
    raise UsageError(
        "there is no Python here but the one that only runs surefetch",
        code="usage.no-python",
        hint="name yours with `--python PATH`, or activate your environment first",
    )


def is_tool_environment(prefix: Path) -> bool:
    """Whether an installer made this environment to run one tool: pipx, `uv tool`, `uvx`."""
    if any((prefix / mark).exists() for mark in _TOOL_MARKS):
        return True
    parts = prefix.parts
    return "archive-v0" in parts and "uv" in parts  # uvx runs tools from uv's cache


def probe(executable: str, chosen_by: str, environ: Mapping[str, str]) -> Python:
    """Ask a Python what it has.

    Raises:
        UsageError: It does not run, or is older than 3.8.
    """
    with tempfile.TemporaryDirectory(prefix="surefetch-") as folder:
        answer = Path(folder) / "answer.json"
        run_guest("probe", executable, [str(answer), *PACKAGES], environ, Path(folder), _PROBE_SECONDS)
        facts = json.loads(answer.read_text(encoding="utf-8"))
    return Python(
        executable=executable,
        version=facts["python"],
        prefix=facts["prefix"],
        home=facts["home"],
        packages=facts["packages"],
        chosen_by=chosen_by,
    )


def run_guest(
    script: str,
    executable: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    folder: Path,
    seconds: float = _WORK_SECONDS,
) -> None:
    """Run one of our scripts in the user's Python, from a folder of its own.

    Raises:
        UsageError: It could not be started, took too long or failed; the message has its last words.
    """
    source = folder / f"surefetch_{script}.py"
    source.write_bytes(files("surefetch").joinpath("session", "guest", f"{script}.py").read_bytes())
    command = [executable, str(source), *arguments]
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
    except OSError as error:
        raise _broken(executable, f"{error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise _broken(executable, f"no end after {seconds:.0f} s") from error
    if ended.returncode != 0:
        words = ended.stderr.decode("utf-8", "replace").strip()[-_LAST_CHARACTERS:]
        raise _broken(executable, words or f"exit code {ended.returncode}")


def _broken(executable: str, why: str) -> UsageError:
    return UsageError(
        f"`{executable}` could not do its part: {why}",
        code="usage.no-python",
        hint="name another Python with `--python PATH`",
    )


def _named(argument: str, environ: Mapping[str, str]) -> str:
    path = Path(argument).expanduser()
    if path.is_dir() and (inside := _in_prefix(str(path))):
        return inside
    found = str(path) if path.is_file() else shutil.which(argument, path=environ.get("PATH"))
    if found is None:
        raise UsageError(
            f"there is no Python `{argument}`",
            code="usage.no-python",
            hint="give the path of a Python or of a virtual environment",
        )
    return str(Path(found).absolute())  # not resolved: a virtual environment's link says which one it is


def _in_prefix(prefix: str) -> str | None:
    names = ("Scripts/python.exe", "python.exe") if sys.platform == "win32" else ("bin/python", "bin/python3")
    return next((str(path) for name in names if (path := Path(prefix) / name).exists()), None)


def _on_path(environ: Mapping[str, str]) -> str | None:
    own = Path(sys.prefix)
    folders = [
        folder
        for folder in environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and not (is_tool_environment(own) and Path(folder).is_relative_to(own))
    ]
    names = ("python", "python3")
    return next(
        (found for name in names if (found := shutil.which(name, path=os.pathsep.join(folders)))), None
    )
