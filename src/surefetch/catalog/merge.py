"""A catalog that names a dataset known already: it adds mirrors to it, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from surefetch.errors import CatalogError
from surefetch.model import ALGORITHMS, Artifact, Dataset, Form, Part, Recipe


def merge(base: Dataset, extra: Dataset) -> Dataset:
    """Return `base` with the mirrors that `extra` knows, behind its own.

    An artifact with a digest that `base` has too adds its addresses. Another one is taken if all it gives is
    proven by the tensors' digests of `base`.

    Raises:
        CatalogError: `extra` says something else of a tensor, or has a file that nothing of `base` proves.
    """
    _check_tensors(base, extra)
    artifacts = {artifact.name: artifact for artifact in base.artifacts}
    added: list[Artifact] = []
    twins: dict[str, str] = {}  # name in extra -> name in base
    for artifact in extra.artifacts:
        twin = find_twin(base, artifact)
        if twin:
            twins[artifact.name] = twin.name
            artifacts[twin.name] = _with_places(artifacts[twin.name], artifact)
        else:
            _check_addition(base, extra, artifact)
            added.append(artifact)
    forms = (*base.forms, *_added_forms(extra, {artifact.name for artifact in added}, twins))
    return msgspec.structs.replace(base, artifacts=(*artifacts.values(), *added), forms=forms)


def find_twin(dataset: Dataset, artifact: Artifact) -> Artifact | None:
    """Return the dataset's artifact that stands for the same bytes."""
    return next((ours for ours in dataset.artifacts if _are_same(ours, artifact)), None)


def _are_same(ours: Artifact, theirs: Artifact) -> bool:
    """Whether the strongest digest that both have is equal; without any, whether name and form are."""
    if ours.unproven and theirs.unproven:
        return (ours.name, ours.form) == (theirs.name, theirs.form)
    pairs = ((getattr(ours, name), getattr(theirs, name)) for name in ALGORITHMS)
    return next((mine == other for mine, other in pairs if mine and other), False)


def _with_places(ours: Artifact, theirs: Artifact) -> Artifact:
    return msgspec.structs.replace(
        ours,
        urls=tuple(dict.fromkeys((*ours.urls, *theirs.urls))),
        known_as=tuple(dict.fromkeys((*ours.known_as, *theirs.known_as))),
        package=ours.package or theirs.package,
        deb=ours.deb or theirs.deb,
    )


def _check_tensors(base: Dataset, extra: Dataset) -> None:
    for name, spec in extra.tensors.items():
        if base.tensors.get(name) != spec:
            raise _redefines(base, extra, f"tensors.{name}", f"tensor `{name}` as `{base.origin}` has it")


def _check_addition(base: Dataset, extra: Dataset, artifact: Artifact) -> None:
    key = f"artifact.{artifact.name}"
    given = [
        tensor for form in extra.forms for tensor, recipe in form.gives.items() if _reads(recipe, artifact)
    ]
    if not given or any(base.tensors[tensor].sha256 is None for tensor in given):
        raise _redefines(base, extra, key, f"a file whose digest or tensors `{base.origin}` knows")
    if any(artifact.name.casefold() == ours.name.casefold() for ours in base.artifacts):
        raise _redefines(base, extra, key, "a file name that no other file of the dataset has")
    if any(artifact.form == form.name for form in base.forms):
        raise _redefines(base, extra, f"{key}.form", "a form's name of its own")


def _reads(recipe: Recipe, artifact: Artifact) -> bool:
    return any(part.input == artifact.name for part in recipe)


def _added_forms(extra: Dataset, added: set[str], twins: Mapping[str, str]) -> list[Form]:
    """The forms of `extra` that read an added artifact; what `base` has too goes by its name there."""
    return [
        Form(name=form.name, gives={name: _renamed(recipe, twins) for name, recipe in form.gives.items()})
        for form in extra.forms
        if added & set(form.artifacts)
    ]


def _renamed(recipe: Recipe, twins: Mapping[str, str]) -> Recipe:
    return tuple(Part(input=twins.get(part.input, part.input), steps=part.steps) for part in recipe)


def _redefines(base: Dataset, extra: Dataset, key: str, expected: str) -> CatalogError:
    return CatalogError(
        f"catalog `{extra.origin}`, key `{key}`: dataset `{base.name}` is known already from `{base.origin}` "
        f"and may only get more mirrors: expected {expected}",
        hint=f"give your dataset another `name` than `{extra.name}`",
        file=extra.origin,
        key=key,
        expected=expected,
    )
