"""Where frameworks keep files: folders by environment and platform, and the exact places of a known file.

Only text is made here, nothing is looked at. What is known of each framework was read from its sources; the
version is beside it.
"""

from __future__ import annotations

import base64
import ntpath
import posixpath
import re
from collections.abc import Mapping
from typing import Final

from surefetch.model import Struct

# The class names of torchvision 0.29 and mnists 0.4, which are their folders' names too.
_CLASSES: Final = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "kmnist": "KMNIST",
    "emnist": "EMNIST",
    "qmnist": "QMNIST",
}
# Repositories whose blobs are named by SHA-256 in the hub's cache (huggingface_hub 2.4; LFS files only).
_REPOSITORIES: Final = {
    "mnist": ("ylecun--mnist", "mnist"),
    "fashion-mnist": ("zalando-datasets--fashion_mnist", "fashion_mnist"),
    "cifar-10": ("uoft-cs--cifar10", "cifar10"),
    "cifar-100": ("uoft-cs--cifar100", "cifar100"),
}
# TFDS 4.9 names a download by its sanitised URL and the digest of its content.
_TFDS_PREFIXES: Final = {"mnist": "cvdf-datasets_mnist_"}
_TFDS_URL_LENGTH: Final = 46
# Names that differ from the published one: Keras 3.15, then tf_keras 2.21.
_KERAS_NAMES: Final = {
    "cifar-10-python.tar.gz": ("cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"),
    "cifar-100-python.tar.gz": ("cifar-100-python-target_archive", "cifar-100-python.tar.gz"),
}

#: Below which folders of a framework a file may lie. {name}: the artifact; {dataset}, {class}, {under}: the
#: dataset's name, its class, its name with underscores; {keras}, {tfds}, {debian}: the artifact's name there.
_PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "keras": ("{name}", "{dataset}/{name}", "{keras}"),  # keras 3.15
    "torchvision": ("{class}/raw/{name}", "{class}/{name}", "{name}"),  # 0.29: `root` is the caller's
    "scikit-learn": ("{name}", "{dataset}/{name}"),  # scikit-learn 1.9
    "tfds": (  # tensorflow-datasets 4.9.10
        "downloads/manual/{name}", "downloads/{under}/{tfds}", "downloads/{tfds}", "downloads/{under}/{name}",
    ),
    "huggingface": ("datasets--{repository}/blobs/{sha256}",),  # huggingface_hub 2.4
    "mnists": ("{class}/{name}",),  # mnists 0.4.1
    "mnist": ("{name}",),  # mnist 0.2.2
    "mxnet": ("datasets/{dataset}/{name}",),  # mxnet 1.9.1
    "fastai": ("archive/{name}",),  # fastdownload 0.0.8
    "medmnist": ("{name}",),  # medmnist 3.0.2
    "seaborn": ("{name}",),  # seaborn 0.13.2
    "debian": ("{dataset}/{debian}",),  # dataset-fashion-mnist 0.0~git20200523
}  # fmt: skip
#: Folders that hold all sorts of things: looked into at exact places, never walked through.
UNWALKED: Final = frozenset({"mnist", "torchvision-guess"})


class _System(Struct, frozen=True, kw_only=True):
    """Environment, home and platform of a user, and how paths are joined there."""

    environ: Mapping[str, str]
    home: str
    platform: str

    def join(self, *parts: str) -> str:
        return ntpath.join(*parts) if self.platform == "win32" else posixpath.join(*parts)

    def at(self, variable: str, *default: str) -> list[str]:
        """The folder that a variable names, else a folder below home."""
        value = self.environ.get(variable, "").strip()
        return [self.expand(value)] if value else [self.join(self.home, *default)]

    def expand(self, path: str) -> str:
        return self.home + path[1:] if re.match(r"~(?=[/\\]|$)", path) else path

    @property
    def temporary(self) -> list[str]:
        """What `tempfile.gettempdir()` may give."""
        named = [self.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if self.environ.get(name)]
        return named or ([] if self.platform == "win32" else ["/tmp"])  # noqa: S108 - other tools keep files there

    @property
    def cache(self) -> str:
        """The user's cache folder, as appdirs and Hugging Face take it."""
        return self.environ.get("XDG_CACHE_HOME") or self.join(self.home, ".cache")


def roots(environ: Mapping[str, str], home: str, platform: str) -> dict[str, list[str]]:
    """Give the folders in which each framework keeps files, the likeliest first.

    Args:
        environ: The environment.
        home: The user's home folder.
        platform: As `sys.platform` names it.
    """
    system = _System(environ=environ, home=home, platform=platform)
    found = {
        "keras": _keras(system),
        "torchvision": [system.join("data"), system.join(home, "data"), *_torch(system)],
        "torchvision-guess": [".", system.join("datasets"), system.join(home, "datasets")],
        "scikit-learn": system.at("SCIKIT_LEARN_DATA", "scikit_learn_data"),
        "tfds": system.at("TFDS_DATA_DIR", "tensorflow_datasets"),
        "huggingface": _hub(system),
        "mnists": [system.join(folder, "mnists") for folder in system.temporary],
        "mnist": system.temporary,
        "mxnet": _mxnet(system),
        "fastai": system.at("FASTAI_HOME", ".fastai"),
        "kagglehub": _below_cache(system, "KAGGLEHUB_CACHE", "kagglehub"),
        "openml": [
            *_below_cache(system, "OPENML_CACHE_DIR", "openml"),
            system.join(home, ".openml", "cache"),
        ],
        "medmnist": [system.join(home, ".medmnist")],
        "seaborn": _seaborn(system),
        "statsmodels": system.at("STATSMODELS_DATA", "statsmodels_data"),
        "debian": ["/usr/share/datasets"] if platform.startswith("linux") else [],
    }
    return {framework: list(dict.fromkeys(folders)) for framework, folders in found.items()}


def places(
    artifact_name: str,
    dataset_name: str,
    environ: Mapping[str, str],
    home: str,
    platform: str,
    *,
    sha256: str = "",
) -> list[str]:
    """Give the exact paths at which frameworks keep a file, the likeliest first.

    Args:
        artifact_name: The published file name.
        dataset_name: The catalog's name of the dataset.
        environ: The environment.
        home: The user's home folder.
        platform: As `sys.platform` names it.
        sha256: The file's digest, for caches that name files by it.

    Returns:
        Paths, some of them relative to the current folder (torchvision's usual `./data`).
    """
    join = _System(environ=environ, home=home, platform=platform).join
    found = []
    for framework, folders in roots(environ, home, platform).items():
        patterns = _PATTERNS.get(framework.removesuffix("-guess"), ())
        names = _names(artifact_name, dataset_name, sha256)
        tails = [tail for pattern in patterns for tail in _filled(pattern, names)]
        found += [join(folder, *tail.split("/")) for folder in folders for tail in tails]
    return list(dict.fromkeys(found))


def is_of_another(path: str, dataset_name: str) -> bool:
    """Whether a folder of the path belongs to another dataset: raw files of many have the same size."""
    folders = set(re.split(r"[/\\]", path)[:-1])
    own = {dataset_name, _CLASSES.get(dataset_name, dataset_name)}
    return bool(folders & ({*_CLASSES, *_CLASSES.values()} - own)) and not folders & own


def _names(artifact: str, dataset: str, sha256: str) -> dict[str, tuple[str, ...]]:
    """The values of each pattern's field; none where nothing is known."""
    return {
        "name": (artifact,),
        "dataset": (dataset,),
        "under": (dataset.replace("-", "_"),),
        "class": (_CLASSES[dataset],) if dataset in _CLASSES else (),
        "keras": _KERAS_NAMES.get(artifact, ()),
        "tfds": _tfds_name(artifact, dataset, sha256),
        "debian": (artifact.replace(".debian.", "."),),  # catalogs name Debian's other compression so
        "repository": _REPOSITORIES.get(dataset, ()) if sha256 else (),
        "sha256": (sha256,) if sha256 else (),
    }


def _filled(pattern: str, names: Mapping[str, tuple[str, ...]]) -> list[str]:
    filled = [pattern]
    for field in re.findall(r"{(\w+)}", pattern):
        filled = [text.replace(f"{{{field}}}", value) for text in filled for value in names[field]]
    return filled


def _tfds_name(artifact: str, dataset: str, sha256: str) -> tuple[str, ...]:
    """The name of a download (tensorflow_datasets/core/download/resource.py): URL, digest, end."""
    if not sha256 or dataset not in _TFDS_PREFIXES:
        return ()
    stem, dot, end = artifact.rpartition(".")
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return ((_TFDS_PREFIXES[dataset] + stem)[:_TFDS_URL_LENGTH] + digest + dot + end,)


def _keras(system: _System) -> list[str]:
    homes = [
        *system.at("KERAS_HOME", ".keras"),
        system.join(system.home, ".keras"),
    ]  # tf_keras: never the variable
    spare = [system.join(folder, ".keras") for folder in system.temporary]  # where home is read-only
    return [system.join(folder, "datasets") for folder in (*homes, *spare)]


def _torch(system: _System) -> list[str]:
    value = system.environ.get("TORCH_HOME")
    return [system.expand(value)] if value else [system.join(system.cache, "torch")]


def _hub(system: _System) -> list[str]:
    hub_home = system.expand(system.environ.get("HF_HOME") or system.join(system.cache, "huggingface"))
    named = [
        system.environ.get(name) for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_DATASETS_CACHE")
    ]
    folders = [system.expand(folder) for folder in named if folder]
    return [*folders, system.join(hub_home, "hub"), system.join(hub_home, "datasets")]


def _mxnet(system: _System) -> list[str]:
    if system.platform == "win32" and (roaming := system.environ.get("APPDATA")):
        return (
            system.at("MXNET_HOME") if system.environ.get("MXNET_HOME") else [system.join(roaming, "mxnet")]
        )
    return system.at("MXNET_HOME", ".mxnet")


def _below_cache(system: _System, variable: str, name: str) -> list[str]:
    value = system.environ.get(variable)
    return [system.expand(value)] if value else [system.join(system.cache, name)]


def _seaborn(system: _System) -> list[str]:
    if value := system.environ.get("SEABORN_DATA"):
        return [system.expand(value)]
    if system.platform == "darwin":
        return [system.join(system.home, "Library", "Caches", "seaborn")]
    if system.platform == "win32":
        local = system.environ.get("LOCALAPPDATA") or system.join(system.home, "AppData", "Local")
        return [system.join(local, "seaborn", "seaborn", "Cache")]
    return [system.join(system.cache, "seaborn")]
