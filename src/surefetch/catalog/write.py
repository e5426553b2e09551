"""From a dataset back to a catalog file; reading it gives an equal dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from surefetch.catalog.entries import quote_key
from surefetch.model import Artifact, Dataset, Part, Recipe, TensorSpec

LINE = 110  # characters; longer lists stand one item a line
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"  # not allowed in comments (TOML 1.0, Comment)

_TEXTS = ("name", "version", "title", "task", "description", "homepage", "license", "citation")
_LISTS = ("aliases", "known_as", "classes")
_ARTIFACT_VALUES = ("form", "name", "encoding", "size", "max_size", "sha256", "sha1", "md5", "package", "deb")
_ARTIFACT_LISTS = ("urls", "known_as", "pieces")


def write_catalog(dataset: Dataset, comment: str = "") -> str:
    """Write a dataset as a catalog file.

    Args:
        dataset: What to write; its `origin` is not part of a file.
        comment: Stands at the top, each line behind `# `.
    """
    alone = {artifact.name: _given_alone(dataset, artifact) for artifact in dataset.artifacts}
    blocks = [
        "\n".join(f"# {re.sub(_CONTROL, '�', line)}".rstrip() for line in comment.splitlines()),
        "\n".join(_head(dataset)),
        "\n".join(_tensors(dataset.tensors)),
        *("\n".join(_artifact(artifact, alone[artifact.name])) for artifact in dataset.artifacts),
        *("\n".join(_form(form.name, form.gives)) for form in dataset.forms),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(dataset: Dataset) -> list[str]:
    lines = [f"{name} = {_text(value)}" for name in _TEXTS if (value := getattr(dataset, name))]
    return lines + [_list(name, value) for name in _LISTS if (value := getattr(dataset, name))]


def _tensors(tensors: Mapping[str, TensorSpec]) -> list[str]:
    lines = [f"{quote_key(name)} = {{ {_spec(spec)} }}" for name, spec in tensors.items()]
    return ["[tensors]", *lines] if lines else []


def _spec(spec: TensorSpec) -> str:
    text = f'dtype = "{spec.dtype}", shape = {list(spec.shape)}'
    return f'{text}, sha256 = "{spec.sha256}"' if spec.sha256 else text


def _artifact(artifact: Artifact, gives: Mapping[str, Recipe]) -> list[str]:
    values = ((name, getattr(artifact, name)) for name in _ARTIFACT_VALUES)
    lines = [f"{name} = {_value(value)}" for name, value in values if value not in (None, "")]
    lines += ["unproven = true"] * artifact.unproven + ["carrier = true"] * artifact.is_carrier
    lines += [_list(name, value) for name in _ARTIFACT_LISTS if (value := getattr(artifact, name))]
    texts = {tensor: [_steps(part) for part in recipe] for tensor, recipe in gives.items()}
    return ["[[artifact]]", *lines, *_gives("artifact", texts)]


def _form(name: str, gives: Mapping[str, Recipe]) -> list[str]:
    """Only what no artifact gives alone."""
    texts = {
        tensor: [str(part) for part in recipe]
        for tensor, recipe in gives.items()
        if not _single_input(recipe)
    }
    return ["[[form]]", f'name = "{name}"', *_gives("form", texts)] if texts else []


def _gives(table: str, texts: Mapping[str, list[str]]) -> list[str]:
    lines = [_list(quote_key(tensor), parts, alone=True) for tensor, parts in texts.items()]
    if len(lines) == 1 and len(lines[0]) < LINE - 14 and "\n" not in lines[0]:
        return [f"gives = {{ {lines[0]} }}"]
    return [f"[{table}.gives]", *lines] if lines else []


def _given_alone(dataset: Dataset, artifact: Artifact) -> dict[str, Recipe]:
    """What the artifact gives without any other."""
    return {
        tensor: recipe
        for form in dataset.forms
        for tensor, recipe in form.gives.items()
        if _single_input(recipe) == artifact.name
    }


def _single_input(recipe: Recipe) -> str | None:
    inputs = {part.input for part in recipe}
    return inputs.pop() if len(inputs) == 1 else None


def _steps(part: Part) -> str:
    return " > ".join(map(str, part.steps))


def _list(key: str, items: Iterable[str], *, alone: bool = False) -> str:
    """A key with its list: on one line if it fits; `alone` writes a list of one as its item."""
    values = [_text(item) for item in items]
    if alone and len(values) == 1:
        return f"{key} = {values[0]}"
    line = f"{key} = [{', '.join(values)}]"
    if len(line) <= LINE:
        return line
    return "\n".join([f"{key} = [", *(f"  {value}," for value in values), "]"])


def _value(value: str | int) -> str:
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's too; DEL has to be escaped in TOML only (TOML 1.0, String)."""
    if "\n" not in value or '"""' in value or value.endswith('"'):
        return f'"{_escaped(value)}"'
    body = "\n".join(_escaped(line).replace('\\"', '"') for line in value.split("\n"))
    return f'"""\n{body}"""'


def _escaped(value: str) -> str:
    import json  # most gets write no catalog

    return json.dumps(value, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007F")
