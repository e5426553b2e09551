"""Make `index.json` and `lookup.json` of the built-in catalog, and the JSON Schema of catalog files.

Usage: index.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from surefetch.catalog import name_keys, normalise_url, parse_catalog, summarise
from surefetch.catalog.entries import CatalogFile
from surefetch.model import ALGORITHMS, Artifact, Dataset

ROOT = Path(__file__).parent.parent.parent
CATALOGS = ROOT / "src" / "surefetch" / "catalogs"
SCHEMA = ROOT / "docs" / "schema" / "catalog.schema.json"


def read_all() -> list[Dataset]:
    """Read every built-in catalog file, by name."""
    paths = sorted(CATALOGS.glob("*.toml"))
    datasets = [parse_catalog(path.read_text(encoding="utf-8"), "built-in") for path in paths]
    assert [dataset.name for dataset in datasets] == [path.stem for path in paths], (
        "a file is named as its dataset"
    )
    return datasets


def index_text(datasets: Sequence[Dataset]) -> str:
    """Return `index.json`: a row for each dataset, a line for each row."""
    rows = [json.dumps(summarise(dataset), ensure_ascii=False, separators=(",", ":")) for dataset in datasets]
    return "[\n" + ",\n".join(rows) + "\n]\n"


def lookup_text(datasets: Sequence[Dataset]) -> str:
    """Return `lookup.json`: folded names, URLs and digests, and what they belong to.

    Raises:
        ValueError: Two datasets claim one name, or two files one URL.
    """
    names: dict[str, str] = {}
    urls: dict[str, list[str]] = {}
    digests: dict[str, list[list[str]]] = {}
    for dataset in datasets:
        for key in name_keys(dataset):
            _claim(names, key, dataset.name)
        for artifact in dataset.artifacts:
            for url in (*artifact.urls, *artifact.known_as):
                _claim_url(urls, normalise_url(url), dataset, artifact, datasets)
            for algorithm in ALGORITHMS:
                if value := getattr(artifact, algorithm):
                    digests.setdefault(value, []).append([dataset.name, artifact.name])
        for tensor, spec in dataset.tensors.items():
            if spec.sha256:
                digests.setdefault(spec.sha256, []).append([dataset.name, f"tensor:{tensor}"])
    return json.dumps({"names": names, "urls": urls, "digests": digests}, indent=0, sort_keys=True) + "\n"


def schema_text() -> str:
    """Return the JSON Schema of catalog files."""
    schema = msgspec.json.schema(CatalogFile)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "surefetch catalog file (TOML)"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def outputs() -> dict[Path, str]:
    """Return every generated file's path and content."""
    datasets = read_all()
    return {
        CATALOGS / "index.json": index_text(datasets),
        CATALOGS / "lookup.json": lookup_text(datasets),
        SCHEMA: schema_text(),
    }


def write_all() -> None:
    """Write every generated file."""
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8", newline="\n")


def stale() -> list[str]:
    """Return the names of generated files that are not current."""
    return [
        path.name
        for path, text in outputs().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def _claim_url(
    urls: dict[str, list[str]], url: str, dataset: Dataset, artifact: Artifact, datasets: Sequence[Dataset]
) -> None:
    """Give a URL to the first dataset that has it; another one has to mean the same bytes."""
    name, file = urls.setdefault(url, [dataset.name, artifact.name])
    owner = next(known for known in datasets if known.name == name).artifact(file)
    if owner.digest != artifact.digest:
        raise ValueError(f"`{url}` belongs to {file} of {name} and to {artifact.name} of {dataset.name}")


def _claim(owners: dict[str, Any], key: str, owner: Any) -> None:
    if owners.setdefault(key, owner) != owner:
        raise ValueError(f"`{key}` belongs to {owners[key]} and to {owner}")


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` say which are not current."""
    if "--check" in arguments:
        names = stale()
        print("\n".join(f"{name} is not current: run tools/catalog/index.py" for name in names) or "current")
        return int(bool(names))
    write_all()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
