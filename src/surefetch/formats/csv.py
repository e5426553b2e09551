"""CSV (RFC 4180) and its relatives with tabs, semicolons or spaces: columns of numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Final

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Array, Buffer, Context, view_of
from surefetch.formats.tables import (
    BLOCK_BYTES,
    LINE_BYTES,
    Columns,
    number,
    parse_range,
    read_blocks,
    read_table,
    wrong_count,
    wrong_field,
)

DELIMITERS: Final = (",", "\t", ";", "|")
BOM: Final = b"\xef\xbb\xbf"
#: How much of the file may be needed to see its first two lines.
HEAD_BYTES: Final = 1 << 20


def decode(data: Buffer, argument: str, context: Context) -> Array:
    """Decode columns of a CSV file; a first line whose wanted fields are no numbers is its heading.

    Args:
        data: The file.
        argument: `784` or `0-783`, both inclusive, or a heading.
        context: Bounds the output; a cast that comes next is made on the fly.

    Returns:
        Shape (rows,) for one column, else (rows, columns); float64, or the dtype of the coming cast. A
        missing value is NaN.

    Raises:
        DecodeError: There is no such column, rows differ in length, or a wanted value is no number.
    """
    view = view_of(data)
    if bytes(view[:3]) == BOM:
        view = view[3:]
    head = bytes(view[:HEAD_BYTES]).decode("utf-8", "replace").splitlines()[:2]
    if not head:
        raise DecodeError("the CSV file is empty", offset=0, code="body.truncated")
    delimiter = _delimiter(head[-1])
    first, last = _fields(head[0], delimiter), _fields(head[-1], delimiter)
    start, stop = _wanted(argument, first)
    columns = Columns(start=start, stop=stop, total=len(last), delimiter=delimiter)
    if columns.stop > columns.total:
        raise DecodeError(f"columns {argument} are wanted of {columns.total}", code="body.content-mismatch")
    skipped = _first_line_bytes(view) if _is_heading(first, columns) else 0
    blocks = read_blocks(view, skipped)
    return read_table(
        _whole_rows(blocks) if delimiter else blocks,
        columns,
        lambda lines: _rows(lines, columns),
        len(view) - skipped,
        context,
    )


def _delimiter(line: str) -> str | None:
    """Return the delimiter of a line, None for white space."""
    found = next((delimiter for delimiter in DELIMITERS if delimiter in line), None)
    return found if found or " " in line.strip() else ","


def _delimited(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _fields(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    try:
        return next(_delimited([line], delimiter), [])
    except csv.Error as error:
        raise DecodeError(f"the first lines of the CSV file cannot be read: {error}", offset=0) from error


def _wanted(argument: str, first: Sequence[str]) -> tuple[int, int]:
    wanted = parse_range(argument)
    if wanted is not None:
        return wanted
    names = [field.strip() for field in first]
    if names.count(argument) != 1:
        there = ", ".join(f"`{name[:40]}`" for name in names[:8])
        raise DecodeError(f"the CSV file has {names.count(argument)} columns `{argument}`; it has {there}")
    return names.index(argument), names.index(argument) + 1


def _is_heading(first: Sequence[str], columns: Columns) -> bool:
    if len(first) != columns.total:
        return True
    try:
        for field in first[columns.start : columns.stop]:
            number(field)
    except ValueError:
        return True
    return False


def _first_line_bytes(view: memoryview) -> int:
    end = bytes(view[:HEAD_BYTES]).find(b"\n")
    return end + 1 if end >= 0 else len(view)


def _whole_rows(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join blocks so that none ends within quotes: a quoted field may hold line feeds."""
    parts: list[bytes] = []
    is_open = False
    for block in blocks:
        parts.append(block)
        is_open ^= block.count(b'"') % 2 == 1
        if not is_open:
            yield b"".join(parts)
            parts = []
        elif len(parts) * BLOCK_BYTES > LINE_BYTES:
            raise DecodeError("a quoted field of the CSV file has no end")
    if parts:
        yield b"".join(parts)


def _rows(lines: Sequence[str], columns: Columns) -> Iterator[list[float]]:
    """Read rows that are not plain numbers."""
    ended = [line + "\n" for line in lines]
    rows = map(str.split, ended) if columns.delimiter is None else _delimited(ended, columns.delimiter)
    try:
        for row in rows:
            if not row or row == [""]:
                continue
            if len(row) != columns.total:
                raise wrong_count(len(row), columns.total, row)
            yield [_number(field, row) for field in row[columns.start : columns.stop]]
    except csv.Error as error:
        raise DecodeError(f"a row of the CSV file cannot be read: {error}") from error


def _number(text: str, row: Sequence[str]) -> float:
    try:
        return number(text)
    except ValueError as error:
        raise wrong_field(text, row) from error
