"""A split as the objects of other libraries, sharing memory where they can."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from surefetch.dataset import OFFSETS
from surefetch.dataset.arrays import map_tensor
from surefetch.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from surefetch.dataset import Handle, Split

#: Numbers in one piece of a nested Arrow list, whose offsets have 32 bits.
PIECE: Final = 1 << 30


def need(module: str, package: str, extra: str = "") -> Any:
    """Import an optional library.

    Raises:
        MissingExtraError: It is not installed; the hint is the line that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # it is there, and lacks something of its own
            raise
        wanted = f"surefetch[{extra}]" if extra else package
        raise MissingExtraError(
            f"this needs `{package}`, which is not installed", hint=f"pip install '{wanted}'"
        ) from error


def to_torch(split: Split) -> dict[str, Any]:
    """Return torch tensors over private (copy-on-write) memory maps: writing into one changes no file."""
    torch = need("torch", "torch")
    return {
        name: torch.from_numpy(map_tensor(split.record(name), mode="c").view(np.ndarray)) for name in split
    }


def to_tf(split: Split) -> Any:
    """Return a `tf.data.Dataset` of (input, label) pairs, or of dictionaries where there is no label."""
    tf = need("tensorflow", "tensorflow")
    try:
        inputs, label = split.xy_names()
    except UsageError:
        return tf.data.Dataset.from_tensor_slices({name: np.asarray(split[name]) for name in split.columns})
    return tf.data.Dataset.from_tensor_slices((np.asarray(split[inputs]), np.asarray(split[label])))


def to_arrow(split: Split) -> Any:
    """Return a `pyarrow.Table`; tensors of several axes become nested fixed-size lists."""
    pa = need("pyarrow", "pyarrow", "parquet")
    return pa.table({name: _column(pa, split, name) for name in split.columns})


def to_hf(split: Split) -> Any:
    """Return a `datasets.Dataset` over the memory maps: tensors are `Array2D` …, named labels `ClassLabel`.

    Raises:
        MissingExtraError: `datasets` is not installed.
        UsageError: A tensor has more axes than `datasets` knows.
    """
    hf = need("datasets", "datasets")
    features = hf.Features({name: _feature(hf, split, name) for name in split.columns})
    schema, pa = features.arrow_schema, need("pyarrow", "pyarrow", "parquet")
    columns = [_stored(pa, split, name, schema.field(name).type) for name in split.columns]
    table = hf.table.InMemoryTable(pa.Table.from_arrays(columns, schema=schema))
    return hf.Dataset(table, info=hf.DatasetInfo(features=features), split=hf.NamedSplit(split.name))


def to_hf_dict(handle: Handle) -> Any:
    """Return a `datasets.DatasetDict` with all splits."""
    hf = need("datasets", "datasets")
    return hf.DatasetDict({name: to_hf(handle[name]) for name in handle})


def to_pandas(split: Split) -> Any:
    """Return a `pandas.DataFrame`: a column per vector, a column per feature of a matrix, else objects."""
    pd = need("pandas", "pandas", "pandas")
    columns: dict[str, Any] = {}
    for name in split.columns:
        array = split[name]
        if name + OFFSETS in split:
            columns[name] = to_strings(split, name)
        elif array.ndim == 1:
            columns[name] = np.asarray(array)
        elif array.ndim == 2:
            columns |= {f"{name}_{index}": np.asarray(array[:, index]) for index in range(array.shape[1])}
        else:
            columns[name] = list(np.asarray(array))
    return pd.DataFrame(columns)


def to_strings(split: Mapping[str, Any], name: str) -> list[str]:
    """Decode a text column."""
    data, edges = split[name].tobytes(), split[name + OFFSETS].tolist()
    return [str(data[start:stop], "utf-8") for start, stop in pairwise(edges)]


def _column(pa: Any, split: Split, name: str) -> Any:
    if name + OFFSETS in split:
        return _text(pa, split[name], split[name + OFFSETS])
    return _fixed(pa, split[name])


def _fixed(pa: Any, array: np.ndarray[Any, Any]) -> Any:
    values = _flat(pa, array)
    for length in reversed(array.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, length)
    return values


def _flat(pa: Any, array: np.ndarray[Any, Any]) -> Any:
    values = np.asarray(array).reshape(-1)
    if array.dtype == bool:  # Arrow packs eight to a byte
        return pa.array(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(array.dtype), array.size, [None, pa.py_buffer(values)])


def _text(pa: Any, data: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> Any:
    buffers = [None, pa.py_buffer(np.asarray(offsets)), pa.py_buffer(np.asarray(data))]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def _feature(hf: Any, split: Split, name: str) -> Any:
    array, kind = split[name], str(split[name].dtype)
    if name + OFFSETS in split:
        return hf.Value("large_string")
    if name == split.label_name and _are_numbers_of_classes(array, split.classes):
        return hf.ClassLabel(names=list(split.classes))
    if array.ndim == 1:
        return hf.Value(kind)
    if array.ndim == 2:
        return hf.Sequence(hf.Value(kind), length=array.shape[1])
    kinds = {3: hf.Array2D, 4: hf.Array3D, 5: hf.Array4D, 6: hf.Array5D}
    if array.ndim not in kinds:
        raise UsageError(f"`datasets` has no type for `{name}` with its {array.ndim} axes")
    return kinds[array.ndim](shape=array.shape[1:], dtype=kind)


def _are_numbers_of_classes(array: np.ndarray[Any, Any], classes: tuple[str, ...]) -> bool:
    if not classes or array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
        return False
    return bool(array.min() >= 0 and array.max() < len(classes))


def _stored(pa: Any, split: Split, name: str, kind: Any) -> Any:
    """A column in the Arrow type that `datasets` wants; numbers are shared, offsets are made."""
    array = split[name]
    if not isinstance(kind, pa.ExtensionType):
        return _column(pa, split, name).cast(kind)
    rows = max(1, PIECE // max(1, array[:1].size))
    pieces = [array[start : start + rows] for start in range(0, len(array), rows)]
    return pa.chunked_array([kind.wrap_array(_lists(pa, piece)) for piece in pieces], kind)


def _lists(pa: Any, array: np.ndarray[Any, Any]) -> Any:
    values = _flat(pa, array)
    for axis in range(array.ndim - 1, 0, -1):
        length = array.shape[axis]
        count = int(np.prod(array.shape[:axis], dtype=np.int64))
        values = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * length), values)
    return values
