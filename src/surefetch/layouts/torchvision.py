"""torchvision: the caller's `root`; there is no default and no variable.

Source: torchvision 0.29.2 `torchvision/datasets/mnist.py:107,158,170`, `cifar.py:129`, `utils.py:110`. The
four raw IDX files are believed by name; archives are used when their MD5 is right; CIFAR's members are
hashed at every construction. A pair of `processed/*.pt` files, left by versions before 0.9, wins over
everything.
"""

from __future__ import annotations

from surefetch.layouts.values import (
    Check,
    Idx,
    Layout,
    Loader,
    Machine,
    Member,
    Plant,
    Published,
    Shadow,
    fold,
    has_artifact,
)
from surefetch.model import Dataset

#: Dataset -> class with the four raw IDX files of MNIST.
_MNIST_LIKE = {"mnist": "MNIST", "fashionmnist": "FashionMNIST", "kmnist": "KMNIST"}
_RAW = {
    "train-images-idx3-ubyte": "train/image",
    "train-labels-idx1-ubyte": "train/label",
    "t10k-images-idx3-ubyte": "test/image",
    "t10k-labels-idx1-ubyte": "test/label",
}
_ARRAYS = {
    "train_data": "train/image",
    "train_targets": "train/label",
    "test_data": "test/image",
    "test_targets": "test/label",
}
#: Dataset -> class, archive, folder in it, its files.
_CIFAR = {
    "cifar10": (
        "CIFAR10",
        "cifar-10-python.tar.gz",
        "cifar-10-batches-py",
        (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    ),
    "cifar100": ("CIFAR100", "cifar-100-python.tar.gz", "cifar-100-python", ("train", "test", "meta")),
}
#: Dataset -> class, artifact -> path; each is used when its MD5 is right (`download=True`).
_FILES = {
    "emnist": ("EMNIST", {"gzip.zip": "EMNIST/raw/gzip.zip"}),
    "qmnist": (
        "QMNIST",
        {
            name: f"QMNIST/raw/{name}"
            for name in (
                "qmnist-train-images-idx3-ubyte.gz",
                "qmnist-train-labels-idx2-int.gz",
                "qmnist-test-images-idx3-ubyte.gz",
                "qmnist-test-labels-idx2-int.gz",
            )
        },
    ),
    "svhn": ("SVHN", {f"{part}_32x32.mat": f"{part}_32x32.mat" for part in ("train", "test", "extra")}),
    "stl10": ("STL10", {"stl10_binary.tar.gz": "stl10_binary.tar.gz"}),
    "usps": ("USPS", {"usps.bz2": "usps.bz2", "usps.t.bz2": "usps.t.bz2"}),
}


def layouts(dataset: Dataset, machine: Machine) -> list[Layout]:
    """Return torchvision's layout below `machine.root`; empty if it is not installed or has no such class."""
    version = machine.packages.get("torchvision")
    plants = _plants(dataset)
    if version is None or not plants:
        return []
    name = fold(dataset.name)
    class_name = class_of(dataset)
    root = f"{machine.shared}/torchvision" if machine.shared else machine.root
    return [
        Layout(
            framework="torchvision",
            package="torchvision",
            version=version,
            root=root,
            plants=plants,
            shadows=_shadows(class_name) if name in _MNIST_LIKE else (),
            makes=(class_name,) if name in _FILES else (),
            loader=_loader(class_name, root) if name in _MNIST_LIKE or name == "cifar10" else None,
            usage=f"torchvision.datasets.{class_name}({root!r})",
        )
    ]


def class_of(dataset: Dataset) -> str:
    """Return the class that loads a dataset; "" if there is none."""
    name = fold(dataset.name)
    if name in _CIFAR:
        return _CIFAR[name][0]
    return _FILES[name][0] if name in _FILES else _MNIST_LIKE.get(name, "")


def _loader(class_name: str, root: str) -> Loader:
    return Loader(name="torchvision", arguments={"class": class_name, "root": root}, tensors=_ARRAYS)


def _shadows(class_name: str) -> tuple[Shadow, ...]:
    paths = (f"{class_name}/processed/training.pt", f"{class_name}/processed/test.pt")
    return (Shadow(paths=paths, why="files of an old torchvision win over the raw files"),)


def _plants(dataset: Dataset) -> tuple[Plant, ...]:
    name = fold(dataset.name)
    artifacts = tuple(artifact.name for artifact in dataset.artifacts)
    if name in _MNIST_LIKE and set(_RAW.values()) <= set(dataset.tensors):
        return tuple(
            Plant(
                path=f"{_MNIST_LIKE[name]}/raw/{file}",
                content=Idx(tensor=tensor),
                check=Check.EXISTENCE,
                equal_to=tensor,
            )
            for file, tensor in _RAW.items()
        )
    if name in _CIFAR:
        plants = _cifar(*_CIFAR[name][1:])
    else:
        files = _FILES.get(name, ("", {}))[1]
        plants = [
            Plant(path=path, content=Published(artifact=artifact), check=Check.DIGEST)
            for artifact, path in files.items()
        ]
    return tuple(plant for plant in plants if has_artifact(artifacts, plant.content))


def _cifar(archive: str, folder: str, files: tuple[str, ...]) -> list[Plant]:
    """Plant the members too: without `download=True` the archive alone is not looked at."""
    members = [
        Plant(
            path=f"{folder}/{file}",
            content=Member(artifact=archive, member=f"{folder}/{file}"),
            check=Check.DIGEST,
        )
        for file in files
    ]
    return [Plant(path=archive, content=Published(artifact=archive), check=Check.DIGEST), *members]
