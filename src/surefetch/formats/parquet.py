"""Columns of parquet files (extra `parquet`: pyarrow)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from surefetch.errors import DecodeError
from surefetch.formats.arrays import cast
from surefetch.formats.buffers import (
    Array,
    Buffer,
    Column,
    Context,
    Numbers,
    bomb,
    missing_extra,
    quote,
    view_of,
)

MAGIC: Final = b"PAR1"
#: Rows read at a time: between these, by how large one value may be.
LEAST_ROWS, MOST_ROWS = 64, 65_536
#: Numbers read at a time from neighbouring columns.
RANGE_ITEMS: Final = 4 << 20
#: What the file's own description may announce.
STRING_BYTES, CONTAINER_ITEMS = 100 << 20, 1_000_000


def read_column(data: Buffer, argument: str, context: Context) -> Column | Numbers:
    """Read a column.

    Args:
        data: The file.
        argument: The column's name, dots for fields of a struct: `label`, `image.bytes`; or `FIRST..LAST` for
            all columns from one to another, as numbers of shape (rows, columns).
        context: Bounds the output; a cast that comes next is made on the fly.

    Raises:
        DecodeError: The file is damaged, has no such column, or a row of it is missing.
        MissingExtraError: pyarrow is not installed.
    """
    view = view_of(data)
    if bytes(view[:4]) != MAGIC or bytes(view[-4:]) != MAGIC:
        raise DecodeError(f"a parquet file begins and ends with `PAR1`, not {quote(view)}", offset=0)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra("parquet", "pyarrow") from error
    try:
        with pyarrow.parquet.ParquetFile(
            pyarrow.BufferReader(pyarrow.py_buffer(view)),
            thrift_string_size_limit=STRING_BYTES,
            thrift_container_size_limit=CONTAINER_ITEMS,
            page_checksum_verification=True,
        ) as file:
            first, dots, last = argument.partition("..")
            return _read_range(file, first, last, context) if dots else _read_one(file, argument, context)
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        raise DecodeError(f"the parquet file cannot be read: {str(error)[:200]}") from error


def _read_one(file: Any, name: str, context: Context) -> Column | Numbers:
    parts = [_flatten(batch, name) for batch in _batches(file, name, context.limit)]
    if all(isinstance(part, Column) for part in parts) and parts:
        return _join([part for part in parts if isinstance(part, Column)])
    values = [part.values for part in parts if isinstance(part, Numbers)]
    if len(values) != len(parts) or not values:
        raise DecodeError(f"column `{name}` has no rows that can be read")
    return Numbers(values=np.concatenate(values))


def _read_range(file: Any, first: str, last: str, context: Context) -> Numbers:
    """Read neighbouring columns of numbers, rows by rows into place."""
    schema = file.schema_arrow
    names = [field.name for field in schema]
    if names.count(first) != 1 or names.count(last) != 1 or names.index(first) > names.index(last):
        raise _no_column(f"{first}..{last}", names)
    chosen, dtype = names[names.index(first) : names.index(last) + 1], np.dtype(context.dtype or "float64")
    for name in chosen:
        if names.count(name) != 1 or not _is_number(schema.field(name).type):
            raise DecodeError(f"column `{name}` does not hold numbers", code="body.content-mismatch")
    rows: int = file.metadata.num_rows
    if rows * len(chosen) * dtype.itemsize > context.limit:
        raise bomb("the parquet file", context.limit)
    values, start = np.empty((rows, len(chosen)), dtype), 0
    batch_rows = max(1, RANGE_ITEMS // len(chosen))
    for batch in file.iter_batches(batch_size=batch_rows, columns=chosen, use_threads=False):
        for index, name in enumerate(chosen):
            column = _flatten(batch.column(name), name)
            values[start : start + len(batch), index] = cast(_numbers(column), dtype.name)
        start += len(batch)
    if start != rows:
        raise DecodeError(f"{start} rows came of the {rows} announced", code="body.truncated")
    return Numbers(values=values)


def _numbers(column: Column | Numbers) -> Array:
    if not isinstance(column, Numbers):
        raise DecodeError("the column holds text, not numbers", code="body.content-mismatch")
    return column.values


def _batches(file: Any, name: str, limit: int) -> Iterator[Any]:
    """Give the column in batches small enough that no value, repeated, makes one of them huge."""
    paths = [file.schema.column(index).path for index in range(len(file.schema))]
    # Lists end in `.list.element`: they are named without.
    chosen = [index for index, path in enumerate(paths) if path == name or path.startswith(f"{name}.list")]
    if len(chosen) != 1:
        raise _no_column(name, paths)
    metadata = file.metadata
    # Of the whole group: to ask for a column's own size kills the process when its statistics are damaged
    # (an exception leaves pyarrow's C++ uncaught; found by fuzzing pyarrow 26).
    sizes = [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]
    rows = min(max(limit // max([1, *sizes]), LEAST_ROWS), MOST_ROWS)
    total = 0
    for batch in file.iter_batches(batch_size=rows, columns=[paths[chosen[0]]], use_threads=False):
        array = _inner(batch.column(0), name)
        total += array.nbytes
        if total > limit:
            raise bomb(f"column `{name}`", limit)
        yield array


def _inner(array: Any, name: str) -> Any:
    """Go down to the field that is wanted, and write out what a dictionary keeps once."""
    import pyarrow

    for field in name.split(".")[1:]:
        if array.null_count:
            raise _missing(name)
        array = array.field(field)
    return array.dictionary_decode() if pyarrow.types.is_dictionary(array.type) else array


def _is_number(kind: Any) -> bool:
    import pyarrow

    types = pyarrow.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _flatten(array: Any, name: str) -> Column | Numbers:
    """Turn an Arrow array into a column."""
    import pyarrow

    kind = array.type
    if array.null_count and not pyarrow.types.is_floating(kind):
        raise _missing(name)
    if pyarrow.types.is_string(kind) or pyarrow.types.is_binary(kind):
        return _strings(array.cast(pyarrow.large_binary()))
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_large_binary(kind):
        return _strings(array.cast(pyarrow.large_binary()))
    if (
        pyarrow.types.is_list(kind)
        or pyarrow.types.is_large_list(kind)
        or pyarrow.types.is_fixed_size_list(kind)
    ):
        return _lists(array, name)
    if _is_number(kind):
        return Numbers(values=array.to_numpy(zero_copy_only=False))
    raise DecodeError(f"column `{name}` holds {kind}, which is not read")


def _strings(array: Any) -> Column:
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    plain: npt.NDArray[np.uint8] = (
        np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)
    )
    return Column(plain[edges[0] : edges[-1]], edges - edges[0])


def _lists(array: Any, name: str) -> Numbers:
    inner = _flatten(array.flatten(), name)
    if not isinstance(inner, Numbers) or not len(array) or len(inner.values) % len(array):
        raise DecodeError(f"the lists of column `{name}` are not of one length", code="body.content-mismatch")
    width = len(inner.values) // len(array)
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    if not (lengths == width).all():
        raise DecodeError(f"the lists of column `{name}` are not of one length", code="body.content-mismatch")
    return Numbers(values=inner.values.reshape(len(array), width, *inner.values.shape[1:]))


def _join(columns: list[Column]) -> Column:
    data = np.concatenate([column.data for column in columns])
    starts = np.cumsum([0, *(len(column.data) for column in columns)])
    edges = [column.offsets[:-1] + start for column, start in zip(columns, starts)]
    return Column(data, np.concatenate([*edges, starts[-1:]]))


def _no_column(name: str, names: list[str]) -> DecodeError:
    there = ", ".join(f"`{name[:40]}`" for name in names[:8])
    return DecodeError(f"the parquet file has no column `{name}`; it has {there}")


def _missing(name: str) -> DecodeError:
    return DecodeError(f"column `{name}` has rows without a value", code="body.content-mismatch")
