"""IDX, the format of MNIST: two zeros, a type, the number of axes, their lengths, big-endian numbers."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Array, Buffer, quote, view_of

#: Type byte -> dtype in the file. Source: "The IDX file format" on MNIST's page (LeCun, Cortes, Burges).
TYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES: Final = 32


def decode(data: Buffer) -> Array:
    """Decode an IDX file; for one-byte numbers the array is a view of the file.

    Raises:
        DecodeError: The magic number, the type, the shape or the length is not right; `offset` tells where.
    """
    view = view_of(data)
    dtype, shape = _header(view)
    start, size = 4 + 4 * len(shape), math.prod(shape) * dtype.itemsize
    if len(view) - start != size:
        cause = "body.truncated" if len(view) - start < size else "body.unreadable"
        raise DecodeError(
            f"an IDX file of shape {shape}, {dtype.name} has {start + size} bytes, this one {len(view)}",
            offset=min(len(view), start + size),
            code=cause,
        )
    return np.frombuffer(view, dtype, offset=start).reshape(shape) if size else np.empty(shape, dtype)


def _header(view: memoryview) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    if bytes(view[:2]) != b"\0\0":
        raise DecodeError(f"an IDX file begins with two zeros, not {quote(view)}", offset=0)
    if len(view) < 4:
        raise DecodeError("the IDX header is cut", offset=len(view), code="body.truncated")
    kind, axes = view[2], view[3]
    if kind not in TYPES:
        raise DecodeError(f"IDX has no type `{kind:#04x}`", offset=2)
    if not 1 <= axes <= MAX_AXES:
        raise DecodeError(f"an IDX file of {axes} axes is not believed", offset=3)
    if len(view) < 4 + 4 * axes:
        raise DecodeError("the IDX header is cut", offset=len(view), code="body.truncated")
    lengths = np.frombuffer(view, ">u4", count=axes, offset=4)
    return np.dtype(TYPES[kind]), tuple(int(length) for length in lengths)
