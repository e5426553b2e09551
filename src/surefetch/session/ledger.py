"""What was planted: one small JSON file per dataset, framework and root, in the store's private folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from surefetch.model import Struct
from surefetch.store.files import write_small


class PlantedFile(Struct, frozen=True, kw_only=True):
    """A file that we put somewhere, or that the framework made of it while it proved it."""

    path: str
    sha256: str
    size: int


class Entry(Struct, frozen=True, kw_only=True):
    """What was planted for one framework below one root."""

    dataset: str
    framework: str
    root: str
    files: tuple[PlantedFile, ...]
    folders: tuple[str, ...] = ()  # that we made, deepest first
    schema_version: int = 1


class Ledger:
    """Entries in a folder. Two installs at once write different files, so nothing is locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def entries(self, dataset: str = "", frameworks: Sequence[str] = ()) -> Iterator[Entry]:
        """Yield what was planted, for one dataset or all, for some frameworks or all."""
        for path in sorted(self._folder.glob("*.json")):
            entry = self._read(path)
            if entry is None or (dataset and entry.dataset != dataset):
                continue
            if not frameworks or entry.framework in frameworks:
                yield entry

    def find(self, dataset: str, framework: str, root: str) -> Entry | None:
        """Return one entry."""
        return self._read(self._path(dataset, framework, root))

    def known(self) -> dict[str, str]:
        """Return path -> SHA-256 of everything planted."""
        return {file.path: file.sha256 for entry in self.entries() for file in entry.files}

    def write(self, entry: Entry) -> None:
        """Keep an entry; one without files is forgotten.

        Raises:
            StoreError: It cannot be written.
        """
        path = self._path(entry.dataset, entry.framework, entry.root)
        if entry.files:
            write_small(path, msgspec.json.encode(entry), mode=0o600, durable=True)
        else:
            path.unlink(missing_ok=True)

    def _path(self, dataset: str, framework: str, root: str) -> Path:
        mark = hashlib.sha256(root.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return self._folder / f"{dataset}-{framework}-{mark}.json"

    def _read(self, path: Path) -> Entry | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Entry)
        except (OSError, msgspec.DecodeError):  # torn or of another version: then nothing was planted by us
            return None
