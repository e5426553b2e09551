"""Carrying out the lookups that stay on this machine. One object serves all threads of a session."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from surefetch.causes import cause
from surefetch.errors import FetchError, SurefetchError
from surefetch.events import Answered, Failure, LookupFailed
from surefetch.layouts import places
from surefetch.machine.apt import print_uris
from surefetch.machine.client_settings import Place
from surefetch.machine.folders import Bounds, files_at, list_folder, walk
from surefetch.machine.indexes import PackageSettings, index_credentials, read_package_settings
from surefetch.model import Dataset, Lookup
from surefetch.scan import wanted
from surefetch.sources.caches import User, encode_files
from surefetch.sources.package import encode_indexes
from surefetch.sources.pages import MAX_PAGE_BYTES
from surefetch.sources.urls import local_path

#: What the user points to is walked through more patiently than the caches: it may be a slow USB stick.
USER_BOUNDS: Final = Bounds(seconds=20.0)


class Lookups:
    """Carries out lookups; keeps the package clients' settings once read. Safe for several threads."""

    def __init__(
        self,
        environ: Mapping[str, str],
        private: Path,
        dataset: Dataset,
        store: Path | None = None,
        *,
        platform: str = sys.platform,
    ) -> None:
        """Take what lookups are about.

        Args:
            environ: The environment.
            private: The store's private folder; apt's lists go into `apt` below it.
            dataset: What is fetched: walks look for its artifacts' sizes, places go by its name.
            store: The store's folder, which walks pass over.
            platform: As `sys.platform` names it.
        """
        self._environ, self._private, self._platform = dict(environ), private, platform
        self._dataset, self._passed_over = dataset, frozenset([store.resolve()] if store else [])
        self._place = Place.here(self._environ)
        self._lock = threading.Lock()
        self._settings: PackageSettings | None = None
        self._credentials: Mapping[str, tuple[str, str]] | None = None

    def can(self, lookup: Lookup) -> bool:
        """Whether the lookup stays on this machine; an index page of the network is for the engine."""
        if lookup.kind == "index":
            return lookup.target.startswith("file:")
        return lookup.kind in _ACTIONS

    def carry_out(self, lookup: Lookup) -> Answered | LookupFailed:
        """Carry out a lookup that `can` agrees to. Blocks: seconds at most, but for apt without lists."""
        began = time.monotonic()
        try:
            return Answered(lookup=lookup, answer=_ACTIONS[lookup.kind](self, lookup))
        except SurefetchError as error:
            code, detail = error.code, error.message
        except OSError as error:
            code, detail = _code(error, lookup), error.strerror or str(error)
        return LookupFailed(
            lookup=lookup,
            failure=Failure(cause(code).failure),
            cause=code,
            detail=detail,
            seconds=time.monotonic() - began,
        )

    @property
    def package_settings(self) -> PackageSettings:
        """What pip and uv are configured for; read once."""
        with self._lock:
            if self._settings is None:
                self._settings = read_package_settings(self._place)
            return self._settings

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        return {item.name: item.sha256 or "" for item in self._dataset.artifacts}

    def index_credentials(self) -> Mapping[str, tuple[str, str]]:
        """Give (user, password) by origin for the configured indexes; may ask the keyring, once."""
        settings = self.package_settings
        with self._lock:
            if self._credentials is None:
                self._credentials = index_credentials(settings, self._environ)
            return self._credentials

    def _indexes(self, lookup: Lookup) -> bytes:
        settings = self.package_settings
        if settings.indexes:
            return encode_indexes(list(settings.indexes))
        off = settings.no_index
        why = f"switched off by {off.decided_by}" if off else "neither pip nor uv was found"
        raise FetchError(why, code="source.no-index")

    def _page(self, lookup: Lookup) -> bytes:
        path = Path(local_path(lookup.target))
        if path.is_dir() and not (path / "index.html").is_file():
            return encode_files(list_folder(path))
        with (path / "index.html" if path.is_dir() else path).open("rb") as file:  # as pip does
            return file.read(MAX_PAGE_BYTES)

    def _listing(self, lookup: Lookup) -> bytes:
        target = lookup.target
        return encode_files(list_folder(Path(local_path(target) if target.startswith("file:") else target)))

    def _command(self, lookup: Lookup) -> bytes:
        row, _, argument = lookup.target.partition(" ")
        if row != "apt-print-uris":
            raise FetchError(f"there is no command `{row}`", code="usage.argument")
        return print_uris(argument, self._environ, self._private / "apt")

    def _places(self, lookup: Lookup) -> bytes:
        target = lookup.target
        paths = places.places(
            target,
            self._dataset.name,
            self._environ,
            str(self._place.home),
            self._platform,
            sha256=self._digests.get(target, ""),
        )
        return encode_files(files_at(map(Path, paths)))

    def _scan(self, lookup: Lookup) -> bytes:
        if lookup.source == User.name:
            return self._walk_named(Path(lookup.target))
        folders = places.roots(self._environ, str(self._place.home), self._platform)
        walked = [
            Path(path) for name, paths in folders.items() if name not in places.UNWALKED for path in paths
        ]
        return encode_files(walk(walked, wanted(self._dataset.artifacts), passed_over=self._passed_over))

    def _walk_named(self, path: Path) -> bytes:
        """Look at what the user named: a file as it is, a folder by sizes and names."""
        path.stat()  # its absence is to be told, not found to be empty
        if not path.is_dir():
            return encode_files(files_at([path]))
        looked_for = wanted(self._dataset.artifacts)
        return encode_files(walk([path], looked_for, USER_BOUNDS, passed_over=self._passed_over))


def _code(error: OSError, lookup: Lookup) -> str:
    if isinstance(error, PermissionError):
        return "local.permission"
    return "source.no-copy" if lookup.kind == "scan" else "source.not-in-index"


_ACTIONS: Final[dict[str, Callable[[Lookups, Lookup], bytes]]] = {
    "settings": Lookups._indexes,
    "index": Lookups._page,
    "listing": Lookups._listing,
    "command": Lookups._command,
    "places": Lookups._places,
    "scan": Lookups._scan,
}
