"""`surefetch verify`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import json_option


@click.command("verify", epilog="Example: surefetch verify ~/.keras/datasets/mnist.npz")
@click.argument("targets", nargs=-1, metavar="[NAME|PATH…]")
@click.option("--store", metavar="DIR", help="Use this store.")
@click.option("--catalog", "catalogs", multiple=True, metavar="FILE", help="Read this catalog too.")
@json_option
def verify_command(targets: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Check what is here against its digests; name any known file by its digest.

    Without arguments the whole store is checked; its damaged files are moved aside.
    """
    from surefetch.cli.render import as_called, print_json, print_line, tell
    from surefetch.session.verify import exit_code, verify

    verdicts = verify(make_session(options), targets)
    damaged = [verdict for verdict in verdicts if verdict.verdict in ("damaged", "missing")]
    if as_json:
        rows = [verdict.to_json() for verdict in verdicts]
        print_json(
            {"schema_version": 1, "ok": True, "checked": len(rows), "damaged": len(damaged), "files": rows}
        )
        return int(exit_code(verdicts))
    for verdict in verdicts:
        if targets or verdict.verdict != "right":
            print_line(f"{verdict.verdict:8} {verdict.path}{_known(verdict)}")
    tell(f"{len(verdicts)} file{'s' if len(verdicts) != 1 else ''} checked, {len(damaged)} damaged")
    if damaged and not targets:
        tell(as_called("moved aside; `surefetch get NAME` fetches them again"))
    return exit_code(verdicts)


def _known(verdict: Any) -> str:
    known = f"  {', '.join(verdict.known_as)}" if verdict.known_as else ""
    return f"{known}{'  ' + verdict.detail if verdict.detail else ''}"
