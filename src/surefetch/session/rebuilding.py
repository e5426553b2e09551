"""Published files made again from what is here; kept only with the published digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefetch.errors import IntegrityError
from surefetch.formats import encoders, rebuild
from surefetch.formats.derivation import run
from surefetch.machine import gnu_gzip
from surefetch.model import Artifact, Dataset, Recipe, Step

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: Published form -> the encoder that gives the same content where the published bytes cannot be had.
EQUALS = {
    "keras-npz": "npz",
    "pickle": "pickle",
    "openml-arff": "arff",
    "openml-parquet": "parquet",
    "hf-parquet": "parquet",
    "idx-raw": "idx",
}
#: Bytes at most of a file that is read out of an archive.
TWIN_LIMIT = 1 << 30
#: Gives a tensor of the dataset by name, as an array.
Tensor = Callable[[str], Any]


def rebuild_artifact(session: Session, dataset: Dataset, artifact: Artifact, tensor: Tensor) -> Path | None:
    """Make an artifact of the dataset's tensors and put it into the store.

    Returns:
        The blob's path; None where there is no way, or where this machine's compressor gives other bytes.

    Raises:
        StoreError: The store cannot take it.
    """
    if artifact.sha256 is None:
        return None
    data = _raw(dataset, artifact, tensor) or _compressed(session, dataset, artifact, tensor)
    if data is None:
        return None
    try:
        return session.store.put_tensor(data, artifact.sha256)[1]
    except IntegrityError:  # the compressor differs: what it gave is no published file
        return None


def _raw(dataset: Dataset, artifact: Artifact, tensor: Tensor) -> bytes | None:
    """A file that is one tensor in IDX."""
    for name, recipe in _recipes(dataset, artifact).items():
        if [part.steps for part in recipe] == [(Step(name="idx"),)]:
            return encoders.idx_bytes(tensor(name))
    return None


def _compressed(session: Session, dataset: Dataset, artifact: Artifact, tensor: Tensor) -> bytes | None:
    how = rebuild.KNOWN_REBUILDS.get((artifact.name, artifact.sha256 or ""))
    if how is None or not set(how.tensors) <= set(dataset.tensors):
        return None
    if how.kind == "keras-npz":
        return _exact(rebuild.finish(how, tensors={name: tensor(name) for name in how.tensors}))
    gzipped = _stream(session, dataset, how, tensor)
    return None if gzipped is None else _exact(rebuild.finish(how, gzipped=gzipped))


def _stream(session: Session, dataset: Dataset, how: rebuild.Rebuild, tensor: Tensor) -> bytes | None:
    """The deflate stream: GNU gzip's, or another package's copy of the same one."""
    if how.needs_gnu_gzip:
        plain = rebuild.plain_content(how, {name: tensor(name) for name in how.tensors})
        return gnu_gzip.compress(plain, rebuild.GNU_GZIP, session.environ)
    return _twin(session, dataset, how.tensors[0])


def _twin(session: Session, dataset: Dataset, tensor: str) -> bytes | None:
    """A gzip file of the same tensor that is here, or inside a carrier that is here."""
    for form in dataset.forms:
        for part in form.gives.get(tensor, ()):
            source = dataset.artifact(part.input)
            path = session.store.find(source.digest, source.size) if source.digest is not None else None
            before = [step for step in part.steps if step.name not in ("gzip", "idx")]
            if path is not None and Step(name="gzip") in part.steps:
                return bytes(run(before, memoryview(path.read_bytes()), TWIN_LIMIT))
    return None


def _recipes(dataset: Dataset, artifact: Artifact) -> dict[str, Recipe]:
    """Tensor -> recipe, of those that read this artifact alone."""
    return {
        name: recipe
        for form in dataset.forms
        for name, recipe in form.gives.items()
        if {part.input for part in recipe} == {artifact.name}
    }


def _exact(made: rebuild.Rebuilt) -> bytes | None:
    return made.data if made.is_exact else None
