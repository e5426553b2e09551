"""Columns of byte strings: made from lines or from members of an archive; turned into text or numbers."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Final

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats import archives, tars
from surefetch.formats.arrays import cast
from surefetch.formats.buffers import Array, Buffer, Column, Context, Numbers, bomb, quote, view_of

MAX_MEMBERS: Final = 5_000_000


def lines(data: Buffer, argument: str, context: Context) -> Column:
    """Split UTF-8 text at line feeds; a carriage return before one goes with it.

    Raises:
        DecodeError: The text is not UTF-8.
    """
    view = view_of(data)
    if len(view) > context.limit:
        raise bomb("the text", context.limit)
    text = bytes(view)
    _check_utf8(text)
    rows = text.split(b"\n")
    if not rows[-1]:
        rows.pop()
    return Column.of([row.removesuffix(b"\r") for row in rows])


def images(data: Buffer, argument: str, context: Context) -> Column:
    """Gather the members of a zip or tar whose paths match a pattern, in sorted order."""
    members = _gather(view_of(data), argument, context.limit)
    return Column.of([view_of(member) for _, member in members])


def folders(data: Buffer, argument: str, context: Context) -> Array:
    """Number the folders of the same members, in the same order: the labels of a folder of classes."""
    view = view_of(data)
    paths = [path for path, _ in _gather(view, argument, context.limit)]
    names = [path.rpartition("/")[0] for path in paths]
    numbers = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64)


def numbers(column: Column | Numbers, argument: str, context: Context) -> Array:
    """Give a column's numbers; byte strings must spell them.

    Raises:
        DecodeError: A row is no number.
    """
    if isinstance(column, Numbers):
        return cast(column.values, context.dtype) if context.dtype else column.values
    rows = [bytes(row) for row in column.rows()]
    for read in (_integers, _floats):
        values = read(rows)
        if values is not None:
            return values
    wrong = next(row for row in rows if _floats([row]) is None)
    raise DecodeError(f"a row of the column is {quote(wrong)}, no number")


def text(column: Column | Numbers, argument: str, context: Context) -> Array:
    """Give the column's bytes, one row behind the other: UTF-8, uint8."""
    column = _strings(column)
    joined: Array = column.data[int(column.offsets[0]) : int(column.offsets[-1])]
    _check_utf8(joined.tobytes())
    return joined


def offsets(column: Column | Numbers, argument: str, context: Context) -> Array:
    """Give where each row begins in `text`, and where the last one ends: int64, rows + 1."""
    column = _strings(column)
    return np.asarray(column.offsets - column.offsets[0], np.int64)


def _strings(column: Column | Numbers) -> Column:
    if isinstance(column, Numbers):
        raise DecodeError("the column holds numbers, not text", code="body.content-mismatch")
    return column


def _check_utf8(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"the text is not UTF-8: {quote(data, error.start)} at byte {error.start}", offset=error.start
        ) from error


def _integers(rows: list[bytes]) -> Array | None:
    return _read(rows, int, np.int64)


def _floats(rows: list[bytes]) -> Array | None:
    return _read(rows, float, np.float64)


def _read(rows: list[bytes], kind: Callable[[bytes], float], dtype: type[np.generic]) -> Array | None:
    try:
        return np.array([kind(row) for row in rows], dtype)
    except (ValueError, OverflowError):
        return None


def _gather(view: memoryview, pattern: str, limit: int) -> list[tuple[str, Buffer]]:
    """Read the members whose paths match, sorted by path."""
    found = (
        _zip_members(view, pattern, limit) if bytes(view[:2]) == b"PK" else _tar_members(view, pattern, limit)
    )
    if not found:
        raise DecodeError(f"the archive has no member that matches `{pattern}`")
    return sorted(found, key=lambda item: item[0])


def _zip_members(view: memoryview, pattern: str, limit: int) -> list[tuple[str, Buffer]]:
    chosen = [info for info in archives.list_zip(view) if _matches(info.filename, pattern)]
    if sum(info.file_size for info in chosen) > limit:
        raise bomb("the archive", limit)
    return [(info.filename, archives.read_member(view, info, limit)) for info in chosen]


def _tar_members(view: memoryview, pattern: str, limit: int) -> list[tuple[str, Buffer]]:
    return list(tars.walk_tar(view, lambda name: _matches(name, pattern), limit))


def _matches(name: str, pattern: str) -> bool:
    return not name.endswith("/") and fnmatch.fnmatchcase(name, pattern)
