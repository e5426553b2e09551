"""A supplier with a small MNIST of its own: real encodings, true digests, no network."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from surefetch.errors import FetchError
from surefetch.layouts.values import fold
from surefetch.model import Artifact, Dataset, TensorSpec
from surefetch.session.loader_files import idx_header

ROWS = {"train": 60, "test": 20}
STEMS = {"train": "train", "test": "t10k"}
KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
IDX_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
PICKLE_URL = "https://github.com/pytorch/examples/raw/master/mnist/data/mnist.pkl.gz"


def digits(seed: int = 7) -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Return four tensors of MNIST's kinds, with few rows."""
    random = np.random.default_rng(seed)
    arrays = {}
    for split, rows in ROWS.items():
        arrays[f"{split}/image"] = random.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        arrays[f"{split}/label"] = random.integers(0, 10, rows, dtype=np.uint8)
    return arrays


class SmallSupplier:
    """Gives what lies in its folder; `without` names artifacts that cannot be had."""

    def __init__(self, folder: Path, name: str = "mnist", without: Iterable[str] = ()) -> None:
        self.arrays = digits(len(name))
        self.folder = folder
        self.without = set(without)
        self.asked: list[str] = []
        self.explained: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        artifacts = [self._write(file, form, data, urls) for file, form, data, urls in self._files()]
        pickle = Artifact(name="mnist.pkl.gz", form="pickle", size=999, md5="0" * 32, known_as=(PICKLE_URL,))
        self.dataset = Dataset(
            name=name,
            version="1",
            classes=tuple(map(str, range(10))),
            tensors={
                key: TensorSpec(
                    dtype="uint8", shape=array.shape, sha256=hashlib.sha256(array.tobytes()).hexdigest()
                )
                for key, array in self.arrays.items()
            },
            artifacts=(*artifacts, pickle),
        )
        self.equals = {
            "mnist.pkl.gz": self._plain("equal.pkl.gz", gzip.compress(b"equal by content", mtime=0))
        }

    def artifact(self, dataset: Dataset, name: str) -> Path | None:
        self.asked.append(name)
        if name == "unobtainable":
            raise FetchError("nobody has it", code="service.outage")
        path = self.folder / name
        return path if name not in self.without and path.exists() else None

    def tensor(self, dataset: Dataset, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return self.arrays[name]

    def find_url(self, url: str) -> tuple[Dataset, Artifact] | None:
        for artifact in self.dataset.artifacts:
            if url in (*artifact.urls, *artifact.known_as):
                return self.dataset, artifact
        return None

    def find(self, name: str) -> Dataset:
        return self.dataset if fold(name) == fold(self.dataset.name) else Dataset(name=name, version="1")

    def hosts(self) -> Iterable[str]:
        return ["storage.googleapis.com", "ossci-datasets.s3.amazonaws.com", "github.com"]

    def equal(self, dataset: Dataset, name: str) -> Path | None:
        return self.equals.get(name)

    def explain(self, text: str) -> str:
        self.explained.append(text)
        return "surefetch explains: the host is dead" if "dead.example" in text else ""

    def _files(self) -> Iterable[tuple[str, str, bytes, tuple[str, ...]]]:
        archive = io.BytesIO()
        renamed = {f"{'x' if kind == 'image' else 'y'}_{split}": f"{split}/{kind}"
                   for split in ROWS for kind in ("image", "label")}  # fmt: skip
        np.savez_compressed(archive, **{key: self.arrays[name] for key, name in renamed.items()})
        yield "mnist.npz", "keras-npz", archive.getvalue(), (KERAS_URL,)
        for split, stem in STEMS.items():
            for kind, tail in (("image", "images-idx3-ubyte"), ("label", "labels-idx1-ubyte")):
                array = self.arrays[f"{split}/{kind}"]
                file = f"{stem}-{tail}.gz"
                data = gzip.compress(idx_header(array.shape) + array.tobytes(), mtime=0)
                yield file, "idx", data, (IDX_URL + file,)

    def _write(self, name: str, form: str, data: bytes, urls: tuple[str, ...]) -> Artifact:
        self._plain(name, data)
        return Artifact(
            name=name, form=form, size=len(data), sha256=hashlib.sha256(data).hexdigest(), urls=urls
        )

    def _plain(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path
