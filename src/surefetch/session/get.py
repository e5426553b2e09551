"""The verb `get`: what is missing is fetched, and everything ends proven and in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.errors import StoreError, SurefetchError
from surefetch.events import Done
from surefetch.history import History
from surefetch.model import COMMAND_LINE, Artifact, Dataset, Digest, Mirror, TensorSpec
from surefetch.plan.planner import Goal, Planner
from surefetch.receipts import FileReceipt, Receipt
from surefetch.session import damaged, last, turns
from surefetch.session.bench import Bench
from surefetch.session.fetch import Loop
from surefetch.session.limits import limits_of
from surefetch.session.meter import Meter
from surefetch.session.network import NetworkMaker
from surefetch.session.sources import make_sources
from surefetch.session.targets import Target, find_target
from surefetch.session.views import File, begin_view, write_view
from surefetch.settings import misspelt
from surefetch.store import Beside
from surefetch.transfer import urls

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: What to do when a copy of one's own is the trouble.
WRITE_ELSEWHERE = "name another place, or another disk, with `--output`"
SHORTER = "name a shorter path with `--output`"


def get(
    session: Session,
    name: str,
    *,
    digests: dict[str, str | None],
    size: int | None,
    mirrors: Sequence[str],
    local: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None,
    form: str | None,
) -> Receipt:
    """Get proven files; see `Session.get`."""
    target = find_target(lambda: session.catalog, name, mirrors=mirrors, digests=digests, size=size)
    if form is not None:
        from surefetch.session.encode import check_form, write_form

        check_form(target.dataset, form, output)
        fetch_tensors(session, target.dataset, target=target, local=local)
        return write_form(session, target.dataset, form, output)
    if output is not None:
        _refuse_taken(target, output)
    began = time.monotonic()
    bench, done, files = _put_in_place(session, target, local)
    if output is not None:
        try:
            files = _copied_out(session, files, target, output)
        except StoreError as error:
            if error.code != "local.cache-corrupt":
                raise
            for file in files:  # what is damaged is moved aside, and fetched anew
                session.store.verify_blob(file.sha256)
            bench, done, files = _put_in_place(session, target, local)
            files = _copied_out(session, files, target, output)
    return _receipt(target, bench, done, files, time.monotonic() - began)


def fetch_tensors(
    session: Session,
    dataset: Dataset,
    *,
    target: Target | None = None,
    local: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, Any]:
    """Have all tensors of a dataset in the store; return the store's record of them.

    Raises:
        FetchError: They could not be had.
    """
    from surefetch.session.load import find_record

    record = find_record(dataset.name, session.environ, session.store.folder)
    if record is not None and set(record["tensors"]) == set(dataset.tensors):
        return record
    bench, _, _ = _put_in_place(session, target or Target(dataset=dataset), local)
    record = find_record(dataset.name, session.environ, session.store.folder)
    # None: the disk cannot be written.
    return record if record is not None else session.store.records.compose(dataset, bench.tensors)


def _put_in_place(
    session: Session, target: Target, local: Sequence[str | os.PathLike[str]]
) -> tuple[Bench, Done, list[File]]:
    """Fetch what is missing of a target, and put its files into its readable folder."""
    beside = Beside()
    try:
        bench, done = obtain(session, target, local, beside)
        if target.dataset.origin == COMMAND_LINE:
            from surefetch.session.weak import check_others

            check_others(session, target)
        return bench, done, write_view(session, target, bench)
    finally:
        beside.wait()


def obtain(
    session: Session,
    target: Target,
    local: Sequence[str | os.PathLike[str]] = (),
    beside: Beside | None = None,
) -> tuple[Bench, Done]:
    """Fetch what is missing of a target.

    Args:
        session: Has the store.
        target: What is wanted.
        local: Places on this machine to look at first.
        beside: Flushes the last names while the caller goes on, who waits for it.

    Raises:
        FetchError: Not everything could be had.
        StoreError: There is no room, or the store cannot be written.
        InterruptError: Ctrl-C.
    """
    goal, bench = _goal(session, target)
    if not (goal.tensors or goal.artifacts):
        return bench, Done(missing=(), attempts=())
    if not session.settings.weak_digests:
        from surefetch.session.weak import refuse_weak

        refuse_weak(goal)
    session.store.room(_bytes_needed(goal), target.dataset.name)
    with turns.taken(session, target, goal, local) as turn:
        if turn.is_shared:  # others may have got it since the first look
            goal, bench = _goal(session, target)
        if not (goal.tensors or goal.artifacts):
            return bench, Done(missing=(), attempts=())
        return _fetched(session, target, local, beside, goal, bench, turn)


def _fetched(
    session: Session,
    target: Target,
    local: Sequence[str | os.PathLike[str]],
    beside: Beside | None,
    goal: Goal,
    bench: Bench,
    turn: turns.Turn,
) -> tuple[Bench, Done]:
    if not target.learns:
        goal = _with_what_was_left(goal, bench, target)
    history = History(session.store.history_file())
    planner = Planner(
        goal,
        make_sources(session, target, local),
        limits_of(session, turn.waited),
        _jitter,
        _ranker(history),
    )
    network = NetworkMaker(session, target, bench.buffers)
    network.check_trace()
    session.reporter.begin(target.dataset.name, _total(goal))
    loop = Loop(
        planner,
        bench,
        look=network.look(goal),
        index=network.index,
        finish_index=network.enclosed,
        network=network.make,
        uses_credential=network.uses_credential,
        meter=Meter(history),
        reporter=session.reporter,
        total=_total(goal),
    )
    if beside is not None:
        bench.view = beside.view = begin_view(session, target)
    try:
        with session.store.batch(beside):
            done = _masked(loop.run())
    except StoreError as trouble:
        raise _with_what_is_kept(session, target.dataset, trouble) from trouble
    finally:
        history.save()
        network.write_trace()
    bench.notes = [*misspelt(session.environ), *network.notes()]
    if done.missing:
        done = _led(done, network)
    error = _error(session, target, bench, done) if done.missing else None
    last.keep(session, _last_transfer(target, done, error, network))
    if error is not None:
        raise error
    return bench, done


def _with_what_is_kept(session: Session, dataset: Dataset, error: StoreError) -> StoreError:
    """Say in an error of the disk how many files are proven and in the store nevertheless."""
    sizes = damaged.sizes(session, dataset)
    kept = len(session.store.find_all(sizes))
    if not kept or len(sizes) == 1:
        return error
    message = f"{error.message}; {kept} of {len(sizes)} files are kept"
    return StoreError(message, code=error.code, hint=error.hint, **error.details)


def _masked(done: Done) -> Done:
    """Hide signatures and tokens of addresses: attempts are shown, written down and sent on."""
    replace = msgspec.structs.replace
    return replace(done, attempts=tuple(replace(a, mirror=urls.mask(a.mirror)) for a in done.attempts))


def _led(done: Done, network: NetworkMaker) -> Done:
    """Say where addresses lead on that ended in silence, and which hosts were shown a login in vain."""
    from surefetch.diagnose.attempts import name_what_was_shown, name_where_it_led  # failures only

    seen = {each.url: each for each in network.failures()}
    attempts = []
    for attempt in done.attempts:
        last_seen = seen.get(urls.mask(urls.spelled(attempt.mirror)))
        attempts.append(name_where_it_led(attempt, last_seen))
        if attempt.cause == "http.unauthorized" and network.uses_credential(attempt.mirror):
            attempts[-1] = name_what_was_shown(attempts[-1], last_seen)
    return msgspec.structs.replace(done, attempts=tuple(attempts))


def _jitter() -> float:
    """A number in [0, 1) that differs from process to process."""
    return int.from_bytes(os.urandom(4), "big") / (1 << 32)


def _error(session: Session, target: Target, bench: Bench, done: Done) -> SurefetchError:
    from surefetch.session.failure import fetch_error  # failures only: it brings all of diagnosis

    return fetch_error(session, target, bench, done)


def _last_transfer(
    target: Target, done: Done, error: SurefetchError | None, network: NetworkMaker
) -> last.LastTransfer:
    return last.LastTransfer(
        name=target.dataset.name,
        ended=time.time(),
        code=error.code if error else "",
        message=error.message if error else "",
        hint=error.hint if error else "",
        attempts=done.attempts,
        log=network.log(),
    )


def _goal(session: Session, target: Target) -> tuple[Goal, Bench]:
    dataset, store = target.dataset, session.store
    proven = {artifact.name: artifact.digest for artifact in dataset.artifacts if artifact.digest is not None}
    found = store.find_all(damaged.sizes(session, dataset))
    held = {name: found[digest] for name, digest in proven.items() if digest in found}
    here = _tensors_here(session, dataset) if not target.artifacts else {}
    damaged.move_aside(session)
    bench = Bench(dataset, store, held, session.known_file, learns=target.learns)
    bench.tensors.update(here)
    goal = Goal(
        dataset=dataset,
        tensors=frozenset(dataset.tensors) - set(here) if not target.artifacts else frozenset(),
        artifacts=target.artifacts - set(held),
        held=frozenset(held),
        is_offline=session.settings.offline,
    )
    return goal, bench


def _with_what_was_left(goal: Goal, bench: Bench, target: Target) -> Goal:
    """Take over what processes that died left of the artifacts that are missing."""
    wanted = [artifact for artifact in goal.dataset.artifacts if artifact.name not in goal.held]
    return msgspec.structs.replace(goal, held_ranges=bench.take_over(wanted, target.mirrors))


def _tensors_here(session: Session, dataset: Dataset) -> dict[str, str]:
    """Tensor name -> SHA-256 of those whose bytes are in the store."""
    from surefetch.session.load import find_record

    record = find_record(dataset.name, session.environ, session.store.folder)
    recorded = record["tensors"] if record is not None and record["version"] == dataset.version else {}
    known = {
        name: sha256
        for name, spec in dataset.tensors.items()
        if (sha256 := spec.sha256 or recorded.get(name, {}).get("sha256"))
    }
    return {
        name: sha256
        for name, sha256 in known.items()
        if session.store.has(Digest(algorithm="sha256", hex=sha256), dataset.tensors[name].size)
    }


def _receipt(target: Target, bench: Bench, done: Done, files: Sequence[File], seconds: float) -> Receipt:
    dataset = target.dataset
    is_file = target.is_single_file and len(files) == 1
    return Receipt(
        name=dataset.name,
        version=dataset.version,
        title=dataset.title or (files[0].name if is_file else ""),
        path=files[0].path if is_file else str(Path(files[0].path).parent),
        files=tuple(_file_receipt(file, bench, done) for file in files),
        seconds=seconds,
        fetched=max(0, bench.received - bench.resumed),
        form=next(iter(bench.forms.values()), ""),
        tensors={} if is_file else {name: _described(spec) for name, spec in dataset.tensors.items()},
        notes=tuple(bench.notes),
    )


def _described(spec: TensorSpec) -> str:
    from surefetch.dataset import describe  # most gets of plain files have none

    return describe({"dtype": spec.dtype, "shape": spec.shape})


def _file_receipt(file: File, bench: Bench, done: Done) -> FileReceipt:
    return FileReceipt(
        artifact=file.artifact,
        name=file.name,
        path=file.path,
        digest=file.digest.hex,
        size=file.size,
        proof=file.proof,
        algorithm=file.digest.algorithm,
        mirror=" ".join(map(urls.mask, bench.givers.get(file.carrier or file.artifact, ())[:1])),
        seconds=bench.seconds.get(file.carrier or file.artifact, 0.0),
        attempts=done.attempts,
    )


def _copied_out(
    session: Session, files: Sequence[File], target: Target, output: str | os.PathLike[str]
) -> list[File]:
    """Give copies of the user's own, never links into the store."""
    from surefetch.store.views import tidy

    places = [_place(target, output, file.name) for file in files]
    for folder in {place.parent for place in places}:
        tidy(folder)
    with told_of(os.fspath(output)):
        return [
            msgspec.structs.replace(file, path=str(session.store.copy_out(file.sha256, place)))
            for file, place in zip(files, places, strict=True)
        ]


def _place(target: Target, output: str | os.PathLike[str], name: str) -> Path:
    """Where the copy of a file goes."""
    place = Path(output).expanduser().absolute()
    is_path = target.is_single_file and not place.is_dir() and not os.fspath(output).endswith(("/", os.sep))
    return place if is_path else place / name


def _refuse_taken(target: Target, output: str | os.PathLike[str]) -> None:
    """Refuse, before the first byte, places where something else stands already."""
    from surefetch.store.views import refuse_taken

    for name in target.artifacts:
        with told_of(os.fspath(output)):
            refuse_taken(_place(target, output, name), target.dataset.artifact(name).size)


@contextmanager
def told_of(output: str) -> Iterator[None]:
    """Tell the disk's troubles of the copy that was asked for, whatever name it has at first."""
    from surefetch.store.files import HINT, told
    from surefetch.store.files import SHORTER as SHORTER_STORE

    try:
        with told(output, "written"):
            yield
    except StoreError as error:
        if error.hint not in (HINT, SHORTER_STORE):
            raise
        hint = WRITE_ELSEWHERE if error.code != "local.name-too-long" else SHORTER
        why = error.message.rpartition(" could not be ")[2].partition(": ")[2]
        raise StoreError(f"`{output}` could not be written: {why}", code=error.code, hint=hint) from error


def _bytes_needed(goal: Goal) -> int:
    """Bytes that the store will grow by, at least: the smallest form and the missing tensors."""
    dataset = goal.dataset
    tensors = sum(dataset.tensors[name].size for name in goal.tensors)
    files = [_known(dataset.artifact(name)) for name in goal.artifacts]
    return tensors + sum(files) + (_total(goal) or 0 if goal.tensors else 0)


def _total(goal: Goal) -> int | None:
    """Bytes to fetch, by the first form that is known to the byte; None if nobody knows."""
    dataset = goal.dataset
    if goal.artifacts:
        sizes = [dataset.artifact(name).size for name in goal.artifacts]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    for form in dataset.forms:
        if not goal.tensors <= set(form.gives):
            continue
        artifacts = [dataset.artifact(name) for name in form.artifacts if name not in goal.held]
        if all(artifact.size is not None for artifact in artifacts):
            return sum(_known(artifact) for artifact in artifacts)
    return None


def _known(artifact: Artifact) -> int:
    return artifact.size or 0


def _ranker(history: History) -> Callable[[Mirror], float]:
    """Rank mirrors by what is known of their origins when the fetch begins."""
    ranks = {"file": 0.0}

    def rank(mirror: Mirror) -> float:
        origin = mirror.origin
        if origin not in ranks:
            ranks[origin] = history.rank(origin)
        return ranks[origin]

    return rank
