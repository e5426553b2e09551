"""Metalink files on this machine as targets, and datasets of the catalog as Metalink files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from surefetch import __version__
from surefetch.catalog.metalink import DOCUMENT_BYTES, parse_metalink, write_metalink
from surefetch.errors import StoreError, UsageError
from surefetch.model import Artifact, Dataset
from surefetch.transfer.urls import mask

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def read_metalink(name: str) -> Dataset:
    """Read a Metalink file of this machine.

    Raises:
        StoreError: It cannot be read.
        CatalogError: It is no Metalink 4, or describes a file without digest.
    """
    try:
        with Path(name).expanduser().open("rb") as file:
            data = file.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = f"name a file that is there: `ls {Path(name).parent}`"
        raise StoreError(f"Metalink `{name}` cannot be read: {why}", code="local.path", hint=hint) from error
    return parse_metalink(data, name)


def metalink_of(session: Session, name: str) -> str:
    """Return a Metalink 4 description of a dataset's files, of the first form that has addresses for all.

    Addresses with a password, a token or a signature are left out: such a description is handed on.

    Raises:
        UnknownDatasetError: No catalog has the name.
        UsageError: No form has.
    """
    dataset = session.catalog.find(name)
    artifacts = _addressed(dataset)
    if not artifacts:
        raise UsageError(
            f"no form of `{dataset.name}` has a digest and an address for each of its files, without a token",
            hint=f"surefetch info {dataset.name}    (shows where they come from)",
        )
    return write_metalink(dataset, artifacts, f"surefetch/{__version__}")


def _addressed(dataset: Dataset) -> list[Artifact]:
    names = [form.artifacts for form in dataset.forms] or [tuple(x.name for x in dataset.artifacts)]
    for form in names:
        artifacts = [_without_keys(dataset.artifact(name)) for name in form]
        if all(artifact.urls and artifact.digest and not artifact.is_carrier for artifact in artifacts):
            return artifacts
    return []


def _without_keys(artifact: Artifact) -> Artifact:
    return msgspec.structs.replace(artifact, urls=tuple(url for url in artifact.urls if mask(url) == url))
