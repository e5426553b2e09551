"""A session as what the desk's clerk asks: known URLs, published files, and equals of those that are gone."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from surefetch.formats import encoders, rebuild
from surefetch.model import Artifact, Dataset, Step
from surefetch.session.explain import below_traceback
from surefetch.session.supplier import SessionSupplier

if TYPE_CHECKING:
    from surefetch.session.facade import Session


class SessionAnswers(SessionSupplier):
    """A supplier that also makes equals. Mutable: keeps them in a folder until it is closed."""

    def __init__(self, session: Session, explain: Callable[[str], str] | None = None) -> None:
        """Take the session, and what explains a traceback in place of the session's own way."""
        super().__init__(session)
        self._explain = explain or below_traceback
        self._folder = Path(tempfile.mkdtemp(prefix="surefetch-"))

    def close(self) -> None:
        """Forget the equals."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def explain(self, text: str) -> str:
        """Return what to print below a traceback; "" when there is nothing to say."""
        return self._explain(text)

    def equal(self, dataset: Dataset, name: str) -> Path | None:
        """Return a file that holds what the artifact holds, made of tensors; None: no encoder makes it.

        Raises:
            FetchError: The tensors could not be had.
        """
        path = self._folder / f"{dataset.name}-{name}".replace("/", "-")
        if not path.exists():
            data = next(self._encoded(dataset, dataset.artifact(name)), None)
            if data is None:
                return None
            path.write_bytes(data)
        return path

    def _encoded(self, dataset: Dataset, artifact: Artifact) -> Iterator[bytes]:
        """Yield the artifact's content in other bytes; nothing where there is no way."""
        if how := rebuild.KNOWN_REBUILDS.get((artifact.name, artifact.sha256 or "")):
            if how.kind == "keras-npz":
                tensors = {name: self.tensor(dataset, name) for name in how.tensors}
                yield rebuild.finish(how, tensors=tensors).data
        if artifact.form == "pickle" and dataset.tensors:
            tensors = {name: self.tensor(dataset, name) for name in dataset.tensors}
            yield from (data for _, data in encoders.encode("pickle", dataset.name, tensors))
        for tensor in _packed_idx(dataset, artifact.name):
            yield gzip.compress(encoders.idx_bytes(self.tensor(dataset, tensor)), mtime=0)


def _packed_idx(dataset: Dataset, name: str) -> Iterator[str]:
    """Yield the tensor of which an artifact is the gzip'd IDX file."""
    steps = (Step(name="gzip"), Step(name="idx"))
    for form in dataset.forms:
        for tensor, recipe in form.gives.items():
            if len(recipe) == 1 and recipe[0].input == name and recipe[0].steps == steps:
                yield tensor
