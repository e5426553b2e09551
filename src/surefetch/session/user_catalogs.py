"""The user's own catalogs: where they are, read when there are any. Nothing comes from the current folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from surefetch import paths
from surefetch.errors import CatalogError

if TYPE_CHECKING:
    from surefetch.model import Dataset
    from surefetch.session.facade import Session


def user_catalog_files(environ: Mapping[str, str], named: Sequence[str] = ()) -> list[str]:
    """Return the paths of catalogs beside the built-in ones: named on the spot, by setting, in the
    configuration folder's `catalogs/`. Cheap when there are none.

    Raises:
        SettingError: The settings file cannot be read.
    """
    files = [os.path.expanduser(path) for path in (*named, *_by_setting(environ))]  # noqa: PTH111 - `list` is light
    folder = own_folder(environ)
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - `list` is light
    except OSError:  # no such folder: the usual case
        names = []
    files += [os.path.join(folder, name) for name in names if name.endswith(".toml")]  # noqa: PTH118
    return list(dict.fromkeys(files))


def own_folder(environ: Mapping[str, str]) -> str:
    """Return the folder of the user's catalogs, whether it is there or not."""
    return os.path.join(paths.config_folder(environ), "catalogs")  # noqa: PTH118 - `list` is light


def own_hosts(session: Session, datasets: Iterable[Dataset]) -> frozenset[str]:
    """Return the hosts that the user's files, catalogs or Metalinks, name for datasets: they may be private.

    A catalog of the user's that adds a mirror to a built-in dataset has named it. Such files may come from
    somebody else: addresses of the link itself (a cloud's metadata service) are not taken for named.
    """
    from surefetch.transfer import addresses, urls  # here: `list` is light

    named = (url for dataset in datasets for url in _named_urls(session, dataset))
    hosts = frozenset(host for url in named if (host := urls.named_host(url)))
    return frozenset(host for host in hosts if not addresses.is_link_local(host))


def _named_urls(session: Session, dataset: Dataset) -> Iterable[str]:
    from surefetch.model import BUILT_IN, COMMAND_LINE

    if dataset.origin == COMMAND_LINE:  # told with the command's own words
        return ()
    if dataset.origin == BUILT_IN:
        return session.catalog.named_urls(dataset.name)
    return (url for artifact in dataset.artifacts for url in artifact.urls)


def read_catalogs(files: Sequence[str]) -> list[tuple[str, str]]:
    """Return (path, text) of each file.

    Raises:
        CatalogError: A file cannot be read.
    """
    return [(path, _read(path)) for path in files]


def user_rows(files: Sequence[str], builtin: set[str], present: set[str]) -> list[dict[str, Any]]:
    """Return a row per dataset of the user's catalogs, as `list` shows them.

    Raises:
        CatalogError: A file cannot be read or has a mistake.
    """
    from surefetch.catalog import Catalog

    rows = Catalog(read_catalogs(files)).summaries()
    return [
        {
            "name": row["name"],
            "title": row["title"],
            "task": row["task"],
            "size": row["bytes"] if row["is_exact"] else None,
            "license": row["license"],
            "here": row["name"] in present,
            "catalog": row["origin"],
        }
        for row in rows
        if row["name"] not in builtin
    ]


def _by_setting(environ: Mapping[str, str]) -> tuple[str, ...]:
    variables = ("SUREFETCH_CATALOG", "SUREFETCH_CATALOGS")
    if not any(name in environ for name in variables) and not os.path.exists(paths.config_file(environ)):  # noqa: PTH110
        return ()
    from surefetch.settings import read_settings

    return read_settings(environ)[0].catalogs


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - `list` is light
            text = file.read(8 << 20)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(f"catalog `{path}`", path, error) from error
    return text


def unreadable(what: str, path: str, error: OSError | UnicodeDecodeError) -> CatalogError:
    """Say why a text file cannot be read, and what is to be done about it."""
    if isinstance(error, OSError):
        why = (error.strerror or str(error)).lower()
        hint = "name a file that is there and that you may read"
    else:
        why, hint = "it is not UTF-8", "save it as UTF-8"
    message = f"{what} cannot be read: {why}"
    return CatalogError(message, hint=hint, file=path, key="", expected=f"a readable UTF-8 file: {why}")
