"""`surefetch info`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import json_option


@click.command("info", epilog="Example: surefetch info mnist")
@click.argument("name")
@click.option("--bibtex", is_flag=True, help="Print the citation alone.")
@click.option("--metalink", is_flag=True, help="Print a Metalink 4 description for other programs.")
@click.option("--store", metavar="DIR", help="Use this store.")
@click.option("--catalog", "catalogs", multiple=True, metavar="FILE", help="Read this catalog too.")
@json_option
def info_command(name: str, bibtex: bool, metalink: bool, as_json: bool, **options: Any) -> int:
    """Tell a dataset's licence, citation, tensors, files, digests and sources."""
    from surefetch.cli.render import print_json, print_line, tell
    from surefetch.session.info import info

    if metalink and (bibtex or as_json):
        from surefetch.errors import UsageError

        other = "--bibtex" if bibtex else "--json"
        raise UsageError(f"`--metalink` prints XML alone, and `{other}` something else", hint="leave one out")
    session = make_session(options)
    if metalink:
        from surefetch.session.metalinks import metalink_of

        print_line(metalink_of(session, name).rstrip("\n"))
        return 0
    found = info(session, name)
    if as_json:
        print_json({"schema_version": 1, "ok": True, **found})
    elif bibtex:
        if not found["citation"]:
            tell(f"no citation of `{found['name']}` is stated")
            return 0
        print_line(found["citation"])
    else:
        for line in _lines(found):
            print_line(line)
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['title'] or found['name']}  ({found['name']} {found['version']})"]
    lines += [found["description"]] if found["description"] else []
    lines += [f"licence   {found['license'] or 'not stated'}", f"home      {found['homepage'] or '-'}"]
    lines += [f"aliases   {', '.join(found['aliases'])}"] if found["aliases"] else []
    lines += [f"here      {found['path'] or ('yes' if found['here'] else 'no')}"]
    if found["tensors"]:
        lines += ["", "tensors"]
        for name, spec in found["tensors"].items():
            shape = "×".join(map(str, spec["shape"]))
            lines.append(f"  {name:14} {spec['dtype']} {shape}  {_digest(spec['sha256'])}")
    lines += ["", "files"]
    for form in dict.fromkeys(file["form"] for file in found["files"]):
        lines += _form_lines(form, [file for file in found["files"] if file["form"] == form])
    if found["citation"]:
        lines += ["", found["citation"]]
    return lines


def _form_lines(form: str, files: list[dict[str, Any]]) -> list[str]:
    from surefetch.units import human_size

    lines = [f"  {form}"]
    for file in files:
        mark = "●" if file["here"] else " "
        algorithm, value = next(iter(file["digests"].items()), ("", None))
        weak = f" ({algorithm}, weak)" if algorithm not in ("", "sha256") else ""
        lines.append(f"  {mark} {file['name']}  {human_size(file['size'])}  {_digest(value)}{weak}")
        lines += [f"      {source}" for source in file["sources"]]
    return lines


def _digest(value: str | None) -> str:
    return value or "no digest of its own: proven by its content"
