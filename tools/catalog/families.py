"""Datasets of the facts that are families: one archive or list of files that makes many catalog files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, Any]
Choice = Mapping[str, Any]

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


def emnist(fact: Facts) -> Iterator[Choice]:
    """Yield the six datasets of EMNIST's one archive."""
    sizes = {file["name"]: file["decoded"][0]["shape"] for file in fact["files"] if file["decoded"]}
    for split in ("balanced", "byclass", "bymerge", "digits", "letters", "mnist"):
        tensors: dict[str, list[Any]] = {}
        gives: dict[str, str] = {}
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
