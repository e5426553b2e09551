"""Write the catalog files of the tables that scikit-learn carries, from its source archive.

Usage: tables.py scikit_learn-VERSION.tar.gz

Computes the digests with the standard library alone: numbers are read by `float`, which rounds correctly, and
written as little-endian 64-bit values. The archive comes by `pip download --no-deps --no-binary :all:
scikit-learn==VERSION`.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import index

from surefetch.catalog import write_catalog
from surefetch.model import PIECE_BYTES, Artifact, Dataset, Form, TensorSpec
from surefetch.recipes import parse_recipe

HERE = Path(__file__).parent
FOLDER = "sklearn/datasets/data"
FORMATS = {"float64": "d", "int64": "q", "uint8": "B"}


def main(path: Path) -> None:
    """Write one catalog file for each table of `tables.toml`, and the index."""
    version = path.name.removeprefix("scikit_learn-").removesuffix(".tar.gz")
    carrier = artifact(path, version)
    with tarfile.open(path) as archive:
        for name, table in tomllib.loads((HERE / "tables.toml").read_text(encoding="utf-8")).items():
            dataset = describe(name, table, carrier, archive, version)
            text = write_catalog(dataset, comment(path, version))
            (index.CATALOGS / f"{name}.toml").write_text(text, encoding="utf-8", newline="\n")
            print(name, {tensor: spec.shape for tensor, spec in dataset.tensors.items()})
    index.write_all()


def artifact(path: Path, version: str) -> Artifact:
    """Return the source archive as a carrier."""
    content = path.read_bytes()
    pieces = (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))
    return Artifact(
        name=path.name,
        form="package",
        encoding="source archive of scikit-learn",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        package=f"pypi:scikit-learn=={version}",
        is_carrier=True,
        pieces=tuple(hashlib.sha256(piece).hexdigest() for piece in pieces),
    )


def describe(
    name: str, table: Mapping[str, Any], carrier: Artifact, archive: tarfile.TarFile, version: str
) -> Dataset:
    """Return the dataset of one table."""
    tensors, gives = {}, {}
    for tensor, (dtype, file, first, last, *shape) in table["tensors"].items():
        member = f"scikit_learn-{version}/{FOLDER}/{file}"
        reader = archive.extractfile(member)
        assert reader is not None, member
        rows = read_rows(reader.read(), file)
        tensors[tensor] = spec(rows, dtype, range(first, last + 1), shape)
        gives[tensor] = parse_recipe(recipe(member, dtype, first, last, shape), carrier.name)
    texts = {
        key: value for key, value in table.items() if key in Dataset.__struct_fields__ and key != "tensors"
    }
    texts |= {key: tuple(texts[key]) for key in ("aliases", "classes") if key in texts}
    form = Form(name=carrier.form, gives=gives)
    return Dataset(name=name, version="1", **texts, tensors=tensors, artifacts=(carrier,), forms=(form,))


def recipe(member: str, dtype: str, first: int, last: int, shape: Sequence[int]) -> str:
    """Return how a tensor is read from the archive."""
    steps = [f"tar:{member}", *(["gzip"] if member.endswith(".gz") else [])]
    steps.append(f"csv:{first}-{last}" if last > first else f"csv:{first}")
    steps += [dtype] * (dtype != "float64") + [f"shape:{','.join(map(str, shape))}"] * bool(shape)
    return " > ".join(steps)


def read_rows(content: bytes, file: str) -> list[list[str]]:
    """Return the fields of all rows but the heading: a first line with other fields than numbers."""
    text = (gzip.decompress(content) if file.endswith(".gz") else content).decode("ascii")
    lines = [line for line in text.splitlines() if line]
    rows = [line.split("," if "," in line else None) for line in lines]
    return rows if is_numeric(rows[0]) else rows[1:]


def is_numeric(fields: Sequence[str]) -> bool:
    """Whether all fields are numbers."""
    return all(field.replace(".", "", 1).replace("e+", "", 1).isdigit() for field in fields)


def spec(rows: Sequence[Sequence[str]], dtype: str, columns: range, shape: Sequence[int]) -> TensorSpec:
    """Return dtype, shape and digest of some columns."""
    kind = float if dtype == "float64" else int
    values = [kind(float(row[column])) for row in rows for column in columns]
    packed = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
    lengths = shape or ([len(columns)] if len(columns) > 1 else [])
    return TensorSpec(dtype=dtype, shape=(len(rows), *lengths), sha256=hashlib.sha256(packed).hexdigest())


def comment(path: Path, version: str) -> str:
    """Return what stands at the top of a catalog file."""
    return (
        "Made by tools/catalog/tables.py: change tools/catalog/tables.toml instead.\n"
        f"All digests: `python tools/catalog/tables.py {path.name}` over the source archive of scikit-learn\n"
        f"{version} (`pip download --no-deps --no-binary :all: scikit-learn=={version}`)."
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
