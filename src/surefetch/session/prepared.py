"""Files that only `datasets` in the user's Python can make: Arrow folders and parquet."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surefetch.layouts.values import Arrow
from surefetch.model import Dataset
from surefetch.session.supply import Supplier, bare_bytes
from surefetch.session.user_python import run_guest


def prepare(
    content: Arrow,
    kind: str,
    dataset: Dataset,
    supplier: Supplier,
    folder: Path,
    python: str,
    environ: Mapping[str, str],
) -> None:
    """Write a dataset's tensors as an Arrow folder or as parquet files.

    Args:
        content: Columns, classes and splits.
        kind: "arrow" or "parquet".
        dataset: Whose tensors.
        supplier: Gives them.
        folder: Where to; made, and complete only when this returns.
        python: Runs `datasets`.
        environ: Of that process.

    Raises:
        UsageError: That Python could not do it.
        FetchError: A tensor could not be had.
    """
    with tempfile.TemporaryDirectory(prefix="surefetch-") as name:
        work = Path(name)
        question = {
            "kind": kind,
            "folder": str(work / "made"),
            "name": content.repository.rpartition("/")[2],
            "config": content.config,
            "image": content.image,
            "label": content.label,
            "classes": list(content.classes),
            "splits": {
                split: {
                    role: _bare_file(dataset, tensor, supplier, work / f"{split}-{role}")
                    for role, tensor in (("image", image), ("label", label))
                }
                for split, (image, label) in content.splits.items()
            },
        }
        (work / "question.json").write_text(json.dumps(question), encoding="utf-8")
        run_guest("prepare", python, [str(work / "question.json")], environ, work)
        _move(work / "made", folder)


def _bare_file(dataset: Dataset, tensor: str, supplier: Supplier, path: Path) -> dict[str, Any]:
    array = supplier.tensor(dataset, tensor)
    path.write_bytes(bare_bytes(array))
    return {"path": str(path), "dtype": str(array.dtype), "shape": list(array.shape)}


def _move(source: Path, target: Path) -> None:
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(source), str(target))
