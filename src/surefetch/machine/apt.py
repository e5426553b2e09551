"""Asking apt where it would fetch a package from: without root, and where the machine has no lists."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from surefetch.errors import FetchError
from surefetch.machine.commands import Output, run

#: Private lists older than this many seconds are refreshed.
LISTS_SECONDS = 24 * 3600
# What of the machine's settings is taken over: sources, proxies, architectures. Hooks stay out: those of
# Docker's images delete files.
_KEPT = ("Acquire::", "Dir", "APT::Architecture", "APT::Default-Release")


def print_uris(package: str, environ: Mapping[str, str], private: Path) -> bytes:
    """Have apt print the URLs of a package.

    Args:
        package: `NAME` or `NAME=VERSION`.
        environ: The environment.
        private: Our folder for apt's lists, used when the machine has none of its own.

    Raises:
        FetchError: There is no apt, or it does not know the package; `code` says which.
    """
    output = run("apt-print-uris", [package], environ)
    if output is None:
        raise FetchError("there is no `apt-get` on PATH", code="source.no-apt")
    if not output.text.strip() and not _has_lists(environ):
        output = _ask_privately(package, environ, private)
    if not output.text.strip():
        raise FetchError(output.complaint, code="source.not-in-index")
    return output.text.encode()


def _has_lists(environ: Mapping[str, str]) -> bool:
    """Whether the machine's own lists hold packages; images of containers come without."""
    values = dict(_settings(environ))
    state = Path(values.get("Dir") or "/") / values.get("Dir::State", "var/lib/apt")
    return any(_packages(state / values.get("Dir::State::lists", "lists")))


def _settings(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Read the machine's effective apt settings: name and value of each line of `apt-config dump`."""
    output = run("apt-config", [], environ)
    for line in (output.text if output else "").splitlines():
        name, _, value = line.rstrip(";").partition(" ")
        yield name, value.strip('"')


def _ask_privately(package: str, environ: Mapping[str, str], private: Path) -> Output:
    own = {"APT_CONFIG": str(_write_settings(environ, private))}
    if _is_due(private):
        update = run("apt-update", [], environ, more_environ=own)
        if update is None or not any(_packages(private / "lists")):
            complaint = update.complaint if update else "there is no `apt-get` on PATH"
            raise FetchError(f"apt's lists could not be fetched: {complaint}", code="source.not-in-index")
        if update.code == 0:  # otherwise a repository was missed, and the next time may have more luck
            (private / "updated").touch()
    output = run("apt-print-uris", [package], environ, more_environ=own)
    assert output, "it has just run"
    return output


def _write_settings(environ: Mapping[str, str], private: Path) -> Path:
    """Write the machine's settings with lists and caches of our own."""
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("lists/partial", "cache/archives/partial"):
        (private / name).mkdir(parents=True, exist_ok=True)
    own = {
        "Dir::State::lists": f"{private}/lists/",
        "Dir::Cache": f"{private}/cache/",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Acquire::Languages": "none",
        "Acquire::Retries": "0",
        "Acquire::http::Timeout": "10",
        "Acquire::https::Timeout": "10",
        # Running as root apt would fetch as `_apt`, who may not write into a private folder.
        "APT::Sandbox::User": "root",
    }
    kept = [(name, value) for name, value in _settings(environ) if name.startswith(_KEPT) and name not in own]
    path = private / "apt.conf"
    lines = [f'{name} "{value}";\n' for name, value in (*kept, *own.items())]
    path.touch(mode=0o600)  # a proxy's password may stand in it
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _is_due(private: Path) -> bool:
    """Whether the private lists are to be fetched: none are there, or the last time is long ago."""
    stamp = private / "updated"
    has_lists = stamp.exists() and any(_packages(private / "lists"))
    return not has_lists or time.time() - stamp.stat().st_mtime > LISTS_SECONDS


def _packages(lists: Path) -> Iterator[Path]:
    return (path for path in (lists.iterdir() if lists.is_dir() else ()) if "_Packages" in path.name)
