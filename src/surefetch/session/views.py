"""The readable folder of a get: files under their published names, and the record for the warm load."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from surefetch.model import BUILT_IN, Artifact, Dataset, Digest, Struct
from surefetch.session.bench import Bench
from surefetch.session.targets import Target
from surefetch.store import layout

if TYPE_CHECKING:
    from surefetch.session.facade import Session
    from surefetch.store.ahead import Ahead

#: Files from which on the folder is made beside the transfer: at its end they would take 50 us each.
MANY: Final = 32


class File(Struct, frozen=True, kw_only=True):
    """One file of a view."""

    artifact: str
    name: str
    path: str = ""
    sha256: str
    digest: Digest
    size: int  # bytes
    proof: str  # "bytes" | "content"
    carrier: str = ""  # the archive it was read from


def begin_view(session: Session, target: Target) -> Ahead | None:
    """Begin the readable folder of a target of many files, as far as it is known what will be in it."""
    dataset = target.dataset
    if len(target.artifacts) < MANY or not dataset.version or target.learns:
        return None
    return session.store.view_ahead(dataset.name, dataset.version)


def write_view(session: Session, target: Target, bench: Bench) -> list[File]:
    """Put the proven files of a target into its readable folder and note them for the warm load.

    Raises:
        StoreError: The store cannot be written.
    """
    dataset = target.dataset
    if target.artifacts:
        files = [_held(dataset.artifact(name), bench) for name in sorted(target.artifacts)]
    else:
        files = _whole_form(session, dataset, bench) or _rebuilt(session, dataset, bench)
        files = files or _plain(session, dataset, bench)
    is_whole = not target.is_single_file and bool(dataset.version)  # files that no catalog names have none
    name = dataset.name if dataset.version else layout.FILES
    version = dataset.version or _version_of(files)
    shown = {file.name: file.sha256 for file in files}
    folder = session.store.view(name, version, shown, ahead=bench.view)
    if is_whole:
        origins = [Path(dataset.origin)] if dataset.origin != BUILT_IN else []
        names = {file.name: file.sha256 for file in files}
        session.store.record_dataset(dataset, bench.tensors, names, view=folder, origins=origins)
    root = str(folder)
    return [msgspec.structs.replace(file, path=os.path.join(root, file.name)) for file in files]  # noqa: PTH118 - of thousands, `Path` would cost most


def _version_of(files: list[File]) -> str:
    """Name a set of files by their digests."""
    digests = [file.sha256 for file in files]
    return (digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest())[:16]


def _whole_form(session: Session, dataset: Dataset, bench: Bench) -> list[File]:
    """The files of the first form that is here whole and may be handed out."""
    used = list(dict.fromkeys(bench.forms.values()))
    forms = sorted(dataset.forms, key=lambda form: form.name not in used)
    for form in forms:
        artifacts = [dataset.artifact(name) for name in form.artifacts]
        if not any(artifact.is_carrier for artifact in artifacts) and all(
            artifact.name in bench.files and artifact.digest is not None for artifact in artifacts
        ):
            return [_held(artifact, bench) for artifact in artifacts]
    return []


def _rebuilt(session: Session, dataset: Dataset, bench: Bench) -> list[File]:
    """The files of the first form that can be made of the tensors, byte for byte."""
    for form in dataset.forms:
        artifacts = [dataset.artifact(name) for name in form.artifacts]
        if all(artifact.sha256 and not artifact.urls and not artifact.is_carrier for artifact in artifacts):
            files = _make_form(session, dataset, artifacts, bench)
            if files:
                return files
    return []


def _make_form(session: Session, dataset: Dataset, artifacts: list[Artifact], bench: Bench) -> list[File]:
    from surefetch.session.rebuilding import rebuild_artifact  # numpy comes with it

    files = []
    for artifact in artifacts:
        path = rebuild_artifact(
            session, dataset, artifact, lambda name: tensor_of(session, dataset, bench.tensors[name], name)
        )
        if path is None:  # it has no way back here: the next form may have one
            return []
        bench.files[artifact.name] = str(path)
        files.append(_held(artifact, bench, carrier=_carrier(dataset, bench)))
    return files


def _plain(session: Session, dataset: Dataset, bench: Bench) -> list[File]:
    """One `.npy` file for each tensor."""
    from surefetch.formats.encoders import npy_bytes

    files = []
    for name, sha256 in bench.tensors.items():
        data = npy_bytes(tensor_of(session, dataset, sha256, name))
        digest, _ = session.store.put_tensor(data)
        files.append(
            File(
                artifact=name,
                name=name.replace("/", "-") + ".npy",
                sha256=digest,
                digest=Digest(algorithm="sha256", hex=sha256),
                size=len(data),
                proof="content",
                carrier=_carrier(dataset, bench),
            )
        )
    return files


def tensor_of(session: Session, dataset: Dataset, sha256: str, name: str) -> Any:
    """Map a tensor of the store as an array."""
    from surefetch.dataset.arrays import map_tensor

    spec = dataset.tensors[name]
    path = session.store.find(Digest(algorithm="sha256", hex=sha256))
    assert path is not None, "a tensor just published is there"
    return map_tensor({"dtype": spec.dtype, "shape": spec.shape, "path": path})


def _carrier(dataset: Dataset, bench: Bench) -> str:
    """The archive that the tensors were read from, for the receipt."""
    for name in bench.forms.values():
        return dataset.form(name).artifacts[0]
    return ""


def _held(artifact: Artifact, bench: Bench, carrier: str = "") -> File:
    path = bench.files[artifact.name]
    digest = artifact.digest
    assert digest is not None, "only files with a digest are handed out"
    return File(
        artifact=artifact.name,
        name=artifact.name,
        sha256=os.path.basename(path),  # noqa: PTH119 - blobs are named by it; of thousands, `Path` costs
        digest=digest,
        size=artifact.size if artifact.size is not None else Path(path).stat().st_size,
        proof="bytes",
        carrier=carrier,
    )
