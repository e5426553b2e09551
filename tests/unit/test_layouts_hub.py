"""The Hub's answers about a repository, made from a dataset's values."""

import json

import pytest

from surefetch.layouts import hub
from surefetch.layouts.huggingface import revision
from surefetch.model import Dataset, TensorSpec

DATA = Dataset(
    name="mnist",
    version="1",
    classes=tuple(map(str, range(10))),
    tensors={
        f"{split}/{kind}": TensorSpec(dtype="uint8", shape=(3, 2, 2) if kind == "image" else (3,))
        for split in ("train", "test")
        for kind in ("image", "label")
    },
)
FILES = {path: hub.File(size=7, sha256="ab" * 32) for path in hub.files_of(DATA)}
TRAIN = "mnist/train-00000-of-00001.parquet"


def page(url: str, body: str = "") -> hub.Page:
    request = hub.parse(url)
    assert request is not None
    return hub.answer(request, DATA, FILES, body)


@pytest.mark.parametrize(
    ("url", "verb", "path"),
    [
        ("https://huggingface.co/api/datasets/ylecun/mnist", "info", ""),
        ("https://huggingface.co/api/datasets/ylecun/mnist/revision/main", "info", ""),
        ("https://huggingface.co/api/datasets/mnist/tree/main/mnist?recursive=true", "tree", "mnist"),
        ("https://huggingface.co/api/datasets/ylecun/mnist/paths-info/0123abc", "paths", ""),
        (f"https://huggingface.co/datasets/ylecun/mnist/resolve/main/{TRAIN}", "resolve", TRAIN),
        ("https://datasets-server.huggingface.co/info?dataset=ylecun/mnist", "viewer", "info"),
    ],
)
def test_requests_about_known_repositories_are_understood(url: str, verb: str, path: str) -> None:
    assert hub.parse(url) == hub.Request(folded="mnist", verb=verb, path=path)


@pytest.mark.parametrize(
    "url",
    [
        "https://huggingface.co/api/datasets/someone/else",
        "https://huggingface.co/bert-base-uncased/resolve/main/config.json",
        "https://huggingface.co/api/models/ylecun/mnist",
        "https://huggingface.co/datasets/ylecun/mnist-copy/resolve/main/README.md",
    ],
)
def test_other_requests_go_out_as_always(url: str) -> None:
    assert hub.parse(url) is None


def test_the_card_names_columns_classes_and_files() -> None:
    card = page("https://huggingface.co/datasets/ylecun/mnist/resolve/main/README.md")
    assert "dtype: image" in card.text and "'9': \"9\"" in card.text and f"path: {TRAIN}" in card.text
    assert card.headers["X-Repo-Commit"] == revision(DATA)
    assert len(card.headers["ETag"]) == 42


def test_a_data_file_has_its_digest_as_etag() -> None:
    found = page(f"https://huggingface.co/datasets/ylecun/mnist/resolve/{revision(DATA)}/{TRAIN}")
    assert (found.file, found.headers["ETag"]) == (TRAIN, f'"{"ab" * 32}"')


def test_a_file_that_is_not_there_is_missing_in_the_hubs_own_way() -> None:
    missing = page("https://huggingface.co/datasets/ylecun/mnist/resolve/main/mnist.py")
    assert (missing.status, missing.headers["X-Error-Code"]) == (404, "EntryNotFound")


@pytest.mark.parametrize(
    "body", [json.dumps({"paths": [TRAIN, "nothing"]}), f"paths={TRAIN}&paths=nothing&expand=False"]
)
def test_sizes_of_named_paths_are_told(body: str) -> None:
    told = json.loads(page("https://huggingface.co/api/datasets/ylecun/mnist/paths-info/main", body).text)
    assert [(entry["path"], entry["size"], entry["lfs"]["oid"]) for entry in told] == [(TRAIN, 7, "ab" * 32)]


def test_a_tree_holds_its_folders() -> None:
    entries = json.loads(page("https://huggingface.co/api/datasets/ylecun/mnist/tree/main").text)
    kinds = {entry["path"]: entry["type"] for entry in entries}
    assert kinds["mnist"] == "directory" and kinds[TRAIN] == "file" and kinds["README.md"] == "file"
