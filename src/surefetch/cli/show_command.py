"""`surefetch show`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import output_options, session_options


@click.command("show", epilog="Example: surefetch show mnist --output grid.png")
@click.argument("name")
@click.option("--split", metavar="NAME", help="One split alone, e.g. test.")
@click.option("--count", type=click.IntRange(1, 10_000), metavar="N", help="So many samples; else what fits.")
@click.option("-o", "--output", metavar="FILE", help="Write a picture (PNG) instead.")
@session_options
@output_options
def show_command(
    name: str,
    split: str | None,
    count: int | None,
    output: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    **options: Any,
) -> int:
    """Look at a dataset: samples, class counts, value ranges, shapes.

    Prints a screen to stdout, or with --output the picture's path.
    """
    from surefetch.cli.render import print_json, print_line, tell
    from surefetch.session.show import chosen_splits, screen, write_picture

    session = make_session(options, quiet=quiet or as_json, progress=not no_progress)
    splits = chosen_splits(name, split, session)
    path = write_picture(splits, output, count, name) if output else None
    if as_json:
        print_json(_facts(name, splits, path))
        return 0
    if path is None:
        click.echo(screen(splits, count), color=True)  # `screen` has seen to what can be shown
        return 0
    if not quiet:
        from surefetch.dataset.show import facts_lines

        for line in (line for part in splits for line in facts_lines(part)):
            tell(line)
    print_line(str(path))
    return 0


def _facts(name: str, splits: list[Any], path: Any) -> dict[str, Any]:
    from surefetch.dataset.facts import facts

    return {
        "schema_version": 1,
        "ok": True,
        "dataset": name,
        "picture": None if path is None else str(path),
        "splits": [facts(split) for split in splits],
    }
