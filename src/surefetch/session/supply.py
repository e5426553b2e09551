"""What installing and answering need from the rest: proven files and tensors of a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from surefetch.model import Artifact, Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Supplier(Protocol):
    """Gives proven bytes. May fetch; each call may take as long as a fetch."""

    def artifact(self, dataset: Dataset, name: str) -> Path | None:
        """Return a file with an artifact's published bytes: here, fetched or rebuilt; None: not to be had."""
        ...

    def tensor(self, dataset: Dataset, name: str) -> NDArray[np.generic]:
        """Return a proven tensor.

        Raises:
            FetchError: It could not be had.
        """
        ...


class Answers(Supplier, Protocol):
    """A supplier that knows URLs too."""

    def find_url(self, url: str) -> tuple[Dataset, Artifact] | None:
        """Return what a URL is known to give."""
        ...

    def find(self, name: str) -> Dataset:
        """Return a dataset by name."""
        ...

    def hosts(self) -> Iterable[str]:
        """Return the host names of all URLs that are known."""
        ...

    def equal(self, dataset: Dataset, name: str) -> Path | None:
        """Return a file that holds what the artifact holds, with other bytes; None: it cannot be made."""
        ...

    def explain(self, text: str) -> str:
        """Return what to print below a traceback; "" when there is nothing to say."""
        ...


def bare_bytes(array: Any) -> memoryview:
    """Return a tensor's bytes in C order, little-endian."""
    import numpy as np

    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.data.cast("B")
