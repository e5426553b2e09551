"""scikit-learn: `~/scikit_learn_data`.

Sources: scikit-learn 1.9.1 `sklearn/datasets/_openml.py:46,553`, `_base.py:83,1480` and the files named in
the table; 1.5.2 and 1.6.1 ask for the ARFF by its number alone (`_openml.py:40`). OpenML's answers are
gzip'd below the path of their address, whatever the host; the ARFF must have the MD5 that the description
beside it tells.
"""

from __future__ import annotations

from surefetch.layouts import openml
from surefetch.layouts.values import (
    Arff,
    Check,
    Layout,
    Literal,
    Loader,
    Machine,
    Plant,
    Published,
    fold,
    version_of,
)
from surefetch.model import Dataset

_HOME = "openml/openml.org"
#: Dataset -> path -> artifact, of the loaders that take an archive (SHA-256 is checked since 1.6).
_ARCHIVES = {
    "californiahousing": {"cal_housing.tgz": "cal_housing.tgz"},
    "20newsgroups": {"20news_home/20news-bydate.tar.gz": "20news-bydate.tar.gz"},
    "olivettifaces": {"olivettifaces.mat": "olivettifaces.mat"},
    "lfw": {f"lfw_home/{name}": name for name in ("lfw-funneled.tgz", "pairsDevTrain.txt", "pairs.txt")},
}
_PANDAS_TRAP = (
    "pandas {version} makes scikit-learn take a good file for a broken one and delete it: "
    "call fetch_openml(…, parser='liac-arff'), or use pandas 2"
)


def layouts(dataset: Dataset, machine: Machine) -> list[Layout]:
    """Return scikit-learn's layout; empty if it is not installed or has no loader for the dataset."""
    version = machine.packages.get("scikit-learn")
    plants = _openml(dataset) or _archives(dataset)
    if version is None or not plants:
        return []
    root = _root(machine)
    entry = openml.entry_of(dataset)
    return [
        Layout(
            framework="sklearn",
            package="scikit-learn",
            version=version,
            root=root,
            plants=plants,
            loader=_loader(entry, machine, root) if entry else None,
            usage=f"fetch_openml({entry.name!r}, version={entry.version}, as_frame=False)" if entry else "",
            variables={"SCIKIT_LEARN_DATA": root} if machine.shared else {},
            notes=_notes(machine) if entry else (),
        )
    ]


def _loader(entry: openml.Entry, machine: Machine, root: str) -> Loader:
    return Loader(
        name="sklearn",
        arguments={
            "name": entry.name,
            "version": str(entry.version),
            "home": root,
            "parser": "auto" if _has_good_pandas(machine) else "liac-arff",
        },
        tensors={
            "train_data": "train/image",
            "train_target": "train/label",
            "test_data": "test/image",
            "test_target": "test/label",
        },
    )


def _root(machine: Machine) -> str:
    if machine.shared:
        return f"{machine.shared}/sklearn"
    return machine.environ.get("SCIKIT_LEARN_DATA") or f"{machine.home}/scikit_learn_data"


def _has_good_pandas(machine: Machine) -> bool:
    """Whether pandas is there and does not make scikit-learn delete good files (3.1.1 with 1.9.1 does)."""
    return (0,) < version_of(machine.packages.get("pandas", "")) < (3,)


def _notes(machine: Machine) -> tuple[str, ...]:
    pandas = machine.packages.get("pandas")
    if pandas is None:
        return ("pandas is not installed: call fetch_openml(…, parser='liac-arff')",)
    return () if _has_good_pandas(machine) else (_PANDAS_TRAP.format(version=pandas),)


def _openml(dataset: Dataset) -> tuple[Plant, ...]:
    plants = []
    for path, content in openml.contents(dataset).items():
        if isinstance(content, Literal):
            md5_of = _gzipped(content.md5_of) if content.md5_of else ""
            content = Literal(text=content.text, is_gzipped=True, md5_of=md5_of)
        # Only the lower-case name is asked for (`fetch_openml` folds it).
        if path == path.lower() or isinstance(content, Arff):
            plants.append(Plant(path=_gzipped(path), content=content, check=Check.FORMAT))
    return tuple(plants)


def _gzipped(path: str) -> str:
    """Return where an answer is kept; an address that ends in `/` gives a file called `.gz`."""
    return f"{_HOME}/{path}.gz"


def _archives(dataset: Dataset) -> tuple[Plant, ...]:
    known = {artifact.name for artifact in dataset.artifacts}
    return tuple(
        Plant(path=path, content=Published(artifact=artifact), check=Check.DIGEST)
        for path, artifact in _ARCHIVES.get(fold(dataset.name), {}).items()
        if artifact in known
    )
