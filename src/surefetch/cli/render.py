"""How results and errors look on a terminal: one screen, verdict first, nothing that need not be there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from surefetch.errors import SurefetchError
from surefetch.reporters import encodable, silence

if TYPE_CHECKING:
    import click

#: Attempts told without `-v`.
TOLD = 6


class ReaderIsGoneError(Exception):
    """Nobody reads what is printed any more. It is no failure; click takes a `BrokenPipeError` for one."""


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object to stdout."""
    import json

    print_line(json.dumps(content, indent=2, ensure_ascii=False))


def print_line(text: str = "") -> None:
    """Print data to stdout, in what its encoding can show."""
    try:
        _print(text, sys.stdout)
    except BrokenPipeError as error:
        raise ReaderIsGoneError from error


def print_bytes(path: str | os.PathLike[str]) -> None:
    """Copy a file to stdout."""
    import shutil
    from pathlib import Path

    try:
        with Path(path).open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderIsGoneError from error


def tell(text: str = "") -> None:
    """Print a message to stderr."""
    try:
        _print(text, sys.stderr)
    except OSError:  # a message that nobody reads, or a log on a full disk, changes nothing else
        silence(sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    text = encodable(text, stream)
    if "\x1b" in text:  # colours, which an old Windows console has to be told in its own way
        import click

        click.echo(text, file=stream, color=True)  # `style` has seen to it that they are wanted
        return
    stream.write(f"{text}\n")
    stream.flush()


def _print_error(content: Mapping[str, Any]) -> None:
    try:
        print_json(content)
    except ReaderIsGoneError:  # the exit code still tells
        silence(sys.stdout)


def show_error(error: SurefetchError, *, as_json: bool = False, verbose: bool = False) -> int:
    """Print an error, with what was tried and the one thing to do; return the exit code."""
    if as_json:
        from surefetch.receipts import error_json

        _print_error(error_json(error))
        return error.exit_code
    tell(f"{style('error', 'red')}: {error.message}")
    if error.attempts:
        tell()
        for line in attempt_lines(error, verbose=verbose):
            tell(f"  {line}")
    if error.action:
        tell()
        tell(f"{style('hint', 'cyan')}: {as_called(error.action)}")
    if error.attempts and error.code:
        tell(style(as_called(f"({error.code}; `surefetch explain {error.code}` tells more)"), "bright_black"))
    return error.exit_code


def show_usage_error(error: click.ClickException, *, as_json: bool = False) -> int:
    """Print what is wrong with the command's words; return the exit code."""
    if as_json:
        from surefetch.errors import UsageError
        from surefetch.receipts import error_json

        _print_error(error_json(UsageError(error.format_message())))
        return 2
    if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2: its message is the help
        tell(error.format_message().rstrip())
        return 2
    tell(f"{style('error', 'red')}: {error.format_message()}")
    context = getattr(error, "ctx", None)
    if context is not None:
        tell(f"\n{style('hint', 'cyan')}: `{context.command_path} --help` shows how it is used")
    return 2


def attempt_lines(error: SurefetchError, *, verbose: bool) -> list[str]:
    """Say each attempt in plain words, alike ones once."""
    from surefetch.session.words import describe_attempts

    lines = describe_attempts(error.attempts, verbose=verbose)
    if verbose or len(lines) <= TOLD:
        return lines
    return [*lines[:TOLD], f"… and {len(lines) - TOLD} more (`-v` tells all)"]


def as_called(text: str) -> str:
    """Write `surefetch …` commands in the form in which the program was called."""
    from surefetch.session.called import program_name

    called = program_name()
    if called == "surefetch":
        return text
    return re.sub(r"(?<!import )(?<!-m )\bsurefetch (?=[a-z-])", f"{called} ", text)


def style(text: str, colour: str) -> str:
    """Colour a word on stderr, if the person wants colour (`NO_COLOR`, `FORCE_COLOR`)."""
    import os

    if os.environ.get("NO_COLOR"):
        return text
    wants = os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE")
    if not wants and not (sys.stderr.isatty() and os.environ.get("TERM") != "dumb"):
        return text
    import click

    return click.style(text, fg=colour)
