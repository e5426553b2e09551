"""TensorFlow Datasets: `~/tensorflow_datasets`.

Sources: tensorflow-datasets 4.9.10 `core/constants.py:36`,
`core/download/download_manager.py:322-340,380-480`, `core/download/resource.py` (`get_dl_fname`,
`write_info_file`), the addresses and digests of `url_checksums/*.txt`. A download is believed when the file
and its `.INFO` are there; a file in `downloads/manual` comes first and is hashed, and what was unpacked or
prepared earlier is used unseen. The folder per dataset keeps MNIST and Fashion-MNIST apart, whose files
have the same names.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from urllib.parse import urlsplit

from surefetch.layouts.values import (
    Check,
    Layout,
    Literal,
    Loader,
    Machine,
    Plant,
    Published,
    Shadow,
    fold,
    version_of,
)
from surefetch.model import Artifact, Dataset

_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
#: Dataset -> name at TFDS, version, base address, files.
_DATASETS = {
    "mnist": ("mnist", "3.0.1", "https://storage.googleapis.com/cvdf-datasets/mnist/", _IDX_FILES),
    "fashionmnist": (
        "fashion_mnist",
        "3.0.1",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _IDX_FILES,
    ),
    "kmnist": ("kmnist", "3.0.1", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/", _IDX_FILES),
    "cifar10": ("cifar10", "3.0.2", "https://www.cs.toronto.edu/~kriz/", ("cifar-10-binary.tar.gz",)),
    "cifar100": ("cifar100", "3.0.2", "https://www.cs.toronto.edu/~kriz/", ("cifar-100-binary.tar.gz",)),
}
#: The first version that keeps downloads in a folder per dataset, as far as read; it still looks in both.
_FOLDER_PER_DATASET = (4, 9, 10)
_ARRAYS = {
    "train_image": "train/image",
    "train_label": "train/label",
    "test_image": "test/image",
    "test_label": "test/label",
}


def layouts(dataset: Dataset, machine: Machine) -> list[Layout]:
    """Return TFDS' layout; empty if it is not installed, or its files' SHA-256 are not known."""
    version = machine.packages.get("tensorflow-datasets")
    known = _DATASETS.get(fold(dataset.name))
    if version is None or known is None:
        return []
    name, dataset_version, base, files = known
    folder = f"downloads/{name}" if version_of(version) >= _FOLDER_PER_DATASET else "downloads"
    artifacts = {artifact.name: artifact for artifact in dataset.artifacts if artifact.sha256}
    if not set(files) <= set(artifacts):
        return []
    root = _root(machine)
    plants = [plant for file in files for plant in _download(folder, name, base + file, artifacts[file])]
    return [
        Layout(
            framework="tfds",
            package="tensorflow-datasets",
            version=version,
            root=root,
            plants=tuple(plants),
            shadows=_shadows(name, dataset_version, base, files, artifacts),
            makes=(name, "downloads/extracted"),
            loader=_loader(name, root) if set(_ARRAYS.values()) <= set(dataset.tensors) else None,
            usage=f"tfds.load({name!r})",
            variables={"TFDS_DATA_DIR": root} if machine.shared else {},
        )
    ]


def download_name(url: str, sha256: str) -> str:
    """Return the name under which TFDS keeps a download: its address, shortened, and its digest."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode("ascii")[:-1]
    stem, extension = _shortened(url, 46)
    return f"{stem}{digest}{extension}"


def _loader(name: str, root: str) -> Loader:
    return Loader(name="tfds", arguments={"name": name, "root": root}, tensors=_ARRAYS)


def _root(machine: Machine) -> str:
    if machine.shared:
        return f"{machine.shared}/tensorflow_datasets"
    return machine.environ.get("TFDS_DATA_DIR") or f"{machine.home}/tensorflow_datasets"


def _download(folder: str, name: str, url: str, artifact: Artifact) -> list[Plant]:
    path = f"{folder}/{download_name(url, artifact.sha256 or '')}"
    info = {
        "dataset_names": [name],
        "original_fname": artifact.name,
        "url_info": {"checksum": artifact.sha256, "filename": artifact.name, "size": artifact.size},
        "urls": [url],
    }
    return [
        Plant(path=path, content=Published(artifact=artifact.name), check=Check.EXISTENCE),
        Plant(path=f"{path}.INFO", content=Literal(text=json.dumps(info)), check=Check.FORMAT),
    ]


def _shadows(
    name: str, version: str, base: str, files: tuple[str, ...], artifacts: dict[str, Artifact]
) -> tuple[Shadow, ...]:
    unpacked = [
        f"downloads/extracted/*{download_name(base + file, artifacts[file].sha256 or '')}" for file in files
    ]
    manual = [f"downloads/manual/{file}" for file in files]
    return (
        Shadow(paths=(f"{name}/{version}",), why="data prepared earlier is used unseen"),
        *(Shadow(paths=(path,), why="a file unpacked earlier is used unseen") for path in unpacked),
        *(Shadow(paths=(path,), why="a file in `downloads/manual` comes first") for path in manual),
    )


# --- names of downloads, as tensorflow_datasets/core/download/resource.py makes them ------------------

_PREFIXES = ("www.", "storage.googleapis.com", "drive.google.com", "github.com")
_SUFFIXES = (".github.io", ".s3-website.eu-central-1.amazonaws.com", ".amazonaws.com")
_EXTENSIONS = (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz2", ".tbz", ".tb2", ".zip", ".gz", ".bz2")
_EMPTY_WORDS = ("_data_", "_dataset_", "_static_", "_of_", "-of-")


def _shortened(url: str, length: int) -> tuple[str, str]:
    parts = urlsplit(url)
    host = parts.netloc
    for prefix in _PREFIXES:
        host = host.removeprefix(prefix)
    for suffix in _SUFFIXES:
        host = host.removesuffix(suffix)
    text = f"{host}{parts.path}{parts.query}"
    extension = next((end for end in _EXTENSIONS if text.endswith(end)), posixpath.splitext(text)[1])
    text = text[: len(text) - len(extension)]
    text = re.sub(r"[^a-zA-Z0-9._-]+", "_", text)
    for word in _EMPTY_WORDS:
        text = text.replace(word, "_")
    text = re.sub(r"(?<![0-9])0+(?=[0-9])", "", text.strip("_"))
    return _fitted(text, length - len(extension)), extension


def _fitted(text: str, length: int) -> str:
    """Shorten the words one letter at a time, down to four, until the whole fits; then cut."""
    longest = max(len(word) for word in re.split(r"[._-]", text))
    while longest > 4 and len(text) > length:
        longest -= 1
        text = re.sub(rf"([^._-]{{{longest}}})[^._-]+", r"\1", text)
    return text[:length]
