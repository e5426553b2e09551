"""Files that loaders want, made from tensors: raw IDX and ARFF.

Sources: IDX by the page of its publisher (yann.lecun.com/exdb/mnist); ARFF by the Weka manual, 9.2.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from surefetch.session.supply import bare_bytes

_ROWS_AT_ONCE = 1000
_LEVEL = 3  # of gzip: an ARFF of 120 MB is packed in seconds


def idx_header(shape: Sequence[int]) -> bytes:
    """Return the header of an IDX file of unsigned bytes."""
    sizes = b"".join(length.to_bytes(4, "big") for length in shape)
    return bytes([0, 0, 0x08, len(shape)]) + sizes


def write_idx(array: Any, path: Path) -> None:
    """Write a uint8 tensor as a raw IDX file.

    Raises:
        ValueError: It is of another dtype.
    """
    if str(array.dtype) != "uint8":
        raise ValueError(f"IDX of unsigned bytes is wanted, and the tensor is {array.dtype}")
    with path.open("wb") as file:
        file.write(idx_header(array.shape))
        file.write(bare_bytes(array))


def write_arff(images: Sequence[Any], labels: Sequence[Any], relation: str, path: Path) -> str:
    """Write splits one below the other as a gzip'd ARFF file, as OpenML has MNIST.

    Args:
        images: uint8 tensors of shape (rows, height, width).
        labels: uint8 tensors of shape (rows,), values 0 to 9.
        relation: Name in the header.
        path: Where to.

    Returns:
        The MD5 of the unzipped file, which OpenML's description tells.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("wb") as file, gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
        for block in _arff(images, labels, relation):
            md5.update(block)
            packed.write(block)
    return md5.hexdigest()


def _arff(images: Sequence[Any], labels: Sequence[Any], relation: str) -> Iterator[bytes]:
    pixels = images[0].shape[1] * images[0].shape[2]
    names = "".join(f"@ATTRIBUTE pixel{number + 1} real\n" for number in range(pixels))
    classes = ",".join(map(str, range(10)))
    yield f"@RELATION {relation}\n\n{names}@ATTRIBUTE class {{{classes}}}\n\n@DATA\n".encode("ascii")
    for split_images, split_labels in zip(images, labels, strict=True):
        for start in range(0, len(split_labels), _ROWS_AT_ONCE):
            stop = start + _ROWS_AT_ONCE
            yield _rows(split_images[start:stop], split_labels[start:stop])


def _rows(images: Any, labels: Any) -> bytes:
    """Write rows: each number is looked up as four bytes, short ones with NULs, which are then removed."""
    import numpy as np

    with_comma = np.array([f"{number},".encode("ascii") for number in range(256)], dtype="S4")
    with_newline = np.array([f"{number}\n".encode("ascii") for number in range(256)], dtype="S4")
    pixels = with_comma[images.reshape(len(images), -1)]
    rows = np.concatenate([pixels, with_newline[labels][:, None]], axis=1)
    return rows.tobytes().translate(None, b"\0")
