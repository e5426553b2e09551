"""`surefetch catalog`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import json_option, session_options

if TYPE_CHECKING:
    from surefetch.session.catalog import Entry
    from surefetch.session.checking import Answer, Report

FILE = click.Path(path_type=Path)


@click.group("catalog", epilog="Example: surefetch catalog check")
def catalog_command() -> None:
    """Add, import and check catalogs of datasets."""


@catalog_command.command(
    "add", epilog="Example: surefetch catalog add https://data.example.org/x.csv --name x"
)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@click.option("--name", required=True, help="What the dataset is to be called.")
@click.option("--title", default="", help="One line that says what it is.")
@click.option("--license", "licence", default="", metavar="TEXT", help="Its licence, e.g. CC-BY-4.0.")
@click.option("--version", default="", help="Its version; 1 if you say nothing.")
@click.option("--force", is_flag=True, help="Replace an entry of yours; take web pages for files.")
@session_options
@json_option
def add(urls: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Fetch files once and write a catalog of them, with digests learned at first sight.

    URLs that end in the same file name are mirrors of one file, and have to give the same bytes.
    """
    from surefetch.session.catalog import add as add_entry

    wanted = _wanted(options)
    return _show_entry(add_entry(make_session(options, quiet=as_json), urls, wanted), as_json)


@catalog_command.command(
    "import",
    epilog="Example: surefetch catalog import registry.txt --base-url https://data.example.org/ --name x",
)
@click.argument("source", type=FILE, metavar="FILE")
@click.option("--name", default="", help="What the dataset is to be called.")
@click.option("--base-url", default="", metavar="URL", help="Where a registry's files lie.")
@click.option("--urls", type=FILE, metavar="FILE", help="URLs of single files: lines of `FILE URL`, or JSON.")
@click.option("--title", default="", help="One line that says what it is.")
@click.option("--license", "licence", default="", metavar="TEXT", help="Its licence, e.g. CC-BY-4.0.")
@click.option("--version", default="", help="Its version; replaces {version} in the base URL.")
@click.option("--force", is_flag=True, help="Replace an entry of yours.")
@json_option
def import_(source: Path, base_url: str, urls: Path | None, as_json: bool, **options: Any) -> int:
    """Write a catalog from a pooch registry or a Croissant description (JSON-LD); fetches nothing."""
    from surefetch.session.catalog import import_list

    wanted = _wanted(options)
    entry = import_list(make_session(options), source, wanted, base_url=base_url, urls=urls)
    return _show_entry(entry, as_json)


@catalog_command.command("check", epilog="Example: surefetch catalog check my.toml --ask-mirrors")
@click.argument("files", nargs=-1, metavar="[FILE…]")
@click.option("--ask-mirrors", is_flag=True, help="Ask every mirror for the first bytes of its file.")
@session_options
@json_option
def check(files: tuple[str, ...], ask_mirrors: bool, as_json: bool, **options: Any) -> int:
    """Check the named catalogs, or all of yours; exit code 15 if something is wrong."""
    from surefetch.cli.render import print_json
    from surefetch.session.checking import check as check_catalogs

    report = check_catalogs(make_session(options), files, ask_mirrors=ask_mirrors)
    if as_json:
        print_json(report.to_json())
    else:
        _show_report(report)
    return report.exit_code


@catalog_command.command("list", epilog="Example: surefetch catalog list")
@json_option
def list_(as_json: bool, **options: Any) -> int:
    """List your catalog files and what each describes."""
    from surefetch.cli.render import print_json, print_line, tell
    from surefetch.session.checking import check as check_catalogs

    rows = check_catalogs(make_session(options)).files
    if as_json:
        files = [{"path": path, "dataset": name} for path, name in rows]
        print_json({"schema_version": 1, "ok": True, "files": files})
        return 0
    for path, name in rows:
        print_line(f"{name or '(cannot be read)'}  {path}")
    if not rows:
        tell("you have no catalogs of your own; the built-in ones are in `surefetch list`")
    return 0


@catalog_command.command("path", epilog="Example: surefetch catalog path")
def path() -> int:
    """Print the folder of your catalogs."""
    import os

    from surefetch.cli.render import print_line
    from surefetch.session.user_catalogs import own_folder

    print_line(own_folder(os.environ))
    return 0


def _wanted(options: dict[str, Any]) -> Any:
    from surefetch.session.catalog import Wanted

    return Wanted(
        name=options.pop("name"),
        title=options.pop("title"),
        license=options.pop("licence"),
        version=options.pop("version"),
        force=options.pop("force"),
    )


def _show_entry(entry: Entry, as_json: bool) -> int:
    """Print the new file's path to stdout, what it holds and what was left out to stderr."""
    from surefetch.cli.render import as_called, print_json, print_line, tell
    from surefetch.units import human_size

    if as_json:
        print_json(entry.to_json())
        return 0
    dataset = entry.dataset
    count = len(dataset.artifacts)
    tell(f"{dataset.title or dataset.name}: {count} file{'s' if count != 1 else ''} taken")
    for artifact, row in zip(dataset.artifacts, entry.to_json()["files"], strict=True):
        mirrors = f"{len(artifact.urls)} mirrors" if len(artifact.urls) > 1 else row["urls"][0]
        tell(f"  {artifact.name}  {human_size(artifact.size)}  {artifact.digest}  {mirrors}")
    for line in entry.left_out:
        tell(f"left out: {line}")
    for note in entry.notes:
        tell(f"note: {note}")
    tell(as_called(f"next:  surefetch get {dataset.name}"))
    print_line(entry.path)
    return 0


def _show_report(report: Report) -> None:
    from surefetch.cli.render import print_line, tell

    for problem in report.problems:
        print_line(f"{problem.file}: {problem.key or 'the file'}: expected {problem.expected}")
    for answer in report.answers or ():
        print_line(_answer_line(answer))
    read = [name for _, name in report.files if name]
    tell(f"{len(read)} of {len(report.files)} catalog files are well")
    if report.answers is not None:
        good = len(report.answers) - len(report.failed)
        tell(f"{good} of {len(report.answers)} mirrors have their file")


def _answer_line(answer: Answer) -> str:
    from surefetch.session.checking import describe

    mark = "✗" if answer.cause else "✓"
    return f"{mark} {answer.dataset}  {answer.mirror}  {describe(answer)}  {answer.seconds:.1f} s"
