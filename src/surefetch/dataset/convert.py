"""A split as the objects of other libraries, sharing memory where they can."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from surefetch.dataset.arrays import map_tensor
from surefetch.errors import MissingExtraError

if TYPE_CHECKING:
    from surefetch.dataset import Handle, Split

#: Suffix of the offsets of a text column: tensor `text` has UTF-8 bytes, `text.offsets` int64 offsets.
OFFSETS = ".offsets"


def need(module: str, package: str, extra: str = "") -> Any:
    """Import an optional library.

    Raises:
        MissingExtraError: It is not installed; the hint is the line that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
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
        x, y = split.xy()
    except KeyError:
        return tf.data.Dataset.from_tensor_slices({name: np.asarray(split[name]) for name in split})
    return tf.data.Dataset.from_tensor_slices((np.asarray(x), np.asarray(y)))


def to_arrow(split: Split) -> Any:
    """Return a `pyarrow.Table`; tensors of several axes become nested fixed-size lists."""
    pa = need("pyarrow", "pyarrow", "parquet")
    columns = {}
    for name in split:
        if name.endswith(OFFSETS):
            continue
        columns[name] = (
            _text(pa, split[name], split[name + OFFSETS])
            if name + OFFSETS in split
            else _fixed(pa, split[name])
        )
    return pa.table(columns)


def to_hf(split: Split) -> Any:
    """Return a `datasets.Dataset`: labels as `ClassLabel` where classes are known, images as `Array2D`."""
    hf = need("datasets", "datasets")
    names = [name for name in split if not name.endswith(OFFSETS)]
    features = {name: _feature(hf, split, name) for name in names}
    values = {
        name: to_strings(split, name) if name + OFFSETS in split else np.asarray(split[name])
        for name in names
    }
    return hf.Dataset.from_dict(values, features=hf.Features(features), split=split.name)


def to_hf_dict(handle: Handle) -> Any:
    """Return a `datasets.DatasetDict` with all splits."""
    hf = need("datasets", "datasets")
    return hf.DatasetDict({name: to_hf(handle[name]) for name in handle})


def to_pandas(split: Split) -> Any:
    """Return a `pandas.DataFrame`: a column per vector, a column per feature of a matrix, else objects."""
    pd = need("pandas", "pandas", "pandas")
    columns: dict[str, Any] = {}
    for name in split:
        if name.endswith(OFFSETS):
            continue
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
    data, offsets = bytes(split[name]), split[name + OFFSETS]
    return [data[start:stop].decode() for start, stop in pairwise(offsets)]


def _fixed(pa: Any, array: np.ndarray[Any, Any]) -> Any:
    if array.dtype == bool:  # Arrow packs eight to a byte
        values = pa.array(np.asarray(array).reshape(-1))
    else:
        kind = pa.from_numpy_dtype(array.dtype)
        values = pa.Array.from_buffers(kind, array.size, [None, pa.py_buffer(np.asarray(array).reshape(-1))])
    for length in reversed(array.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, length)
    return values


def _text(pa: Any, data: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> Any:
    buffers = [None, pa.py_buffer(np.asarray(offsets)), pa.py_buffer(np.asarray(data))]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def _feature(hf: Any, split: Split, name: str) -> Any:
    array, classes = split[name], split.classes
    if name + OFFSETS in split:
        return hf.Value("string")
    if name == "label" and array.ndim == 1 and classes:
        return hf.ClassLabel(names=list(classes))
    if array.ndim == 1:
        return hf.Value(str(array.dtype))
    if array.ndim == 2:
        return hf.Sequence(hf.Value(str(array.dtype)), length=array.shape[1])
    kinds = {3: hf.Array2D, 4: hf.Array3D, 5: hf.Array4D}
    return kinds[array.ndim](shape=array.shape[1:], dtype=str(array.dtype))
