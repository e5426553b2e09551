"""`surefetch list`: from the shipped index and the store's records; no catalog is parsed."""

from __future__ import annotations

import os
from typing import Any

import click

from surefetch.cli.options import json_option


@click.command("list", epilog="Example: surefetch list --search digits")
@click.option("--search", metavar="WORD", help="Only those whose name, title or task has the word.")
@click.option("--here", is_flag=True, help="Only those that are here.")
@click.option("--store", metavar="DIR", help="Use this store.")
@click.option("--catalog", "catalogs", multiple=True, metavar="FILE", help="Read this catalog too.")
@json_option
def list_command(
    search: str | None, here: bool, store: str | None, catalogs: tuple[str, ...], as_json: bool
) -> int:
    """List the datasets that exist and those that are here."""
    from surefetch.session.here import datasets_here

    present = {record["dataset"] for record in datasets_here(os.environ, store)}
    rows = [row for row in _rows(catalogs, present) if _matches(row, search) and (row["here"] or not here)]
    if as_json:
        from surefetch.cli.render import print_json

        print_json({"schema_version": 1, "ok": True, "datasets": rows})
        return 0
    _print_rows(rows, search, here)
    return 0


def _rows(catalogs: tuple[str, ...], present: set[str]) -> list[dict[str, Any]]:
    from surefetch.catalogs import builtin_index
    from surefetch.session.user_catalogs import user_catalog_files

    rows = [
        {
            "name": row["name"],
            "title": row["title"],
            "task": row.get("task", ""),
            "size": row["bytes"] if row["is_exact"] else None,  # a bound is no size
            "license": row.get("license", ""),
            "here": row["name"] in present,
            "catalog": "built-in",
        }
        for row in builtin_index()
    ]
    if files := user_catalog_files(os.environ, catalogs):
        from surefetch.session.user_catalogs import user_rows

        rows += user_rows(files, {row["name"] for row in rows}, present)
    return sorted(rows, key=lambda row: str(row["name"]))


def _matches(row: dict[str, Any], search: str | None) -> bool:
    text = " ".join(str(row[key]) for key in ("name", "title", "task")).lower()
    return search is None or all(word in text for word in search.lower().split())


def _print_rows(rows: list[dict[str, Any]], search: str | None, here: bool) -> None:
    from surefetch.cli.render import as_called, print_line, tell
    from surefetch.units import human_size

    width = max((len(row["name"]) for row in rows), default=0)
    lines = []
    for row in rows:
        size = human_size(row["size"]) if row["size"] else ""
        lines.append(f"{'●' if row['here'] else ' '} {row['name']:{width}}  {size:>8}  {row['title']}")
    if lines:
        print_line("\n".join(lines))  # at once: each `echo` flushes
    if not rows and search:
        tell(f"no dataset matches `{search}`")
    elif not rows and here:
        tell(as_called("nothing is here yet: `surefetch get mnist`"))
    else:
        tell(f"{len(rows)} dataset{'s' if len(rows) != 1 else ''}; ● is here")
