"""The handle of a loaded dataset: splits of read-only, memory-mapped arrays.

A warm `load` comes through here: nothing but the standard library at the top, numpy with the first array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]
    Pair: TypeAlias = tuple[Array, Array]  # inputs and labels

#: Names that a tensor of labels may have, the most usual first.
LABELS = ("label", "labels", "fine_label", "target", "class", "y")
SPLIT_ORDER = ("train", "validation", "val", "test")
#: Suffix of the offsets of a text column: tensor `text` has UTF-8 bytes, `text.offsets` int64 offsets.
OFFSETS = ".offsets"


class Split(Mapping[str, Any]):
    """One split of a dataset: its tensors by name, each mapped when first asked for.

    Mutable in one respect: it remembers the arrays it has mapped.
    """

    def __init__(self, name: str, tensors: Mapping[str, Mapping[str, Any]], classes: tuple[str, ...]) -> None:
        """Take what the store's record says of the split's tensors: dtype, shape, path."""
        self.name, self.classes = name, tuple(classes)
        self._tensors = {name: tensors[name] for name in sorted(tensors, key=LABELS.__contains__)}
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        """Return a tensor as a read-only memory map.

        Raises:
            KeyError: The split has no such tensor; the message lists those it has.
        """
        if name not in self._tensors:
            raise KeyError(f"split `{self.name}` has no `{name}`, only {_listed(self._tensors)}")
        if name not in self._arrays:
            from surefetch.dataset.arrays import map_tensor

            return self._arrays.setdefault(name, map_tensor(self._tensors[name]))  # one for all threads
        return self._arrays[name]

    def __getattr__(self, name: str) -> Array:
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Split) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> Any:
        return Split, (self.name, self._tensors, self.classes)  # where the bytes lie, not the bytes

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def _identity(self) -> tuple[Any, ...]:
        return self.name, frozenset((name, spec["sha256"]) for name, spec in self._tensors.items())

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}: {describe(spec)}" for name, spec in self._tensors.items())
        return f"<split {self.name}: {inside}>"

    def _repr_html_(self) -> str:
        from surefetch.dataset.show import to_html

        return to_html([self])

    @property
    def rows(self) -> int:
        """How many samples there are: the length of the first axis, which the tensors share."""
        lengths = [
            int(self._tensors[name + OFFSETS]["shape"][0]) - 1 if name + OFFSETS in self else int(shape[0])
            for name in self.columns
            if (shape := self._tensors[name]["shape"])
        ]
        return min(lengths, default=0)

    @property
    def columns(self) -> list[str]:
        """Names of the tensors, without the offsets that belong to text."""
        return [name for name in self._tensors if not name.endswith(OFFSETS)]

    @property
    def label_name(self) -> str | None:
        """Name of the tensor of labels, if there is one."""
        return next((name for name in LABELS if name in self._tensors), None)

    def record(self, name: str) -> Mapping[str, Any]:
        """Return what the store's record says of a tensor: dtype, shape, path, sha256."""
        return self._tensors[name]

    def strings(self, name: str) -> list[str]:
        """Decode a text column, e.g. `ds.train.strings("text")`."""
        from surefetch.dataset.convert import to_strings

        return to_strings(self, name)

    def xy(self) -> Pair:
        """Return inputs and labels: the first tensor that is no label, and the label.

        Raises:
            UsageError: The split has no two such tensors.
        """
        inputs, label = self.xy_names()
        return self[inputs], self[label]

    def xy_names(self) -> tuple[str, str]:
        """Return the names of the tensors that `xy` returns; raises as that does."""
        inputs = [name for name in self.columns if name not in LABELS]
        if self.label_name is None or not inputs:
            from surefetch.errors import UsageError

            raise UsageError(f"split `{self.name}` has no inputs and labels, only {_listed(self._tensors)}")
        return inputs[0], self.label_name

    def to_torch(self) -> dict[str, Any]:
        """Return the tensors as torch tensors that share the memory map (private: writes stay in memory)."""
        from surefetch.dataset.convert import to_torch

        return to_torch(self)

    def torch_dataset(self, transform: Any = None) -> Any:
        """Return a `torch.utils.data.Dataset` of (input, label); workers map the files themselves.

        Args:
            transform: Is given each input as a NumPy array, which is what torchvision's `ToTensor` and
                `ToImage` and Albumentations take. Without it inputs are torch tensors as they are stored.
        """
        from surefetch.dataset.convert import need

        need("torch", "torch")
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
        """Export as Arrow (the PyCapsule interface): polars, DuckDB, pandas read a split as it is."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


class Handle(Mapping[str, Split]):
    """A loaded dataset: its splits by name. `ds["train"]["image"]`, `ds.train.image`, `ds.xy()`."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        """Take the store's record of the dataset."""
        self._record = dict(record)
        self.name: str = record["dataset"]
        self.version: str = record["version"]
        self.title: str = record.get("title", "")
        self.classes: tuple[str, ...] = tuple(record.get("classes", ()))
        grouped: dict[str, dict[str, Mapping[str, Any]]] = {}
        for path, spec in record["tensors"].items():
            split, _, tensor = path.rpartition("/")
            grouped.setdefault(split or "all", {})[tensor] = spec
        grouped = {name: grouped[name] for name in sorted(grouped, key=_place_in_order)}
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and (self.name, self._splits) == (other.name, other._splits)

    def __hash__(self) -> int:
        return hash((self.name, *self._splits.values()))

    def __reduce__(self) -> Any:
        return Handle, (self._record,)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        lines = [f"<dataset {self.name} {self.version}"]
        for split in self._splits.values():
            tensors = ", ".join(f"{name} {describe(split.record(name))}" for name in split)
            lines.append(f"  {split.name}: {tensors}")
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        from surefetch.dataset.show import to_html

        return to_html(list(self._splits.values()), title=f"{self.name} {self.version}")

    @overload
    def xy(self) -> tuple[Pair, Pair]: ...
    @overload
    def xy(self, *splits: str) -> tuple[Pair, ...]: ...
    def xy(self, *splits: str) -> tuple[Pair, ...]:
        """Return `(x_train, y_train), (x_test, y_test)`, as Keras' `load_data` does; or the splits asked for.

        Raises:
            UsageError: There is no such split, or it has no inputs and labels.
        """
        for name in splits or ("train", "test"):
            if name not in self._splits:
                from surefetch.errors import UsageError

                has = _listed(self._splits)
                one = next(iter(self._splits))
                raise UsageError(f"`{self.name}` has no split `{name}`, only {has}", hint=f"ds.{one}.xy()")
        return tuple(self._splits[name].xy() for name in splits or ("train", "test"))

    def to_torch(self) -> dict[str, dict[str, Any]]:
        """Return each split as `Split.to_torch` does."""
        return {name: split.to_torch() for name, split in self._splits.items()}

    def to_tf(self) -> dict[str, Any]:
        """Return each split as a `tf.data.Dataset`."""
        return {name: split.to_tf() for name, split in self._splits.items()}

    def to_arrow(self) -> dict[str, Any]:
        """Return each split as a `pyarrow.Table`."""
        return {name: split.to_arrow() for name, split in self._splits.items()}

    def to_pandas(self) -> dict[str, Any]:
        """Return each split as a `pandas.DataFrame`."""
        return {name: split.to_pandas() for name, split in self._splits.items()}

    def to_hf(self) -> Any:
        """Return a `datasets.DatasetDict` with all splits."""
        from surefetch.dataset.convert import to_hf_dict

        return to_hf_dict(self)


def describe(spec: Mapping[str, Any]) -> str:
    """Return dtype and shape in a few characters: `uint8 60000×28×28`."""
    return f"{spec['dtype']} {'×'.join(map(str, spec['shape']))}".strip()


def _place_in_order(split: str) -> int:
    return SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)
