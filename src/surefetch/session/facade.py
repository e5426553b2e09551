"""The session: settings, catalog and store together, with a method per verb."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefetch import paths
from surefetch.errors import UsageError
from surefetch.receipts import Receipt
from surefetch.reporters import Reporter, default_reporter
from surefetch.session.user_catalogs import read_catalogs, user_catalog_files
from surefetch.settings import Decision, Settings, read_settings
from surefetch.store import Store

if TYPE_CHECKING:
    from surefetch.catalog import Catalog
    from surefetch.dataset import Handle
    from surefetch.session.dry_run import FetchPlan

_default: Session | None = None


class Session:
    """Everything that the verbs share. Mutable: it reads catalog and store when they are first needed."""

    def __init__(
        self,
        settings: Settings | None = None,
        reporter: Reporter | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        decisions: Sequence[Decision] = (),
    ) -> None:
        """Take settings and a reporter; without them the environment's.

        Args:
            settings: None: decided by environment and file; so is the store where they name none.
            reporter: Told of progress; None: what fits a terminal, a notebook or a log.
            environ: None: the process's own.
            decisions: What decided each setting.

        Raises:
            SettingError: A setting's value cannot be used.
        """
        self.environ = os.environ if environ is None else environ
        if settings is None:
            settings, decisions = read_settings(self.environ)
        self.settings, self.decisions = settings, tuple(decisions)
        self.reporter = reporter or default_reporter(self.environ, progress=settings.progress)

    @classmethod
    def from_environment(cls, arguments: Mapping[str, Any], reporter: Reporter | None = None) -> Session:
        """Make a session whose settings the given arguments decide first; None counts as not given.

        Raises:
            SettingError: A value cannot be used.
        """
        settings, decisions = read_settings(os.environ, arguments)
        return cls(settings, reporter, decisions=decisions)

    @classmethod
    def default(cls) -> Session:
        """Return the process's default session; its settings are read anew when the environment changed."""
        global _default
        if _default is None or _default.settings != read_settings(os.environ)[0]:
            _default = cls()
        return _default

    @cached_property
    def catalog(self) -> Catalog:
        """All datasets that are known.

        Raises:
            CatalogError: A catalog of the user's has a mistake.
        """
        from surefetch.catalog import Catalog

        return Catalog(read_catalogs(user_catalog_files(self.environ, self.settings.catalogs)))

    @cached_property
    def store(self) -> Store:
        """Where proven bytes lie."""
        layers = [Path(path).expanduser() for path in self.settings.layers]
        return Store(Path(paths.store_folder(self.environ, self.settings.store)), layers)

    def known_file(self, digest: str) -> str | None:
        """Name a file by any digest: `mnist: t10k-labels-idx1-ubyte.gz`; None if no catalog knows it."""
        for dataset, item in self.catalog.by_digest(digest):
            return f"{dataset.name}: {item if isinstance(item, str) else item.name}"
        return None

    def get(
        self,
        name: str | os.PathLike[str],
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
        size: int | None = None,
        mirrors: str | Sequence[str] = (),
        local: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        output: str | os.PathLike[str] | None = None,
        form: str | None = None,
    ) -> Receipt:
        """Get proven files: a dataset's, or any file's by URL and digest.

        Args:
            name: A dataset's name or alias, a URL, or the path of a Metalink file. A URL that the catalog
                knows needs no digest.
            sha256, sha1, md5: Digests of the file behind a URL; the last two are weak.
            size: Its bytes, if known.
            mirrors: URLs of the same file, or base URLs under which the dataset's files lie; one or several.
            local: Files or folders to look in first ("I downloaded it by hand"); one or several.
            output: Where copies of your own go: a folder, or for one file its path.
            form: Write this encoding (into `output`): `npz`, `csv`, `parquet`, `png`, or a form's name.

        Returns:
            A receipt, usable as a path.

        Raises:
            UnknownDatasetError: No catalog has the name.
            UsageError: Nothing tells what the right bytes are.
            FetchError: They could not be had; the error tells every attempt.
            StoreError: The store or `output` cannot be written.
        """
        from surefetch.session.get import get

        digests = {"sha256": sha256, "sha1": sha1, "md5": md5}
        return get(
            self,
            os.fspath(name),
            digests=digests,
            size=None if size is None else index(size),  # a number of another library's
            mirrors=(mirrors,) if isinstance(mirrors, str) else tuple(mirrors),
            local=(local,) if isinstance(local, str | os.PathLike) else tuple(local),
            output=output,
            form=form,
        )

    def plan(self, name: str, **options: Any) -> FetchPlan:
        """Say what `get` with the same arguments would fetch and from where; fetches nothing.

        Raises:
            UnknownDatasetError, UsageError: As `get`.
        """
        from surefetch.session.dry_run import plan

        return plan(self, name, **options)

    def load(self, name: str) -> Handle:
        """Load a dataset; fetch it first if it is not here.

        Raises:
            UsageError: The dataset has files only, no tensors.
            FetchError: It could not be had.
        """
        dataset = self.catalog.find(name)
        if not dataset.tensors:
            raise UsageError(
                f"`{dataset.name}` has files, and no tensors that surefetch could load",
                hint=f"surefetch get {dataset.name}    (prints their folder)",
            )
        from surefetch.dataset import Handle
        from surefetch.session.get import fetch_tensors

        return Handle(fetch_tensors(self, dataset))

    def datasets(self) -> list[dict[str, Any]]:
        """Return a row per dataset: name, title, bytes, licence, forms, and whether it is here."""
        from surefetch.store.warm import ready_records

        here = {record["dataset"] for record in ready_records(str(self.store.folder))}
        return [{**row, "here": row["name"] in here} for row in self.catalog.summaries()]
