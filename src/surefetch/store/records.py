"""Records: what is here, in small JSON files that the warm load reads; pins; the log of receipts."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from surefetch import __version__
from surefetch.errors import StoreError
from surefetch.model import Dataset
from surefetch.store import files, layout, trust, warm
from surefetch.store.blobs import Blobs

#: The log of receipts is cut to its younger half beyond this size, in bytes.
LOG_BYTES: Final = 1 << 20
#: The store is of use all the same where its disk cannot be written.
_UNWRITABLE: Final = frozenset({"local.read-only", "local.permission"})
_LOG: Final = "receipts-v1.jsonl"


class Records:
    """The records of one store. Holds nothing but where they lie."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._folder = blobs.folder
        self._root = str(blobs.folder)

    def write(
        self,
        dataset: Dataset,
        tensors: Mapping[str, str],
        names: Mapping[str, str],
        *,
        view: Path | None = None,
        origins: Sequence[Path] = (),
        details: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Record a dataset under its name and aliases.

        Args:
            dataset: What was got.
            tensors: Tensor's name -> SHA-256 of its blob.
            names: Published file name -> SHA-256 of its blob.
            view: The folder with the files.
            origins: Catalog files of the user's that describe it; a change to one makes the record void.
            details: Anything that JSON can hold, given back by `find_ready`.

        Returns:
            The record as `warm.find_ready` gives it, all blobs having just been seen. Where the disk cannot
            be written, it is given without being written: what is here can be used, if more slowly.

        Raises:
            StoreError: A blob is missing, or the disk has no room.
        """
        record = self._composed(dataset, tensors, names, view, origins, details)
        content = msgspec.json.encode(record)
        folder = self._folder / layout.INDEX
        try:
            self._blobs.make_folder(folder)
            for name in record["names"]:
                files.write_small(folder / f"{warm.quote(name)}.json", content)
            self._blobs.touch(folder)
        except StoreError as error:
            if error.code not in _UNWRITABLE and not self._stands(record):
                raise
        return warm.with_paths(record, self._root)

    def compose(self, dataset: Dataset, tensors: Mapping[str, str]) -> dict[str, Any]:
        """Return the record of a dataset's tensors as `write` does, without writing it."""
        return warm.with_paths(self._composed(dataset, tensors, {}), self._root)

    def all(self) -> list[dict[str, Any]]:
        """Return every dataset's record as written, whether its blobs are here or not."""
        return list(warm.all_records(str(self._folder)))

    def forget(self, dataset: str) -> None:
        """Delete the records of a dataset, by its own name, and its pin.

        Raises:
            StoreError: The disk refuses.
        """
        folder = self._folder / layout.INDEX
        for record in self.all():
            if record["dataset"] == dataset:
                for name in [
                    *map(str, record["names"][1:]),
                    dataset,
                ]:  # its own last: a crash leaves it listed
                    path = folder / f"{warm.quote(name)}.json"
                    with files.told(path, "deleted"):
                        files.remove(path)
        self.unpin(dataset)

    def pin(self, dataset: str) -> None:
        """Keep a dataset whatever `prune` is asked. One empty file each: nobody's change is lost."""
        path = self._pin_path(dataset)
        self._blobs.make_folder(path.parent)
        files.write_small(path, dataset.encode())

    def unpin(self, dataset: str) -> None:
        """Let `prune` decide again."""
        with files.told(path := self._pin_path(dataset), "deleted"):
            files.remove(path)

    def is_pinned(self, dataset: str) -> bool:
        """Whether a dataset is to be kept."""
        return self._pin_path(dataset).exists()

    def log(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the private log of receipts; a disk that refuses costs only that."""
        line = msgspec.json.encode(entry, enc_hook=str) + b"\n"
        with files.at_best():
            path = layout.make_private(self._folder) / _LOG
            if path.exists() and path.stat().st_size > LOG_BYTES:
                lines = path.read_bytes().splitlines(keepends=True)
                files.write_small(path, b"".join(lines[len(lines) // 2 :]), mode=0o600)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)  # one write: lines of two processes do not mix
            finally:
                os.close(descriptor)

    def receipts(self, count: int = 100) -> list[dict[str, Any]]:
        """Return the last lines of the log, oldest first; damaged ones are passed over."""
        try:
            lines = (self._folder / layout.PRIVATE / _LOG).read_bytes().splitlines()
        except OSError:
            return []
        import json  # seldom needed

        entries = []
        for line in lines[-count:]:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries

    def _composed(
        self,
        dataset: Dataset,
        tensors: Mapping[str, str],
        names: Mapping[str, str],
        view: Path | None = None,
        origins: Sequence[Path] = (),
        details: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        self._blobs.settle()
        return {
            **_facts(dataset),
            "origins": [_origin(path) for path in origins],
            "view": self._relative(view),
            "tensors": {name: self._tensor(dataset, name, sha256) for name, sha256 in tensors.items()},
            "files": {name: self._blob(name, sha256) for name, sha256 in names.items()},
            "details": dict(details or {}),
        }

    def _stands(self, record: dict[str, Any]) -> bool:
        """Whether the records that are here say the same already, but for when they were written."""
        found = {old["dataset"]: old for old in self.all()}.get(record["dataset"], {})
        return {**found, "recorded": 0} == {**msgspec.to_builtins(record), "recorded": 0}

    def _tensor(self, dataset: Dataset, name: str, sha256: str) -> dict[str, Any]:
        spec = dataset.tensors[name]
        blob = self._blob(name, sha256)
        if blob["size"] != spec.size:
            message = f"tensor `{name}` has {blob['size']} bytes in the store, not {spec.size}"
            raise StoreError(message, code="local.cache-corrupt")
        return {"dtype": spec.dtype, "shape": list(spec.shape), **blob}

    def _blob(self, name: str, sha256: str) -> dict[str, Any]:
        found = self._blobs.locate(sha256)
        if found is None:
            raise StoreError(f"`{name}` is not in the store", code="local.cache-corrupt")
        place, status = found
        entry: dict[str, Any] = {"sha256": sha256, "size": status.st_size}
        if place != warm.blob_path(self._root, sha256):
            entry["path"] = os.path.abspath(place)  # noqa: PTH100 - text goes into the record
        if not trust.is_mine(status, is_layer="path" in entry):
            entry["stamp"] = [status.st_mtime_ns, status.st_ino]
        return entry

    def _relative(self, view: Path | None) -> str:
        if view is None:
            return ""
        return str(view.relative_to(self._folder)) if view.is_relative_to(self._folder) else str(view)

    def _pin_path(self, dataset: str) -> Path:
        return self._folder / layout.PINS / warm.quote(dataset)


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "release": __version__,
        "dataset": dataset.name,
        "version": dataset.version,
        "names": list(dict.fromkeys([dataset.name, *dataset.aliases])),
        "title": dataset.title,
        "classes": list(dataset.classes),
        "recorded": round(time.time()),
    }


def _origin(path: Path) -> list[Any]:
    with files.told(path, "read"):
        status = path.stat()
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]
