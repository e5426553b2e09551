"""`get --as`: a dataset in the encoding that is asked for, as the user's own files."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from surefetch.errors import UsageError
from surefetch.formats import encoders
from surefetch.model import Artifact, Dataset
from surefetch.receipts import FileReceipt, Receipt
from surefetch.session.get import told_of
from surefetch.session.rebuilding import EQUALS
from surefetch.session.supplier import SessionSupplier
from surefetch.store import files

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def write_form(
    session: Session, dataset: Dataset, form: str, output: str | os.PathLike[str] | None
) -> Receipt:
    """Write a dataset in a form of its own, byte for byte, or by an encoder.

    Args:
        session: Fetches what is missing.
        dataset: What is written.
        form: A form of the dataset, or `npz`, `npy`, `csv`, `parquet`, `png`, `arff`, `idx`, `pickle`.
        output: The folder; made if it is not there.

    Raises:
        UsageError: There is no such form, the dataset has no tensors, or `output` is missing.
        FetchError: The tensors could not be had.
        StoreError: The folder cannot be written.
    """
    began = time.monotonic()
    check_form(dataset, form, output)
    folder = Path(output or "").expanduser().absolute()
    names = [item.name for item in dataset.forms]
    supplier = SessionSupplier(session)
    receipts, notes = _published(supplier, dataset, form, folder) if form in names else ([], "")
    if not receipts:
        receipts = _encoded(supplier, dataset, EQUALS.get(form, form), folder)
    return Receipt(
        name=dataset.name,
        version=dataset.version,
        title=dataset.title,
        path=str(folder),
        files=tuple(receipts),
        seconds=time.monotonic() - began,
        form=form,
        notes=(notes,) if notes else (),
    )


def check_form(dataset: Dataset, form: str, output: str | os.PathLike[str] | None) -> None:
    """Refuse a form that cannot be written, before anything is fetched for it.

    Raises:
        UsageError: There is no such form, it cannot be written, or `output` is missing.
    """
    names = [item.name for item in dataset.forms]
    if form not in names and not dataset.tensors:
        raise UsageError(
            f"`{dataset.name}` has files, and no tensors that could be written as `{form}`",
            hint="leave the form out: `--output DIR` gives copies of the files as they are",
        )
    if form not in names and form not in encoders.FORMS:
        known = ", ".join([*names, *(name for name in encoders.FORMS if name not in names)])
        raise UsageError(f"`{dataset.name}` has no form `{form}`", hint=f"the forms are {known}")
    if form in names and form not in EQUALS:
        _refuse_unproven(dataset, form)
    if output is None or output == "-":
        raise UsageError("a form is written as files of your own", hint="add `--output DIR`")


def _refuse_unproven(dataset: Dataset, form: str) -> None:
    """Refuse a form whose files have no digest: nothing would prove that they are the published ones."""
    artifacts = map(dataset.artifact, dataset.form(form).artifacts)
    name = next((artifact.name for artifact in artifacts if artifact.digest is None), None)
    if name is not None:
        raise UsageError(
            f"`{name}` has no digest of its own, so it is not handed out: its content alone is proven",
            hint=f"surefetch get {dataset.name} --as npz --output DIR    (the proven content)",
        )


def _published(
    supplier: SessionSupplier, dataset: Dataset, form: str, folder: Path
) -> tuple[list[FileReceipt], str]:
    """The form's own files; none, and why, if one of them cannot be had."""
    receipts = []
    for name in dataset.form(form).artifacts:
        path = supplier.artifact(dataset, name)
        if path is None:
            if form not in EQUALS:
                raise UsageError(
                    f"`{name}` could neither be fetched nor made again here",
                    hint=f"surefetch get {dataset.name} --as {next(iter(encoders.FORMS))} --output {folder}",
                )
            is_unproven = dataset.artifact(name).digest is None
            why = "has no digest of its own" if is_unproven else "could not be had"
            return [], f"the published {name} {why}: what is written is equal in content, not in bytes"
        with told_of(str(folder)):
            supplier.session.store.copy_out(path.name, folder / name)
        receipts.append(_receipt(dataset.artifact(name), folder / name))
    return receipts, ""


def _encoded(supplier: SessionSupplier, dataset: Dataset, form: str, folder: Path) -> list[FileReceipt]:
    tensors = {name: supplier.tensor(dataset, name) for name in dataset.tensors}
    return [_written(folder / name, data) for name, data in _files(form, dataset, tensors)]


def _files(form: str, dataset: Dataset, tensors: dict[str, object]) -> Iterable[tuple[str, bytes]]:
    if form not in encoders.FORMS:
        raise UsageError(f"no encoder writes `{form}`", hint=f"the encoders are {', '.join(encoders.FORMS)}")
    return encoders.encode(form, dataset.name, tensors)  # type: ignore[arg-type] # arrays, by the supplier


def _written(path: Path, data: bytes) -> FileReceipt:
    with told_of(str(path.parent)):
        files.make_folder(path.parent)
        files.write_small(path, data, durable=True)
    return FileReceipt(
        artifact=path.name,
        name=path.name,
        path=str(path),
        digest=hashlib.sha256(data).hexdigest(),
        size=len(data),
        proof="content",
        algorithm="sha256",
        mirror="",
        seconds=0.0,
    )


def _receipt(artifact: Artifact, path: Path) -> FileReceipt:
    digest = artifact.digest
    assert digest is not None, "only files with a digest are handed out"
    return FileReceipt(
        artifact=artifact.name,
        name=artifact.name,
        path=str(path),
        digest=digest.hex,
        size=path.stat().st_size,
        proof="bytes",
        algorithm=digest.algorithm,
        mirror="",
        seconds=0.0,
    )
