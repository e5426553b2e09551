"""What a warm load needs: one small JSON per dataset that the store wrote when it was published.

Nothing but `os` and `json` is imported here: a fresh process's warm load comes through this module.
Sizes are checked, digests are not: they were at publishing, and `verify` checks them again.
"""
# ruff: noqa: PTH100, PTH116, PTH118, PTH123, PTH208 - pathlib costs a warm load several milliseconds

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from surefetch import __version__

FOLDER = "index-v1"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_SHAPE = {
    "release": str, "dataset": str, "version": str, "names": list, "origins": list, "view": str,
    "tensors": dict, "files": dict,
}  # fmt: skip
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)


def find_ready(folder: str | os.PathLike[str], name: str) -> dict[str, Any] | None:
    """Return the record of a dataset, by name or alias, if every tensor and file of it is here.

    Args:
        folder: The store's.
        name: As the user wrote it.

    Returns:
        `dataset`, `version`, `names`, `title`, `classes`, `view` (a folder's path, or ""), `tensors` (name ->
        dtype, shape, sha256, size, path), `files` (published name -> sha256, size, path); paths are absolute.
        None if it is not here, or anything of it is missing, short, or written by another release.
    """
    root = os.path.abspath(folder)
    record = _read(os.path.join(root, FOLDER, quote(name) + ".json"))
    if record is None or name not in record["names"]:
        return None
    if record["release"] != __version__:  # another one may know another version: the catalog decides
        return None
    return _checked(record, root)


def ready_records(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the records of all datasets that are here, one per dataset, by name."""
    root = os.path.abspath(folder)
    records = (_checked(record, root) for record in all_records(root))
    return sorted((record for record in records if record is not None), key=lambda record: record["dataset"])


def all_records(root: str) -> Iterator[dict[str, Any]]:
    """Give each dataset's record once, as it was written: paths are missing, blobs may be."""
    try:
        names = sorted(os.listdir(os.path.join(root, FOLDER)))
    except OSError:
        return
    for name in names:
        record = _read(os.path.join(root, FOLDER, name)) if name.endswith(".json") else None
        if record is not None and name == quote(record["dataset"]) + ".json":
            yield record


def recorded_sizes(folder: str | os.PathLike[str], name: str) -> dict[str, int]:
    """Return the bytes of each blob, by SHA-256, as a dataset's record has them, whatever is here now."""
    record = _read(os.path.join(os.path.abspath(folder), FOLDER, quote(name) + ".json"))
    blobs = [blob for blob in _blobs(record) if isinstance(blob, dict)] if record else []
    return {str(blob.get("sha256")): blob["size"] for blob in blobs if isinstance(blob.get("size"), int)}


def quote(name: str) -> str:
    """Turn any dataset's name into a file name for all systems: `ylecun/mnist` -> `ylecun%2fmnist`."""
    quoted = "".join(c if c in _PLAIN else "".join(f"%{byte:02x}" for byte in _bytes(c)) for c in name)
    if quoted.lower() in _RESERVED:  # Windows keeps these for devices, whatever the suffix
        quoted = f"%{ord(name[0]):02x}{quoted[1:]}"
    return quoted if len(quoted) <= 120 else f"{quoted[:100]}%{_checksum(name)}"


def blob_path(root: str, sha256: str) -> str:
    """Return where a blob of this store lies."""
    return os.path.join(root, "blobs-v1", "sha256", sha256[:2], sha256)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return None
    import json  # where nothing is recorded yet, a get does without

    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    return record if all(isinstance(record.get(key), kind) for key, kind in _SHAPE.items()) else None


def _checked(record: dict[str, Any], root: str) -> dict[str, Any] | None:
    """Fill in the paths; None if something is not as it was recorded."""
    try:
        for path, size, changed in record["origins"]:
            status = os.stat(path)
            if (status.st_size, status.st_mtime_ns) != (size, changed):
                return None
        for blob in _blobs(with_paths(record, root)):
            status = os.stat(blob["path"])
            if status.st_size != blob["size"] or _is_changed(status, blob.get("stamp")):
                return None
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return record


def with_paths(record: dict[str, Any], root: str) -> dict[str, Any]:
    """Fill absolute paths into a record as it was written; return it."""
    for blob in _blobs(record):
        blob["path"] = blob.get("path") or blob_path(root, blob["sha256"])
    record["view"] = os.path.join(root, record["view"]) if record["view"] else ""
    return record


def _blobs(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [*record["tensors"].values(), *record["files"].values()]


def _is_changed(status: os.stat_result, stamp: list[int] | None) -> bool:
    """Whether a file of a layer that others can write is another one than was hashed."""
    return stamp is not None and [status.st_mtime_ns, status.st_ino] != stamp


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # undecodable bytes of an argument


def _checksum(name: str) -> str:
    value = 0xCBF29CE484222325  # FNV-1a, 64 bits: hashlib costs the warm path more than it needs
    for byte in _bytes(name):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
