"""The handle of a loaded dataset: splits of read-only, memory-mapped arrays.

A warm `load` comes through here: nothing but the standard library at the top, numpy with the first array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Split(Mapping[str, Any]):
    """One split of a dataset: its tensors by name, each mapped when first asked for.

    Mutable in one respect: it remembers the arrays it has mapped.
    """

    def __init__(self, name: str, tensors: Mapping[str, Mapping[str, Any]], classes: tuple[str, ...]) -> None:
        """Take what the store's record says of the split's tensors: dtype, shape, path."""
        self.name, self.classes = name, classes
        self._tensors = dict(tensors)
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        """Return a tensor as a read-only memory map.

        Raises:
            KeyError: The split has no such tensor; the message lists those it has.
        """
        if name not in self._tensors:
            raise KeyError(f"split `{self.name}` has no `{name}`, only {_listed(self._tensors)}")
        if name not in self._arrays:
            from surefetch.dataset.arrays import map_tensor

            self._arrays[name] = map_tensor(self._tensors[name])
        return self._arrays[name]

    def __getattr__(self, name: str) -> np.ndarray[Any, Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._tensors])

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}: {describe(spec)}" for name, spec in self._tensors.items())
        return f"<split {self.name}: {inside}>"

    def _repr_html_(self) -> str:
        from surefetch.dataset.show import to_html

        return to_html([self])

    @property
    def rows(self) -> int:
        """Length of the first axis, which all tensors of a split share."""
        return min((int(spec["shape"][0]) for spec in self._tensors.values() if spec["shape"]), default=0)

    def record(self, name: str) -> Mapping[str, Any]:
        """Return what the store's record says of a tensor: dtype, shape, path, sha256."""
        return self._tensors[name]

    def xy(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return inputs and labels: the first tensor that is no label, and the label.

        Raises:
            KeyError: The split has no two such tensors.
        """
        label = next((name for name in LABELS if name in self._tensors), None)
        inputs = [name for name in self._tensors if name != label]
        if label is None or not inputs:
            raise KeyError(f"split `{self.name}` has no inputs and labels, only {_listed(self._tensors)}")
        return self[inputs[0]], self[label]

    def to_torch(self) -> dict[str, Any]:
        """Return the tensors as torch tensors that share the memory map (private: writes stay in memory)."""
        from surefetch.dataset.convert import to_torch

        return to_torch(self)

    def torch_dataset(self, transform: Any = None) -> Any:
        """Return a `torch.utils.data.Dataset` of (input, label); workers map the files themselves."""
        from surefetch.dataset.torch_view import torch_dataset

        return torch_dataset(self, transform)

    def to_tf(self) -> Any:
        """Return a `tf.data.Dataset` of (input, label), or of dictionaries where there is no label."""
        from surefetch.dataset.convert import to_tf

        return to_tf(self)

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table` that shares the memory maps; images are fixed-size lists."""
        from surefetch.dataset.convert import to_arrow

        return to_arrow(self)

    def to_hf(self) -> Any:
        """Return a `datasets.Dataset` over the Arrow table."""
        from surefetch.dataset.convert import to_hf

        return to_hf(self)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`: a column per tensor, or per feature of a table."""
        from surefetch.dataset.convert import to_pandas

        return to_pandas(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)


class Handle(Mapping[str, Split]):
    """A loaded dataset: its splits by name. `ds["train"]["image"]`, `ds.train.image`, `ds.xy()`."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        """Take the store's record of the dataset."""
        self.name: str = record["dataset"]
        self.version: str = record["version"]
        self.classes: tuple[str, ...] = tuple(record.get("classes", ()))
        grouped: dict[str, dict[str, Mapping[str, Any]]] = {}
        for path, spec in record["tensors"].items():
            split, _, tensor = path.rpartition("/")
            grouped.setdefault(split or "all", {})[tensor] = spec
        self._splits = {name: Split(name, tensors, self.classes) for name, tensors in grouped.items()}

    def __getitem__(self, name: str) -> Split:
        """Return a split, or by `split/tensor` an array.

        Raises:
            KeyError: The dataset has no such split; the message lists those it has.
        """
        if name in self._splits:
            return self._splits[name]
        split, separator, tensor = name.rpartition("/")
        if separator and split in self._splits:
            array: Any = self._splits[split][tensor]
            return array  # type: ignore[no-any-return] # "train/image" gives an array: handy, and documented
        raise KeyError(f"`{self.name}` has no split `{name}`, only {_listed(self._splits)}")

    def __getattr__(self, name: str) -> Split:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._splits)

    def __len__(self) -> int:
        return len(self._splits)

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._splits])

    def __repr__(self) -> str:
        lines = [f"<dataset {self.name} {self.version}"]
        for split in self._splits.values():
            tensors = ", ".join(f"{name} {describe(split.record(name))}" for name in split)
            lines.append(f"  {split.name}: {tensors}")
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        from surefetch.dataset.show import to_html

        return to_html(list(self._splits.values()), title=f"{self.name} {self.version}")

    def xy(self) -> tuple[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], ...]:
        """Return `(x_train, y_train), (x_test, y_test)`, as Keras' `load_data` does; a pair per split."""
        order = sorted(self._splits, key=lambda name: SPLIT_ORDER.index(name) if name in SPLIT_ORDER else 9)
        return tuple(self._splits[name].xy() for name in order)

    def to_hf(self) -> Any:
        """Return a `datasets.DatasetDict` with all splits."""
        from surefetch.dataset.convert import to_hf_dict

        return to_hf_dict(self)


#: Names that a tensor of labels may have, the most usual first.
LABELS = ("label", "labels", "fine_label", "target", "class", "y")
SPLIT_ORDER = ("train", "validation", "val", "test")


def describe(spec: Mapping[str, Any]) -> str:
    """Return dtype and shape in a few characters: `uint8 60000×28×28`."""
    return f"{spec['dtype']} {'×'.join(map(str, spec['shape']))}".strip()


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
