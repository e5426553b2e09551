"""What `surefetch get` does, however its words were read."""

from __future__ import annotations

from typing import Any

from surefetch.cli.lean import leave_out_parts
from surefetch.cli.making import make_session

#: The `--output` that is no path, as in curl and wget.
STDOUT = "-"


def get(name: str, *, as_json: bool, quiet: bool, verbose: bool, no_progress: bool, **options: Any) -> int:
    """Get a dataset or a file and show it; a dataset that is here is answered from its record.

    Returns:
        The exit code.

    Raises:
        SurefetchError: It could not be got.
    """
    if _is_warm(name, as_json, options) and (record := _warm_record(name, options)):
        return _show_warm(name, record, quiet)
    leave_out_parts()
    is_poured = options["output"] == STDOUT
    if is_poured:
        _refuse_two_on_stdout(as_json=as_json)
        options["output"] = None if options["form"] is None else STDOUT
    session = make_session(options, quiet=quiet or as_json, progress=not no_progress)
    from surefetch.cli.get_screens import pour, show_plan, show_receipt

    if options.pop("dry_run"):
        return show_plan(session.plan(name, **_get_options(options)), as_json=as_json)
    receipt = session.get(name, **_get_options(options))
    if is_poured:
        return pour(receipt, quiet=quiet, verbose=verbose)
    return show_receipt(receipt, as_json=as_json, quiet=quiet, verbose=verbose)


def _refuse_two_on_stdout(*, as_json: bool) -> None:
    """Refuse to write JSON between a file's bytes.

    Raises:
        UsageError: Both are wanted.
    """
    if as_json:
        from surefetch.errors import UsageError

        raise UsageError("`--output -` and `--json` both write to stdout", hint="leave one of them out")


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
