"""Samples of a split as pictures for people, and many of them as one picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from surefetch.dataset import letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from surefetch.dataset import Split

Array = np.ndarray[Any, Any]

#: Sides of a cell of a grid, in pixels: smaller pictures are enlarged, larger ones reduced.
SMALLEST, LARGEST = 84, 160
GAP: Final = 8
INK: Final = 40
PAPER: Final = 255


def picture_name(split: Split) -> str | None:
    """Return the name of the tensor that can be looked at, `image` before others; None if there is none."""
    names = [name for name in split.columns if _is_seen(split.record(name)["shape"])]
    return next((name for name in names if name == "image"), names[0] if names else None)


def pick(rows: int, count: int) -> Array:
    """Return the numbers of `count` samples spread evenly: sorted datasets show all their classes."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.int64))


def pictures(split: Split, rows: Array) -> Array:
    """Return samples as pictures; of volumes the middle slice.

    Args:
        split: One that has a `picture_name`.
        rows: Numbers of the samples.

    Returns:
        uint8, shape (len(rows), height, width) or (len(rows), height, width, 3).
    """
    name = picture_name(split)
    assert name is not None, "the caller has asked"
    return _visible(_flat(np.asarray(split[name])[rows]))


def captions(split: Split, rows: Array) -> list[str]:
    """Return each sample's class, or its label as a number; "" where there is no single one."""
    if split.label_name is None:
        return [""] * len(rows)
    labels = np.asarray(split[split.label_name])[rows]
    if labels.ndim != 1 and labels.size != len(rows):
        return [""] * len(rows)
    return [class_name(split, value) for value in labels.reshape(-1).tolist()]


def class_name(split: Split, value: Any) -> str:
    """Return a label in words, if the catalog has words for it."""
    is_named = isinstance(value, int) and 0 <= value < len(split.classes)
    return split.classes[value] if is_named else f"{value:g}"


def grid(split: Split, count: int = 40, columns: int = 0) -> Array:
    """Draw samples with their classes below them.

    Args:
        split: One that has a `picture_name`.
        count: How many samples at most.
        columns: Pictures in a line; 0: what makes it a little wider than high.

    Returns:
        uint8, shape (height, width) if the samples are gray, else (height, width, 3).
    """
    rows = pick(split.rows, count)
    cells = fit(pictures(split, rows), SMALLEST, LARGEST)
    words = captions(split, rows)
    columns = min(columns or math.ceil(math.sqrt(1.5 * len(cells))), max(1, len(cells)))
    height, width = cells.shape[1] + GAP, cells.shape[2] + GAP
    line = letters.HEIGHT + 4 if any(words) else 0
    size = (math.ceil(len(cells) / columns) * (height + line) + GAP, columns * width + GAP)
    sheet = np.full((*size, *cells.shape[3:]), PAPER, np.uint8)
    for index, (cell, word) in enumerate(zip(cells, words)):
        top, left = GAP + index // columns * (height + line), GAP + index % columns * width
        _paste(sheet, cell, top, left)
        if word:
            sheet[top + height - GAP + 2 :][: letters.HEIGHT, left : left + cells.shape[2]][
                letters.write(word, cells.shape[2])
            ] = INK
    return sheet


def fit(cells: Array, smallest: int, largest: int) -> Array:
    """Enlarge or reduce pictures by a whole number so that their longer side fits, where one does.

    Args:
        cells: uint8, shape (count, height, width, …).
        smallest: The longer side becomes at least about so many pixels.
        largest: And at most so many.
    """
    side = max(cells.shape[1:3])
    if side > largest:
        return _reduced(cells, math.ceil(side / largest))
    factor = max(1, min(math.ceil(smallest / side), largest // side))
    return np.asarray(cells.repeat(factor, axis=1).repeat(factor, axis=2))


def _is_seen(shape: Sequence[int]) -> bool:
    return len(shape) >= 3 and sum(length >= 4 for length in shape[1:]) >= 2 and 0 not in shape


def _paste(sheet: Array, cell: Array, top: int, left: int) -> None:
    sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell


def _reduced(cells: Array, factor: int) -> Array:
    """Average squares of `factor` pixels; what is left over at the edges is cut."""
    height, width = (max(1, length // factor) for length in cells.shape[1:3])
    rows, columns = (min(factor, length) for length in cells.shape[1:3])
    cut = cells[:, : height * rows, : width * columns]
    squares = cut.reshape(len(cells), height, rows, width, columns, *cells.shape[3:])
    return np.asarray(np.round(squares.mean(axis=(2, 4), dtype=np.float32)), np.uint8)


def _flat(samples: Array) -> Array:
    """Bring samples to (count, height, width) or (count, height, width, 3)."""
    if samples.ndim >= 4 and samples.shape[1] in (1, 3) and samples.shape[-1] not in (1, 3, 4):
        samples = np.moveaxis(samples, 1, -1)  # channels first
    while samples.ndim > (4 if samples.shape[-1] <= 4 else 3):
        samples = samples[:, samples.shape[1] // 2]
    if samples.ndim == 3:
        return samples
    return samples[..., :3] if samples.shape[-1] >= 3 else samples[..., 0]


def _visible(samples: Array) -> Array:
    """Scale values to 0 … 255; bytes stay what they are."""
    if samples.dtype == np.uint8 and samples.max(initial=0) > 16:
        return samples
    values = np.nan_to_num(samples.astype(np.float64), posinf=0, neginf=0)
    low, high = min(0.0, values.min(initial=0)), values.max(initial=0)
    return np.asarray(np.round((values - low) * (255 / (high - low or 1))), np.uint8)
