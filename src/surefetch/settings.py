"""Settings: one frozen value, read once at the door; each knob has a default, a unit and a line of docs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from surefetch import paths
from surefetch.errors import SettingError
from surefetch.model import Struct


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a user can set. Names are the keys of `config.toml`; `SUREFETCH_NAME` is the variable."""

    store: str = ""  # folder of the store
    offline: bool = False  # open no socket
    catalogs: tuple[str, ...] = ()  # catalog files beside the built-in ones
    mirror: tuple[
        str, ...
    ] = ()  # base URLs of mirrors that serve blobs-v1/ (a lab's, a class's), asked first
    layers: tuple[str, ...] = ()  # read-only stores looked into before anything is fetched
    rewrite: dict[str, str] = {}  # URL prefix -> URL prefix, for artifact proxies
    proxy: str = ""  # proxy URL for everything; "direct" for none; empty: from the environment
    no_proxy: str = ""  # hosts, suffixes, CIDR ranges, ports to reach without the proxy
    ca_bundle: str = ""  # PEM file of authorities to trust beside the system's
    jobs: int = 8  # artifacts fetched at once
    connections: int = 0  # to one host at most; 0: 6, and 16 while many small files are wanted from it
    connect_timeout: float = 8.0  # seconds until a connection must stand
    first_byte_timeout: float = 9.0  # seconds until an answer must begin; more from the only mirror
    stall_timeout: float = 8.0  # seconds without a byte until a mirror is left; likewise
    deadline: float = 0.0  # seconds for a whole fetch; 0: none
    limit_rate: int = 0  # bytes per second over all connections; 0: no limit
    weak_digests: bool = True  # accept files known by md5 or sha1 only
    sources: tuple[str, ...] = ("caches", "http", "peer", "package", "deb")  # asked, nearest first
    contact: str = ""  # added to the User-Agent, for hosts that ask for one
    trace: str = ""  # file to write a network log (HAR) to
    progress: bool = True  # show progress


class Decision(Struct, frozen=True, kw_only=True):
    """What decided a setting's value."""

    name: str
    value: Any
    decided_by: str  # "argument", "variable NAME", "file PATH", "default"


#: Other tools' variables that switch us offline too (ECOSYSTEM, C.2).
OFFLINE_VARIABLES = ("SUREFETCH_OFFLINE", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "UV_OFFLINE")
#: Settings that more variables than their own can decide, the first that is set winning.
_VARIABLES = {"offline": OFFLINE_VARIABLES, "catalogs": ("SUREFETCH_CATALOG", "SUREFETCH_CATALOGS")}
#: Variables that decide no setting.
_OTHER_VARIABLES = ("SUREFETCH_CONFIG", "SUREFETCH_DEBUG", "SUREFETCH_HOOK")
#: Seconds that a request may wait for something at most; libcurl counts them in milliseconds.
_LONGEST = 1_000_000
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def names() -> list[str]:
    """Return the names of all settings."""
    return list(Settings.__struct_fields__)


def read_settings(
    environ: Mapping[str, str], arguments: Mapping[str, Any] | None = None
) -> tuple[Settings, list[Decision]]:
    """Decide every setting: argument, environment, file, default.

    Args:
        environ: The environment.
        arguments: Values from the command line or the caller; None counts as not given.

    Raises:
        SettingError: A value cannot be used; the message names where it stands.
    """
    path = paths.config_file(environ)
    file = read_file(path) if Path(path).exists() else {}
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    for values in (given, file):
        if values.get("store") == "":  # the usual one
            del values["store"]
    decisions = [_decide(name, given, environ, file, path) for name in names()]
    values = {decision.name: decision.value for decision in decisions}
    return Settings(**values), decisions


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """Say which variables are read by nobody, and look as if they were meant for one of ours."""
    known = {f"SUREFETCH_{name.upper()}" for name in names()} | {"SUREFETCH_CATALOG", *_OTHER_VARIABLES}
    unknown = [name for name in environ if name.startswith("SUREFETCH_") and name not in known]
    if not unknown:
        return []
    from difflib import get_close_matches  # nearly always there are none

    prefix = len("SUREFETCH_")
    ours = {name[prefix:]: name for name in sorted(known)}
    close = [(name, get_close_matches(name[prefix:], ours, 1)) for name in unknown]
    return [
        f"variable {name} is read by nobody: is {ours[found[0]]} meant?" for name, found in close if found
    ]


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a settings file.

    Raises:
        SettingError: It is not TOML, or has a key that no setting has.
    """
    import tomli

    try:
        content = tomli.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise SettingError(f"settings file `{path}` cannot be read: {error}") from error
    for name in content:
        if name not in names():
            raise SettingError(
                f"settings file `{path}` has a key `{name}` that no setting has",
                hint=f"remove it with `surefetch config unset {name}`; `surefetch config show` lists all",
            )
    return content


def parse_value(name: str, value: Any, place: str) -> Any:
    """Turn a value from a variable, a file or the command line into the setting's type.

    Raises:
        SettingError: It does not fit; `place` says where it stands.
    """
    if name not in names():
        raise SettingError(f"there is no setting `{name}`", hint="`surefetch config show` lists all")
    converted = _from_text(name, value, place) if isinstance(value, str) else _checked(name, value, place)
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        _check_number(name, converted, place)
    _check_readable(name, converted, place)
    if name == "sources" and (unknown := [item for item in converted if item not in Settings().sources]):
        known = " ".join(Settings().sources)
        raise SettingError(
            f"setting `sources` of {place} names `{unknown[0]}`, which is none",
            hint=f"the sources are: {known}",
        )
    return converted


def _check_number(name: str, number: float, place: str) -> None:
    said = f"setting `{name}` of {place} is `{number}`, and"
    if number < 0:
        raise SettingError(f"{said} may not be negative")
    if not number < float("inf"):  # nor is it NaN
        raise SettingError(f"{said} must be a finite number")
    if name == "jobs" and number < 1:
        raise SettingError(f"{said} must be at least 1")
    if name.endswith("_timeout") and not 0 < number <= _LONGEST:
        raise SettingError(f"{said} must be more than 0 and at most {_LONGEST:,} seconds")


def _check_readable(name: str, value: Any, place: str) -> None:
    """Refuse addresses of mirrors and proxies of artifacts that no request could be sent to."""
    if name not in ("mirror", "rewrite") or not value:
        return
    from urllib.parse import urlsplit  # most have none of them

    for url in value.values() if name == "rewrite" else value:
        try:
            parts = urlsplit(url)
            _ = parts.port
            if name == "mirror" and not (parts.scheme in ("https", "http") and parts.hostname):
                raise ValueError
        except ValueError:  # its words may repeat a password
            raise SettingError(
                f"setting `{name}` of {place} has an address that cannot be read",
                hint="write it as `https://HOST/PATH`, or `https://HOST:PORT/PATH`",
            ) from None


def _decide(
    name: str, given: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any], path: str
) -> Decision:
    if name in given:
        return Decision(
            name=name, value=parse_value(name, given[name], "the argument"), decided_by="argument"
        )
    for variable in _VARIABLES.get(name, (f"SUREFETCH_{name.upper()}",)):
        if variable in environ and (environ[variable] or name != "store"):
            place = f"variable {variable}"
            value = parse_value(name, environ[variable], place)
            if name != "offline" or value:  # HF_HUB_OFFLINE=0 does not switch us on again
                return Decision(name=name, value=value, decided_by=place)
    if name in file:
        return Decision(
            name=name, value=parse_value(name, file[name], f"file {path}"), decided_by=f"file {path}"
        )
    value = paths.default_store(environ) if name == "store" else _default(name)
    return Decision(name=name, value=value, decided_by="default")


def _default(name: str) -> Any:
    return getattr(Settings(), name)


def _checked(name: str, value: Any, place: str) -> Any:
    try:
        return getattr(msgspec.convert({name: value}, Settings), name)
    except msgspec.ValidationError as error:
        told = str(error).partition(" - at ")[0]  # the key, which the message names already
        raise SettingError(f"setting `{name}` of {place}: {told}") from error


def _from_text(name: str, text: str, place: str) -> Any:
    default = _default(name)
    if isinstance(default, bool):
        if text.strip().lower() in _TRUE | _FALSE:
            return text.strip().lower() in _TRUE
        raise SettingError(f"setting `{name}` of {place} is `{text}`, and must be 1 or 0")
    if isinstance(default, int | float):
        try:
            return _quantity(text) if isinstance(default, int) else float(text)
        except ValueError:
            number = "a whole number, as `8`, `500k` or `2M`" if isinstance(default, int) else "a number"
            raise SettingError(f"setting `{name}` of {place} is `{text}`, and must be {number}") from None
    if isinstance(default, str):
        return str(Path(text).expanduser()) if name == "store" else text
    if isinstance(default, tuple):
        separator = os.pathsep if name in ("catalogs", "layers") else None
        return tuple(
            item for item in (text.split(separator) if separator else text.replace(",", " ").split()) if item
        )
    pairs = [pair.partition("=") for pair in text.split()]
    if not all(prefix and separator for prefix, separator, _ in pairs):
        raise SettingError(f"setting `{name}` of {place} must be PREFIX=PREFIX pairs")  # not told: passwords
    return {prefix: replacement for prefix, _, replacement in pairs}


def _quantity(text: str) -> int:
    """Read a number of bytes: `500k` and `2MB` are powers of 1000, unlike curl's; `2MiB` is one of 1024."""
    if text.isascii() and text.strip().isdigit():
        return int(text)
    import re

    found = re.fullmatch(r"(-?\d+(?:\.\d+)?) ?([kmgt]?)(b|ib)?(?:/s)?", text.strip().lower(), re.ASCII)
    if found is None or (found[3] == "ib" and not found[2]) or ("." in found[1] and not found[2]):
        raise ValueError(text)
    factor = 1024 if found[3] == "ib" else 1000
    power = " kmgt".index(found[2] or " ")
    return round(float(found[1]) * factor**power) if power else int(found[1])
