"""ARFF, the text form of Weka and OpenML: dense and sparse rows, quoting, missing values, nominal attributes.

Nominal attributes give the numbers that their labels spell, or else each label's index in its declaration.
Source: "Attribute-Relation File Format (ARFF)", Weka's documentation; liac-arff where it is silent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats.buffers import Array, Buffer, Context, quote, view_of
from surefetch.formats.tables import (
    Columns,
    number,
    parse_range,
    read_blocks,
    read_table,
    wrong_count,
    wrong_field,
)
from surefetch.model import Struct

HEADER_LINE_BYTES: Final = 16 << 20
MAX_ATTRIBUTES: Final = 1_000_000
NUMERIC: Final = frozenset({"numeric", "real", "integer"})
#: One value and what ends it. Possessive, so that no text takes more than linear time.
_VALUE: Final = re.compile(
    r"""\s*+(?:'((?:[^'\\]|\\.)*+)'\s*+|"((?:[^"\\]|\\.)*+)"\s*+|([^,'"{}]*+))(,|\Z)""", re.DOTALL
)
_SPARSE: Final = re.compile(
    r"""\s*+(\d{1,9})\s++(?:'((?:[^'\\]|\\.)*+)'\s*+|"((?:[^"\\]|\\.)*+)"\s*+|([^,'"{}]*+))(,|\Z)""",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(
    r"""@attribute\s++('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|[^\s{}]++)\s*+(.*)$""", re.IGNORECASE | re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Attribute(Struct, frozen=True, kw_only=True):
    """A column's declaration."""

    name: str
    kind: str  # "numeric", "nominal", or the type as the file writes it
    labels: tuple[str, ...] = ()
    values: Mapping[str, float] = {}  # of a nominal attribute: label -> number
    is_indexed: bool = False  # the labels do not spell the numbers


def decode(data: Buffer, argument: str, context: Context) -> Array:
    """Decode columns of an ARFF file.

    Args:
        data: The file.
        argument: `784` or `0-783`, both inclusive.
        context: Bounds the output; a cast that comes next is made on the fly.

    Returns:
        Shape (rows,) for one column, else (rows, columns); float64, or the dtype of the coming cast.

    Raises:
        DecodeError: The file is damaged, or a wanted value is no number.
    """
    view = view_of(data)
    attributes, start = read_header(view)
    wanted = parse_range(argument)
    if wanted is None:
        raise CatalogError(f"`{argument}` is no argument of step `arff`: write 784, or 0-783")
    if wanted[1] > len(attributes):
        raise DecodeError(
            f"columns {argument} are wanted of {len(attributes)}", offset=start, code="body.content-mismatch"
        )
    chosen = attributes[wanted[0] : wanted[1]]
    columns = Columns(
        start=wanted[0],
        stop=wanted[1],
        total=len(attributes),
        are_numbers=not any(attribute.is_indexed for attribute in chosen),
    )
    for attribute in chosen:
        if attribute.kind not in ("numeric", "nominal"):
            raise DecodeError(f"attribute `{attribute.name}` is of type `{attribute.kind}`, not of numbers")
    table = read_table(
        read_blocks(view, start),
        columns,
        lambda lines: _rows(lines, attributes, columns),
        len(view) - start,
        context,
    )
    _check_labels(table.reshape(len(table), columns.count), chosen)
    return table


def read_header(view: memoryview) -> tuple[list[Attribute], int]:
    """Read the declarations; also returns where the rows begin.

    Raises:
        DecodeError: A declaration cannot be read, or `@data` is missing.
    """
    attributes: list[Attribute] = []
    for text, position, stop in _header_lines(view):
        line = text.strip()
        head = line[:10].lower()
        if head.startswith("@data"):
            if not attributes:
                raise DecodeError("an ARFF file without attributes", offset=position)
            return attributes, stop
        if head.startswith("@attribute"):
            attributes.append(_attribute(line, position))
        elif line and not line.startswith("%") and not head.startswith("@relation"):
            raise DecodeError(f"no line of an ARFF header begins with `{line[:40]}`", offset=position)
        if len(attributes) > MAX_ATTRIBUTES:
            raise DecodeError(f"more than {MAX_ATTRIBUTES} attributes are not believed", offset=position)
    raise DecodeError("the ARFF header has no `@data`", offset=len(view), code="body.truncated")


def _header_lines(view: memoryview) -> Iterator[tuple[str, int, int]]:
    """Give each line's text, its begin and where the next one begins."""
    position = 0
    while position < len(view):
        width = 4096
        while True:
            stretch = bytes(view[position : position + width])
            end = stretch.find(b"\n")
            if end >= 0 or len(stretch) < width:
                break
            if width > HEADER_LINE_BYTES:
                raise DecodeError(f"an endless line begins with {quote(view, position)}", offset=position)
            width *= 8
        stop = len(view) if end < 0 else position + end + 1
        yield stretch[: stop - position].decode("utf-8", "surrogateescape"), position, stop
        position = stop


def _attribute(line: str, position: int) -> Attribute:
    match = _ATTRIBUTE.match(line)
    if match is None:
        raise DecodeError(f"`{line[:60]}` declares no attribute", offset=position)
    name, kind = match[1].strip("'\""), match[2].strip()
    if not kind.startswith("{"):
        word = kind.split()[0].lower() if kind else ""
        return Attribute(name=name, kind="numeric" if word in NUMERIC else kind[:40])
    if not kind.endswith("}"):
        raise DecodeError(f"the labels of `{name[:40]}` have no end", offset=position)
    labels = _values(kind[1:-1])
    if labels is None:
        raise DecodeError(f"the labels of `{name[:40]}` cannot be read", offset=position)
    spelled = _spelled(labels)
    values = spelled or {label: float(index) for index, label in enumerate(labels)}
    return Attribute(
        name=name, kind="nominal", labels=tuple(labels), values=values, is_indexed=spelled is None
    )


def _spelled(labels: Sequence[str]) -> dict[str, float] | None:
    """Return the numbers that labels spell, None if one of them does not."""
    try:
        values = {label: number(label) for label in labels}
    except ValueError:
        return None
    return values if all(map(math.isfinite, values.values())) else None


def _rows(lines: Sequence[str], attributes: Sequence[Attribute], columns: Columns) -> Iterator[list[float]]:
    """Read rows that are not plain numbers."""
    for line in lines:
        row = line.strip()
        if not row or row.startswith("%"):
            continue
        if row.startswith("{"):
            yield _sparse_row(row, attributes, columns)
            continue
        values = _values(row)
        if values is None:
            raise DecodeError(f"a row has a quote or a brace that does not fit: `{row[:60]}`")
        if len(values) != columns.total:
            raise wrong_count(len(values), columns.total, row)
        yield [_number(values[index], attributes[index], row) for index in range(columns.start, columns.stop)]


def _sparse_row(row: str, attributes: Sequence[Attribute], columns: Columns) -> list[float]:
    """Read `{0 5, 783 7}`: what is not named is 0, or a nominal attribute's first label."""
    if not row.endswith("}"):
        raise DecodeError(f"a sparse row has no end: `{row[:60]}`", code="body.truncated")
    values = [_absent(attributes[index]) for index in range(columns.start, columns.stop)]
    body, position = row[1:-1].strip(), 0
    while position < len(body):
        match = _SPARSE.match(body, position)
        if match is None or (match[5] == "," and match.end() == len(body)):
            raise DecodeError(f"a sparse row cannot be read at `{body[position : position + 40]}`")
        index = int(match[1])
        if index >= columns.total:
            raise DecodeError(f"a sparse row names column {index} of {columns.total}")
        if columns.start <= index < columns.stop:
            values[index - columns.start] = _number(_word(match, 2), attributes[index], row)
        position = match.end()
    return values


def _absent(attribute: Attribute) -> float:
    return attribute.values[attribute.labels[0]] if attribute.kind == "nominal" else 0.0


def _values(text: str) -> list[str] | None:
    """Split a row; None if a quote or a brace does not fit."""
    values, position = [], 0
    while True:
        match = _VALUE.match(text, position)
        if match is None:
            return None
        values.append(_word(match, 1))
        if match[4] != ",":
            return values
        position = match.end()


def _word(match: re.Match[str], first: int) -> str:
    """Return a value without quotes and escapes."""
    bare = match[first + 2]
    if bare is not None:
        return str(bare).strip()
    quoted = match[first] if match[first] is not None else match[first + 1]
    return _ESCAPE.sub(_unescape, str(quoted))


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 8)) if match[1] else _ESCAPES.get(match[2], match[2])


def _number(text: str, attribute: Attribute, row: str) -> float:
    if attribute.kind == "nominal" and text != "?":
        if text not in attribute.values:
            raise DecodeError(f"`{text[:40]}` is no label of `{attribute.name[:40]}`")
        return attribute.values[text]
    try:
        return number(text)
    except ValueError as error:
        raise wrong_field(text, row) from error


def _check_labels(table: Array, attributes: Sequence[Attribute]) -> None:
    """Check that the numbers of nominal attributes are declared: plain rows are read without looking."""
    for index, attribute in enumerate(attributes):
        if attribute.kind != "nominal":
            continue
        column = table[:, index].astype(np.float64)
        known = np.isin(column, np.array(list(attribute.values.values()), np.float64)) | np.isnan(column)
        if not known.all():
            raise DecodeError(f"{column[~known][0]} is no label of `{attribute.name[:40]}`")
