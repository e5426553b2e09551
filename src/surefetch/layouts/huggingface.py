"""Hugging Face `datasets`: a prepared Arrow folder in `~/.cache/huggingface/datasets`.

Sources: datasets 5.2.0 `datasets/config.py:161`, `datasets/load.py:794`,
`datasets/packaged_modules/cache/cache.py:52`. Without the Hub the loader takes the newest folder
`<owner>___<name>/<config>/<version>/<hash>` whose `dataset_info.json` names that config; any hash will do.
Parquet files in the Hub's own cache are not enough.
"""

from __future__ import annotations

import hashlib

from surefetch.layouts.values import Arrow, Check, Layout, Loader, Machine, Plant, Shadow, fold
from surefetch.model import Dataset, Struct


class Repository(Struct, frozen=True, kw_only=True):
    """How the Hub has a dataset."""

    names: tuple[str, ...]  # the first is today's, the others are names of old
    config: str
    image: str = "image"  # columns
    label: str = "label"


#: Dataset -> its repository.
REPOSITORIES = {
    "mnist": Repository(names=("ylecun/mnist", "mnist"), config="mnist"),
    "fashionmnist": Repository(
        names=("zalando-datasets/fashion_mnist", "fashion_mnist"), config="fashion_mnist"
    ),
    "cifar10": Repository(names=("uoft-cs/cifar10", "cifar10"), config="plain_text", image="img"),
}
_ARRAYS = {
    "train_image": "train/image",
    "train_label": "train/label",
    "test_image": "test/image",
    "test_label": "test/label",
}


def layouts(dataset: Dataset, machine: Machine) -> list[Layout]:
    """Return the layout of `datasets`; empty if it is not installed, or the columns are not known."""
    version = machine.packages.get("datasets")
    repository = repository_of(dataset)
    if version is None or repository is None:
        return []
    root = _root(machine)
    folders = [_folder(name) for name in repository.names]
    plants = tuple(
        Plant(
            path=f"{folder}/{repository.config}/0.0.0/{revision(dataset)}",
            content=arrow(dataset, repository, name),
            check=Check.FORMAT,
        )
        for name, folder in zip(repository.names, folders, strict=True)
    )
    return [
        Layout(
            framework="huggingface",
            package="datasets",
            version=version,
            root=root,
            plants=plants,
            shadows=tuple(
                Shadow(paths=(f"{folder}/{repository.config}/*/*",), why="the newest folder wins")
                for folder in folders
            ),
            loader=Loader(
                name="huggingface",
                arguments={
                    "repository": repository.names[0],
                    "image": repository.image,
                    "label": repository.label,
                    "cache": root,
                },
                tensors=_ARRAYS,
            ),
            usage=f"load_dataset({repository.names[0]!r})",
            variables={"HF_DATASETS_CACHE": root} if machine.shared else {},
            notes=("HF_HUB_OFFLINE=1 saves 24 s of retries per load where the Hub cannot be reached",),
        )
    ]


def repository_of(dataset: Dataset) -> Repository | None:
    """Return a dataset's repository, if its four tensors and its classes are known."""
    repository = REPOSITORIES.get(fold(dataset.name))
    is_whole = set(_ARRAYS.values()) <= set(dataset.tensors) and bool(dataset.classes)
    return repository if is_whole else None


def arrow(dataset: Dataset, repository: Repository, name: str) -> Arrow:
    """Return what a prepared folder of the dataset holds, under one of the repository's names."""
    return Arrow(
        repository=name,
        config=repository.config,
        image=repository.image,
        label=repository.label,
        classes=dataset.classes,
        splits={split: (f"{split}/image", f"{split}/label") for split in ("train", "test")},
    )


def revision(dataset: Dataset) -> str:
    """Return a revision of our own, 40 hexadecimal digits: no commit of the publisher's is claimed."""
    return hashlib.sha1(f"surefetch {dataset.name} {dataset.version}".encode()).hexdigest()


def _folder(name: str) -> str:
    return name.replace("/", "___")


def _root(machine: Machine) -> str:
    if machine.shared:
        return f"{machine.shared}/huggingface/datasets"
    environ = machine.environ
    if cache := environ.get("HF_DATASETS_CACHE"):
        return cache
    base = environ.get("XDG_CACHE_HOME") or f"{machine.home}/.cache"
    return f"{environ.get('HF_HOME') or f'{base}/huggingface'}/datasets"
