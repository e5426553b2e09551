"""Numbers in text, as ARFF and CSV have them: read in blocks, by NumPy's C parser where a block is plain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats.arrays import cast
from surefetch.formats.buffers import MIB, Array, Context, bomb
from surefetch.model import Struct

#: Text read at a time.
BLOCK_BYTES: Final = 4 * MIB
#: A line longer than this is not believed.
LINE_BYTES: Final = 64 * MIB
#: A quoted word that means the same without its quotes.
_PLAIN_QUOTED: Final = re.compile(rb"""(["'])([A-Za-z0-9_.+-]+)\1(?=\s*(?:,|;|\t|\r?\n|$))""")
#: dtypes to try in turn: the C parser refuses what does not fit, and reads whole numbers ten times faster.
_LADDER: Final = ("int64", "float64")
#: Whole numbers up to here are exact in float64.
EXACT: Final = 1 << 53
#: Numbers that the slow reader holds as Python objects.
_BATCH_ITEMS: Final = 1 << 18
#: Room made for rows, against the number that the text read so far lets expect.
SPARE: Final = 1.1


class Columns(Struct, frozen=True, kw_only=True):
    """Which columns are wanted, of how many."""

    start: int
    stop: int  # half-open
    total: int
    delimiter: str | None = ","  # None: any white space
    are_numbers: bool = True  # as they stand; else only the slow reader knows what they mean

    @property
    def count(self) -> int:
        """How many are wanted."""
        return self.stop - self.start

    @property
    def are_all(self) -> bool:
        """Whether no column is left out."""
        return self.count == self.total


#: Reads rows that are not plain: each gives the wanted numbers of one line.
SlowRows = Callable[[Sequence[str]], Iterator[list[float]]]


def parse_range(argument: str) -> tuple[int, int] | None:
    """Read `7` or `0-783`, both inclusive, as a half-open range; None if it is a heading."""
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", argument, re.ASCII)
    if match is None:
        return None
    start, last = int(match[1]), int(match[2] or match[1])
    if last < start:
        raise CatalogError(f"`{argument}` is no range of columns: its end lies before its begin")
    return start, last + 1


def read_blocks(view: memoryview, start: int) -> Iterator[bytes]:
    """Give the text from `start` on in blocks of whole lines.

    Raises:
        DecodeError: A line does not end.
    """
    rest = b""
    for position in range(start, len(view), BLOCK_BYTES):
        block = rest + bytes(view[position : position + BLOCK_BYTES])
        whole, newline, rest = block.rpartition(b"\n")
        if newline:
            yield whole + newline
        elif len(rest) > LINE_BYTES:
            raise DecodeError(f"a line of more than {LINE_BYTES} bytes is not believed", offset=position)
    if rest:
        yield rest


def read_table(
    blocks: Iterator[bytes], columns: Columns, slow: SlowRows, size: int, context: Context
) -> Array:
    """Read the wanted columns of all rows, shape (rows,) for one column, else (rows, columns).

    Args:
        blocks: The rows, in blocks of whole lines.
        columns: What is wanted.
        slow: Reads the blocks that are not plain numbers.
        size: Bytes of all rows together.
        context: `dtype` is used where a cast to it comes next; else the numbers are float64.

    Raises:
        DecodeError: A field is no number, a row has another number of fields, or there is too much of it.
    """
    grid = _Grid(columns.count, context)
    reader, done = _PlainReader(columns, grid.dtype), 0
    for block in blocks:
        done += len(block)
        rows = reader.read(block)
        if rows is not None:
            grid.add(rows, done / size)
            continue
        for batch in _batches(slow(_decode(block).split("\n")), columns.count):
            grid.add(batch, done / size)
    return grid.result(columns.count == 1)


class _Grid:
    """The rows so far. State: an array with room for more, and how many of its rows are filled."""

    def __init__(self, width: int, context: Context) -> None:
        self.dtype = context.dtype or "float64"
        self.limit = context.limit
        self._most = self.limit // (np.dtype(self.dtype).itemsize * width)
        self._values = np.empty((0, width), self.dtype)
        self._count = 0

    def add(self, rows: Array, share: float) -> None:
        """Append rows, by an exact cast; `share` of the text has been read by now."""
        stop = self._count + len(rows)
        if stop > self._most:
            raise bomb("the table", self.limit)
        if stop > len(self._values):
            self._grow(stop, share)
        self._values[self._count : stop] = self._fit(rows)
        self._count = stop

    def _grow(self, stop: int, share: float) -> None:
        """Make room for all rows that are to be expected; what is never filled takes no memory."""
        expected = min(self._most, int(stop / share * SPARE) + 1)
        values = np.empty((max(stop, expected), self._values.shape[1]), self.dtype)
        values[: self._count] = self._values[: self._count]
        self._values = values

    def result(self, is_single: bool) -> Array:
        """Return the rows."""
        values = self._values[: self._count]
        return values[:, 0] if is_single else values

    def _fit(self, rows: Array) -> Array:
        """Change the dtype: text is rounded to the nearest float, but whole numbers stay exact."""
        if np.dtype(self.dtype).kind == "f":
            return rows.astype(np.float64)
        if rows.dtype.kind == "f" and rows.size and np.nanmax(np.abs(rows), initial=0) >= EXACT:
            raise DecodeError(f"numbers past {EXACT} were not read exactly", code="body.content-mismatch")
        return cast(rows, self.dtype)


class _PlainReader:
    """Reads blocks of plain numbers."""

    def __init__(self, columns: Columns, dtype: str) -> None:
        self._columns = columns
        first = (dtype,) if np.dtype(dtype).kind in "iu" and dtype != "int64" else ()
        self._ladder = (*first, *_LADDER)

    def read(self, block: bytes) -> Array | None:
        """Read a block; None if it is not plain or not right (the slow reader says what is wrong)."""
        if not self._columns.are_numbers:
            return None
        if b"'" in block or b'"' in block:
            block = _PLAIN_QUOTED.sub(rb"\2", block)
        if any(mark in block for mark in (b"'", b'"', b"{", b"%", b"\\")):
            return None
        if b"?" in block:
            block = block.replace(b"?", b"nan")
        lines = [line for line in _decode(block).split("\n") if line and not line.isspace()]
        if not lines:
            return np.empty((0, self._columns.count), np.uint8)
        if not self._is_regular(lines):
            return None
        loaded = (self._load(lines, dtype) for dtype in self._ladder)
        return next((rows for rows in loaded if rows is not None), None)

    def _load(self, lines: list[str], dtype: str) -> Array | None:
        columns = self._columns
        wanted = None if columns.are_all else range(columns.start, columns.stop)
        try:
            rows: Array = np.loadtxt(
                lines, dtype, delimiter=columns.delimiter, comments=None, usecols=wanted, ndmin=2
            )
        except (ValueError, IndexError):
            return None
        return rows if rows.shape == (len(lines), columns.count) else None

    def _is_regular(self, lines: list[str]) -> bool:
        """Whether each line has as many fields as it should."""
        columns = self._columns
        if columns.are_all:
            return True  # the C parser checks it
        if columns.delimiter is None:
            return all(len(line.split()) == columns.total for line in lines)
        return all(line.count(columns.delimiter) == columns.total - 1 for line in lines)


def _batches(rows: Iterator[list[float]], width: int) -> Iterator[Array]:
    while batch := list(islice(rows, max(1, _BATCH_ITEMS // width))):
        yield np.array(batch, np.float64).reshape(len(batch), width)


def number(text: str) -> float:
    """Read one field; a missing one is NaN.

    Raises:
        ValueError: It is no number.
    """
    text = text.strip()
    if text in ("", "?"):
        return float("nan")
    if "_" in text:
        raise ValueError(f"`{text}`")
    return float(text)


def wrong_field(text: str, row: Any) -> DecodeError:
    """Build the error for a field that is no number."""
    return DecodeError(f"`{text[:40]}` is no number, in the row `{str(row)[:60]}`")


def wrong_count(found: int, wanted: int, row: Any) -> DecodeError:
    """Build the error for a row with too many or too few fields."""
    return DecodeError(f"a row has {found} fields instead of {wanted}: `{str(row)[:60]}`")


def _decode(block: bytes) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")
