"""`surefetch get`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.getting import get
from surefetch.cli.options import output_options, session_options


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
@click.option("-o", "--output", metavar="PATH", help="Put copies of your own there (-: stdout).")
@click.option("--as", "form", metavar="FORM", help="Write this encoding: npz, csv, parquet, png, or a form.")
@click.option("--mirror", "extra", multiple=True, metavar="URL", help="Ask this base URL or file URL first.")
@click.option("--from", "local", multiple=True, metavar="PATH", help="Look in this file or folder first.")
@click.option("--dry-run", is_flag=True, help="Say what would be fetched, from where; fetch nothing.")
@session_options
@output_options
def get_command(name: str, **options: Any) -> int:
    """Get a dataset's proven files, or any file by URL and digest.

    Prints the folder (or file) to stdout; what happened on the way goes to stderr.
    """
    return get(name, **options)
