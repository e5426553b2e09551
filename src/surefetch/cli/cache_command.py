"""`surefetch cache`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import json_option

STORE = click.option("--store", metavar="DIR", help="Use this store.")


@click.group("cache", epilog="Example: surefetch cache list")
def cache_command() -> None:
    """See, shrink and clear the store."""


@cache_command.command("dir", epilog="Example: surefetch cache dir")
@STORE
def folder(store: str | None) -> int:
    """Print the store's folder."""
    import os

    from surefetch.cli.render import print_line
    from surefetch.paths import store_folder

    print_line(store_folder(os.environ, store))
    return 0


@cache_command.command("list", epilog="Example: surefetch cache list")
@STORE
@json_option
def list_(as_json: bool, **options: Any) -> int:
    """List what is in the store, with sizes."""
    from surefetch.cli.render import print_json, print_line
    from surefetch.session.cache import list_cache
    from surefetch.units import human_size

    content = list_cache(make_session(options))
    if as_json:
        print_json({"schema_version": 1, "ok": True, **content})
        return 0
    for row in content["datasets"]:
        pinned = "  pinned" if row["pinned"] else ""
        print_line(f"{human_size(row['size']):>8}  {row['name']} {row['version']}  {row['path']}{pinned}")
    print_line(f"{human_size(content['size']):>8}  in all, in {content['store']}")
    return 0


@cache_command.command("rm", epilog="Example: surefetch cache rm mnist")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove the whole store.")
@STORE
def remove(names: tuple[str, ...], everything: bool, **options: Any) -> int:
    """Remove datasets from the store; what other datasets share stays."""
    from surefetch.cli.render import tell
    from surefetch.errors import UsageError
    from surefetch.session.cache import remove_all, remove_datasets
    from surefetch.units import human_size

    if not names and not everything:
        raise UsageError("nothing is named", hint="surefetch cache rm NAME, or `--all`")
    if names and everything:
        said = f"`--all` removes the whole store, and {', '.join(f'`{name}`' for name in names)} is named"
        raise UsageError(said, hint=f"surefetch cache rm {' '.join(names)}, or `--all` alone")
    session = make_session(options)
    freed = remove_all(session) if everything else remove_datasets(session, names)
    tell(f"{human_size(freed)} freed")
    return 0


@cache_command.command("prune", epilog="Example: surefetch cache prune")
@click.option("--unused-days", type=float, metavar="DAYS", help="What nobody used for so long, too.")
@click.option("--unpinned", is_flag=True, help="Datasets that are not pinned and files got by URL, too.")
@STORE
def prune(unused_days: float | None, unpinned: bool, **options: Any) -> int:
    """Delete what no dataset needs: archives already read, unfinished parts that nobody owns."""
    from surefetch.cli.render import tell
    from surefetch.session.cache import prune as prune_store
    from surefetch.units import human_size

    freed = prune_store(make_session(options), unused_days=unused_days, unpinned=unpinned)
    tell(f"{human_size(freed)} freed")
    return 0


@cache_command.command("pin", epilog="Example: surefetch cache pin mnist")
@click.argument("name")
@STORE
def pin(name: str, **options: Any) -> int:
    """Keep a dataset whatever is pruned."""
    from surefetch.cli.render import tell
    from surefetch.session.cache import set_pin

    set_pin(make_session(options), name, pinned=True)
    tell(f"`{name}` is kept")
    return 0


@cache_command.command("unpin", epilog="Example: surefetch cache unpin mnist")
@click.argument("name")
@STORE
def unpin(name: str, **options: Any) -> int:
    """Let a dataset be pruned again."""
    from surefetch.cli.render import tell
    from surefetch.session.cache import set_pin

    set_pin(make_session(options), name, pinned=False)
    tell(f"`{name}` may be pruned")
    return 0
