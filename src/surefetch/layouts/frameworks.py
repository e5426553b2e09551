"""All frameworks with their layouts, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from surefetch.layouts import huggingface, keras, sklearn, tfds, torchvision
from surefetch.layouts.values import Layout, Machine
from surefetch.model import Dataset

Describe = Callable[[Dataset, Machine], list[Layout]]

#: Name of a framework -> its layouts.
FRAMEWORKS: Final[dict[str, Describe]] = {
    "keras": keras.layouts,
    "torchvision": torchvision.layouts,
    "sklearn": sklearn.layouts,
    "tfds": tfds.layouts,
    "huggingface": huggingface.layouts,
}
#: Packages that bring a framework, and those whose version decides about a trap.
PACKAGES: Final = (
    "keras", "tf_keras", "torchvision", "scikit-learn", "tensorflow-datasets", "datasets", "pandas", "pillow",
)  # fmt: skip
#: Framework -> package that must be installed, for people.
NEEDS: Final = {
    "keras": "keras",
    "torchvision": "torchvision",
    "sklearn": "scikit-learn",
    "tfds": "tensorflow-datasets",
    "huggingface": "datasets",
}
#: Other names under which people ask for one.
ALIASES: Final = {
    "tensorflow": "keras",
    "tf": "keras",
    "tf_keras": "keras",
    "torch": "torchvision",
    "pytorch": "torchvision",
    "scikit-learn": "sklearn",
    "openml": "sklearn",
    "tensorflow_datasets": "tfds",
    "tensorflow-datasets": "tfds",
    "hf": "huggingface",
    "datasets": "huggingface",
}


def plan_layouts(dataset: Dataset, machine: Machine, frameworks: Sequence[str] = ()) -> list[Layout]:
    """Return what the installed frameworks look for when they load a dataset.

    Args:
        dataset: What is to be planted.
        machine: The user's Python, home, variables and wishes.
        frameworks: Keys of FRAMEWORKS; empty: all of them.
    """
    names = frameworks or tuple(FRAMEWORKS)
    return [layout for name in names for layout in FRAMEWORKS[name](dataset, machine)]
