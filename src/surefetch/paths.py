"""Where surefetch keeps things: default folders by platform convention.

Standard library only, and next to nothing of that: a warm `load` comes through here. The folders are those
that platformdirs gives (a test compares), whose import the warm path cannot afford.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def default_store(environ: Mapping[str, str]) -> str:
    """Return the store's default folder: the user's cache folder for `surefetch`."""
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA") or os.path.join(_home(), "AppData", "Local")  # noqa: PTH118 - see module
        return os.path.join(local, "surefetch", "Cache")  # noqa: PTH118
    if sys.platform == "darwin":
        return _home() + "/Library/Caches/surefetch"
    cache = _absolute(environ.get("XDG_CACHE_HOME")) or _home() + "/.cache"
    return cache + "/surefetch"


def config_folder(environ: Mapping[str, str]) -> str:
    """Return the folder of `config.toml` and the user's catalogs."""
    if override := environ.get("SUREFETCH_CONFIG"):
        return os.path.dirname(os.path.abspath(override))  # noqa: PTH100, PTH120
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA") or os.path.join(_home(), "AppData", "Local")  # noqa: PTH118
        return os.path.join(local, "surefetch")  # noqa: PTH118
    if sys.platform == "darwin":
        return _home() + "/Library/Application Support/surefetch"
    config = _absolute(environ.get("XDG_CONFIG_HOME")) or _home() + "/.config"
    return config + "/surefetch"


def config_file(environ: Mapping[str, str]) -> str:
    """Return the settings file's path, whether it exists or not."""
    return environ.get("SUREFETCH_CONFIG") or os.path.join(config_folder(environ), "config.toml")  # noqa: PTH118


def store_folder(environ: Mapping[str, str], argument: str | os.PathLike[str] | None = None) -> str:
    """Return the store's folder by the usual precedence: argument, environment, file, default.

    Raises:
        SettingError: The settings file cannot be read.
    """
    if argument:
        return os.path.expanduser(os.fspath(argument))  # noqa: PTH111
    if value := environ.get("SUREFETCH_STORE"):
        return os.path.expanduser(value)  # noqa: PTH111
    path = config_file(environ)
    if os.path.exists(path):  # noqa: PTH110 - tomli is imported only where there is a file to read
        from surefetch.settings import read_file

        if value := read_file(path).get("store"):
            return os.path.expanduser(str(value))  # noqa: PTH111
    return default_store(environ)


def home_folder() -> str:
    """Return the user's home folder; `/` for who has none: a container's user without HOME and name."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return "/" if home == "~" else home  # never a folder called `~` where the program runs


def _home() -> str:
    return home_folder().rstrip("/")


def _absolute(path: str | None) -> str | None:
    # The XDG base directory specification: a relative path is to be ignored.
    return path.rstrip("/") if path and os.path.isabs(path) else None  # noqa: PTH117
