"""Amounts in words that people read."""

from __future__ import annotations


def human_size(size: int | float | None) -> str:
    """Return bytes for people, in powers of 1000: `11.6 MB`."""
    if size is None:
        return "size unknown"
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
