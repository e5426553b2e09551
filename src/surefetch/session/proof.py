"""The proof of an install: the framework itself loads what was planted, without a network, and gives our
tensors.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surefetch.errors import UsageError
from surefetch.layouts.values import Layout
from surefetch.model import Dataset, Struct
from surefetch.session.supply import Supplier
from surefetch.session.user_python import run_guest

#: What the proof's process gets beside the user's environment: no way out, no waiting for one, no chatter.
_ENVIRON = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "NO_GCE_CHECK": "true",
    **dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
        "http://127.0.0.1:9",
    ),
}
#: Errors that say nothing about the files.
_ENVIRONMENTAL = ("ModuleNotFoundError", "ImportError")


class Proof(Struct, frozen=True, kw_only=True):
    """How loading went."""

    is_right: bool = False
    is_run: bool = True  # False: the framework has no loader that we know, or could not even be imported
    why: str = ""  # when it is not right


def prove(
    layout: Layout, dataset: Dataset, supplier: Supplier, python: str, environ: Mapping[str, str]
) -> Proof:
    """Have the framework load what lies below a layout's root, and compare every tensor by digest."""
    if layout.loader is None:
        return Proof(is_run=False, why="this loader is not known well enough to be run")
    specs = {
        array: {"dtype": spec.dtype, "shape": list(spec.shape)}
        for array, tensor in layout.loader.tensors.items()
        for spec in [dataset.tensors[tensor]]
    }
    question = {"loader": layout.loader.name, "arguments": layout.loader.arguments, "specs": specs}
    try:
        answer = _load(question, python, environ)
    except UsageError as error:
        return Proof(is_run=False, why=error.message)
    if "error" in answer:
        why = str(answer["error"])
        return Proof(is_run=not why.startswith(_ENVIRONMENTAL), why=why)
    expected = _expected(layout, dataset, supplier, answer)
    actual = answer.get("digests") or answer.get("unordered") or {}
    wrong = sorted(name for name, digest in expected.items() if actual.get(name) != digest)
    if wrong:
        return Proof(why=f"it loads other data than `{dataset.name}` has: {', '.join(wrong)}")
    return Proof(is_right=True)


def _load(question: dict[str, Any], python: str, environ: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="surefetch-") as name:
        folder = Path(name)
        asked, answered = folder / "question.json", folder / "answer.json"
        asked.write_text(json.dumps(question), encoding="utf-8")
        run_guest("prove", python, [str(asked), str(answered)], {**environ, **_ENVIRON}, folder)
        answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
        return answer


def _expected(
    layout: Layout, dataset: Dataset, supplier: Supplier, answer: Mapping[str, Any]
) -> dict[str, str]:
    assert layout.loader is not None  # its only caller has asked
    tensors = layout.loader.tensors
    if "unordered" not in answer:
        return {array: dataset.tensors[tensor].sha256 or "" for array, tensor in tensors.items()}
    splits = sorted({tensor.partition("/")[0] for tensor in tensors.values()})
    return {
        split: unordered(
            supplier.tensor(dataset, f"{split}/image"), supplier.tensor(dataset, f"{split}/label")
        )
        for split in splits
    }


def unordered(images: Any, labels: Any) -> str:
    """Return a digest of rows whatever their order, as `guest/prove.py` makes it."""
    pairs = zip(images, labels, strict=True)
    rows = sorted(hashlib.sha256(image.tobytes() + label.tobytes()).digest() for image, label in pairs)
    return hashlib.sha256(b"".join(rows)).hexdigest()
