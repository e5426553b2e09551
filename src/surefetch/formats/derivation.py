"""Deriving a tensor: each part's steps over its input, the parts joined, the promise checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from surefetch.errors import DecodeError
from surefetch.formats.arrays import contiguous, digest_of
from surefetch.formats.buffers import Array, Buffer, Context, output_limit, view_of
from surefetch.formats.steps import FUNCTIONS
from surefetch.formats.tars import read_tar
from surefetch.model import DTYPES, Recipe, Step, TensorSpec
from surefetch.recipes import BYTES, STEPS

#: Steps that only move numbers about: a cast behind them can as well be made before them.
LAYOUT: Final = frozenset({"numbers", "rows", "column", "shape", "axes"})


def derive(recipe: Recipe, spec: TensorSpec | None, inputs: Mapping[str, Buffer]) -> Array:
    """Make a tensor.

    Args:
        recipe: Its parts; their arrays are joined along the first axis.
        spec: The promise; None where nothing is promised.
        inputs: Whole files by artifact name, usually maps of blobs. The array may be a view of one of them.

    Returns:
        A C-contiguous, little-endian array. Its digest is not checked here: see `check_digest`.

    Raises:
        DecodeError: A file cannot be read, or what it gives is not of the promised dtype and shape.
        MissingExtraError: A step needs an optional package.
        KeyError: An input is missing.
    """
    views = {part.input: view_of(inputs[part.input]) for part in recipe}
    limit = output_limit(spec, sum(map(len, views.values())))
    if len(recipe) == 1:
        result = run(recipe[0].steps, views[recipe[0].input], limit)
        _check(result, spec)
        return contiguous(result)
    return _join(recipe, spec, views, limit)


def run(steps: Sequence[Step], data: memoryview, limit: int) -> Array:
    """Run one part's steps; no step may give more than `limit` bytes."""
    value: Any = data
    for index, step in enumerate(steps):
        value = apply(step, value, Context(limit=limit, dtype=_coming_cast(steps[index + 1 :])))
    array: Array = value
    return array


def apply(step: Step, value: Any, context: Context) -> Any:
    """Run one step."""
    try:
        return FUNCTIONS[step.name](value, step.argument, context)
    except MemoryError as error:
        raise DecodeError(f"step `{step}` asks for more memory than there is", code="body.bomb") from error


def check_digest(array: Array, spec: TensorSpec) -> str:
    """Return a tensor's digest, after comparing it with the promise.

    Raises:
        DecodeError: It differs (`body.content-mismatch`).
    """
    digest = digest_of(array)
    if spec.sha256 not in (None, digest):
        raise DecodeError(
            f"the numbers have SHA-256 `{digest}`, promised was `{spec.sha256}`", code="body.content-mismatch"
        )
    return digest


def _join(recipe: Recipe, spec: TensorSpec | None, views: Mapping[str, memoryview], limit: int) -> Array:
    """Join the parts; with a promise they go into place one by one, so that only one is held beside."""
    arrays = (run(steps, data, limit) for data, steps in _opened(recipe, views, limit))
    if spec is None:
        return contiguous(np.concatenate(list(arrays)))
    output, position = np.empty(spec.shape, np.dtype(spec.dtype).newbyteorder("<")), 0
    for part, array in zip(recipe, arrays):
        is_right = array.ndim and array.dtype.name == spec.dtype and array.shape[1:] == output.shape[1:]
        if not is_right or position + len(array) > len(output):
            raise _mismatch(str(part), array, spec)
        output[position : position + len(array)] = array
        position += len(array)
    if position != len(output):
        raise DecodeError(f"{position} rows came of {len(output)} promised", code="body.content-mismatch")
    return output


def _opened(
    recipe: Recipe, views: Mapping[str, memoryview], limit: int
) -> Iterator[tuple[memoryview, Sequence[Step]]]:
    """Give each part's bytes and the steps left; a first step that parts have in common is done once."""
    kept = _members(recipe, views, limit)
    uses = Counter((part.input, part.steps[0]) for part in recipe)
    for part in recipe:
        key = (part.input, part.steps[0])
        if key not in kept and (uses[key] == 1 or STEPS[key[1].name].gives != BYTES):
            yield views[part.input], part.steps
            continue
        if key not in kept:
            kept[key] = apply(key[1], views[part.input], Context(limit=limit))
        uses[key] -= 1
        yield view_of(kept[key] if uses[key] else kept.pop(key)), part.steps[1:]


def _members(recipe: Recipe, views: Mapping[str, memoryview], limit: int) -> dict[tuple[str, Step], Buffer]:
    """Read the members that several parts take from one tar archive in one pass: (input, step) -> member."""
    wanted: dict[str, dict[str, Step]] = {}
    for part in recipe:
        if part.steps[0].name == "tar":
            wanted.setdefault(part.input, {})[part.steps[0].argument] = part.steps[0]
    return {
        (name, steps[path]): member
        for name, steps in wanted.items()
        for path, member in read_tar(views[name], list(steps), limit).items()
    }


def _check(array: Array, spec: TensorSpec | None) -> None:
    if array.dtype.name not in DTYPES:
        raise DecodeError(f"arrays of {array.dtype} are not tensors", code="body.content-mismatch")
    if spec and (array.dtype.name != spec.dtype or array.shape != spec.shape):
        raise _mismatch("the recipe", array, spec)


def _mismatch(what: str, array: Array, spec: TensorSpec) -> DecodeError:
    return DecodeError(
        f"`{what}` gives {array.dtype.name} {array.shape}, promised is {spec.dtype} {spec.shape}",
        code="body.content-mismatch",
    )


def _coming_cast(steps: Sequence[Step]) -> str | None:
    """Return the dtype of the next cast, if only moving steps stand before it."""
    for step in steps:
        if step.name in DTYPES:
            return step.name
        if step.name not in LAYOUT:
            return None
    return None
