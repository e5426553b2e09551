"""MATLAB files (extra `mat`): version 5 by scipy, 7.3 (HDF5) by h5py. Arrays of plain numbers only."""

from __future__ import annotations

import io
from typing import Any, Final, Literal

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Array, Buffer, bomb, missing_extra, quote, view_of
from surefetch.formats.unwrap import INPUT_BYTES, OUTPUT_BYTES

HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"
HEADER_BYTES: Final = 128
COMPRESSED: Final = 15
KINDS: Final = "biuf"


def decode(data: Buffer, name: str, limit: int) -> Array:
    """Decode one variable.

    Args:
        data: The file.
        name: The variable.
        limit: Bytes at most.

    Raises:
        DecodeError: The file is damaged, has no such variable, or it is no array of plain numbers.
        MissingExtraError: scipy or h5py is not installed.
    """
    view = view_of(data)
    if len(view) < HEADER_BYTES:
        raise DecodeError("the MAT header is cut", offset=len(view), code="body.truncated")
    if bytes(view[512:520]) == HDF5_MAGIC or bytes(view[:8]) == HDF5_MAGIC:
        array = _decode_hdf5(view, name, limit)
    elif bytes(view[126:128]) in (b"IM", b"MI") and 0 not in view[:4]:  # a zero there means version 4
        array = _decode_v5(view, name, limit)
    else:
        raise DecodeError(
            f"a MAT file has text at 0 and its byte order at 126, not {quote(view, 126, 2)}", offset=126
        )
    if array.dtype.kind not in KINDS:
        raise DecodeError(f"variable `{name}` is no array of plain numbers")
    return array


def _decode_v5(view: memoryview, name: str, limit: int) -> Array:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise missing_extra("mat", "scipy") from error
    _check_elements(view, limit)
    try:
        variables: dict[str, Any] = loadmat(io.BytesIO(view), variable_names=[name], chars_as_strings=False)
    except (
        MatReadError,
        ValueError,
        TypeError,
        OSError,
        KeyError,
        IndexError,
        OverflowError,
        NotImplementedError,
    ) as error:
        raise DecodeError(f"the MAT file cannot be read: {str(error)[:200]}") from error
    if name not in variables:
        raise DecodeError(f"the MAT file has no variable `{name}`")
    value = variables[name]
    if not isinstance(value, np.ndarray):
        raise DecodeError(f"variable `{name}` is no array of plain numbers")
    return value


def _check_elements(view: memoryview, limit: int) -> None:
    """Unpack the compressed elements once, keeping nothing: scipy trusts the sizes that they announce."""
    order: Literal["little", "big"] = "little" if bytes(view[126:128]) == b"IM" else "big"
    position, total = HEADER_BYTES, 0
    while position + 8 <= len(view):
        kind = int.from_bytes(view[position : position + 4], order)
        size = int.from_bytes(view[position + 4 : position + 8], order)
        stop = position + 8 + size
        if stop > len(view):
            raise DecodeError("an element of the MAT file is cut", offset=position, code="body.truncated")
        total += _unpacked_size(view[position + 8 : stop], limit - total) if kind == COMPRESSED else size
        if total > limit:
            raise bomb("the MAT file", limit)
        position = stop
    if position != len(view):
        raise DecodeError("the MAT file ends in half an element", offset=position, code="body.truncated")


def _unpacked_size(packed: memoryview, limit: int) -> int:
    import zlib

    decoder, total, position = zlib.decompressobj(), 0, 0
    try:
        while not decoder.eof and total <= limit:
            chunk = packed[position : position + INPUT_BYTES]
            block = decoder.decompress(chunk, OUTPUT_BYTES)
            position += len(chunk) - len(decoder.unconsumed_tail)
            total += len(block)
            if not chunk and not block:
                raise DecodeError("a compressed element of the MAT file is cut", code="body.truncated")
    except zlib.error as error:
        raise DecodeError(f"a compressed element of the MAT file is damaged: {error}") from error
    return total


def _decode_hdf5(view: memoryview, name: str, limit: int) -> Array:
    """Read a version 7.3 variable; HDF5 keeps MATLAB's axes in reverse order."""
    try:
        import h5py
    except ImportError as error:
        raise missing_extra("mat", "h5py") from error
    try:
        with h5py.File(io.BytesIO(view), "r") as file:
            dataset = file[name]
            if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in KINDS or dataset.external:
                raise DecodeError(f"variable `{name}` is no array of plain numbers in this file")
            if dataset.nbytes > limit:
                raise bomb(f"variable `{name}`", limit)
            values: Array = dataset[()]
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, OverflowError) as error:
        raise DecodeError(f"the MAT file cannot be read at `{name}`: {str(error)[:200]}") from error
    return np.asarray(values).T
