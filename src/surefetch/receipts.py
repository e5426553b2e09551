"""Receipts: what a get gave, where it lies, where it came from and what proved it."""

from __future__ import annotations

from typing import Any

import msgspec

from surefetch.events import Attempt
from surefetch.model import Struct

SCHEMA_VERSION = 1


class FileReceipt(Struct, frozen=True, kw_only=True):
    """One proven file."""

    artifact: str  # the artifact's name, or the tensor's for a file made of one
    name: str  # the published file name
    path: str
    digest: str  # hexadecimal, of `algorithm`
    size: int  # bytes
    proof: str  # "bytes": the published digest; "content": the tensors' digests
    algorithm: str  # "sha256", "sha1", "md5"
    mirror: str  # where the bytes came from: a URL or a path, without secrets; "" if they were here
    seconds: float
    attempts: tuple[Attempt, ...] = ()  # what did not go well on the way


class Receipt(Struct, frozen=True, kw_only=True):
    """Outcome of a get. Usable as a path: the folder of proven files, or the one file."""

    name: str  # of the dataset, or the URL
    version: str
    path: str
    files: tuple[FileReceipt, ...]
    seconds: float = 0.0
    fetched: int = 0  # bytes that came over the network
    form: str = ""  # which encoding gave the tensors; "" if they were here
    title: str = ""
    tensors: dict[str, str] = {}  # name -> "uint8 60000×28×28"
    notes: tuple[str, ...] = ()  # what else should be said

    def __fspath__(self) -> str:
        return self.path

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts that did not go well, each once."""
        return tuple(dict.fromkeys(attempt for file in self.files for attempt in file.attempts))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return what `get --json` prints (docs/schema/get.schema.json)."""
        return {
            "schema_version": SCHEMA_VERSION,
            "ok": True,
            "dataset": self.name,
            "version": self.version,
            "path": self.path,
            "seconds": round(self.seconds, 3),
            "fetched": self.fetched,
            "form": self.form,
            "notes": list(self.notes),
            "receipts": [_file_json(file) for file in self.files],
        }


def error_json(error: Any) -> dict[str, Any]:
    """Return what a failing command prints with `--json` (docs/schema/error.schema.json)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": False,
        "error": {
            "cause": error.code,
            "fault": error.fault,
            "message": error.message,
            "hint": error.action,
            "attempts": [msgspec.to_builtins(attempt) for attempt in error.attempts],
        },
    }


def _file_json(file: FileReceipt) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(file)
    content["seconds"] = round(file.seconds, 3)
    return content
