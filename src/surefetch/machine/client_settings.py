"""Reading the settings of package clients the way they do: files and variables of pip and uv."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from surefetch.model import Struct
from surefetch.paths import home_folder
from surefetch.sources.urls import redacted

# pip, `_internal/configuration.py`: sections by rising weight, then the variables.
_SECTIONS = ("global", "install", "download")
_TRUE = {"1", "y", "yes", "t", "true", "on"}
_MAX_FILE_BYTES = 1 << 20


class Place(Struct, frozen=True, kw_only=True):
    """Where a client's settings are looked for: values, so that tests can have another machine."""

    environ: Mapping[str, str]
    home: Path
    platform: str = sys.platform
    prefixes: tuple[Path, ...] = ()  # of virtual environments, the weightier last
    root: Path = Path("/")  # above system-wide files

    @classmethod
    def here(cls, environ: Mapping[str, str]) -> Place:
        """This machine, seen with an environment."""
        home = environ.get("HOME") or environ.get("USERPROFILE")
        prefixes = [Path(sys.prefix)]
        prefixes += [Path(environ[name]) for name in ("CONDA_PREFIX", "VIRTUAL_ENV") if environ.get(name)]
        return cls(environ=environ, home=Path(home or home_folder()), prefixes=tuple(prefixes))


class Setting(Struct, frozen=True, kw_only=True):
    """A client's setting and what decided it. It may hold a secret, so its text does not show it."""

    value: str
    decided_by: str  # "variable PIP_CERT", "file PATH"

    def __repr__(self) -> str:
        return f"Setting({redacted(self.value)!r}, decided by {self.decided_by})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("value", redacted(self.value)), ("decided_by", self.decided_by)]

    @property
    def values(self) -> list[Setting]:
        """The setting as a list: pip's are written with spaces or line ends between them."""
        return [Setting(value=value, decided_by=self.decided_by) for value in self.value.split()]

    @property
    def is_true(self) -> bool:
        """The setting as a switch."""
        return self.value.strip().lower() in _TRUE


def read_pip(place: Place, only: Sequence[str] = ()) -> dict[str, Setting]:
    """Read pip's settings as `pip download` would see them: name (`index-url`) -> setting.

    A file that cannot be read or parsed is passed over: pip itself would say so.

    Args:
        place: Where to look.
        only: Names, of one word each, that alone matter: files that have none of them are not parsed.
    """
    by_section: dict[str, dict[str, Setting]] = {}
    for path in pip_files(place):
        for section, values in _read_ini(path, only).items():
            by_section.setdefault(section, {}).update(values)
    found: dict[str, Setting] = {}
    for values in (*(by_section.get(section, {}) for section in _SECTIONS), _pip_variables(place.environ)):
        found.update({name: setting for name, setting in values.items() if setting.value.strip()})
    return {name: _expanded(setting, place) for name, setting in found.items()}


def pip_files(place: Place) -> list[Path]:
    """Give the files that pip reads, by rising weight: system, user, environment, `PIP_CONFIG_FILE`."""
    named = place.environ.get("PIP_CONFIG_FILE")
    if named and Path(named) == Path("/dev/null" if place.platform != "win32" else "nul"):
        return []  # pip's own rule: os.devnull switches all files off
    name = "pip.ini" if place.platform == "win32" else "pip.conf"
    user = [] if named and Path(named).exists() else [folder / name for folder in _pip_user_folders(place)]
    system = [folder / name for folder in _pip_system_folders(place)]
    site = [prefix / name for prefix in place.prefixes]
    return [*system, *user, *site, *([Path(named)] if named else [])]


def _pip_system_folders(place: Place) -> list[Path]:
    if place.platform == "win32":
        return [Path(place.environ.get("PROGRAMDATA", "C:/ProgramData")) / "pip"]
    if place.platform == "darwin":
        return [place.root / "Library/Application Support/pip"]
    return [*(folder / "pip" for folder in _xdg_system(place)), place.root / "etc"]


def _pip_user_folders(place: Place) -> list[Path]:
    if place.platform == "win32":
        return [place.home / "pip", _roaming(place) / "pip"]
    application = place.home / "Library/Application Support/pip"
    if place.platform == "darwin":
        return [place.home / ".pip", application if application.is_dir() else place.home / ".config/pip"]
    return [place.home / ".pip", _xdg_user(place) / "pip"]


def _xdg_system(place: Place) -> list[Path]:
    folders = place.environ.get("XDG_CONFIG_DIRS", "")
    return [Path(folder) for folder in folders.split(":") if folder] or [place.root / "etc/xdg"]


def _xdg_user(place: Place) -> Path:
    folder = place.environ.get("XDG_CONFIG_HOME", "")
    return Path(folder) if folder.strip() else place.home / ".config"


def _roaming(place: Place) -> Path:
    return Path(place.environ.get("APPDATA") or place.home / "AppData/Roaming")


def _read_ini(path: Path, only: Sequence[str] = ()) -> dict[str, dict[str, Setting]]:
    try:
        text = _read_text(path)
    except OSError:
        return {}
    if only and not any(word in text.lower() for word in only):
        return {}
    import configparser  # 2 ms, and many machines have no such file

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {
        section: {
            _normalized(name): Setting(value=value, decided_by=f"file {path}")
            for name, value in parser.items(section)
        }
        for section in parser.sections()
    }


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES).decode("utf-8", "replace")


def _pip_variables(environ: Mapping[str, str]) -> dict[str, Setting]:
    return {
        _normalized(name.removeprefix("PIP_")): Setting(value=value, decided_by=f"variable {name}")
        for name, value in environ.items()
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"
    }


def _normalized(name: str) -> str:
    """Write an option's name as in files: pip takes `--index_url` and `pypi-url` for `index-url` too."""
    name = name.lower().replace("_", "-").removeprefix("--")
    return "index-url" if name == "pypi-url" else name


def _expanded(setting: Setting, place: Place) -> Setting:
    """Put the values of `${NAME}` in; a name that is not set stays as it is."""
    if "${" not in setting.value:
        return setting
    value = re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: place.environ.get(match[1], match[0]), setting.value)
    return Setting(value=value, decided_by=setting.decided_by)


# --- uv -----------------------------------------------------------------------------------------------------


class UvIndex(Struct, frozen=True, kw_only=True):
    """An index of uv's settings."""

    setting: Setting
    name: str = ""
    is_default: bool = False
    is_flat: bool = False


class UvSettings(Struct, frozen=True, kw_only=True):
    """What uv is configured for, as far as a package index is concerned."""

    indexes: tuple[UvIndex, ...] = ()  # by falling weight, the default last
    find_links: tuple[Setting, ...] = ()
    no_index: bool = False
    keyring: Setting | None = None


def read_uv(place: Place) -> UvSettings:
    """Read uv's settings: its variables, then the user's `uv.toml`, then the system's.

    Nothing is taken from a project's files: what is downloaded does not depend on the current folder.
    """
    layers = [_uv_variables(place.environ), *(_uv_file(path) for path in uv_files(place))]
    extra = [index for layer in layers for index in layer.indexes if not index.is_default]
    default = [index for layer in layers for index in layer.indexes if index.is_default]
    return UvSettings(
        indexes=(*extra, *default[:1]),
        find_links=tuple(link for layer in layers for link in layer.find_links),
        no_index=any(layer.no_index for layer in layers),
        keyring=next((layer.keyring for layer in layers if layer.keyring), None),
    )


def uv_files(place: Place) -> list[Path]:
    """Give the files that uv reads, by falling weight."""
    environ = place.environ
    if environ.get("UV_NO_CONFIG", "").lower() in _TRUE:
        return []
    if named := environ.get("UV_CONFIG_FILE"):
        return [Path(named)]
    if place.platform == "win32":
        programs = Path(environ.get("PROGRAMDATA", "C:/ProgramData"))
        return [_roaming(place) / "uv/uv.toml", programs / "uv/uv.toml"]
    system = [folder / "uv/uv.toml" for folder in _xdg_system(place)] + [place.root / "etc/uv/uv.toml"]
    return [_xdg_user(place) / "uv/uv.toml", *[path for path in system if path.is_file()][:1]]


def _uv_variables(environ: Mapping[str, str]) -> UvSettings:
    def read(name: str) -> list[Setting]:
        return Setting(value=environ.get(name, ""), decided_by=f"variable {name}").values

    extra = [*read("UV_INDEX"), *read("UV_EXTRA_INDEX_URL")]
    default = [*read("UV_DEFAULT_INDEX"), *read("UV_INDEX_URL")]
    links = environ.get("UV_FIND_LINKS", "").replace(",", " ")  # uv(1) separates them by commas
    keyring = read("UV_KEYRING_PROVIDER")
    return UvSettings(
        indexes=(*(_named(item) for item in extra), *(_named(item, is_default=True) for item in default)),
        find_links=tuple(Setting(value=links, decided_by="variable UV_FIND_LINKS").values),
        no_index=environ.get("UV_NO_INDEX", "").lower() in _TRUE,
        keyring=keyring[0] if keyring else None,
    )


def _named(setting: Setting, *, is_default: bool = False) -> UvIndex:
    """Read `URL` or `NAME=URL`."""
    match = re.fullmatch(r"([A-Za-z0-9_.-]+)=(.+)", setting.value)
    if match:
        setting = Setting(value=match[2], decided_by=setting.decided_by)
    return UvIndex(setting=setting, name=match[1] if match else "", is_default=is_default)


def _uv_file(path: Path) -> UvSettings:
    import tomli  # likewise

    try:
        content = tomli.loads(_read_text(path))
    except (OSError, tomli.TOMLDecodeError):
        return UvSettings()
    by = f"file {path}"
    pip = content.get("pip") if isinstance(content.get("pip"), dict) else {}
    merged = {**(pip or {}), **content}
    return UvSettings(
        indexes=(*_tables(content.get("index"), by), *_plain(merged, by)),
        find_links=tuple(_texts(merged.get("find-links"), by)),
        no_index=merged.get("no-index") is True,
        keyring=next(iter(_texts(merged.get("keyring-provider"), by)), None),
    )


def _tables(rows: Any, by: str) -> Iterator[UvIndex]:
    """Read `[[index]]`; one marked `explicit` serves only packages that name it."""
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("url"), str) and row.get("explicit") is not True:
            yield UvIndex(
                setting=Setting(value=row["url"], decided_by=by),
                name=str(row.get("name", "")),
                is_default=row.get("default") is True,
                is_flat=row.get("format") == "flat",
            )


def _plain(content: Mapping[str, Any], by: str) -> Iterator[UvIndex]:
    for setting in _texts(content.get("extra-index-url"), by):
        yield UvIndex(setting=setting)
    for setting in _texts(content.get("index-url"), by):
        yield UvIndex(setting=setting, is_default=True)


def _texts(value: Any, by: str) -> Sequence[Setting]:
    values = value if isinstance(value, list) else [value]
    return [Setting(value=text, decided_by=by) for text in values if isinstance(text, str) and text]
