"""From a catalog file's text to a dataset; every mistake names file and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from surefetch.catalog.entries import ArtifactEntry, CatalogFile, FormEntry, Problem, RecipeText, quote_key
from surefetch.catalog.rules import check_dataset, check_file
from surefetch.errors import CatalogError
from surefetch.model import Artifact, Dataset, Form, Recipe, TensorSpec
from surefetch.recipes import parse_recipe


def parse_catalog(text: str, origin: str) -> Dataset:
    """Read a catalog file.

    Args:
        text: The file's content, TOML.
        origin: Where it came from, for messages: a path, or `built-in`.

    Raises:
        CatalogError: It breaks the schema or a trust rule; `details` hold `file`, `key` and `expected`.
    """
    import tomli

    try:
        content = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise CatalogError(
            f"catalog `{origin}` is not TOML: {error}", file=origin, key="", expected=f"TOML: {error}"
        ) from error
    try:
        return _dataset(_convert(content), origin)
    except Problem as problem:
        raise _error(problem, content, origin) from problem


def _convert(content: Mapping[str, Any]) -> CatalogFile:
    try:
        return msgspec.convert(content, CatalogFile)
    except msgspec.ValidationError as error:
        raise _translate(error, content) from None


def _dataset(file: CatalogFile, origin: str) -> Dataset:
    check_file(file)
    artifacts = tuple(_artifact(entry) for entry in file.artifact)
    fields = {name: getattr(file, name) for name in CatalogFile.__struct_fields__ if name in _SHARED}
    dataset = Dataset(**fields, artifacts=artifacts, forms=_forms(file), origin=origin)
    check_dataset(dataset)
    return dataset


_SHARED = frozenset(Dataset.__struct_fields__)


def _artifact(entry: ArtifactEntry) -> Artifact:
    return Artifact(**dict(zip(_KEPT, _kept(entry), strict=True)), is_carrier=entry.carrier)


_KEPT = tuple(name for name in ArtifactEntry.__struct_fields__ if name not in ("carrier", "gives"))
_kept = attrgetter(*_KEPT)


def _forms(file: CatalogFile) -> tuple[Form, ...]:
    """Join what artifacts and [[form]] tables of one name give; the order of first appearance is kept."""
    gives: dict[str, dict[str, Recipe]] = {}
    for index, artifact in enumerate(file.artifact):
        for tensor, text in artifact.gives.items():
            key = f"artifact[{index}].gives.{quote_key(tensor)}"
            _add(gives.setdefault(artifact.form, {}), tensor, _recipe(text, artifact.name, key), key)
    for index, form in enumerate(file.form):
        for tensor, text in form.gives.items():
            key = f"form[{index}].gives.{quote_key(tensor)}"
            _add(gives.setdefault(form.name, {}), tensor, _recipe(text, None, key), key)
    order = dict.fromkeys(artifact.form for artifact in file.artifact)
    return tuple(Form(name=name, gives=gives[name]) for name in order if name in gives)


def _add(form: dict[str, Recipe], tensor: str, recipe: Recipe, key: str) -> None:
    if tensor in form:
        raise Problem(
            key, "a tensor that nothing else of this form gives; parts of several files go into [[form]]"
        )
    form[tensor] = recipe


def _recipe(text: RecipeText, artifact: str | None, key: str) -> Recipe:
    try:
        return parse_recipe(text, artifact)
    except ValueError as error:
        raise Problem(key, f"a recipe: {error}") from error


def _error(problem: Problem, content: Mapping[str, Any], origin: str) -> CatalogError:
    got = "" if problem.got is None else f", and `{_short(problem.got)}` is there"
    whose = _artifact_name(problem.key, content)
    message = f"catalog `{origin}`, key `{problem.key}`{whose}: expected {problem.expected}{got}"
    return CatalogError(message, file=origin, key=problem.key, expected=problem.expected)


def _artifact_name(key: str, content: Mapping[str, Any]) -> str:
    """Say which file `artifact[3]` is: people count tables badly."""
    match = re.match(r"artifact\[(\d+)\]", key)
    if not match:
        return ""
    entry = content["artifact"][int(match[1])]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f" (`{_short(name)}`)" if isinstance(name, str) else ""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "…"


# --- msgspec's messages in our words -----------------------------------------------------------------------


def _translate(error: msgspec.ValidationError, content: Mapping[str, Any]) -> Problem:
    """Turn msgspec's `Expected `str`, got `int` - at `$.artifact[2].name`` into key and expectation."""
    message, _, path = str(error).partition(" - at `$")
    key = _named_key(path.rstrip("`").lstrip("."), content)
    if match := re.search(r"unknown field `(.*)`", message):
        key, name = f"{key}.{match[1]}" if key else match[1], match[1]
        return Problem(key, f"{_known_keys(key)}; `{name}` is unknown")
    if match := re.search(r"missing required field `(.*)`", message):
        return Problem(f"{key}.{match[1]}" if key else match[1], "a value; it is required")
    if match := re.match(r"Expected `(.*)`, got `(.*)`", message):
        return Problem(key, f"{_KINDS.get(match[1], match[1])}, got {_KINDS.get(match[2], match[2])}")
    return Problem(key, message)


_KINDS = {
    "str": "text",
    "int": "a whole number",
    "int | null": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "str | null": "text",
    "str | array": "a recipe: text, or a list of texts",
}


def _known_keys(key: str) -> str:
    """The keys that may stand beside an unknown one."""
    table = re.sub(r"\[\d+\]", "", key).split(".")[0]
    kinds = {"artifact": ArtifactEntry, "form": FormEntry, "tensors": TensorSpec}
    kind = kinds.get(table, CatalogFile) if "." in key else CatalogFile
    return f"one of the keys {', '.join(f'`{name}`' for name in kind.__struct_fields__)}"


def _named_key(path: str, content: Mapping[str, Any]) -> str:
    """Replace msgspec's `[...]` (it does not say which key of a table) by the first key at fault."""
    if "[...]" not in path:
        return path
    head, _, rest = path.partition("[...]")
    for name, value in _at(head, content).items():
        try:
            msgspec.convert(value, TensorSpec if head == "tensors" else RecipeText)
        except msgspec.ValidationError:
            return f"{head}.{quote_key(name)}{rest}"
    return head + rest


def _at(path: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    value: Any = content
    for name in re.findall(r"[^.\[\]]+", path):
        value = value[int(name)] if name.isdigit() else value[name]
    return value if isinstance(value, Mapping) else {}
