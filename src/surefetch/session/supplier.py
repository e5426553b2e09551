"""A session as a supplier of proven bytes: for installs, running programs, writing other encodings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from surefetch.errors import FetchError
from surefetch.model import Artifact, Dataset
from surefetch.session.get import fetch_tensors, obtain
from surefetch.session.rebuilding import rebuild_artifact
from surefetch.session.targets import Target

if TYPE_CHECKING:
    from surefetch.session.facade import Session


class SessionSupplier:
    """Gives artifacts and tensors: from the store, made again, or fetched. Mutable: it keeps records."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._records: dict[str, dict[str, Any]] = {}

    def find(self, name: str) -> Dataset:
        """Return a dataset by name.

        Raises:
            UnknownDatasetError: No catalog has it.
        """
        return self.session.catalog.find(name)

    def find_url(self, url: str) -> tuple[Dataset, Artifact] | None:
        """Return what a URL is known to give."""
        return self.session.catalog.find_url(url)

    def hosts(self) -> Iterable[str]:
        """Return the host names of all URLs that are known."""
        urls = (
            url
            for dataset in self.session.catalog.all()
            for artifact in dataset.artifacts
            for url in (*artifact.urls, *artifact.known_as)
        )
        return {host for url in urls if (host := urlsplit(url).hostname)}

    def tensor(self, dataset: Dataset, name: str) -> Any:
        """Return a proven tensor, read-only.

        Raises:
            FetchError: It could not be had.
        """
        from surefetch.dataset.arrays import map_tensor

        if dataset.name not in self._records:
            self._records[dataset.name] = fetch_tensors(self.session, dataset)
        return map_tensor(self._records[dataset.name]["tensors"][name])

    def artifact(self, dataset: Dataset, name: str) -> Path | None:
        """Return a file with an artifact's published bytes: here, made again or fetched; else None."""
        artifact = dataset.artifact(name)
        if artifact.digest is None:
            return None
        return (
            self.session.store.find(artifact.digest, artifact.size)
            or self._rebuilt(dataset, artifact)
            or self._fetched(dataset, artifact)
        )

    def _rebuilt(self, dataset: Dataset, artifact: Artifact) -> Path | None:
        if not dataset.tensors:
            return None
        try:
            return rebuild_artifact(
                self.session, dataset, artifact, lambda tensor: self.tensor(dataset, tensor)
            )
        except FetchError:  # without tensors nothing can be made of them; the file itself may still be had
            return None

    def _fetched(self, dataset: Dataset, artifact: Artifact) -> Path | None:
        target = Target(dataset=dataset, artifacts=frozenset({artifact.name}), is_single_file=True)
        try:
            obtain(self.session, target)
        except FetchError:  # the caller has other ways, and says what it did
            return None
        assert artifact.digest is not None
        return self.session.store.find(artifact.digest, artifact.size)
