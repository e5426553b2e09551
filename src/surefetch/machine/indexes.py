"""The package indexes that this machine's user asks: their order, and the credentials that belong to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surefetch.errors import FetchError
from surefetch.machine.client_settings import Place, Setting, UvIndex, UvSettings, read_pip, read_uv
from surefetch.machine.commands import run
from surefetch.machine.pip_default import pip_default, uv_default
from surefetch.model import Mirror, Struct
from surefetch.sources.package import Index
from surefetch.sources.urls import file_url, split_userinfo

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|file:")
_FETCHED = ("https://", "http://", "file:")
# pip's values of `keyring-provider` (and uv's) that let the command line be asked.
_KEYRING_PROVIDERS = {"subprocess", "import", "auto"}


class Credential(Struct, frozen=True, kw_only=True):
    """User and password for an origin; its text shows neither."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credential(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("user", "***")]


class PackageSettings(Struct, frozen=True, kw_only=True):
    """What the user's package clients are configured for. Credentials stand apart from the indexes."""

    indexes: tuple[Index, ...] = ()  # in the order in which they are asked
    credentials: Mapping[str, Credential] = {}  # origin -> what stood in an index's URL or in its variables
    cert: Setting | None = None  # PEM file that pip trusts
    client_cert: Setting | None = None
    proxy: Setting | None = None  # pip's, a last resort
    trusted_hosts: tuple[Setting, ...] = ()  # pip would not check TLS there; reported only, never followed
    keyring: Setting | None = None  # the provider, if one is set that can be asked by command
    no_index: Setting | None = None  # what switched pip's indexes off


def read_package_settings(place: Place) -> PackageSettings:
    """Read pip's and uv's settings.

    The order of the indexes: pip's index (else uv's default, else the default that pip or uv has built in),
    pip's extra indexes, uv's indexes, uv's default; a built-in default behind uv's own; then find-links.
    """
    pip, uv = read_pip(place), read_uv(place)
    found = [*_simple(pip, uv, place.environ), *_links(pip, uv)]
    indexes: dict[str, Index] = {}
    credentials: dict[str, Credential] = {}
    for item in found:
        index, credential = _index(item, place)
        if index.url.startswith(_FETCHED):
            indexes.setdefault(index.url.rstrip("/"), index)
        if credential:
            credentials.setdefault(_origin(index.url), credential)
    return PackageSettings(
        indexes=tuple(indexes.values()),
        credentials=credentials,
        cert=_path(pip.get("cert"), place),
        client_cert=_path(pip.get("client-cert"), place),
        proxy=pip.get("proxy"),
        trusted_hosts=tuple(pip["trusted-host"].values) if "trusted-host" in pip else (),
        keyring=_keyring(pip, uv),
        no_index=_switched_off(pip),
    )


def index_credentials(settings: PackageSettings, environ: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    """Give user and password for each origin of the configured indexes.

    Where a URL names a user alone and a keyring is configured, its command line is asked for the password.

    Returns:
        Origin (`https://host:port`) -> (user, password). Not to be put into an order, event or log.
    """
    found = {}
    for origin, credential in settings.credentials.items():
        password = credential.password
        if not password and credential.user and settings.keyring:
            password = _ask_keyring(origin, credential.user, settings, environ)
        found[origin] = (credential.user, password)
    return found


def _simple(pip: Mapping[str, Setting], uv: UvSettings, environ: Mapping[str, str]) -> list[UvIndex]:
    uv_extra = [] if uv.no_index else [index for index in uv.indexes if not index.is_default]
    uv_first = [] if uv.no_index else [index for index in uv.indexes if index.is_default]
    if _switched_off(pip):
        return [*uv_extra, *uv_first]
    extra = [UvIndex(setting=setting) for setting in _values(pip.get("extra-index-url"))]
    if "index-url" in pip:
        return [UvIndex(setting=pip["index-url"]), *extra, *uv_extra, *uv_first]
    built_in = [UvIndex(setting=setting) for setting in _built_in(environ)] if not uv.no_index else []
    if uv_first:
        return [*uv_first, *extra, *uv_extra, *built_in]
    return [*built_in, *extra, *uv_extra]


def _built_in(environ: Mapping[str, str]) -> Iterator[Setting]:
    setting = pip_default(environ) or uv_default(environ)
    if setting:
        yield setting


def _links(pip: Mapping[str, Setting], uv: UvSettings) -> list[UvIndex]:
    links = [*_values(pip.get("find-links")), *uv.find_links]
    return [UvIndex(setting=link, is_flat=True) for link in links]


def _values(setting: Setting | None) -> list[Setting]:
    return setting.values if setting else []


def _index(item: UvIndex, place: Place) -> tuple[Index, Credential | None]:
    url, userinfo = split_userinfo(_as_url(item.setting.value, place))
    user, password = userinfo or ("", "")
    variable = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", item.name.upper())
    if item.name:  # uv: the variables of a named index
        user = place.environ.get(f"{variable}_USERNAME", user)
        password = place.environ.get(f"{variable}_PASSWORD", password)
    index = Index(
        url=url, kind="find-links" if item.is_flat else "simple", decided_by=item.setting.decided_by
    )
    return index, Credential(user=user, password=password) if user or password else None


def _as_url(value: str, place: Place) -> str:
    """Write a place as URL; a relative path is taken from the current folder, as pip does."""
    if _URL.match(value):
        return value
    path = Path(place.home, value[2:]) if value.startswith(("~/", "~\\")) else Path(value)
    return file_url(str(path.absolute()))


def _path(setting: Setting | None, place: Place) -> Setting | None:
    if setting is None or not setting.value.startswith("~"):
        return setting
    return Setting(value=str(Path(place.home, setting.value[2:])), decided_by=setting.decided_by)


def _keyring(pip: Mapping[str, Setting], uv: UvSettings) -> Setting | None:
    candidates: Iterable[Setting | None] = (pip.get("keyring-provider"), uv.keyring)
    return next((item for item in candidates if item and item.value.strip() in _KEYRING_PROVIDERS), None)


def _switched_off(pip: Mapping[str, Setting]) -> Setting | None:
    setting = pip.get("no-index")
    return setting if setting and setting.is_true else None


def _origin(url: str) -> str:
    return Mirror(url=url, source="package").origin


def _ask_keyring(origin: str, user: str, settings: PackageSettings, environ: Mapping[str, str]) -> str:
    """Ask as pip does: for the index's URL, then for its host. Empty when the keyring does not know."""
    urls = [index.url for index in settings.indexes if _origin(index.url) == origin]
    for service in (*urls, origin.partition("://")[2]):
        try:
            output = run("keyring-get", [service, user], environ)
        except FetchError:  # it waits for somebody to unlock it: go on without
            return ""
        if output is None:
            return ""
        if output.code == 0 and output.text.strip():
            return output.text.rstrip("\r\n")
    return ""
