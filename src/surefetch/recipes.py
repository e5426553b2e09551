"""The grammar of recipes: how a tensor is derived from artifacts, as text and as values.

    recipe := part | [part, part, …]            parts are joined along the first axis
    part   := [INPUT ": "] step (" > " step)*   INPUT is an artifact's file name
    step   := NAME | NAME ":" ARGUMENT

Steps are a closed set of pure functions (STEPS); each takes and gives one kind of value, so that a recipe
that cannot work is refused when its catalog is read, not when its bytes have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from surefetch.model import Part, Recipe, Step

BYTES, COLUMN, ARRAY = "bytes", "column", "array"


class Signature(NamedTuple):
    """What a step takes and gives; `argument` describes its argument, "" if it takes none."""

    takes: str
    gives: str
    argument: str = ""
    optional: bool = False  # the argument may be left out


#: Every step there is. `surefetch.formats` has one function for each.
STEPS: Final[dict[str, Signature]] = {
    # unwrap
    "gzip": Signature(BYTES, BYTES),
    "bzip2": Signature(BYTES, BYTES),
    "xz": Signature(BYTES, BYTES),
    "zip": Signature(BYTES, BYTES, "path of the member"),
    "tar": Signature(BYTES, BYTES, "path of the member; .gz, .xz and .bz2 around it are seen through"),
    "deb": Signature(BYTES, BYTES, "path of the member of the package's data archive"),
    # decode
    "idx": Signature(BYTES, ARRAY),
    "npy": Signature(BYTES, ARRAY),
    "npz": Signature(BYTES, ARRAY, "name of the array"),
    "pickle": Signature(BYTES, ARRAY, "path through keys and indices, joined by dots", optional=True),
    "mat": Signature(BYTES, ARRAY, "name of the variable"),
    "arff": Signature(BYTES, ARRAY, "column or first-last column, both inclusive"),
    "csv": Signature(BYTES, ARRAY, "column or first-last column, both inclusive, or a heading"),
    "parquet": Signature(BYTES, COLUMN, "name of the column, dots for fields of a struct; or FIRST..LAST"),
    "images": Signature(BYTES, COLUMN, "pattern of member paths in a zip or tar, taken in sorted order"),
    "folders": Signature(BYTES, ARRAY, "pattern of member paths; gives the number of each member's folder"),
    "lines": Signature(BYTES, COLUMN),
    "raw": Signature(BYTES, ARRAY, "dtype of the bare bytes, little-endian"),
    # columns to arrays
    "png": Signature(COLUMN, ARRAY),
    "image": Signature(COLUMN, ARRAY),
    "numbers": Signature(COLUMN, ARRAY),
    "text": Signature(COLUMN, ARRAY),
    "offsets": Signature(COLUMN, ARRAY),
    # reshape; none of them changes a value without saying so
    "rows": Signature(ARRAY, ARRAY, "start-stop, half-open"),
    "column": Signature(ARRAY, ARRAY, "index along the last axis"),
    "scale": Signature(ARRAY, ARRAY, "factor; the products must be whole numbers to 1e-3"),
    "minus": Signature(ARRAY, ARRAY, "number to subtract"),
    "shape": Signature(ARRAY, ARRAY, "lengths of all axes but the first"),
    "axes": Signature(ARRAY, ARRAY, "order of the axes"),
    "uint8": Signature(ARRAY, ARRAY),
    "int16": Signature(ARRAY, ARRAY),
    "int32": Signature(ARRAY, ARRAY),
    "int64": Signature(ARRAY, ARRAY),
    "float32": Signature(ARRAY, ARRAY),
    "float64": Signature(ARRAY, ARRAY),
}


def parse_recipe(text: str | Sequence[str], artifact: str | None = None) -> Recipe:
    """Read a recipe.

    Args:
        text: One part or several.
        artifact: The input of all parts, for a recipe that stands inside its artifact; then no part
            names an input. None: each part must name its own.

    Raises:
        ValueError: The text is no recipe, or its steps do not fit together; the message quotes the place.
    """
    parts = [text] if isinstance(text, str) else list(text)
    if not parts:
        raise ValueError("a recipe needs at least one part")
    return tuple(_parse_part(part, artifact) for part in parts)


def format_recipe(recipe: Recipe) -> str:
    """Write a recipe as text, its parts joined by ` + `."""
    return " + ".join(str(part) for part in recipe)


def _parse_part(text: str, artifact: str | None) -> Part:
    head, separator, rest = text.partition(": ")
    if " > " in head:  # the colon belongs to a later step
        head, separator, rest = "", "", text
    if artifact is None and not separator:
        raise ValueError(f"`{text}` does not say which artifact it reads: write `FILE: step > step`")
    if artifact is not None and separator:
        raise ValueError(f"`{text}` stands inside `{artifact}` and may not name an input of its own")
    steps = tuple(_parse_step(step) for step in (rest if separator else text).split(" > "))
    _check_chain(steps, text)
    return Part(input=head.strip() if separator else artifact or "", steps=steps)


def _parse_step(text: str) -> Step:
    name, separator, argument = text.strip().partition(":")
    signature = STEPS.get(name)
    if signature is None:
        raise ValueError(f"`{name}` is no step; the steps are {', '.join(STEPS)}")
    if separator and not signature.argument:
        raise ValueError(f"step `{name}` takes no argument, and `{argument}` is given")
    if signature.argument and not argument and not signature.optional:
        raise ValueError(f"step `{name}` needs an argument: {signature.argument}")
    return Step(name=name, argument=argument)


def _check_chain(steps: Sequence[Step], text: str) -> None:
    kind = BYTES
    for step in steps:
        signature = STEPS[step.name]
        if signature.takes != kind:
            raise ValueError(f"in `{text}` step `{step.name}` takes {signature.takes} and is given {kind}")
        kind = signature.gives
    if kind != ARRAY:
        raise ValueError(f"`{text}` ends in {kind}, not in an array")
