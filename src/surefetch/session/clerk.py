"""Which answer a program's request gets: a known file, an interface's page about a dataset, or none."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from surefetch.errors import SurefetchError
from surefetch.layouts import hub, huggingface, openml
from surefetch.layouts.values import Arff, Literal
from surefetch.model import Artifact, Dataset
from surefetch.session.desk import Answer, Clerk, Hello
from surefetch.session.loader_files import write_arff
from surefetch.session.prepared import prepare
from surefetch.session.supply import Answers
from surefetch.sources.urls import host

Say = Callable[[str], None]
_TYPES = {".gz": "application/gzip", ".json": "application/json", ".zip": "application/zip"}


class KnownFiles(Clerk):
    """Answers what the catalog knows. Mutable: remembers what it has made and said."""

    def __init__(self, supplier: Answers, say: Say, environ: Mapping[str, str]) -> None:
        """Take where bytes come from, where one-line messages go, and the environment of helpers."""
        self._supplier = supplier
        self._say = say
        self._environ = environ
        self._folder = Path(tempfile.mkdtemp(prefix="surefetch-"))
        self._made: dict[str, Path | None] = {}
        self._md5s: dict[str, str] = {}
        self._said: set[str] = set()
        self.processes = 0  # that said hello

    def close(self) -> None:
        """Forget what was made."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def hosts(self) -> list[str]:
        """Return all hosts of which something is known."""
        return sorted({*self._supplier.hosts(), *openml.HOSTS, *hub.HOSTS})

    def greet(self, hello: Hello) -> None:
        """Say once that the program is armed."""
        self.processes += 1
        self._say_once("armed: downloads of known files are answered with proven bytes")

    def explain(self, text: str) -> str:
        """Return what is known about an error."""
        return self._supplier.explain(text)

    def answer(self, url: str, method: str, body: str, python: str) -> Answer | None:
        """Return what a URL gives; one that cannot be answered is said, and goes out as always."""
        try:
            return self._answer(url, method, body, python)
        except SurefetchError as error:
            self._say_once(f"`{_host(url)}` is asked after all: {error.message}")
            return None

    def _answer(self, url: str, method: str, body: str, python: str) -> Answer | None:
        if method in ("GET", "HEAD"):
            # OpenML's description tells the MD5 of the file that goes with it, so both are ours.
            if (page := self._openml(url)) is not None:
                return page
            found = self._supplier.find_url(url)
            if found is not None and (answer := self._file(*found, python)):
                return answer
        return self._hub(url, body, python)

    def _file(self, dataset: Dataset, artifact: Artifact, python: str) -> Answer | None:
        exact = self._supplier.artifact(dataset, artifact.name)
        if exact is not None:
            return _file_answer(exact, artifact.name, artifact.sha256 or "")
        equal = self._equal(dataset, artifact, python)
        if equal is None:
            self._say_once(
                f"`{artifact.name}` of `{dataset.name}` cannot be had, so its host is asked after all"
            )
            return None
        self._say_once(f"`{artifact.name}` is equal to the published file by content, not byte for byte")
        return _file_answer(equal, artifact.name, _digest(equal))

    def _equal(self, dataset: Dataset, artifact: Artifact, python: str) -> Path | None:
        """Make a file with the artifact's content: by the formats, or by the program's own packages."""
        if made := self._supplier.equal(dataset, artifact.name):
            return made
        for path in hub.files_of(dataset):
            if path.rpartition("/")[2] == artifact.name:
                return self._parquet(dataset, python).get(path)
        return None

    def _openml(self, url: str) -> Answer | None:
        if host(url) not in openml.HOSTS:
            return None
        path = urlsplit(url).path.lstrip("/")
        for name in openml.names():
            dataset = self._supplier.find(name)
            content = openml.contents(dataset).get(path)
            if isinstance(content, Literal):
                text = content.text
                if content.md5_of:
                    self._arff(dataset, content.md5_of)
                    text = text.replace("{md5}", self._md5s[dataset.name])
                return Answer(body=text.encode("utf-8"), media_type="application/json")
            if isinstance(content, Arff):
                plain = self._arff(dataset, path)
                packed = plain.with_name(f"{plain.name}.gz")
                return Answer(path=str(plain), packed=str(packed), digest=_digest(plain))
        return None

    def _arff(self, dataset: Dataset, path: str) -> Path:
        content = openml.contents(dataset)[path]
        assert isinstance(content, Arff)  # the table says so
        plain = self._folder / f"{dataset.name}.arff"
        if dataset.name not in self._md5s:
            images = [self._supplier.tensor(dataset, name) for name in content.images]
            labels = [self._supplier.tensor(dataset, name) for name in content.labels]
            packed = plain.with_name(f"{plain.name}.gz")
            self._md5s[dataset.name] = write_arff(images, labels, content.relation, packed)
            with gzip.open(packed, "rb") as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        return plain

    def _hub(self, url: str, body: str, python: str) -> Answer | None:
        request = hub.parse(url)
        if request is None:
            return None
        dataset = self._supplier.find(request.folded)
        if huggingface.repository_of(dataset) is None:
            return None
        made = self._parquet(dataset, python)
        files = {
            path: hub.File(size=file.stat().st_size, sha256=_digest(file)) for path, file in made.items()
        }
        page = hub.answer(request, dataset, files, body)
        if page.file:
            self._say_once(f"`{page.file}` is equal to the published file by content, not byte for byte")
            path = made[page.file]
            return Answer(path=str(path), digest=files[page.file].sha256, headers=page.headers)
        text = page.text.encode("utf-8")
        return Answer(status=page.status, body=text, media_type=page.media_type, headers=page.headers)

    def _parquet(self, dataset: Dataset, python: str) -> dict[str, Path]:
        """Have the program's own Python write the parquet files: it has `datasets`, we may not."""
        folder = self._folder / f"{dataset.name}-parquet"
        repository = huggingface.repository_of(dataset)
        if repository is None:
            return {}
        if not folder.is_dir():
            content = huggingface.arrow(dataset, repository, repository.names[0])
            prepare(content, "parquet", dataset, self._supplier, folder, python, self._environ)
        return {path: folder / path.rpartition("/")[2] for path in hub.files_of(dataset)}

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _file_answer(path: Path, name: str, digest: str) -> Answer:
    media_type = _TYPES.get(Path(name).suffix, "application/octet-stream")
    return Answer(path=str(path), digest=digest, media_type=media_type)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _host(url: str) -> str:
    return host(url) or url
