"""The reshaping steps: rows, axes, scaling and casts. None of them changes a value without saying so."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats.buffers import Array, Context

#: Numbers worked on at once where a cast needs room beside its input and its output.
BLOCK_ITEMS: Final = 1 << 20
#: How far a scaled number may lie from a whole one.
WHOLE_TOLERANCE: Final = 1e-3


def digest_of(array: Array) -> str:
    """Return the SHA-256 of an array's C-order little-endian bytes, in hexadecimal."""
    plain = contiguous(array)
    return hashlib.sha256(plain.data.cast("B") if plain.size else b"").hexdigest()


def contiguous(array: Array) -> Array:
    """Return the array in C order and little-endian; itself, if it is so already."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def rows(array: Array, argument: str, context: Context) -> Array:
    """Take rows start-stop, half-open."""
    start, stop = _integers(argument, "-", 2, "rows")
    if not 0 <= start <= stop <= _length(array):
        raise DecodeError(f"rows {argument} are wanted of {_length(array)}", code="body.content-mismatch")
    return array[start:stop]


def column(array: Array, argument: str, context: Context) -> Array:
    """Take one column along the last axis."""
    (index,) = _integers(argument, "-", 1, "column")
    if array.ndim < 2 or not 0 <= index < array.shape[-1]:
        raise DecodeError(
            f"column {argument} is wanted of an array of shape {array.shape}", code="body.content-mismatch"
        )
    return array[..., index]


def shape(array: Array, argument: str, context: Context) -> Array:
    """Give new lengths to all axes but the first."""
    lengths = _integers(argument, ",", None, "shape")
    count = math.prod(lengths)
    if min(lengths) < 0 or not count or array.size % count:
        raise DecodeError(
            f"an array of shape {array.shape} has no rows of shape {argument}", code="body.content-mismatch"
        )
    return array.reshape((array.size // count, *lengths))


def axes(array: Array, argument: str, context: Context) -> Array:
    """Put the axes into another order."""
    order = _integers(argument, ",", None, "axes")
    if sorted(order) != list(range(array.ndim)):
        raise DecodeError(
            f"axes {argument} are wanted of an array of shape {array.shape}", code="body.content-mismatch"
        )
    return array.transpose(order)


def scale(array: Array, argument: str, context: Context) -> Array:
    """Multiply by a factor; the products must be whole numbers to 1e-3, and are rounded to them."""
    factor = _number(argument, "scale")
    dtype = np.dtype(context.dtype or (array.dtype if array.dtype.kind == "f" else "float64"))
    output = np.empty(array.shape, dtype)
    for source, target in _blocks(array, output):
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are found below
            product = source.astype(np.float64) * factor
            whole = np.rint(product)
            wrong = ~(np.abs(product - whole) <= WHOLE_TOLERANCE)
        if wrong.any():
            raise DecodeError(
                f"{product[wrong][0]} is no whole number, so `scale:{argument}` does not fit these data",
                code="body.content-mismatch",
            )
        target[...] = _cast_block(whole, dtype)
    return output


def minus(array: Array, argument: str, context: Context) -> Array:
    """Subtract a number; the result stays exact."""
    number = _number(argument, "minus")
    if array.dtype.kind == "f" or not number.is_integer():
        return array.astype(np.float64) - number
    if array.size and array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise DecodeError("numbers past 2**63 cannot be subtracted from", code="body.content-mismatch")
    wide, amount = array.astype(np.int64), int(number)
    if array.size:
        _check_range(int(wide.min()) - amount, int(wide.max()) - amount, np.dtype(np.int64))
    return wide - amount


def cast(array: Array, dtype: str) -> Array:
    """Change the dtype. Numbers that the new one cannot hold are an error; only float32 rounds.

    Raises:
        DecodeError: A number would wrap, overflow or lose its fraction.
    """
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    output = np.empty(array.shape, wanted)
    for source, target in _blocks(array, output):
        target[...] = _cast_block(source, wanted)
    return output


def _cast_block(block: Array, dtype: np.dtype[Any]) -> Array:
    if block.dtype == dtype or not block.size:
        return block.astype(dtype)
    if dtype.kind == "f":
        return _cast_to_float(block, dtype)
    if block.dtype.kind == "f":
        if not np.isfinite(block).all():
            raise _unfit("a missing or infinite number", dtype)
        fraction = block != np.rint(block)
        if fraction.any():
            raise _unfit(f"{block[fraction][0]}", dtype)
    low, high = block.min(), block.max()
    _check_range(int(low), int(high), dtype)
    return block.astype(dtype)


def _cast_to_float(block: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        result = block.astype(dtype)
    if block.dtype.kind == "f":
        overflow = np.isinf(result) & ~np.isinf(block)
        if overflow.any():
            raise _unfit(f"{block[overflow][0]}", dtype)
        return result
    bound = 1 << (np.finfo(dtype).nmant + 1)  # whole numbers up to here are exact
    _check_bounds(int(block.min()), int(block.max()), -bound, bound, dtype)
    return result


def _check_range(low: int, high: int, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "b":
        _check_bounds(low, high, 0, 1, dtype)
        return
    info = np.iinfo(dtype)
    _check_bounds(low, high, int(info.min), int(info.max), dtype)


def _check_bounds(low: int, high: int, least: int, most: int, dtype: np.dtype[Any]) -> None:
    if low < least or high > most:
        raise _unfit(str(low if low < least else high), dtype)


def _unfit(value: str, dtype: np.dtype[Any]) -> DecodeError:
    return DecodeError(f"{value} does not fit into {dtype.name}", code="body.content-mismatch")


def _blocks(source: Array, target: Array) -> Iterator[tuple[Array, Array]]:
    """Give pairs of equal stretches along the first axis, of about BLOCK_ITEMS numbers each."""
    if source.ndim == 0:
        yield source.reshape(1), target.reshape(1)
        return
    per_row = max(1, source.size // max(1, len(source)))
    step = max(1, BLOCK_ITEMS // per_row)
    for start in range(0, len(source), step):
        yield source[start : start + step], target[start : start + step]


def _length(array: Array) -> int:
    return len(array) if array.ndim else 0


def _integers(argument: str, separator: str, count: int | None, step: str) -> list[int]:
    fields = argument.split(separator)
    if not all(field.isdecimal() and field.isascii() and len(field) < 16 for field in fields) or (
        count and len(fields) != count
    ):
        raise CatalogError(f"`{argument}` is no argument of step `{step}`")
    return [int(field) for field in fields]


def _number(argument: str, step: str) -> float:
    try:
        number = float(argument)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CatalogError(f"`{argument}` is no argument of step `{step}`")
    return number
