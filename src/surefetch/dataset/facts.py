"""What can be said of a split at a glance: shapes, value ranges, how many samples each class has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from surefetch.dataset import OFFSETS
from surefetch.dataset.grid import class_name

if TYPE_CHECKING:
    from surefetch.dataset import Split

Array = np.ndarray[Any, Any]

#: Bytes looked at for a range; of larger tensors evenly spread samples are taken, and the range is named so.
LOOKED_AT: Final = 256 << 20
BLOCK: Final = 16 << 20
#: Labels with more different values are measurements, not classes.
MOST_CLASSES: Final = 500


def facts(split: Split) -> dict[str, Any]:
    """Return what is known of a split: `split`, `rows`, `tensors` (rows of name, dtype, shape, low, high,
    is_sampled), `classes` (name -> count; empty where the labels are not classes).

    `low` and `high` leave out NaN and are None for text and for empty tensors.
    """
    tensors = []
    for name in split.columns:
        record = split.record(name)
        is_text = name + OFFSETS in split or name == "text"
        low, high, is_sampled = (None, None, False) if is_text else value_range(split[name])
        tensors.append(
            {
                "name": name,
                "dtype": str(record["dtype"]),
                "shape": [int(length) for length in record["shape"]],
                "low": low,
                "high": high,
                "is_sampled": is_sampled,
            }
        )
    return {"split": split.name, "rows": split.rows, "tensors": tensors, "classes": class_counts(split)}


def class_counts(split: Split) -> dict[str, int]:
    """Return how many samples each class has, in the order of the labels' numbers."""
    if split.label_name is None:
        return {}
    labels = np.asarray(split[split.label_name])
    if labels.ndim == 2 and labels.shape[1] > 1 and len(split.classes) == labels.shape[1]:
        counts = np.count_nonzero(labels, axis=0)  # several labels to a sample
        return dict(zip(split.classes, counts.tolist()))
    if labels.dtype.kind not in "iub" or labels.size != len(labels):
        return {}
    values, counts = np.unique(labels, return_counts=True)
    if len(values) > MOST_CLASSES:
        return {}
    return {class_name(split, value): count for value, count in zip(values.tolist(), counts.tolist())}


def value_range(array: Array) -> tuple[float | None, float | None, bool]:
    """Return the smallest value, the largest, and whether only samples were looked at."""
    is_sampled = array.nbytes > LOOKED_AT
    low = high = None
    for block in _blocks(np.asarray(array), is_sampled):
        values = block[~np.isnan(block)] if block.dtype.kind == "f" else block
        if values.size:
            least, most = values.min().item(), values.max().item()
            low = least if low is None else min(low, least)
            high = most if high is None else max(high, most)
    return low, high, is_sampled


def _blocks(array: Array, is_sampled: bool) -> Iterator[Array]:
    if array.ndim == 0:
        array = array.reshape(1)
    row_bytes = max(1, array[:1].nbytes)
    rows = max(1, BLOCK // row_bytes)
    starts = range(0, len(array), rows)
    step = -(-array.nbytes // LOOKED_AT) if is_sampled else 1
    for start in starts[::step]:
        yield array[start : start + rows]
