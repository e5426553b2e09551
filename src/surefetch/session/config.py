"""Changing the settings file: one key at a time, everything else left as it stands."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surefetch import paths
from surefetch.errors import SettingError, StoreError
from surefetch.model import Struct
from surefetch.settings import names, parse_value, read_settings
from surefetch.transfer import proxies, urls

#: Settings that name files or folders: meant from where the user stands, and used from anywhere.
_PLACES = ("store", "ca_bundle", "catalogs", "layers")


class Written(Struct, frozen=True, kw_only=True):
    """What `set` wrote."""

    value: Any
    path: str
    overridden_by: str = ""  # a variable that decides the setting all the same
    notes: tuple[str, ...] = ()  # what else should be said


def set_setting(environ: Mapping[str, str], name: str, text: str) -> Written:
    """Write a setting into the settings file, which is made if it is not there.

    Raises:
        SettingError: There is no such setting, or the value does not fit it.
        StoreError: The file cannot be written.
    """
    value, notes = parse_value(name, text, "the argument"), []
    if name in _PLACES and value:
        value = _absolute(value)
        notes = [f"nothing is at `{place}` yet" for place in _missing(name, value)]
    elif name == "proxy" and value and not proxies.is_direct(value):
        notes = _repaired(value)
    path = Path(paths.config_file(environ))
    lines = [line for line in _lines(path) if not _sets(line, name)]
    _write(path, [*_before_tables(lines), f"{name} = {_toml(value)}", *_tables(lines)])
    _, decisions = read_settings(environ)
    decided = next(decision.decided_by for decision in decisions if decision.name == name)
    overridden_by = "" if decided.startswith("file") else decided
    return Written(value=value, path=str(path), overridden_by=overridden_by, notes=tuple(notes))


def shown(value: Any) -> Any:
    """Return a setting's value, or any part of one, with the passwords of addresses masked."""
    if isinstance(value, str):
        return urls.mask(value)
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, Mapping):
        return {shown(key): shown(item) for key, item in value.items()}
    return value


def unset_setting(environ: Mapping[str, str], name: str) -> bool:
    """Take a setting out of the settings file; False if it was not there.

    Raises:
        SettingError: The file has no such key and no setting is called so.
        StoreError: The file cannot be written.
    """
    path = Path(paths.config_file(environ))
    lines = _lines(path)
    kept = [line for line in lines if not _sets(line, name)]
    if len(kept) == len(lines):
        if name not in names():
            raise SettingError(f"there is no setting `{name}`", hint="`surefetch config show` lists all")
        return False
    _write(path, kept)
    return True


def _absolute(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return str(Path(value).expanduser().absolute())
    return tuple(str(Path(place).expanduser().absolute()) for place in value)


def _missing(name: str, value: str | tuple[str, ...]) -> list[str]:
    places = (value,) if isinstance(value, str) else value
    return [place for place in places if name != "store" and not Path(place).exists()]


def _repaired(proxy: str) -> list[str]:
    try:
        repaired = proxies.read_proxy(proxy, "the argument").repaired
    except SettingError as error:  # no proxy has failed: an argument is wrong
        raise SettingError(error.message, hint=error.hint) from error
    return [repaired] if repaired else []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"settings file `{path}` cannot be read: {error}") from error


def _write(path: Path, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    _check(path, text)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            f"settings file `{path}` cannot be written: {error.strerror}",
            code="local.permission",
            hint="choose another file with `SUREFETCH_CONFIG=/path/config.toml`",
        ) from error


def _check(path: Path, text: str) -> None:
    """Refuse to write what could not be read again: a value over several lines is edited by hand."""
    import tomli

    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise SettingError(
            f"settings file `{path}` would no longer be TOML ({error}): a value spans lines or a table",
            hint=f"edit `{path}` by hand",
        ) from error


def _sets(line: str, name: str) -> bool:
    return bool(re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line))


def _before_tables(lines: list[str]) -> list[str]:
    first = next((index for index, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    return lines[:first]


def _tables(lines: list[str]) -> list[str]:
    return lines[len(_before_tables(lines)) :]


def _toml(value: Any) -> str:
    """Write a value of a setting as TOML; JSON's strings and numbers are TOML's too."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
