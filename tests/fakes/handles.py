"""Handles of datasets whose blobs are files of a test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surefetch.dataset import Handle


def make_handle(
    folder: Path, tensors: Mapping[str, np.ndarray[Any, Any]], classes: Sequence[str] = (), name: str = "tiny"
) -> Handle:
    """Write tensors as blobs and return the handle that a load would give."""
    return Handle(
        {
            "dataset": name,
            "version": "1",
            "title": "Tiny",
            "classes": list(classes),
            "tensors": {tensor: _record(folder, array) for tensor, array in tensors.items()},
        }
    )


def text_tensors(split: str, texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """A text column as the store has it: UTF-8 bytes and int64 offsets."""
    rows = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    data = np.frombuffer(b"".join(rows), np.uint8)
    return {f"{split}/text": data, f"{split}/text.offsets": offsets}


def _record(folder: Path, array: np.ndarray[Any, Any]) -> dict[str, Any]:
    data = array.tobytes()
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256
    if not path.exists():
        path.write_bytes(data)
        path.chmod(0o444)
    shape = list(array.shape)
    return {"dtype": str(array.dtype), "shape": shape, "sha256": sha256, "size": len(data), "path": str(path)}
