"""Write a catalog file for every dataset of a facts file whose wanted files have an address and a digest.

Usage: generate.py --facts FACTS.json

Files of `src/surefetch/catalogs/` whose first line is not the generator's are kept by hand: they are never
written. What the facts cannot tell stands in `choices.toml` (names, wanted files, tensors) and
`citations.toml`. Prints what was written, and each file and dataset that was left out and why; then makes the
index anew.
"""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import facts as reading
import index
from families import Choice, Facts, emnist, librispeech, medmnist

from surefetch.catalog import parse_catalog, write_catalog
from surefetch.catalog.rules import is_file_name
from surefetch.model import DTYPES, Artifact, Dataset, Form, TensorSpec
from surefetch.recipes import parse_recipe

HERE = Path(__file__).parent
MARK = "Made by tools/catalog/generate.py: change tools/catalog/choices.toml instead."

#: Keys of a [[dataset]] in choices.toml.
CHOICE_KEYS = {
    "facts", "name", "title", "description", "license", "aliases", "classes", "form", "forms", "files",
    "rename", "max_size", "unreachable", "content_proof", "tensors", "gives",
}  # fmt: skip
LICENSES = {"CC BY 4.0": "CC-BY-4.0"}


class LeftOutError(Exception):
    """Why something cannot stand in the catalog."""


def main() -> None:
    """Write the files and tell what happened."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--facts", type=Path, required=True)
    facts = json.loads(parser.parse_args().facts.read_text(encoding="utf-8"))["datasets"]
    table = tomllib.loads((HERE / "choices.toml").read_text(encoding="utf-8"))
    chosen = list(choices(facts, table["dataset"]))
    written = write_all(chosen, facts)
    report(facts, chosen, table["left_out"])
    remove_stale(written)
    index.write_all()
    datasets = index.read_all()
    files = sum(len(dataset.artifacts) for dataset in datasets)
    print(f"{len(datasets)} datasets with {files} files, from the facts about {len(facts)}")
    print(f"{len(written)} written, {len(datasets) - len(written)} kept")


def write_all(chosen: list[Choice], facts: Facts) -> set[str]:
    """Write the datasets that can be; return their names, and print why the others cannot."""
    citations = tomllib.loads((HERE / "citations.toml").read_text(encoding="utf-8"))
    written = set()
    for choice in chosen:
        try:
            dataset, comment = describe(choice, facts[choice["facts"]], citations)
        except LeftOutError as reason:
            print(f"left out: dataset {choice['name']}: {reason}")
            continue
        if write(dataset, comment):
            written.add(dataset.name)
    return written


# --- which datasets -----------------------------------------------------------------------------------------


def choices(facts: Facts, chosen: list[dict[str, Any]]) -> Iterator[Choice]:
    """Yield a choice for each catalog file."""
    for choice in chosen:
        unknown = set(choice) - CHOICE_KEYS
        if unknown:
            raise SystemExit(f"choices.toml, dataset {choice['name']}: unknown keys {unknown}")
        yield choice
    made = {choice["facts"] for choice in chosen} | {"emnist", "librispeech"}
    yield from emnist(facts["emnist"])
    yield from librispeech(facts["librispeech"])
    for key, fact in facts.items():
        if key.startswith("medmnist_"):
            yield from medmnist(key, fact)
        elif key not in made and not is_kept(key.replace("_", "-")):
            yield {"facts": key, "name": key.replace("_", "-"), "title": fact["names"][0]}


# --- one dataset --------------------------------------------------------------------------------------------


def describe(choice: Choice, fact: Facts, citations: Mapping[str, str]) -> tuple[Dataset, str]:
    """Return a dataset and the comment at the top of its file.

    Raises:
        LeftOutError: A wanted file has no address, or nothing proves it.
    """
    by_name = {file["name"]: file for file in fact["files"]}
    names = wanted(choice, fact)
    if not names:
        raise LeftOutError("the facts name no file")
    tensors = {
        name: TensorSpec(dtype=text[0], shape=tuple(text[1:]))
        for name, text in choice.get("tensors", {}).items()
    }
    proof = choice.get("content_proof")
    if proof:
        tensors = {name: prove(spec, by_name[proof]) for name, spec in tensors.items()}
    key = choice["facts"].partition("_")[0] if choice["facts"].startswith("medmnist") else choice["facts"]
    dataset = Dataset(
        name=choice["name"],
        version="1",
        title=choice.get("title", ""),
        task=fact.get("task") or "",
        description=choice.get("description", ""),
        homepage=value_of(fact.get("homepage")),
        license=choice.get("license")
        or LICENSES.get(value_of(fact.get("license")), value_of(fact.get("license"))),
        citation=citations.get(key, ""),
        aliases=tuple(choice.get("aliases", ())),
        classes=tuple(choice.get("classes", ())),
        tensors=tensors,
        artifacts=tuple(artifact(choice, by_name[name], tensors) for name in names),
        forms=forms(choice, names),
    )
    return dataset, comment(dataset, [by_name[name] for name in names])


def wanted(choice: Choice, fact: Facts) -> list[str]:
    """Return the names of the facts' files that make the dataset."""
    return choice.get("files") or [file["name"] for file in fact["files"]]


def artifact(choice: Choice, fact: Facts, tensors: Mapping[str, TensorSpec]) -> Artifact:
    """Return one file of a dataset.

    Raises:
        LeftOutError: It has no address, or nothing proves it.
    """
    name = choice.get("rename", {}).get(fact["name"], fact["name"])
    digests = reading.usable_digests(fact)
    live, known = reading.sort_urls(fact)
    if not is_file_name(name):
        raise LeftOutError(f"`{name}` is no file name")
    if not digests and choice.get("content_proof") != fact["name"]:
        raise LeftOutError(f"nothing proves `{name}`: {why_no_digest(fact)}")
    if not live and "unreachable" not in choice:
        raise LeftOutError(f"no address of `{name}` works: {[url['status'] for url in fact['urls']]}")
    size = reading.size_of(fact)
    return Artifact(
        name=name,
        form=choice.get("forms", {}).get(fact["name"], choice.get("form", "files")),
        size=size,
        max_size=None if size is not None else bound(choice, fact["name"], tensors),
        sha256=digests.get("sha256"),
        sha1=digests.get("sha1"),
        md5=digests.get("md5"),
        unproven=not digests,
        urls=tuple(live),
        known_as=tuple(known),
        encoding="" if fact["encoding"] == "other" else fact["encoding"],
    )


def bound(choice: Choice, name: str, tensors: Mapping[str, TensorSpec]) -> int:
    """Return the most bytes that a file of unknown size may have.

    Deflate and LZMA never grow their input by more than a thousandth, so a file of compressed bytes is at
    most its tensors; text, whose numbers take more room than in memory, gets the bound of its ending.
    """
    chosen = choice.get("max_size", {}).get(name)
    if chosen:
        return int(chosen)
    gives = choice.get("gives", {}).get(name, {})
    if not gives or any("csv:" in str(text) for text in gives.values()):
        return reading.bound_of(name)
    decoded = sum(tensors[tensor].size for tensor in gives)
    return math.ceil(decoded * 1.001) + (1 << 20)


def forms(choice: Choice, names: list[str]) -> tuple[Form, ...]:
    """Return the forms: what each file gives, joined by form."""
    gives: dict[str, dict[str, Any]] = {}
    for name in names:
        form = choice.get("forms", {}).get(name, choice.get("form", "files"))
        for tensor, text in choice.get("gives", {}).get(name, {}).items():
            gives.setdefault(form, {})[tensor] = parse_recipe(text, name)
    return tuple(Form(name=name, gives=recipes) for name, recipes in gives.items())


def prove(spec: TensorSpec, fact: Facts) -> TensorSpec:
    """Return the tensor with the published digest of the unpacked file."""
    digest = next(
        d for d in fact["digests"] if d["alg"] == "sha256" and d["scope"].startswith("the unzipped file")
    )
    assert DTYPES[spec.dtype] == 1
    return TensorSpec(dtype=spec.dtype, shape=spec.shape, sha256=digest["value"])


def why_no_digest(fact: Facts) -> str:
    """Say what digests there are instead."""
    scopes = {f"{digest['alg']} of {digest['scope'].partition(' (')[0]}" for digest in fact["digests"]}
    return "; ".join(sorted(scopes)) or "no source tells a digest"


def comment(dataset: Dataset, files: list[Facts]) -> str:
    """Return what stands at the top of a catalog file."""
    pinned = sorted(set().union(*(reading.packages(fact) for fact in files)))
    lines = [MARK]
    if pinned:
        lines.append(f"File digests as {', '.join(pinned)} pin{'s' * (len(pinned) == 1)} them.")
    else:
        lines.append("File digests as their users publish them.")
    if any(spec.sha256 for spec in dataset.tensors.values()):
        lines.append("The tensor's digest is the published one of the unpacked file, whose bytes it is.")
    elif dataset.tensors:
        lines.append("No tensor digests: the true bytes could not be had; the files' digests prove them.")
    return "\n".join(lines)


def value_of(fact: Any) -> str:
    """Return a fact's value, with or without its source."""
    return (fact.get("value") if isinstance(fact, Mapping) else fact) or ""


# --- files --------------------------------------------------------------------------------------------------


def is_kept(name: str) -> bool:
    """Whether a catalog file of that name is kept by hand."""
    path = index.CATALOGS / f"{name}.toml"
    return path.exists() and MARK not in path.read_text(encoding="utf-8").partition("\n")[0]


def write(dataset: Dataset, comment: str) -> bool:
    """Write a catalog file and read it back; return whether it was the generator's to write."""
    if is_kept(dataset.name):
        return False
    text = write_catalog(dataset, comment)
    assert parse_catalog(text, "built-in") == dataset, dataset.name
    (index.CATALOGS / f"{dataset.name}.toml").write_text(text, encoding="utf-8", newline="\n")
    return True


def remove_stale(written: set[str]) -> None:
    """Remove generated files that no choice makes any more."""
    for path in index.CATALOGS.glob("*.toml"):
        if path.stem not in written and not is_kept(path.stem):
            path.unlink()


def report(facts: Facts, chosen: list[Choice], reasons: Mapping[str, Mapping[str, str]]) -> None:
    """Print the files that no dataset has, and why."""
    used = {(choice["facts"], name) for choice in chosen for name in wanted(choice, facts[choice["facts"]])}
    for key, fact in facts.items():
        if is_kept(key.replace("_", "-")):
            continue
        for file in fact["files"]:
            if (key, file["name"]) not in used:
                print(f"left out: file {key}/{file['name']}: {reason(file, reasons.get(key, {}))}")


def reason(file: Facts, chosen: Mapping[str, str]) -> str:
    """Say why a file stands in no dataset."""
    if file["name"] in chosen:
        return chosen[file["name"]]
    live, known = reading.sort_urls(file)
    if not reading.usable_digests(file):
        return f"nothing proves it: {why_no_digest(file)}"
    if not live:
        return "its only address is dead" if known else "it has no address of its own"
    raise SystemExit(f"{file['name']} could be had: say in choices.toml why not")


if __name__ == "__main__":
    main()
