"""The index that pip or uv asks when none is configured: read from their own files, never imported."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from surefetch.errors import FetchError
from surefetch.machine.client_settings import Setting
from surefetch.machine.commands import run

# pip's constant since version 1.5; before 10 its modules lay one folder higher.
_MODULES = ("_internal/models/index.py", "models/index.py")
_CONSTANT = re.compile(r"""^PyPI\s*=\s*PackageIndex\(\s*["'](https?://[^"'\s]+)["']""", re.MULTILINE)
_UV_HELP = re.compile(r"--default-index\b.{0,400}?by\s+default:\s*<?(https?://[^\s>)\]]+)", re.DOTALL)
_MAX_MODULE_BYTES = 1 << 18


def pip_default(environ: Mapping[str, str]) -> Setting | None:
    """Find pip's own default index: in this environment's pip, the `python` on PATH's, or a bundled wheel."""
    for look in _LOOKS:
        if setting := look(environ):
            return setting
    return None


def from_folder(folder: Path) -> Setting | None:
    """Read the default from an installed pip's folder."""
    for name in _MODULES:
        path = folder / name
        try:
            text = path.read_bytes()[:_MAX_MODULE_BYTES].decode("utf-8", "replace")
        except OSError:
            continue
        if match := _CONSTANT.search(text):
            return _setting(match[1], f"pip's default, in {path}")
    return None


def from_wheel(path: Path) -> Setting | None:
    """Read the default from a pip wheel, as `ensurepip` and distributions carry one."""
    try:
        with zipfile.ZipFile(path) as wheel, wheel.open("pip/_internal/models/index.py") as member:
            text = member.read(_MAX_MODULE_BYTES).decode("utf-8", "replace")
    except (OSError, KeyError, zipfile.BadZipFile):
        return None
    match = _CONSTANT.search(text)
    return _setting(match[1], f"pip's default, in {path}") if match else None


def uv_default(environ: Mapping[str, str]) -> Setting | None:
    """Find uv's own default index: it is compiled in, and its help tells it."""
    try:
        output = run("uv-help", [], environ)
    except FetchError:  # it hangs or cannot be started: then it is of no use
        return None
    match = _UV_HELP.search(output.text) if output else None
    return Setting(value=match[1], decided_by="uv's default, from its help") if match else None


def _setting(base: str, decided_by: str) -> Setting:
    return Setting(
        value=base.rstrip("/") + "/simple", decided_by=decided_by
    )  # pip: `_url_for_path("simple")`


def _from_this_environment(environ: Mapping[str, str]) -> Setting | None:
    return next(filter(None, map(from_folder, _folders("pip"))), None)


def _from_python_on_path(environ: Mapping[str, str]) -> Setting | None:
    try:
        output = run("where-pip", [], environ)
    except FetchError:  # a `python` that only opens a shop (Windows), or hangs
        return None
    lines = output.text.strip().splitlines() if output and output.code == 0 else []
    return from_folder(Path(lines[-1])) if lines else None


def _from_bundled_wheel(environ: Mapping[str, str]) -> Setting | None:
    return next(filter(None, map(from_wheel, _wheels())), None)


def _wheels() -> Iterator[Path]:
    # Debian and Fedora keep the wheel apart from Python (`--with-wheel-pkg-dir`).
    folders = [*(folder / "_bundled" for folder in _folders("ensurepip")), Path("/usr/share/python-wheels")]
    for folder in folders:
        yield from sorted(folder.glob("pip-*.whl"), reverse=True)


def _folders(package: str) -> list[Path]:
    """Give where a package lies; a top-level one is found without being imported."""
    spec = PathFinder.find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


_LOOKS: tuple[Callable[[Mapping[str, str]], Setting | None], ...] = (
    _from_this_environment,
    _from_python_on_path,
    _from_bundled_wheel,
)
