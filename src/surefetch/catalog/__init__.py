"""The catalog: which datasets there are, what each is, and how it can be had. Takes text, opens nothing.

Making catalog files of other projects' lists is `surefetch.catalog.imports`, which nothing else needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from surefetch.catalog.merge import merge
from surefetch.catalog.read import parse_catalog
from surefetch.catalog.urls import normalise_url
from surefetch.catalog.write import write_catalog
from surefetch.catalogs import Row, builtin_index, builtin_lookup, builtin_text, fold
from surefetch.errors import CatalogError, UnknownDatasetError
from surefetch.model import ALGORITHMS, BUILT_IN, Artifact, Dataset

__all__ = [
    "Catalog",
    "fold",
    "merge",
    "name_keys",
    "normalise_url",
    "parse_catalog",
    "summarise",
    "write_catalog",
]


#: A name of fewer letters begins too many others to suggest them.
LONG_ENOUGH: Final = 3


class Catalog:
    """All datasets that are known: the built-in ones, read when asked for, and the user's.

    Mutable: remembers what it has read.
    """

    def __init__(self, texts: Sequence[tuple[str, str]] = ()) -> None:
        """Take the user's catalogs.

        Args:
            texts: Path and content of each file.

        Raises:
            CatalogError: One of them breaks the schema or a trust rule, or redefines a dataset.
        """
        self._datasets: dict[str, Dataset] = {}  # by name, as far as read
        self._own: dict[str, None] = {}  # names of the datasets that a user's file describes or adds to
        self._names: dict[str, str] = {}  # folded name or alias -> name, of the user's
        self._named: dict[str, tuple[str, ...]] = {}  # by the dataset's name: addresses in the user's files
        for path, text in texts:
            self._add(parse_catalog(text, path))

    def find(self, name: str) -> Dataset:
        """Return a dataset by name, by alias, or by the address of a page that it is known as.

        Case, `-`, `_` and spaces make no difference to names.

        Raises:
            UnknownDatasetError: No catalog knows the name; `details` hold `suggestions`.
        """
        known = self._resolve(_key(name))
        if known is None:
            raise self._unknown(name)
        return self._read(known)

    def find_url(self, url: str) -> tuple[Dataset, Artifact] | None:
        """Return what a URL is known to give, whether it is a mirror or a dead address that circulates."""
        wanted = normalise_url(url)
        for dataset in self._own_datasets():
            for artifact in dataset.artifacts:
                if wanted in map(normalise_url, (*artifact.urls, *artifact.known_as)):
                    return dataset, artifact
        row = builtin_lookup()["urls"].get(wanted)
        if row is None:
            return None
        dataset = self._read(row[0])
        return dataset, dataset.artifact(row[1])

    def by_digest(self, hex_digest: str) -> list[tuple[Dataset, Artifact | str]]:
        """Return the artifacts and tensors (by name) that have this digest, of any algorithm."""
        wanted = hex_digest.lower().rpartition(":")[2]
        rows = builtin_lookup()["digests"].get(wanted, ())
        names = dict.fromkeys([*(row[0] for row in rows), *self._own])
        return [
            (dataset, found)
            for name in names
            for dataset in [self._read(name)]
            for found in _with_digest(dataset, wanted)
        ]

    def all(self) -> Iterator[Dataset]:
        """Read and yield every dataset, by name."""
        for name in self.names():
            yield self._read(name)

    def named_urls(self, name: str) -> tuple[str, ...]:
        """Return the addresses that the user's files have for a dataset, not those of a built-in catalog."""
        return self._named.get(name, ())

    def names(self) -> list[str]:
        """Return the names of all datasets, sorted."""
        return sorted({row["name"] for row in builtin_index()} | set(self._own))

    def summaries(self) -> list[Row]:
        """Return a row for each dataset as `builtin_index` does, the user's among them, by name."""
        rows = {row["name"]: row for row in builtin_index()}
        rows |= {dataset.name: summarise(dataset) for dataset in self._own_datasets()}
        return [rows[name] for name in sorted(rows)]

    def _own_datasets(self) -> Iterator[Dataset]:
        return (self._datasets[name] for name in self._own)

    def _resolve(self, folded: str) -> str | None:
        return self._names.get(folded) or builtin_lookup()["names"].get(folded)

    def _read(self, name: str) -> Dataset:
        if name not in self._datasets:
            self._datasets[name] = parse_catalog(builtin_text(name), BUILT_IN)
        return self._datasets[name]

    def _add(self, dataset: Dataset) -> None:
        named = tuple(url for artifact in dataset.artifacts for url in artifact.urls)
        known = self._resolve(_key(dataset.name))
        if known is not None:
            dataset = merge(self._read(known), dataset)
        for index, alias in enumerate(dataset.aliases):
            other = self._resolve(_key(alias))
            if other not in (None, dataset.name):
                raise CatalogError(
                    f"catalog `{dataset.origin}`, key `aliases[{index}]`: "
                    f"`{alias}` is dataset `{other}` already",
                    hint=f"remove the alias; `surefetch info {other}` shows that dataset",
                    file=dataset.origin,
                    key=f"aliases[{index}]",
                    expected="a name that no other dataset has",
                )
        self._datasets[dataset.name] = dataset
        self._own[dataset.name] = None
        self._named[dataset.name] = (*self.named_urls(dataset.name), *named)
        self._names |= dict.fromkeys(name_keys(dataset), dataset.name)

    def _unknown(self, name: str) -> UnknownDatasetError:
        suggestions = self._suggest(name)
        meant = " or ".join(f"`{suggestion}`" for suggestion in suggestions)
        hint = f"did you mean {meant}? " if suggestions else ""
        if "://" in name:
            hint = f"a file is got by its address and digest: `surefetch get {_shown(name)} --sha256 HEX`; "
        return UnknownDatasetError(
            f"no catalog knows a dataset `{_shown(name)}`",
            hint=f"{hint}`surefetch list` shows every name",
            name=name,
            suggestions=suggestions,
        )

    def _suggest(self, name: str) -> tuple[str, ...]:
        """Names that it may have meant: those that begin with it, else those spelt most like it."""
        import difflib

        folded, names = fold(name), {**builtin_lookup()["names"], **self._names}
        longer = sorted(
            (known for known in names if known.startswith(folded)), key=lambda known: (len(known), known)
        )
        if len(folded) < LONG_ENOUGH:
            longer = []
        ratios = {known: difflib.SequenceMatcher(None, known, folded).ratio() for known in names}
        best = max(0.7, max(ratios.values(), default=0.0) - 0.05)
        alike = sorted((known for known in names if ratios[known] >= best), key=lambda known: -ratios[known])
        return tuple(dict.fromkeys(names[known] for known in (*longer, *alike)))[:3]


def name_keys(dataset: Dataset) -> list[str]:
    """Return what a dataset is looked up by: its name, aliases and pages, each in one spelling."""
    return [_key(name) for name in (dataset.name, *dataset.aliases, *dataset.known_as)]


def summarise(dataset: Dataset) -> Row:
    """Return a dataset's row for lists, with the keys that `catalogs.builtin_index` describes."""
    forms = [_form_row(name, dataset) for name in _form_names(dataset)]
    whole = {form.name for form in dataset.forms if set(form.gives) == set(dataset.tensors)}
    smallest = min((row for row in forms if row["name"] in whole or not whole), key=_bytes)
    return {
        "name": dataset.name,
        "version": dataset.version,
        "title": dataset.title,
        "task": dataset.task,
        "aliases": list(dataset.aliases),
        "license": dataset.license,
        "files": len(dataset.artifacts),
        "bytes": smallest["bytes"],
        "is_exact": smallest["is_exact"],
        "forms": forms,
        "tensors": [
            {"name": name, "dtype": spec.dtype, "shape": list(spec.shape)}
            for name, spec in dataset.tensors.items()
        ],
        "origin": dataset.origin,
    }


def _key(name: str) -> str:
    return normalise_url(name).rstrip("/") if "://" in name else fold(name)


def _shown(name: str) -> str:
    """A name as it may be printed: what looks like an address may hold a password or a token."""
    scheme, separator, rest = name.rpartition("//")
    _, at, place = rest.rpartition("@")
    return f"{scheme}{separator}***@{place.partition('?')[0]}" if at else name.partition("?")[0]


def _form_names(dataset: Dataset) -> list[str]:
    return list(dict.fromkeys(artifact.form for artifact in dataset.artifacts))


def _form_row(name: str, dataset: Dataset) -> dict[str, Any]:
    artifacts = [artifact for artifact in dataset.artifacts if artifact.form == name]
    return {
        "name": name,
        "files": len(artifacts),
        "bytes": sum(artifact.bound for artifact in artifacts),
        "is_exact": all(artifact.size is not None for artifact in artifacts),
    }


def _bytes(row: Row) -> int:
    return int(row["bytes"])


def _with_digest(dataset: Dataset, wanted: str) -> list[Artifact | str]:
    found: list[Artifact | str] = [
        artifact
        for artifact in dataset.artifacts
        if wanted in (getattr(artifact, name) for name in ALGORITHMS)
    ]
    return found + [name for name, spec in dataset.tensors.items() if spec.sha256 == wanted]
