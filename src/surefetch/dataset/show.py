"""A dataset for the eye: a picture file, a page in a notebook, or a screen of a terminal."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from surefetch.dataset import describe, grid, tables, terminal
from surefetch.dataset.facts import facts
from surefetch.formats.encoders import png_bytes

if TYPE_CHECKING:
    from surefetch.dataset import Split

#: Samples of a split on a page; the longer side of a sample there, in pixels.
ON_PAGE, PAGE_SIDE = 20, 48
#: The longer side of a sample on a terminal, in characters, and how many there are at most.
SCREEN_SIDE, ON_SCREEN = 16, 40
#: Rows of a table, and characters of a long text.
TABLE_ROWS, TEXT_LENGTH = 8, 480
#: Classes told one by one.
TOLD_CLASSES: Final = 20
#: Lines of a screen that are kept for the words.
WORDS: Final = 10


def to_png(splits: Sequence[Split], count: int = 40) -> bytes | None:
    """Draw samples of the first split that has pictures as a PNG; None if there is none."""
    split = next((split for split in splits if grid.picture_name(split)), None)
    return png_bytes(grid.grid(split, count)) if split else None


def to_html(splits: Sequence[Split], title: str = "") -> str:
    """Write a page: samples with their classes, shapes, ranges and class counts. Needs no other file."""
    head = f"<h4>{escape(title)}</h4>" if title else ""
    return f"<div>{head}{''.join(_split_html(split) for split in splits)}</div>"


def to_text(
    splits: Sequence[Split],
    count: int | None = None,
    *,
    width: int = 80,
    height: int = 24,
    colours: str = "none",
) -> str:
    """Draw a screen: samples of the first split, then what is known of each.

    Args:
        splits: The first one is the one that is drawn.
        count: Samples; None: what fits the screen.
        width, height: Of the screen, in characters.
        colours: As `terminal.colours_of` returns them.
    """
    lines = _samples(splits[0], count, width, height, colours) if splits and splits[0].rows else []
    for split in splits:
        lines += ["", *facts_lines(split, width)]
    return "\n".join(lines).lstrip("\n")


def facts_lines(split: Split, width: int = 80) -> list[str]:
    """Say shapes, ranges and class counts of a split."""
    known = facts(split)
    lines = [f"{split.name}: {known['rows']} samples"]
    lines += [f"  {_tensor_words(tensor)}" for tensor in known["tensors"]]
    if known["classes"]:
        lines += _wrapped(f"{len(known['classes'])} classes: ", _class_words(known["classes"]), width)
    return lines


def _samples(split: Split, count: int | None, width: int, height: int, colours: str) -> list[str]:
    if grid.picture_name(split):
        return _drawn(split, count, width, height, colours)
    lines = tables.lines_of(*tables.table(split, count or TABLE_ROWS), width)
    for name in split.columns:
        if tables.is_running_text(split, name):
            text = tables.beginning(split, name, count or TEXT_LENGTH)
            lines += [text[start : start + width] for start in range(0, len(text), width)]
    return lines


def _drawn(split: Split, count: int | None, width: int, height: int, colours: str) -> list[str]:
    first = grid.fit(grid.pictures(split, grid.pick(split.rows, 1)), SCREEN_SIDE, SCREEN_SIDE)
    in_line = max(1, (width + 1) // (first.shape[2] + 1))
    in_height = max(1, (height - WORDS) // (first.shape[1] // 2 + 2))
    rows = grid.pick(split.rows, count or min(ON_SCREEN, in_line * in_height))
    cells = grid.fit(grid.pictures(split, rows), SCREEN_SIDE, SCREEN_SIDE)
    words = grid.captions(split, rows)
    lines: list[str] = []
    for start in range(0, len(cells), in_line):
        drawn = [terminal.picture_lines(cell, colours) for cell in cells[start : start + in_line]]
        lines += ["", *terminal.beside(drawn, words[start : start + in_line], cells.shape[2])]
    return lines


def _tensor_words(tensor: dict[str, Any]) -> str:
    words = f"{tensor['name']}  {describe(tensor)}"
    if tensor["low"] is None:
        return words
    about = "about " if tensor["is_sampled"] else ""
    return f"{words}  {about}{_number(tensor['low'])} … {_number(tensor['high'])}"


def _class_words(classes: dict[str, int]) -> list[str]:
    told = [f"{name} {count}" for name, count in list(classes.items())[:TOLD_CLASSES]]
    return told if len(classes) <= TOLD_CLASSES else [*told, f"and {len(classes) - TOLD_CLASSES} more"]


def _wrapped(head: str, words: list[str], width: int) -> list[str]:
    lines = [f"  {head}"]
    for index, word in enumerate(words):
        text = word + ("," if index < len(words) - 1 else "")
        if len(lines[-1]) + len(text) > width and lines[-1].strip():
            lines.append("    ")
        lines[-1] += text + " "
    return [line.rstrip() for line in lines]


def _split_html(split: Split) -> str:
    known = facts(split)
    tensors = "<br>".join(f"<code>{escape(_tensor_words(tensor))}</code>" for tensor in known["tensors"])
    classes = ", ".join(escape(word) for word in _class_words(known["classes"]))
    counts = f"<br>{len(known['classes'])} classes: {classes}" if classes else ""
    samples = _samples_html(split) if split.rows else ""
    return f"<p><b>{escape(split.name)}</b>: {known['rows']} samples<br>{tensors}{counts}</p>{samples}"


def _samples_html(split: Split) -> str:
    if grid.picture_name(split):
        rows = grid.pick(split.rows, ON_PAGE)
        cells = grid.fit(grid.pictures(split, rows), 1, PAGE_SIDE)
        words = grid.captions(split, rows)
        return f"<div>{''.join(_figure(png_bytes(cell), word) for cell, word in zip(cells, words))}</div>"
    headings, rows_of_cells = tables.table(split, TABLE_ROWS, 16)
    texts = [
        tables.beginning(split, n, TEXT_LENGTH) for n in split.columns if tables.is_running_text(split, n)
    ]
    return _table_html(headings, rows_of_cells) + "".join(f"<pre>{escape(text)}</pre>" for text in texts)


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    picture = (
        f'<img src="data:image/png;base64,{data}" alt="{escape(caption)}" '
        f'style="width:{PAGE_SIDE}px;image-rendering:pixelated;margin:0">'
    )
    words = (
        f'<div style="font-size:11px;max-width:{PAGE_SIDE + 12}px">{escape(caption)}</div>' if caption else ""
    )
    style = "display:inline-block;text-align:center;vertical-align:top;margin:3px"
    return f'<div style="{style}">{picture}{words}</div>'


def _table_html(headings: list[str], rows: list[list[str]]) -> str:
    if not headings:
        return ""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell[:300])}</td>' for cell in cells)}</tr>" for cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
