"""The verb `catalog check`: the user's catalog files read with care, and on request every mirror asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from surefetch.catalog import Catalog, parse_catalog
from surefetch.causes import table
from surefetch.errors import CatalogError, OfflineError
from surefetch.events import Cancelled, Event, Failed, Finished, Opened, Request
from surefetch.model import Artifact, Dataset, Mirror, Struct
from surefetch.plan.policy import GIVEN_UP
from surefetch.session.user_catalogs import own_hosts, read_catalogs, user_catalog_files
from surefetch.sources.http import Http
from surefetch.transfer import urls

if TYPE_CHECKING:
    from surefetch.session.facade import Session
    from surefetch.transfer.engine import Engine

#: Exit code when something did not pass (docs/exit-codes.md).
SOME_FAILED: Final = 15
#: Mirrors asked at once, over all hosts; one host gets the engine's connections.
AT_ONCE: Final = 16
#: Bytes asked for: enough to tell a web page from a file.
ASKED_BYTES: Final = 512


class Problem(Struct, frozen=True, kw_only=True):
    """What is wrong with a catalog file."""

    file: str
    key: str
    expected: str
    message: str


class Answer(Struct, frozen=True, kw_only=True):
    """What one mirror said when it was asked for the first bytes."""

    file: str  # the catalog's path
    dataset: str
    artifact: str
    mirror: str  # URL, what is secret in it masked
    cause: str = ""  # empty: it has the file
    detail: str = ""
    size: int | None = None  # bytes, if it says
    takes_ranges: bool = False
    seconds: float = 0.0


class Report(Struct, frozen=True, kw_only=True):
    """Outcome of a check."""

    files: tuple[tuple[str, str], ...]  # path, dataset's name ("" for a file that cannot be read)
    problems: tuple[Problem, ...]
    answers: tuple[Answer, ...] | None = None  # None: nobody was asked

    @property
    def failed(self) -> list[Answer]:
        """The mirrors that do not have their file, or do not let us have it."""
        return [answer for answer in self.answers or () if answer.cause]

    @property
    def exit_code(self) -> int:
        """0 when everything is well."""
        return SOME_FAILED if self.problems or self.failed else 0

    def to_json(self) -> dict[str, Any]:
        """Return what `catalog check --json` prints (docs/schema/catalog-check.schema.json)."""
        return {
            "schema_version": 1,
            "ok": self.exit_code == 0,
            "files": [{"path": path, "dataset": name} for path, name in self.files],
            "problems": msgspec.to_builtins(self.problems),
            "answers": msgspec.to_builtins(self.answers),
        }


def check(session: Session, named: Sequence[str] = (), *, ask_mirrors: bool = False) -> Report:
    """Check the named catalog files, or without any all of the user's.

    Raises:
        OfflineError: Mirrors are to be asked, and offline is set.
    """
    files = list(named) or user_catalog_files(session.environ, session.settings.catalogs)
    texts: list[tuple[str, str]] = []
    datasets, problems = dict.fromkeys(files, ""), []
    found: list[Dataset] = []
    for file in files:
        try:
            (text,) = read_catalogs([file])
            dataset = parse_catalog(text[1], file)
            Catalog([*texts, text])  # with those before it: names that are taken, digests that differ
        except CatalogError as error:
            problems.append(_problem(file, error))
            continue
        texts.append(text)
        found.append(dataset)
        datasets[file] = dataset.name
    answers = tuple(ask(session, found)) if ask_mirrors else None
    return Report(files=tuple(datasets.items()), problems=tuple(problems), answers=answers)


def ask(session: Session, datasets: Sequence[Dataset]) -> list[Answer]:
    """Ask every mirror of some datasets for the first bytes of its file, several at a time.

    Raises:
        OfflineError: Offline is set.
        SettingError: A proxy or trust setting cannot be used.
    """
    if session.settings.offline:
        raise OfflineError("mirrors cannot be asked while offline is set", hint="leave out `--ask-mirrors`")
    questions = list(_questions(session, datasets))
    if not questions:
        return []
    from surefetch.session.engine import make_credentials, make_engine

    credentials = make_credentials(session)
    with make_engine(session, own_hosts(session, datasets), credentials) as engine:
        survey = _Survey(engine, session.settings.connect_timeout + session.settings.first_byte_timeout)
        return survey.run(questions)


def describe(answer: Answer) -> str:
    """Say an answer in plain words."""
    if answer.cause:
        row = table().get(answer.cause)
        return f"{row.sentence if row else answer.cause}{': ' + answer.detail if answer.detail else ''}"
    size = "does not say its size" if answer.size is None else f"{answer.size:,} bytes"
    return f"has it, {size}{'' if answer.takes_ranges else ', takes no ranges'}"


class _Survey:
    """Mutable: the questions that wait, those under way, and the answers so far."""

    def __init__(self, engine: Engine, patience: float) -> None:
        self._engine, self._patience = engine, patience
        self._running: dict[int, tuple[Answer, float]] = {}  # with the time at which it was asked
        self._answers: dict[int, Answer] = {}

    def run(self, questions: Sequence[tuple[Answer, Artifact, Mirror]]) -> list[Answer]:
        """Ask all; answers come in the questions' order."""
        waiting = deque(enumerate(questions))
        while waiting or self._running:
            while waiting and len(self._running) < AT_ONCE:
                self._begin(*waiting.popleft())
            for event in self._engine.poll(0.25):
                self._take(event)
            self._leave_silent()
        return [self._answers[number] for number in range(len(questions))]

    def _begin(self, number: int, question: tuple[Answer, Artifact, Mirror]) -> None:
        answer, artifact, mirror = question
        self._running[number] = (answer, time.monotonic())
        stop = min(ASKED_BYTES, artifact.bound) or None  # of an empty file all is asked for
        request = Request(id=number, artifact=artifact, mirror=mirror, stop=stop)
        self._engine.begin(request, _Nowhere())

    def _take(self, event: Event) -> None:
        match event:
            case Opened():
                answer, began = self._running[event.id]
                told = msgspec.structs.replace(answer, size=event.size, takes_ranges=event.takes_ranges)
                self._running[event.id] = (told, began)
            case Finished():
                self._end(event.id)
            case Failed():
                self._end(event.id, event.cause, event.detail)
            case Cancelled():
                self._end(event.id, GIVEN_UP[event.phase][1])

    def _end(self, number: int, cause: str = "", detail: str = "") -> None:
        answer, began = self._running.pop(number)
        seconds = round(time.monotonic() - began, 3)
        self._answers[number] = msgspec.structs.replace(answer, cause=cause, detail=detail, seconds=seconds)

    def _leave_silent(self) -> None:
        now = time.monotonic()
        for number in [n for n, (_, began) in self._running.items() if now - began > self._patience]:
            self._engine.cancel(number)


class _Nowhere:
    """A sink for what nobody reads."""

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Forget the bytes."""


def _questions(session: Session, datasets: Sequence[Dataset]) -> Iterator[tuple[Answer, Artifact, Mirror]]:
    source = Http(session.settings.rewrite)
    for dataset in datasets:
        for artifact in dataset.artifacts:
            for mirror in source.mirrors(artifact, {}):
                answer = Answer(
                    file=dataset.origin,
                    dataset=dataset.name,
                    artifact=artifact.name,
                    mirror=urls.mask(mirror.url),
                )
                yield answer, artifact, mirror


def _problem(file: str, error: CatalogError) -> Problem:
    details = error.details
    return Problem(
        file=file,
        key=str(details.get("key", "")),
        expected=str(details.get("expected", error.message)),
        message=error.message,
    )
