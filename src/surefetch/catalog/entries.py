"""The keys of a catalog file, as values. `docs/schema/catalog.schema.json` is made from them."""

from __future__ import annotations

import re

from surefetch.model import Struct, TensorSpec

RecipeText = str | tuple[str, ...]


class ArtifactEntry(Struct, frozen=True, kw_only=True):
    """One `[[artifact]]`."""

    name: str
    form: str = "files"
    size: int | None = None
    max_size: int | None = None
    sha256: str | None = None
    sha1: str | None = None
    md5: str | None = None
    urls: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    package: str | None = None
    deb: str | None = None
    unproven: bool = False
    carrier: bool = False
    encoding: str = ""
    gives: dict[str, RecipeText] = {}
    pieces: tuple[str, ...] = ()


class FormEntry(Struct, frozen=True, kw_only=True):
    """One `[[form]]`: tensors that take several artifacts."""

    name: str
    gives: dict[str, RecipeText]


class CatalogFile(Struct, frozen=True, kw_only=True):
    """A whole catalog file."""

    name: str
    version: str = "1"
    title: str = ""
    task: str = ""
    description: str = ""
    homepage: str = ""
    license: str = ""
    citation: str = ""
    aliases: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    tensors: dict[str, TensorSpec] = {}
    artifact: tuple[ArtifactEntry, ...] = ()
    form: tuple[FormEntry, ...] = ()


class Problem(Exception):  # noqa: N818 - never leaves this package: `parse_catalog` makes a CatalogError of it
    """A mistake, before the file's name is known."""

    def __init__(self, key: str, expected: str, got: object = None) -> None:
        super().__init__(expected)
        self.key, self.expected, self.got = key, expected, got


def quote_key(key: str) -> str:
    """Write a key as TOML does: bare where that is allowed, else in quotes."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
