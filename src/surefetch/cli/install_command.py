"""`surefetch install` and `surefetch uninstall`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import output_options, session_options

INTO = click.option("--into", multiple=True, metavar="FRAMEWORK", help="Only this framework.")


@click.command("install", epilog="Example: surefetch install mnist --into keras")
@click.argument("name")
@INTO
@click.option(
    "--root", metavar="DIR", help="torchvision's root; else from the folder's scripts, else ./data."
)
@click.option("--python", metavar="PATH", help="The Python whose frameworks are meant.")
@click.option("--shared", metavar="DIR", help="Plant once below this folder, for many users.")
@click.option("--dry-run", is_flag=True, help="Say what would be planted; change nothing.")
@click.option("--check", is_flag=True, help="Say what is there and whether the framework loads it.")
@session_options
@output_options
def install_command(
    name: str,
    into: tuple[str, ...],
    root: str | None,
    python: str | None,
    shared: str | None,
    dry_run: bool,
    check: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    **options: Any,
) -> int:
    """Put the files where Keras, torchvision, scikit-learn, TFDS and Hugging Face look, and have them load.

    Without --into: every framework found in your Python. Afterwards your script runs as it is.
    """
    from surefetch.cli.render import print_json, print_line, tell
    from surefetch.session.install import Wish, install_for

    session = make_session(options, quiet=quiet or as_json, progress=not no_progress)
    wish = Wish(into=into, python=python, root=root, shared=shared, is_dry=dry_run, is_check=check)
    result = install_for(session, name, wish)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        for line in result.lines():
            tell(line)
        for line in result.exports() if shared else ():
            print_line(line)
    return 0 if result.is_ok or dry_run else 15


@click.command("uninstall", epilog="Example: surefetch uninstall mnist --into keras")
@click.argument("name")
@INTO
@click.option("--store", metavar="DIR", help="Use this store.")
def uninstall_command(name: str, into: tuple[str, ...], **options: Any) -> int:
    """Take away what `install` planted and nothing else."""
    from surefetch.cli.render import tell
    from surefetch.session.install import uninstall_for

    result = uninstall_for(make_session(options), name, into)
    for path in result.kept:
        tell(f"left alone, because it was changed since: {path}")
    tell(f"{len(result.removed)} files removed" if result.removed or not result.kept else "nothing removed")
    return 0
