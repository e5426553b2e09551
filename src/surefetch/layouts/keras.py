"""Keras 3 and tf.keras: `~/.keras/datasets`.

Sources: keras 3.15.1 `keras/src/utils/file_utils.py:305-402`, `keras/src/backend/config.py:277`; tf_keras
2.21.0 `tf_keras/src/utils/data_utils.py:270,298`. Keras hashes a file for which it has a digest at each
call and deletes it when it differs and cannot be fetched again; files without a digest are believed.
"""

from __future__ import annotations

from surefetch.layouts.values import Check, Layout, Loader, Machine, Plant, Published, fold, version_of
from surefetch.model import Dataset

_IDX = {
    "train-images-idx3-ubyte.gz": "train/image",
    "train-labels-idx1-ubyte.gz": "train/label",
    "t10k-images-idx3-ubyte.gz": "test/image",
    "t10k-labels-idx1-ubyte.gz": "test/label",
}
_ARRAYS = {
    "x_train": "train/image",
    "y_train": "train/label",
    "x_test": "test/image",
    "y_test": "test/label",
}
#: Files of one name in both generations: dataset -> path -> artifact. Keras has a digest for each of them.
_FILES = {
    "mnist": {"datasets/mnist.npz": "mnist.npz"},
    "imdb": {"datasets/imdb.npz": "imdb.npz", "datasets/imdb_word_index.json": "imdb_word_index.json"},
    "reuters": {
        "datasets/reuters.npz": "reuters.npz",
        "datasets/reuters_word_index.json": "reuters_word_index.json",
    },
    "bostonhousing": {"datasets/boston_housing.npz": "boston_housing.npz"},
    "californiahousing": {"datasets/california_housing.npz": "california_housing.npz"},
}
#: Archives: dataset -> artifact, name in Keras 3 (`get_file` adds `_archive`), name in tf.keras.
_ARCHIVES = {
    "cifar10": (
        "cifar-10-python.tar.gz",
        "datasets/cifar-10-batches-py-target_archive",
        "datasets/cifar-10-batches-py.tar.gz",
    ),
    "cifar100": (
        "cifar-100-python.tar.gz",
        "datasets/cifar-100-python-target_archive",
        "datasets/cifar-100-python.tar.gz",
    ),
}
#: Name of the loader's module.
_MODULES = {"mnist": "mnist", "fashionmnist": "fashion_mnist", "cifar10": "cifar10"}
_FALLBACK = "/tmp/.keras"  # noqa: S108 - where Keras itself goes when its home cannot be written


def layouts(dataset: Dataset, machine: Machine) -> list[Layout]:
    """Return the layouts of the Keras generations that are installed; empty if none has a loader for it."""
    found = []
    for package, generation in _generations(machine.packages):
        plants = _plants(dataset, generation)
        if plants:
            found.append(_layout(dataset, machine, package, generation, plants))
    return found


def _generations(packages: dict[str, str]) -> list[tuple[str, int]]:
    """Return (package, 2 or 3) for each Keras there is. TensorFlow below 2.16 brings its own Keras 2."""
    found = []
    if "keras" in packages:
        found.append(("keras", 3 if version_of(packages["keras"]) >= (3,) else 2))
    if "tf_keras" in packages:
        found.append(("tf_keras", 2))
    return found


def _layout(
    dataset: Dataset, machine: Machine, package: str, generation: int, plants: tuple[Plant, ...]
) -> Layout:
    root, notes = _root(machine, generation)
    module = _MODULES.get(fold(dataset.name), "")
    import_name = "keras" if package == "keras" else "tf_keras"
    return Layout(
        framework="keras",
        package=package,
        version=machine.packages[package],
        root=root,
        plants=plants,
        makes=("datasets",) if fold(dataset.name) in _ARCHIVES else (),
        loader=_loader(import_name, module, root) if module else None,
        usage=f"{import_name}.datasets.{module}.load_data()" if module else "",
        variables={"KERAS_HOME": root} if machine.shared and generation == 3 else {},
        notes=notes,
    )


def _loader(import_name: str, module: str, root: str) -> Loader:
    arguments = {"package": import_name, "module": module, "home": root}
    return Loader(name="keras", arguments=arguments, tensors=_ARRAYS)


def _root(machine: Machine, generation: int) -> tuple[str, tuple[str, ...]]:
    """Return Keras' home. tf.keras does not read KERAS_HOME; a home that cannot be written is passed over."""
    if machine.shared:
        note = "Keras passes over a home that its user cannot write and looks in /tmp/.keras"
        if generation == 2:
            note = "tf.keras does not read KERAS_HOME: each user links ~/.keras to the shared folder"
        return f"{machine.shared}/keras", (note,)
    home = machine.environ.get("KERAS_HOME") if generation == 3 else None
    home = home or f"{machine.home}/.keras"
    if home in machine.unwritable:
        return _FALLBACK, (f"`{home}` cannot be written, so Keras looks in {_FALLBACK}",)
    return home, ()


def _plants(dataset: Dataset, generation: int) -> tuple[Plant, ...]:
    name = fold(dataset.name)
    if name == "fashionmnist":
        return tuple(
            Plant(
                path=f"datasets/fashion-mnist/{file}",
                content=Published(artifact=file),
                check=Check.EXISTENCE,
                equal_to=tensor,
            )
            for file, tensor in _IDX.items()
        )
    files = dict(_FILES.get(name, {}))
    if name in _ARCHIVES:
        artifact, new, old = _ARCHIVES[name]
        files[new if generation == 3 else old] = artifact
    known = {artifact.name for artifact in dataset.artifacts}
    return tuple(
        Plant(path=path, content=Published(artifact=artifact), check=Check.DIGEST)
        for path, artifact in files.items()
        if artifact in known
    )
