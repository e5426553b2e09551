"""OpenML's answers about the datasets that scikit-learn's `fetch_openml` asks for, made from what we know.

Which requests there are and which fields are read: scikit-learn 1.9.1 `sklearn/datasets/_openml.py:40-420`.
The file itself is proven by the MD5 in the description, so the description that goes with a file of our own
tells that file's.
"""

from __future__ import annotations

import json
from typing import Any

from surefetch.layouts.values import Arff, Content, Literal, fold
from surefetch.model import Dataset, Struct


class Entry(Struct, frozen=True, kw_only=True):
    """A dataset's numbers at OpenML."""

    id: int
    name: str
    version: int
    file_id: int
    file: str  # the name at the end of its address
    features: int  # without the class


#: Dataset -> its entry (openml.org/d/554 and openml.org/d/40996).
_ENTRIES = {
    "mnist": Entry(id=554, name="mnist_784", version=1, file_id=52667, file="mnist_784.arff", features=784),
    "fashionmnist": Entry(
        id=40996, name="Fashion-MNIST", version=1, file_id=18238735, file="phpnBqZGZ", features=784
    ),
}
_IMAGES, _LABELS = ("train/image", "test/image"), ("train/label", "test/label")
#: Hosts that OpenML's interface has had.
HOSTS = ("api.openml.org", "www.openml.org", "openml.org", "old.openml.org", "data.openml.org")


def entry_of(dataset: Dataset) -> Entry | None:
    """Return a dataset's entry, if OpenML has it and its tensors are those that the file holds."""
    entry = _ENTRIES.get(fold(dataset.name))
    return entry if entry and {*_IMAGES, *_LABELS} <= set(dataset.tensors) else None


def names() -> tuple[str, ...]:
    """Return the folded names of all datasets that have an entry."""
    return tuple(_ENTRIES)


def contents(dataset: Dataset) -> dict[str, Content]:
    """Return what OpenML answers about a dataset: path below the host -> content, as the interface gives it.

    The list by name and status ends in `/`, and so does its key. The contents' `is_gzipped` is not set.
    """
    entry = entry_of(dataset)
    if entry is None:
        return {}
    path = file_path(entry)
    listing = _json({"data": {"dataset": [_listed(entry)]}})
    names = dict.fromkeys((entry.name, entry.name.lower()))
    lists = [f"api/v1/json/data/list/data_name/{name}/limit/2" for name in names]
    answers: dict[str, Content] = {}
    for start in lists:
        answers[f"{start}/data_version/{entry.version}"] = Literal(text=listing)
        answers[f"{start}/status/active/"] = Literal(text=listing)
    answers[f"api/v1/json/data/{entry.id}"] = Literal(text=_json(_description(entry)), md5_of=path)
    answers[f"api/v1/json/data/features/{entry.id}"] = Literal(text=_json(_features(entry)))
    answers[f"api/v1/json/data/qualities/{entry.id}"] = Literal(text=_json(_qualities(entry, dataset)))
    answers[path] = Arff(relation=entry.name, images=_IMAGES, labels=_LABELS)
    answers[f"data/v1/download/{entry.file_id}"] = answers[path]
    return answers


def file_path(entry: Entry) -> str:
    """Return the path of the dataset's file below the host."""
    return f"data/v1/download/{entry.file_id}/{entry.file}"


def _listed(entry: Entry) -> dict[str, Any]:
    return {
        "did": entry.id,
        "name": entry.name,
        "version": entry.version,
        "status": "active",
        "format": "ARFF",
        "file_id": entry.file_id,
    }


def _description(entry: Entry) -> dict[str, Any]:
    return {
        "data_set_description": {
            "id": str(entry.id),
            "name": entry.name,
            "version": str(entry.version),
            "description": "Made by surefetch from proven tensors.",
            "format": "ARFF",
            "status": "active",
            "visibility": "public",
            "file_id": str(entry.file_id),
            "url": f"https://api.openml.org/{file_path(entry)}",
            "default_target_attribute": "class",
            "md5_checksum": "{md5}",
        }
    }


def _features(entry: Entry) -> dict[str, Any]:
    pixels = [_feature(index, f"pixel{index + 1}", "numeric") for index in range(entry.features)]
    label = _feature(entry.features, "class", "nominal") | {"nominal_value": [str(n) for n in range(10)]}
    return {"data_features": {"feature": [*pixels, label | {"is_target": "true"}]}}


def _feature(index: int, name: str, kind: str) -> dict[str, Any]:
    return {
        "index": str(index),
        "name": name,
        "data_type": kind,
        "is_target": "false",
        "is_ignore": "false",
        "is_row_identifier": "false",
        "number_of_missing_values": "0",
    }


def _qualities(entry: Entry, dataset: Dataset) -> dict[str, Any]:
    rows = sum(dataset.tensors[name].shape[0] for name in _LABELS)
    values = {"NumberOfInstances": rows, "NumberOfFeatures": entry.features + 1, "NumberOfClasses": 10}
    return {
        "data_qualities": {
            "quality": [{"name": name, "value": f"{value:.1f}"} for name, value in values.items()]
        }
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
