"""`surefetch run`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import session_options


@click.command(
    "run",
    epilog="Example: surefetch run train.py",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--python", metavar="PATH", help="The Python that runs the script.")
@session_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND…")
def run_command(command: tuple[str, ...], python: str | None, **options: Any) -> int:
    """Run a program whose downloads of known URLs are served from proven bytes.

    COMMAND is a script, `-m MODULE`, or any command; only this run is changed, nothing on disk is.
    """
    from surefetch.session.explain import below_traceback
    from surefetch.session.run import run_for

    session = make_session(options)
    words = command[1:] if command[:1] == ("--",) else command
    return run_for(session, words, python=python, explain=below_traceback)
