"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(
        function
    )


def output_options(function: Function) -> Function:
    """Add `--json`, `--quiet`, `--verbose` and `--no-progress`."""
    function = click.option("-v", "--verbose", is_flag=True, help="Tell every attempt.")(function)
    function = click.option("-q", "--quiet", is_flag=True, help="Print the result alone.")(function)
    function = click.option("--no-progress", is_flag=True, help="Draw no progress.")(function)
    return json_option(function)


def session_options(function: Function) -> Function:
    """Add what changes the session's settings for this call."""
    options = [
        click.option("--offline", is_flag=True, default=None, help="Open no socket; use what is here."),
        click.option("--store", metavar="DIR", help="Use this store."),
        click.option("--catalog", "catalogs", multiple=True, metavar="FILE", help="Read this catalog too."),
        click.option("--limit-rate", metavar="BYTES", help="Bytes per second at most, e.g. 500k or 2M."),
        click.option("--deadline", type=float, metavar="SECONDS", help="Give up after this time."),
        click.option("--trace", metavar="FILE", help="Write a network log (HAR); secrets are masked."),
    ]
    for option in reversed(options):
        function = option(function)
    return function
