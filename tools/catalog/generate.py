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

from surefetch.catalog import parse_catalog, write_catalog
from surefetch.catalog.rules import is_file_name
from surefetch.model import DTYPES, Artifact, Dataset, Form, TensorSpec
from surefetch.recipes import parse_recipe

HERE = Path(__file__).parent
MARK = "Made by tools/catalog/generate.py: change tools/catalog/choices.toml instead."
Facts = Mapping[str, Any]
Choice = Mapping[str, Any]

#: Keys of a [[dataset]] in choices.toml.
CHOICE_KEYS = {
    "facts", "name", "title", "description", "license", "aliases", "classes", "form", "forms", "files",
    "rename", "max_size", "unreachable", "content_proof", "tensors", "gives",
}  # fmt: skip
LICENSES = {"CC BY 4.0": "CC-BY-4.0"}
#: MedMNIST's splits, and how its .npz files name them.
SPLITS = ("train", "val", "test")
#: Images of EMNIST's letters; the facts leave them out because TFDS counts otherwise. As the IDX headers of
#: the archive of November 2017 have them, which loaders test against (MLDatasets.jl, python-mnist).
EMNIST_LETTERS = {"train": 124800, "test": 20800}
MERGED = [*"0123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abdefghnqrt"]
EMNIST_NOTE = "Images are transposed, as NIST publishes them: swap the last two axes to see them."
EMNIST_CLASSES = {
    "byclass": [*"0123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *"abcdefghijklmnopqrstuvwxyz"],
    "bymerge": MERGED,
    "balanced": MERGED,
    "digits": [*"0123456789"],
    "mnist": [*"0123456789"],
}


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
    citations = tomllib.loads((HERE / "citations.toml").read_text(encoding="utf-8"))
    written, used = set[str](), set[tuple[str, str]]()
    for choice in choices(facts, table["dataset"]):
        used |= {(choice["facts"], name) for name in wanted(choice, facts[choice["facts"]])}
        try:
            dataset, comment = describe(choice, facts[choice["facts"]], citations)
        except LeftOutError as reason:
            print(f"left out: dataset {choice['name']}: {reason}")
            continue
        if write(dataset, comment):
            written.add(dataset.name)
    report(facts, used, table["left_out"])
    remove_stale(written)
    for path, text in index.outputs().items():
        path.write_text(text, encoding="utf-8")
    datasets = index.read_all()
    kept = len(datasets) - len(written)
    print(f"{len(datasets)} datasets: {len(written)} written, {kept} kept by hand")
    print(
        f"{sum(len(dataset.artifacts) for dataset in datasets)} files, of {len(facts)} datasets of the facts"
    )


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


def emnist(fact: Facts) -> Iterator[Choice]:
    """Yield the six datasets of EMNIST's one archive."""
    sizes = {file["name"]: file["decoded"][0]["shape"] for file in fact["files"] if file["decoded"]}
    for split in ("balanced", "byclass", "bymerge", "digits", "letters", "mnist"):
        tensors, gives = {}, {}
        for part in ("train", "test"):
            stem = f"emnist-{split}-{part}"
            count = sizes[f"{stem}-images-idx3-ubyte.gz"][0] or EMNIST_LETTERS[part]
            tensors |= {f"{part}/image": ["uint8", count, 28, 28], f"{part}/label": ["uint8", count]}
            gives[f"{part}/image"] = f"zip:gzip/{stem}-images-idx3-ubyte.gz > gzip > idx"
            gives[f"{part}/label"] = f"zip:gzip/{stem}-labels-idx1-ubyte.gz > gzip > idx"
        yield {
            "facts": "emnist",
            "name": f"emnist-{split}",
            "title": f"EMNIST {split}",
            "description": EMNIST_NOTE + (" Labels are 1 to 26." if split == "letters" else ""),
            "aliases": [f"emnist/{split}", f"EMNIST {split}", *(["emnist"] if split == "byclass" else [])],
            "classes": EMNIST_CLASSES.get(split, []),
            "files": ["gzip.zip"],
            "form": "zip",
            "tensors": tensors,
            "gives": {"gzip.zip": gives},
        }


def librispeech(fact: Facts) -> Iterator[Choice]:
    """Yield a dataset for each part of LibriSpeech: together they are 60 GB."""
    for file in fact["files"]:
        part = file["name"].removesuffix(".tar.gz")
        yield {
            "facts": "librispeech",
            "name": f"librispeech-{part}",
            "title": f"LibriSpeech {part}: read English speech",
            "license": "CC-BY-4.0",
            "aliases": [f"librispeech/{part}"],
            "files": [file["name"]],
        }


def medmnist(key: str, fact: Facts) -> Iterator[Choice]:
    """Yield a dataset for each resolution of one of MedMNIST's: the tensors differ."""
    for file in fact["files"]:
        stem = file["name"].removesuffix(".npz")
        shapes = {array["name"]: array for array in file["decoded"]}
        pairs = [(split, kind) for split in SPLITS for kind in ("image", "label")]
        tensors = {
            f"{split}/{kind}": [shapes[f"{split}_{kind}s"]["dtype"], *shapes[f"{split}_{kind}s"]["shape"]]
            for split, kind in pairs
        }
        size = stem.partition("_")[2]
        yield {
            "facts": key,
            "name": stem.replace("_", "-"),
            "title": f"{fact['names'][0]} (MedMNIST{f', {size} pixels' if size else ''})",
            "aliases": [f"medmnist/{stem}", *([] if size else fact["names"])],
            "form": "npz",
            "files": [file["name"]],
            "tensors": tensors,
            "gives": {file["name"]: {f"{split}/{kind}": f"npz:{split}_{kind}s" for split, kind in pairs}},
        }


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
        **digests,
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
    (index.CATALOGS / f"{dataset.name}.toml").write_text(text, encoding="utf-8")
    return True


def remove_stale(written: set[str]) -> None:
    """Remove generated files that no choice makes any more."""
    for path in index.CATALOGS.glob("*.toml"):
        if path.stem not in written and not is_kept(path.stem):
            path.unlink()


def report(facts: Facts, used: set[tuple[str, str]], reasons: Mapping[str, Mapping[str, str]]) -> None:
    """Print the files that no dataset has, and why."""
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
