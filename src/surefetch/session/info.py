"""What is known of a dataset: licence, citation, tensors, files with digests and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from surefetch.model import ALGORITHMS, Artifact, Dataset
from surefetch.session.load import find_record
from surefetch.transfer import urls

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def info(session: Session, name: str) -> dict[str, Any]:
    """Return all that the catalog says of a dataset and whether it is here (docs/schema/info.schema.json).

    Passwords, tokens and signatures in addresses are masked.

    Raises:
        UnknownDatasetError: No catalog has the name.
    """
    dataset = session.catalog.find(name)
    record = find_record(dataset.name, session.environ, session.store.folder)
    return {
        "name": dataset.name,
        "version": dataset.version,
        "title": dataset.title,
        "description": dataset.description,
        "license": dataset.license,
        "homepage": urls.mask(dataset.homepage),
        "citation": dataset.citation.strip(),
        "aliases": list(dataset.aliases),
        "catalog": dataset.origin,
        "classes": list(dataset.classes),
        "tensors": {
            tensor: {"dtype": spec.dtype, "shape": list(spec.shape), "sha256": spec.sha256}
            for tensor, spec in dataset.tensors.items()
        },
        "files": [_file(session, artifact) for artifact in dataset.artifacts],
        "here": record is not None,
        "path": record["view"] if record else None,
    }


def smallest(dataset: Dataset) -> int:
    """Return the bytes to fetch at least."""
    sums = [
        sum(artifact.bound for artifact in dataset.artifacts if artifact.form == form)
        for form in {artifact.form for artifact in dataset.artifacts}
    ]
    return min(sums, default=0)


def _file(session: Session, artifact: Artifact) -> dict[str, Any]:
    digest = artifact.digest
    return {
        "name": artifact.name,
        "form": artifact.form,
        "size": artifact.size,
        "digests": {name: value for name in ALGORITHMS if (value := getattr(artifact, name))},
        "sources": [
            *map(urls.mask, artifact.urls),
            *([f"package {artifact.package}"] if artifact.package else []),
            *([f"Debian package {artifact.deb}"] if artifact.deb else []),
        ],
        "here": digest is not None and session.store.find(digest, artifact.size) is not None,
    }
