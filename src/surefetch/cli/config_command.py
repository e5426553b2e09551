"""`surefetch config`."""

from __future__ import annotations

import os
from typing import Any

import click

from surefetch.cli.options import json_option


@click.group("config", epilog="Example: surefetch config show")
def config_command() -> None:
    """See and change settings."""


@config_command.command("show", epilog="Example: surefetch config show")
@json_option
def show(as_json: bool) -> int:
    """Show each setting's value and what decided it."""
    from surefetch.cli.render import print_json, print_line, tell
    from surefetch.session.config import shown
    from surefetch.settings import misspelt, read_settings

    _, decisions = read_settings(os.environ)
    for note in misspelt(os.environ):
        tell(f"note: {note}")
    if as_json:
        rows = [{"name": d.name, "value": shown(d.value), "decided_by": d.decided_by} for d in decisions]
        print_json({"schema_version": 1, "ok": True, "settings": rows})
        return 0
    width = max(len(decision.name) for decision in decisions)
    for decision in decisions:
        print_line(f"{decision.name:{width}}  {_as_text(shown(decision.value)):24}  {decision.decided_by}")
    return 0


@config_command.command("path", epilog="Example: surefetch config path")
def path() -> int:
    """Print the settings file's path."""
    from surefetch.cli.render import print_line
    from surefetch.paths import config_file

    print_line(config_file(os.environ))
    return 0


@config_command.command("set", epilog="Example: surefetch config set store /data/surefetch")
@click.argument("name")
@click.argument("value")
def set_(name: str, value: str) -> int:
    """Write a setting into the settings file."""
    from surefetch.cli.render import tell
    from surefetch.session.config import set_setting, shown

    written = set_setting(os.environ, name, value)
    tell(f"`{name}` is now `{_as_text(shown(written.value))}` in `{written.path}`")
    if written.overridden_by:
        tell(f"note: {written.overridden_by} still decides it in this shell")
    for note in written.notes:
        tell(f"note: {note}")
    return 0


@config_command.command("unset", epilog="Example: surefetch config unset store")
@click.argument("name")
def unset(name: str) -> int:
    """Take a setting out of the settings file."""
    from surefetch.cli.render import tell
    from surefetch.session.config import unset_setting

    was_there = unset_setting(os.environ, name)
    tell(f"`{name}` is back to its default" if was_there else f"`{name}` was not in the settings file")
    return 0


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items()) or "-"
    return str(value) if value != "" else "-"
