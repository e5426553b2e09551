"""The built-in catalog files and their index: standard library only, so that a list costs next to nothing.

`index.json` (a row for each dataset) and `lookup.json` (names, URLs and digests to datasets) are made from
the TOML files by `tools/catalog/index.py`; a test keeps them current.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

#: What lists show of one dataset: name, version, title, task, aliases, license, files, bytes, forms, origin.
Row = dict[str, Any]


@cache
def builtin_index() -> tuple[Row, ...]:
    """Return one row for each built-in dataset, in order of name.

    Keys: `name`, `version`, `title`, `task`, `aliases`, `license`, `files` (how many artifacts), `bytes` (to
    fetch at least to have all of it; a bound if `is_exact` is false), `forms` (rows of `name`, `files`,
    `bytes`, `is_exact`), `tensors` (rows of `name`, `dtype`, `shape`), `origin`.
    """
    return tuple(_json("index.json"))


@cache
def builtin_names() -> frozenset[str]:
    """Return all names and aliases of the built-in datasets, in lower case."""
    return frozenset(name.lower() for row in builtin_index() for name in (row["name"], *row["aliases"]))


@cache
def builtin_lookup() -> dict[str, dict[str, Any]]:
    """Return where to look: `names` (folded name -> dataset), `urls` and `digests` (-> dataset and file).

    `urls` has one row for each URL, `digests` a list of rows; a tensor stands as `tensor:NAME`.
    """
    lookup: dict[str, dict[str, Any]] = _json("lookup.json")
    return lookup


def builtin_text(name: str) -> str:
    """Return the text of a built-in catalog file.

    Raises:
        OSError: There is none of that name.
    """
    return _read(f"{name}.toml").decode("utf-8")


def fold(name: str) -> str:
    """Reduce a name to what tells it from others: `Fashion_MNIST` and `FashionMNIST` are one."""
    return "".join(letter for letter in name.casefold() if letter not in "-_ ")


def _json(name: str) -> Any:
    import json  # 1 ms, which those do without whose own catalogs have what they get

    return json.loads(_read(name))


def _read(name: str) -> bytes:
    # By the module's own loader: it works from a zip too, and importlib.resources costs 10 ms to import.
    assert __spec__ is not None and __spec__.loader is not None
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib's import would be the dearest part of a list
    data: bytes = __spec__.loader.get_data(os.path.join(folder, name))  # type: ignore[attr-defined]  # noqa: PTH118 - ResourceLoader (PEP 302)
    return data
