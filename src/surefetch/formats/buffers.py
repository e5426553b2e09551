"""What the steps of a recipe hand to each other: bytes, columns and arrays; and how large they may be."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from surefetch.errors import DecodeError, MissingExtraError
from surefetch.model import Struct, TensorSpec

Array = npt.NDArray[np.generic]
#: What recipes read: anything with plain bytes inside. A map of a blob is the usual one.
Buffer = bytes | bytearray | memoryview | mmap.mmap

MIB: Final = 1 << 20
#: No step gives more than this where no specification says how much is wanted.
LIMIT_BYTES: Final = 4 << 30
#: A step may always give this much: labels come out of files that are thousands of times larger.
FLOOR_BYTES: Final = 64 * MIB
#: A step may give this many times the bytes of the tensor, or of the file. Deflate reaches 1032 : 1, honest
#: data sets 5 : 1 and their text forms 15 : 1.
SPEC_RATIO: Final = 8
INPUT_RATIO: Final = 32


class Context(Struct, frozen=True, kw_only=True):
    """What a step knows beside its value and its argument."""

    limit: int = LIMIT_BYTES  # bytes that the step may give
    dtype: str | None = None  # numbers go through an exact cast to this soon: a step may make it at once


class Column:
    """A column of byte strings: `data` (uint8) and `offsets` (int64, one more than there are rows)."""

    def __init__(self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        self.data = data
        self.offsets = offsets

    @classmethod
    def of(cls, rows: Sequence[bytes | memoryview]) -> Column:
        """Join rows to a column."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.array(memoryview(b"".join(rows)), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def rows(self) -> list[memoryview]:
        """Return the rows as views of the data."""
        view = self.data.data
        edges = self.offsets.tolist()
        return [view[start:stop] for start, stop in pairwise(edges)]


class Numbers(Struct, frozen=True, kw_only=True):
    """A column that holds numbers already."""

    values: Array


def view_of(buffer: Buffer) -> memoryview:
    """Return the plain bytes of a buffer without copying them.

    Raises:
        TypeError: The buffer's elements do not lie one behind the other.
    """
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise TypeError("a buffer's bytes must lie one behind the other")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def output_limit(spec: TensorSpec | None, input_bytes: int) -> int:
    """Return how many bytes any step of a derivation may give.

    Args:
        spec: The tensor that is to come out; None where nobody promised one.
        input_bytes: Size of all files read.
    """
    wanted = SPEC_RATIO * spec.size if spec else LIMIT_BYTES
    return max(wanted, min(max(FLOOR_BYTES, INPUT_RATIO * input_bytes), LIMIT_BYTES))


def quote(data: memoryview | bytes, offset: int = 0, count: int = 8) -> str:
    """Show the bytes that stand at an offset, for messages."""
    found = bytes(data[offset : offset + count])
    return f"`{found.hex(' ')}`" if found else "the end"


def bomb(what: str, limit: int) -> DecodeError:
    """Build the error for output that passes its bound."""
    return DecodeError(f"{what} unpacks to more than the {limit} bytes it may", code="body.bomb")


def missing_extra(extra: str, package: str) -> MissingExtraError:
    """Build the error for an optional package that is not installed."""
    return MissingExtraError(
        f"`{package}` is needed to read this form and is not installed",
        hint=f'pip install "surefetch[{extra}]"',
    )
