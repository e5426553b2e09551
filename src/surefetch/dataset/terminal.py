"""Pictures in a terminal: half blocks in colour, or letters from light to dark where there is no colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

#: From dark to light; a letter is two pixels high.
RAMP: Final = " .:-=+*#%@"
#: Levels of the 6 x 6 x 6 cube of the 256 colours (xterm, ctlseqs).
_CUBE: Final = (0, 95, 135, 175, 215, 255)
#: Gray -> its number: the ramp from 8 to 238, and black and white of the cube.
_GRAYS: Final = {0: 16, **{8 + 10 * step: 232 + step for step in range(24)}, 255: 231}
RESET: Final = "\x1b[0m"


def colours_of(environ: Mapping[str, str], *, is_terminal: bool, encoding: str = "utf-8") -> str:
    """Return what a terminal can show: `true`, `256` or `none`.

    `NO_COLOR` is respected (no-color.org), and `FORCE_COLOR` and `CLICOLOR_FORCE` where no terminal is seen.
    """
    try:
        "▀".encode(encoding)
    except (UnicodeEncodeError, LookupError):  # a cp1252 console has no half blocks
        return "none"
    forced = environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE")
    if environ.get("NO_COLOR") or not (is_terminal or forced) or environ.get("TERM") == "dumb":
        return "none"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or environ.get("WT_SESSION"):
        return "true"
    return "256"


def picture_lines(picture: Array, colours: str) -> list[str]:
    """Draw a picture, two lines of pixels to a line of characters.

    Args:
        picture: uint8, shape (height, width) or (height, width, 3).
        colours: As `colours_of` returns them.

    Returns:
        Lines of `width` characters, escape sequences apart.
    """
    if picture.shape[0] % 2:
        picture = np.concatenate([picture, np.zeros_like(picture[:1])])
    upper, lower = picture[::2], picture[1::2]
    if colours == "none":
        return _letters(upper, lower)
    code = _true if colours == "true" else _indexed
    return [_blocks(code(above), code(below)) for above, below in zip(upper, lower)]


def beside(cells: Sequence[Sequence[str]], captions: Sequence[str], width: int) -> list[str]:
    """Put drawn pictures of `width` characters beside each other, captions below."""
    lines = [" ".join(parts) for parts in zip(*cells)]
    if any(captions):
        lines.append(" ".join(f"{word[:width]:^{width}}" for word in captions).rstrip())
    return lines


def _letters(upper: Array, lower: Array) -> list[str]:
    light = (upper.astype(np.float32) + lower) / 2
    light = light.mean(axis=2) if light.ndim == 3 else light
    steps = np.round(light * ((len(RAMP) - 1) / 255)).astype(int)
    return ["".join(RAMP[step] for step in row) for row in steps.tolist()]


def _blocks(above: list[str], below: list[str]) -> str:
    parts, last = [], None
    for pair in zip(above, below):
        parts.append("▀" if pair == last else f"\x1b[38;{pair[0]};48;{pair[1]}m▀")
        last = pair
    return "".join(parts) + RESET


def _true(pixels: Array) -> list[str]:
    rows = pixels.tolist()
    return [f"2;{p};{p};{p}" if isinstance(p, int) else f"2;{p[0]};{p[1]};{p[2]}" for p in rows]


def _indexed(pixels: Array) -> list[str]:
    if pixels.ndim == 1:
        nearest = np.abs(pixels[:, None].astype(int) - np.array(list(_GRAYS))).argmin(axis=-1)
        return [f"5;{list(_GRAYS.values())[index]}" for index in nearest.tolist()]
    levels = np.abs(pixels[..., None].astype(int) - np.array(_CUBE)).argmin(axis=-1)
    return [f"5;{code}" for code in (16 + levels @ np.array([36, 6, 1])).tolist()]
