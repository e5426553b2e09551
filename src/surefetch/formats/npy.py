"""NumPy's own files, read without NumPy's reader: no pickle, no trust in the header (NEP 1)."""

from __future__ import annotations

import ast
import math
import re
from typing import Any, Final

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats.archives import read_zip
from surefetch.formats.buffers import Array, Buffer, quote, view_of

MAGIC: Final = b"\x93NUMPY"
#: Version -> (bytes of the header's length, encoding of the header).
VERSIONS: Final = {(1, 0): (2, "latin-1"), (2, 0): (4, "latin-1"), (3, 0): (4, "utf-8")}
#: NumPy's own bound for what it gives to `literal_eval`.
HEADER_BYTES: Final = 10_000
DTYPE: Final = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
MAX_AXES: Final = 32


def decode(data: Buffer) -> Array:
    """Decode an .npy file; the array is a view of the file.

    Raises:
        DecodeError: The header or the length is not right, or it holds objects; `offset` tells where.
    """
    view = view_of(data)
    header, start = _header(view)
    dtype, is_fortran, shape = _fields(header)
    size = math.prod(shape) * dtype.itemsize
    if len(view) - start != size:
        cause = "body.truncated" if len(view) - start < size else "body.unreadable"
        raise DecodeError(
            f"an .npy file of shape {shape}, {dtype.name} has {start + size} bytes, this one {len(view)}",
            offset=min(len(view), start + size),
            code=cause,
        )
    flat = np.frombuffer(view, dtype, offset=start) if size else np.empty(0, dtype)
    return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def decode_npz(data: Buffer, name: str, limit: int) -> Array:
    """Decode one array of an .npz file; the others are not touched.

    Raises:
        DecodeError: There is no such array, or it cannot be read.
    """
    return decode(read_zip(data, f"{name}.npy", limit))


def _header(view: memoryview) -> tuple[str, int]:
    """Return the header's text and where the data begin."""
    if bytes(view[:6]) != MAGIC:
        raise DecodeError(f"an .npy file begins with `{MAGIC.hex(' ')}`, not {quote(view)}", offset=0)
    if len(view) < 12:
        raise DecodeError("the .npy header is cut", offset=len(view), code="body.truncated")
    version = (view[6], view[7])
    if version not in VERSIONS:
        raise DecodeError(f"version {version[0]}.{version[1]} of .npy is not known", offset=6)
    width, encoding = VERSIONS[version]
    start = 8 + width
    length = int.from_bytes(view[8:start], "little")
    if length > HEADER_BYTES:
        raise DecodeError(f"an .npy header of {length} bytes is not believed", offset=8)
    if len(view) < start + length:
        raise DecodeError("the .npy header is cut", offset=len(view), code="body.truncated")
    try:
        return bytes(view[start : start + length]).decode(encoding), start + length
    except UnicodeDecodeError as error:
        raise DecodeError("the .npy header is no text", offset=start + error.start) from error


def _fields(header: str) -> tuple[np.dtype[np.generic], bool, tuple[int, ...]]:
    text = re.sub(r"\b(\d+)L\b", r"\1", header.strip())  # Python 2 wrote long numbers so
    try:
        fields: Any = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise DecodeError("the .npy header is no dictionary of plain values", offset=10) from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise DecodeError("the .npy header does not have descr, fortran_order and shape", offset=10)
    descr, is_fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    if not isinstance(descr, str) or not DTYPE.fullmatch(descr):
        raise DecodeError(
            f"an .npy file of type `{str(descr)[:40]}` is not read: only plain numbers are", offset=10
        )
    if not isinstance(is_fortran, bool) or not _is_shape(shape):
        raise DecodeError("the .npy header has a wrong order or shape", offset=10)
    return np.dtype(descr), is_fortran, shape


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= MAX_AXES
        and all(type(length) is int and 0 <= length < 1 << 62 for length in shape)
    )
