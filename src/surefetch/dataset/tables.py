"""Samples without pictures, for people: tables of numbers, lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from surefetch.dataset import OFFSETS
from surefetch.dataset.grid import captions, pick

if TYPE_CHECKING:
    from surefetch.dataset import Split

#: Characters of a text cell, at most.
LONGEST: Final = 2000
#: Characters that a cell which is cut has at least.
NARROWEST: Final = 20
#: Headings and rows of cells, and whether cells are numbers.
Table = tuple[list[str], list[list[str]]]


def table(split: Split, count: int, most_columns: int = 64) -> Table:
    """Return samples spread evenly over the split, as text.

    Args:
        split: Its vectors, matrices and text columns are shown; tensors of more axes are not.
        count: Samples at most.
        most_columns: Features of one matrix at most; what is left out is said in the last heading.

    Returns:
        Headings; a row of cells for each sample. Both empty if there is nothing to show.
    """
    rows = pick(split.rows, count) if split.rows else np.array([], np.int64)
    columns: dict[str, list[str]] = {}
    for name in split.columns:
        if name == split.label_name and any(words := captions(split, rows)):
            columns[name] = words
        elif name + OFFSETS in split:
            columns[name] = _texts(split, name, rows)
        elif split[name].ndim in (1, 2) and not is_running_text(split, name):
            columns |= _numbers(name, np.asarray(split[name])[rows], most_columns)
    return list(columns), [list(cells) for cells in zip(*columns.values())]


def is_running_text(split: Split, name: str) -> bool:
    """Whether a tensor is one long text (`text8`), not a column of them."""
    record = split.record(name)
    is_bytes = record["dtype"] == "uint8" and len(record["shape"]) == 1
    return name == "text" and is_bytes and name + OFFSETS not in split


def beginning(split: Split, name: str, count: int) -> str:
    """Return the first characters of a long text."""
    return printable(np.asarray(split[name])[: 4 * count].tobytes().decode("utf-8", "replace")[:count])


def printable(text: str) -> str:
    """Replace what a terminal would act on: a dataset's text is not ours."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def lines_of(headings: list[str], rows: list[list[str]], width: int) -> list[str]:
    """Lay a table out in lines of at most `width` characters; columns that do not fit are counted."""
    if not headings:
        return []
    widths = _widths(headings, rows, width - len(_left_out(len(headings))))
    lines = []
    for cells in [headings, *rows]:
        lines.append("  ".join(_cell(cells[index], size) for index, size in widths.items()).rstrip())
    lines[0] += _left_out(len(headings) - len(widths)) if len(widths) < len(headings) else ""
    return lines


def _left_out(count: int) -> str:
    return f"  (and {count} more)"


def _widths(headings: list[str], rows: list[list[str]], width: int) -> dict[int, int]:
    """Column -> width of those to show: the last one, the label if there is one, and what fits before."""
    last = len(headings) - 1
    widths = {last: max(1, min(_width(headings, rows, last), width // 2))}
    left = width - widths[last]
    for index in range(last):
        size = min(_width(headings, rows, index), left - 2)
        if size < min(NARROWEST, _width(headings, rows, index)):
            break
        widths[index] = size
        left -= size + 2
    return dict(sorted(widths.items()))


def _width(headings: list[str], rows: list[list[str]], index: int) -> int:
    return max(len(headings[index]), *(len(row[index]) for row in rows), 1)


def _cell(text: str, width: int) -> str:
    return text[: width - 1] + "…" if len(text) > width else f"{text:<{width}}"


def _texts(split: Split, name: str, rows: Any) -> list[str]:
    data, offsets = split[name], split[name + OFFSETS]
    edges = [(int(start), int(stop)) for start, stop in (tuple(offsets[row : row + 2]) for row in rows)]
    pieces = [data[start : min(stop, start + 4 * LONGEST)].tobytes() for start, stop in edges]
    return [printable(piece.decode("utf-8", "replace")[:LONGEST]) for piece in pieces]


def _numbers(name: str, values: np.ndarray[Any, Any], most: int) -> dict[str, list[str]]:
    if values.ndim == 1:
        return {name: [_number(value) for value in values.tolist()]}
    return {
        f"{name}_{index}": [_number(value) for value in values[:, index].tolist()]
        for index in range(min(values.shape[1], most))
    }


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
