"""The Hugging Face Hub's answers about a dataset's repository, made from what we know.

Which requests there are: datasets 5.2.0 `datasets/load.py:1100-1160`, huggingface_hub 2.4.0 `hf_api.py`
(`dataset_info`, `list_repo_tree`, `get_paths_info`) and `file_download.py:1618` (`get_hf_file_metadata`).
The revision is one of our own; the parquet files hold what the publisher's hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from surefetch.layouts.huggingface import REPOSITORIES, Repository, repository_of, revision
from surefetch.model import Dataset, Struct

#: Hosts that the packages talk to.
HOSTS = ("huggingface.co", "www.huggingface.co", "datasets-server.huggingface.co", "hf.co")
_ERROR_HEADER, _COMMIT_HEADER = "X-Error-Code", "X-Repo-Commit"


class Request(Struct, frozen=True, kw_only=True):
    """What is asked of a repository."""

    folded: str  # the dataset, as the keys of REPOSITORIES
    verb: str  # "info", "tree", "paths", "resolve", "viewer"
    path: str = ""  # below the repository


class File(Struct, frozen=True, kw_only=True):
    """A file of the repository that is ready to be served."""

    size: int
    sha256: str


class Page(Struct, frozen=True, kw_only=True):
    """An answer: text of our own, or a file of the repository by its path."""

    status: int = 200
    text: str = ""
    media_type: str = "application/json"
    headers: dict[str, str] = {}
    file: str = ""


def parse(url: str) -> Request | None:
    """Return what a URL asks of a repository that we can answer for, None if it is none of them."""
    try:
        parts = urlsplit(url)
    except ValueError:  # e.g. a broken IPv6 address
        return None
    path = unquote(parts.path).strip("/")
    if parts.hostname not in HOSTS:
        return None
    if parts.hostname.startswith("datasets-server."):
        name = unquote(parts.query.partition("dataset=")[2].partition("&")[0])
        return _found(name, "viewer", path)
    for start, separator, verb in _ROUTES:
        if not path.startswith(start):
            continue
        if not separator:
            return _found(path.removeprefix(start), verb, "")
        name, found, rest = path.removeprefix(start).partition(separator)
        if found:
            return _found(name, verb, rest.partition("/")[2])
    return None


#: Beginning of a path, what ends the repository's name (a revision follows), what is asked.
_ROUTES = (
    ("api/datasets/", "/tree/", "tree"),
    ("api/datasets/", "/paths-info/", "paths"),
    ("api/datasets/", "/revision/", "info"),
    ("api/datasets/", "", "info"),
    ("datasets/", "/resolve/", "resolve"),
)


def files_of(dataset: Dataset) -> dict[str, str]:
    """Return the repository's data files: path -> split."""
    repository = repository_of(dataset)
    if repository is None:
        return {}
    return {f"{repository.config}/{split}-00000-of-00001.parquet": split for split in ("train", "test")}


def answer(request: Request, dataset: Dataset, files: Mapping[str, File], body: str = "") -> Page:
    """Answer a request.

    Args:
        request: What `parse` made of the URL.
        dataset: The dataset of that repository.
        files: Path -> data file.
        body: Of a POST.
    """
    commit = revision(dataset)
    texts = {"README.md": _card(dataset), ".gitattributes": ""}
    if request.verb == "info":
        return _json(_info(dataset, commit, [*texts, *files]))
    if request.verb == "tree":
        return _json(_tree(request.path, texts, files))
    if request.verb == "paths":
        return _json([_entry(path, texts, files) for path in _paths(body) if path in texts or path in files])
    if request.verb == "resolve":
        return _resolved(request.path, texts, files, commit)
    return Page(status=404, text='{"error":"Not found."}')


def _found(name: str, verb: str, path: str) -> Request | None:
    wanted = name.strip("/").lower()
    for folded, repository in REPOSITORIES.items():
        if wanted in repository.names:
            return Request(folded=folded, verb=verb, path=path.strip("/"))
    return None


def _resolved(path: str, texts: Mapping[str, str], files: Mapping[str, File], commit: str) -> Page:
    headers = {_COMMIT_HEADER: commit}
    if path in files:
        etag = files[path].sha256
        return Page(file=path, headers=headers | {"ETag": f'"{etag}"'})
    if path in texts:
        etag = _git_digest(texts[path])
        return Page(
            text=texts[path], media_type="text/plain; charset=utf-8", headers=headers | {"ETag": f'"{etag}"'}
        )
    return Page(status=404, text="Entry not found", headers=headers | {_ERROR_HEADER: "EntryNotFound"})


def _info(dataset: Dataset, commit: str, paths: list[str]) -> dict[str, Any]:
    name = _repository(dataset).names[0]
    return {
        "_id": commit[:24],
        "id": name,
        "author": name.partition("/")[0],
        "sha": commit,
        "lastModified": "2024-01-01T00:00:00.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "siblings": [{"rfilename": path} for path in paths],
    }


def _tree(folder: str, texts: Mapping[str, str], files: Mapping[str, File]) -> list[dict[str, Any]]:
    entries = [_entry(path, texts, files) for path in (*texts, *files)]
    folders = sorted({path.rpartition("/")[0] for path in files})
    entries += [{"type": "directory", "oid": _git_digest(name), "size": 0, "path": name} for name in folders]
    start = f"{folder}/" if folder else ""
    return [entry for entry in entries if str(entry["path"]).startswith(start)]


def _entry(path: str, texts: Mapping[str, str], files: Mapping[str, File]) -> dict[str, Any]:
    if path in texts:
        size = len(texts[path].encode("utf-8"))
        return {"type": "file", "oid": _git_digest(texts[path]), "size": size, "path": path}
    file = files[path]
    return {
        "type": "file",
        "oid": file.sha256[:40],
        "size": file.size,
        "lfs": {"oid": file.sha256, "size": file.size, "pointerSize": 133},
        "path": path,
    }


def _paths(body: str) -> list[str]:
    """Read the paths of a `paths-info` request: JSON, or a form as huggingface_hub sends it."""
    from urllib.parse import parse_qs

    try:
        given = json.loads(body)["paths"]
    except (ValueError, KeyError, TypeError):
        given = parse_qs(body).get("paths", [])
    return [given] if isinstance(given, str) else [str(path) for path in given]


def _card(dataset: Dataset) -> str:
    """Return the repository's README: its head tells `datasets` the columns and the files of each split."""
    repository = _repository(dataset)
    names = "\n".join(f"          '{n}': {json.dumps(name)}" for n, name in enumerate(dataset.classes))
    files = "\n".join(f"  - split: {split}\n    path: {path}" for path, split in files_of(dataset).items())
    return f"""---
dataset_info:
  config_name: {repository.config}
  features:
  - name: {repository.image}
    dtype: image
  - name: {repository.label}
    dtype:
      class_label:
        names:
{names}
configs:
- config_name: {repository.config}
  data_files:
{files}
  default: true
---

Answered by surefetch from proven tensors.
"""


def _repository(dataset: Dataset) -> Repository:
    repository = repository_of(dataset)
    assert repository is not None  # `parse` found it
    return repository


def _git_digest(text: str) -> str:
    import hashlib

    data = text.encode("utf-8")
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _json(value: Any) -> Page:
    return Page(text=json.dumps(value))
