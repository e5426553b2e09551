"""One function for each step of `recipes.STEPS`: value, argument, context in; value out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats import (
    archives,
    arff,
    arrays,
    columns,
    csv,
    idx,
    images,
    mat,
    npy,
    parquet,
    pickles,
    tars,
    unwrap,
)
from surefetch.formats.buffers import Array, Buffer, Column, Context, Numbers, view_of
from surefetch.model import DTYPES

Function = Callable[[Any, str, Context], Any]


def _unwrap(encoding: str) -> Function:
    def run(data: Buffer, argument: str, context: Context) -> Buffer:
        return unwrap.unwrap(data, encoding, context.limit)

    return run


def _cast(dtype: str) -> Function:
    def run(array: Array, argument: str, context: Context) -> Array:
        return arrays.cast(array, dtype)

    return run


def _zip(data: Buffer, argument: str, context: Context) -> Buffer:
    return archives.read_zip(data, argument, context.limit)


def _tar(data: Buffer, argument: str, context: Context) -> Buffer:
    return tars.read_tar(data, [argument], context.limit)[argument]


def _deb(data: Buffer, argument: str, context: Context) -> Buffer:
    return tars.read_deb(data, argument, context.limit)


def _idx(data: Buffer, argument: str, context: Context) -> Array:
    return idx.decode(data)


def _npy(data: Buffer, argument: str, context: Context) -> Array:
    return npy.decode(data)


def _npz(data: Buffer, argument: str, context: Context) -> Array:
    return npy.decode_npz(data, argument, context.limit)


def _pickle(data: Buffer, argument: str, context: Context) -> Array:
    return pickles.decode(data, argument, context.limit)


def _mat(data: Buffer, argument: str, context: Context) -> Array:
    return mat.decode(data, argument, context.limit)


def _png(column: Column | Numbers, argument: str, context: Context) -> Array:
    return images.decode_pngs(_pictures(column), context)


def _image(column: Column | Numbers, argument: str, context: Context) -> Array:
    return images.decode_images(_pictures(column), context)


def _pictures(column: Column | Numbers) -> Column:
    if isinstance(column, Numbers):
        raise DecodeError("the column holds numbers, not pictures", code="body.content-mismatch")
    return column


def _raw(data: Buffer, argument: str, context: Context) -> Array:
    if argument not in DTYPES:
        raise CatalogError(f"`{argument}` is no argument of step `raw`: it is one of {', '.join(DTYPES)}")
    view, dtype = view_of(data), np.dtype(argument).newbyteorder("<")
    if len(view) % dtype.itemsize:
        raise DecodeError(
            f"{len(view)} bytes are no whole number of {argument}", offset=len(view), code="body.truncated"
        )
    return np.frombuffer(view, dtype) if len(view) else np.empty(0, dtype)


FUNCTIONS: Final[dict[str, Function]] = {
    "gzip": _unwrap("gzip"),
    "bzip2": _unwrap("bzip2"),
    "xz": _unwrap("xz"),
    "zip": _zip,
    "tar": _tar,
    "deb": _deb,
    "idx": _idx,
    "npy": _npy,
    "npz": _npz,
    "pickle": _pickle,
    "mat": _mat,
    "arff": arff.decode,
    "csv": csv.decode,
    "parquet": parquet.read_column,
    "images": columns.images,
    "folders": columns.folders,
    "lines": columns.lines,
    "raw": _raw,
    "png": _png,
    "image": _image,
    "numbers": columns.numbers,
    "text": columns.text,
    "offsets": columns.offsets,
    "rows": arrays.rows,
    "column": arrays.column,
    "scale": arrays.scale,
    "minus": arrays.minus,
    "shape": arrays.shape,
    "axes": arrays.axes,
    **{dtype: _cast(dtype) for dtype in ("uint8", "int16", "int32", "int64", "float32", "float64")},
}
