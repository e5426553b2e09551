"""`surefetch get`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.options import make_session, output_options, session_options


@click.command(
    "get",
    epilog="Example: surefetch get mnist",
    short_help="Get a dataset's proven files, or any file by URL and digest.",
)
@click.argument("name", metavar="NAME|URL")
@click.argument("mirrors", nargs=-1, metavar="[MIRROR…]")
@click.option("--sha256", metavar="HEX", help="The SHA-256 of the file behind a URL.")
@click.option("--md5", metavar="HEX", help="The MD5, if nothing better is known (weak).")
@click.option("--sha1", metavar="HEX", help="The SHA-1, if nothing better is known (weak).")
@click.option("--size", type=click.IntRange(0), metavar="BYTES", help="The file's size, if known.")
@click.option("-o", "--output", metavar="PATH", help="Put copies of your own there.")
@click.option("--as", "form", metavar="FORM", help="Write this encoding: npz, csv, parquet, png, or a form.")
@click.option("--mirror", "extra", multiple=True, metavar="URL", help="Ask this base URL or file URL first.")
@click.option("--from", "local", multiple=True, metavar="PATH", help="Look in this file or folder first.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, from where; fetch nothing.")
@session_options
@output_options
def get_command(
    name: str, as_json: bool, quiet: bool, verbose: bool, no_progress: bool, **options: Any
) -> int:
    """Get a dataset's proven files, or any file by URL and digest.

    Prints the folder (or file) to stdout; what happened on the way goes to stderr.
    """
    if _is_warm(name, as_json, options) and (record := _warm_record(name, options)):
        return _show_warm(name, record, quiet)
    session = make_session(options, quiet=quiet or as_json, progress=not no_progress)
    from surefetch.cli.get_screens import show_plan, show_receipt

    if options.pop("dry_run"):
        return show_plan(session.plan(name, **_get_options(options)), as_json=as_json)
    receipt = session.get(name, **_get_options(options))
    return show_receipt(receipt, as_json=as_json, quiet=quiet, verbose=verbose)


def _get_options(options: dict[str, Any]) -> dict[str, Any]:
    options = dict(options)
    options.pop("dry_run", None)
    options["mirrors"] = (*options.pop("mirrors"), *options.pop("extra"))
    options["local"] = options.pop("local")
    return options


def _is_warm(name: str, as_json: bool, options: dict[str, Any]) -> bool:
    """Whether the answer may be read from the store's own record, without planning anything."""
    given = {key for key, value in options.items() if value not in (None, (), False)}
    return not as_json and "://" not in name and given <= {"offline", "store"}


def _warm_record(name: str, options: dict[str, Any]) -> dict[str, Any] | None:
    import os

    from surefetch.session.load import find_record

    record = find_record(name, os.environ, options.get("store"))
    path = record["view"] if record else ""
    return record if path and os.path.isdir(path) else None  # noqa: PTH112 - pathlib costs the warm path 5 ms


def _show_warm(name: str, record: dict[str, Any], quiet: bool) -> int:
    from surefetch.cli.render import print_line, tell

    if not quiet:
        tell(f"{name} is here already, proven when it came")
        if record["tensors"]:
            tell(f'next:  python -c "import surefetch as sf; print(sf.load({name!r}))"')
    print_line(record["view"])
    return 0
