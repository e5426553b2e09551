"""`surefetch install`: proven files where the frameworks of the user's Python look, and each framework loads
them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.errors import SurefetchError, UsageError
from surefetch.layouts.frameworks import ALIASES, FRAMEWORKS, NEEDS, plan_layouts
from surefetch.layouts.roots import notebook_source, roots_in
from surefetch.layouts.torchvision import class_of
from surefetch.layouts.values import Arff, Arrow, Layout, Machine, Plant
from surefetch.model import Dataset, Struct
from surefetch.session.ledger import Entry, Ledger, PlantedFile
from surefetch.session.planting import State, Workshop, file_digest, judge, move_aside, place, shadows_of
from surefetch.session.proof import Proof, prove
from surefetch.session.supplier import SessionSupplier
from surefetch.session.supply import Supplier
from surefetch.session.user_python import Python, find_python, probe
from surefetch.store.files import trouble
from surefetch.store.layout import make_private

if TYPE_CHECKING:
    from surefetch.session.facade import Session

Say = Callable[[str], None]
DEFAULT_ROOT = "data"
_SCAN_FILES, _SCAN_BYTES = 200, 1 << 20


class Wish(Struct, frozen=True, kw_only=True):
    """What the user asked for."""

    into: tuple[str, ...] = ()  # frameworks; empty: all that are found
    python: str | None = None
    root: str | None = None  # torchvision's
    shared: str | None = None  # plant below this folder, for many users
    is_dry: bool = False  # say what would be done
    is_check: bool = False  # say what is there


class FileResult(Struct, frozen=True, kw_only=True):
    """What became of one file."""

    path: str
    state: str  # "planted", "good", "replaced"; of a check or dry run: "missing", "bad", "unknown"
    moved_to: str = ""  # where the file is that stood here
    problem: str = ""  # why it could not be planted


class FrameworkResult(Struct, frozen=True, kw_only=True):
    """What became of one framework."""

    framework: str
    package: str
    version: str
    root: str
    files: tuple[FileResult, ...]
    proof: str  # "loaded", "not run", "failed", "not wanted"
    why: str = ""  # of a proof that was not run or failed
    usage: str = ""
    notes: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Whether the framework can be used now."""
        is_placed = all(file.state in ("planted", "good", "replaced") for file in self.files)
        return is_placed and self.proof != "failed"


class InstallResult(Struct, frozen=True, kw_only=True):
    """What became of an install."""

    dataset: str
    python: str
    python_version: str
    chosen_by: str
    frameworks: tuple[FrameworkResult, ...]

    @property
    def is_ok(self) -> bool:
        """Whether all frameworks can be used now."""
        return all(framework.is_ok for framework in self.frameworks)

    def lines(self) -> list[str]:
        """Return what the command prints."""
        chosen = f"Python {self.python_version} at {self.python} (by {self.chosen_by})"
        return [f"{self.dataset} for {chosen}", *(line for item in self.frameworks for line in _lines(item))]

    def exports(self) -> list[str]:
        """Return the shell lines that make a shared folder known to the frameworks."""
        pairs = {name: value for item in self.frameworks for name, value in item.variables.items()}
        return [f"export {name}={value}" for name, value in pairs.items()]

    def to_json(self) -> dict[str, Any]:
        """Return what `install --json` prints."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        return {"schema_version": 1, "ok": self.is_ok, **content}


class UninstallResult(Struct, frozen=True, kw_only=True):
    """What was taken away again."""

    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # changed since we planted them, so somebody else's now


def install(
    dataset: Dataset,
    supplier: Supplier,
    ledger: Ledger,
    wish: Wish,
    environ: Mapping[str, str],
    say: Say = lambda text: None,
) -> InstallResult:
    """Plant a dataset where the frameworks of the user's Python look, and have them load it.

    Args:
        dataset: What to plant.
        supplier: Gives its files and tensors; asked only for what is missing.
        ledger: Remembers what is planted.
        wish: What the user asked for.
        environ: The user's environment.
        say: Takes one-line messages while it works.

    Raises:
        UsageError: No Python, no such framework, or none that loads this dataset.
        FetchError: The bytes cannot be had.
    """
    python = probe(*find_python(environ, wish.python), environ)
    layouts = find_layouts(dataset, python, wish, environ)
    if wish.root is None and any(layout.framework == "torchvision" for layout in layouts) and not wish.shared:
        say(f"torchvision's root is {_root(dataset, wish)}; name another with --root")
    with tempfile.TemporaryDirectory(prefix="surefetch-") as folder:
        workshop = Workshop(dataset, supplier, Path(folder), python.executable, environ)
        installer = _Installer(dataset, supplier, ledger, workshop, python, environ, say)
        work = installer.look if wish.is_dry or wish.is_check else installer.install
        frameworks = tuple(_told(work, layout, installer, is_only=len(layouts) == 1) for layout in layouts)
        if wish.is_dry:
            told = "a dry run: nothing was changed"
            frameworks = tuple(msgspec.structs.replace(item, why=told) for item in frameworks)
        elif wish.is_check:
            frameworks = tuple(map(installer.prove_if_whole, frameworks, layouts))
    return InstallResult(
        dataset=dataset.name,
        python=python.executable,
        python_version=python.version,
        chosen_by=python.chosen_by,
        frameworks=frameworks,
    )


def install_for(session: Session, name: str, wish: Wish) -> InstallResult:
    """Install a dataset by name with a session's catalog, store and environment; errors as `install`."""
    dataset = session.catalog.find(name)
    supplier = SessionSupplier(session)
    return install(dataset, supplier, ledger_of(session), wish, session.environ, session.reporter.say)


def uninstall_for(session: Session, name: str, into: Sequence[str] = ()) -> UninstallResult:
    """Take away what was planted of a dataset; errors as `uninstall`."""
    return uninstall(ledger_of(session), session.catalog.find(name).name, into)


def ledger_of(session: Session) -> Ledger:
    """Return the ledger in the store's private folder."""
    return Ledger(make_private(session.store.folder) / "planted-v1")


def uninstall(ledger: Ledger, dataset: str, into: Sequence[str] = ()) -> UninstallResult:
    """Take away what was planted, as far as it is still what was planted.

    Raises:
        UsageError: One of the frameworks has no such name.
    """
    removed: list[str] = []
    kept: list[str] = []
    for entry in list(ledger.entries(dataset, frameworks_named(into))):
        for file in entry.files:
            if not os.path.lexists(file.path):
                continue
            is_ours = Path(file.path).is_file() and file_digest(Path(file.path)) == file.sha256
            if is_ours:
                Path(file.path).unlink()
            (removed if is_ours else kept).append(file.path)
        for folder in entry.folders:
            _remove_empty(Path(folder))
        ledger.write(msgspec.structs.replace(entry, files=()))
    return UninstallResult(removed=tuple(removed), kept=tuple(kept))


def frameworks_named(into: Sequence[str]) -> tuple[str, ...]:
    """Return the frameworks' own names for what the user calls them.

    Raises:
        UsageError: There is none of that name.
    """
    names = []
    for word in into:
        name = ALIASES.get(word.lower(), word.lower())
        if name not in FRAMEWORKS:
            raise UsageError(
                f"there is no framework `{word}`",
                hint=f"the frameworks are {', '.join(FRAMEWORKS)}",
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


def find_layouts(dataset: Dataset, python: Python, wish: Wish, environ: Mapping[str, str]) -> list[Layout]:
    """Return the layouts of the frameworks that are wanted and installed.

    Raises:
        UsageError: There is none.
    """
    wanted = frameworks_named(wish.into)
    machine = Machine(
        home=python.home,
        environ={
            name: str(Path(value).expanduser())
            for name, value in environ.items()
            if name in _VARIABLES and value
        },
        packages=python.packages,
        root=str(_root(dataset, wish)),
        shared=str(Path(wish.shared).expanduser().absolute()) if wish.shared else "",
        unwritable=_unwritable(python, environ),
    )
    found = plan_layouts(dataset, machine, wanted)
    if not found:
        raise _none_found(dataset, python, wanted)
    return found


_VARIABLES = (
    "KERAS_HOME", "SCIKIT_LEARN_DATA", "TFDS_DATA_DIR", "HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME",
)  # fmt: skip


class _Installer:
    """Works through layouts. Mutable: knows what it has judged already (two Keras may share a folder)."""

    def __init__(
        self,
        dataset: Dataset,
        supplier: Supplier,
        ledger: Ledger,
        workshop: Workshop,
        python: Python,
        environ: Mapping[str, str],
        say: Say,
    ) -> None:
        self._dataset = dataset
        self._supplier = supplier
        self._ledger = ledger
        self._workshop = workshop
        self._python = python
        self._environ = environ
        self._say = say
        self._known = ledger.known()

    def look(self, layout: Layout) -> FrameworkResult:
        """Say what stands where, and change nothing."""
        files = []
        for plant in layout.plants:
            state = judge(plant, layout, self._dataset, self._known)
            files.append(FileResult(path=str(Path(layout.root) / plant.path), state=state.value))
        return self._result(layout, files, "not wanted", "", 0.0)

    def prove_if_whole(self, result: FrameworkResult, layout: Layout) -> FrameworkResult:
        """Have a framework load what is there, unless a file is bad: loaders delete what they dislike."""
        if any(file.state in ("missing", "bad") for file in result.files):
            return msgspec.structs.replace(result, why="some files are missing or wrong")
        proof = self._prove(layout)
        files = result.files
        if proof.is_right:
            files = tuple(msgspec.structs.replace(file, state="good") for file in files)
        return msgspec.structs.replace(result, files=files, proof=_proof_word(proof), why=proof.why)

    def install(self, layout: Layout) -> FrameworkResult:
        """Plant what is missing, replace what is wrong, have the framework load it.

        Raises:
            FetchError: The bytes cannot be had.
            StoreError: A file cannot be written.
        """
        begin = time.monotonic()
        before = _folders_missing(layout)
        files = [self._plant(plant, layout) for plant in _in_order(layout)]
        self._remember(layout, before, [file.path for file in files if file.state != "good"])
        made_before = set(_made(layout))
        self._say(f"{layout.package} {layout.version} loads it now, without a network")
        proof = self._prove(layout)
        if not proof.is_right and proof.is_run and shadows_of(layout):
            proof, files = self._without_shadows(layout, files)
        made = [path for path in _made(layout) if path not in made_before] if proof.is_right else []
        self._remember(layout, before, [*(file.path for file in files if file.state != "good"), *made])
        return self._result(layout, files, _proof_word(proof), proof.why, time.monotonic() - begin)

    def _plant(self, plant: Plant, layout: Layout) -> FileResult:
        path = Path(layout.root) / plant.path
        state = judge(plant, layout, self._dataset, self._known)
        is_folder = isinstance(plant.content, Arrow)
        if state is State.UNKNOWN and not is_folder:
            state = State.GOOD if self._workshop.is_same(plant, layout, path) else State.BAD
        if state is State.GOOD or (state is State.UNKNOWN and is_folder):  # a folder is judged by loading it
            return FileResult(path=str(path), state="good")
        source = self._workshop.make(plant, layout)
        try:
            moved = str(move_aside(path, Path(layout.root))) if os.path.lexists(path) else ""
            place(source, path)
        except OSError as error:
            raise trouble(error, path, "planted", hint=_writing_hint(layout)) from error
        if moved:
            self._say(f"`{path}` was not the right file; it is `{Path(moved).name}` now")
        return FileResult(path=str(path), state="replaced" if moved else "planted", moved_to=moved)

    def _prove(self, layout: Layout) -> Proof:
        return prove(layout, self._dataset, self._supplier, self._python.executable, self._environ)

    def _without_shadows(self, layout: Layout, files: list[FileResult]) -> tuple[Proof, list[FileResult]]:
        """Move aside what wins over the planted files, plant, prove again; put it back if that is no help."""
        root, ours = Path(layout.root), self._ledger.known()
        moved = [
            (path, move_aside(path, root), shadow.why)
            for shadow, paths in shadows_of(layout)
            for path in paths
            if not all(ours.get(str(file)) == file_digest(file) for file in _files_below(path))
        ]
        again = [self._plant(plant, layout) for plant in _in_order(layout)]
        proof = self._prove(layout)
        if not proof.is_right:
            for path, aside, _ in reversed(moved):
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    aside.rename(path)
            return proof, files
        for path, aside, why in moved:
            self._say(f"`{path}` stood in the way ({why}); it is `{aside}` now")
        gone = {str(path): str(aside) for path, aside, _ in moved}
        return proof, [_merged(first, second, gone) for first, second in zip(files, again, strict=True)] + [
            FileResult(path=path, state="replaced", moved_to=aside)
            for path, aside in gone.items()
            if path not in {file.path for file in again}
        ]

    def _remember(self, layout: Layout, folders: Sequence[Path], paths: Sequence[str]) -> None:
        """Write down what is ours: what was planted now, and earlier if it is still there unchanged."""
        old = self._ledger.find(self._dataset.name, layout.framework, layout.root)
        files = {file.path: file for file in (old.files if old else ())}
        for name in paths:
            for path in _files_below(Path(name)):
                files[str(path)] = PlantedFile(
                    path=str(path), sha256=file_digest(path), size=path.stat().st_size
                )
        made = {folder for folder in folders if folder.is_dir()}
        made |= {folder for name in paths for folder in _folders_below(Path(name))}
        made |= {parent for name in files for parent in Path(name).parents if made & set(parent.parents)}
        kept = {*map(str, made), *(old.folders if old else ())}
        self._ledger.write(
            Entry(
                dataset=self._dataset.name,
                framework=layout.framework,
                root=layout.root,
                files=tuple(files.values()),
                folders=tuple(sorted(kept, key=len, reverse=True)),
            )
        )

    def _result(
        self, layout: Layout, files: Sequence[FileResult], proof: str, why: str, seconds: float
    ) -> FrameworkResult:
        return FrameworkResult(
            framework=layout.framework,
            package=layout.package,
            version=layout.version,
            root=layout.root,
            files=tuple(files),
            proof=proof,
            why=why,
            usage=layout.usage,
            notes=layout.notes,
            variables=layout.variables,
            seconds=round(seconds, 1),
        )


def _told(
    work: Callable[[Layout], FrameworkResult], layout: Layout, installer: _Installer, *, is_only: bool
) -> FrameworkResult:
    """Work through one layout; of several, one that cannot be had does not keep the others from it."""
    try:
        return work(layout)
    except SurefetchError as error:
        if is_only:
            raise
        return msgspec.structs.replace(installer.look(layout), proof="failed", why=error.message)


def _in_order(layout: Layout) -> list[Plant]:
    """A description tells its file's MD5, so the file goes first."""
    return sorted(layout.plants, key=lambda plant: not isinstance(plant.content, Arff))


def _merged(first: FileResult, second: FileResult, gone: Mapping[str, str]) -> FileResult:
    if second.state == "good":
        return first
    moved = second.moved_to or gone.get(second.path, "")
    return msgspec.structs.replace(second, state="replaced" if moved else "planted", moved_to=moved)


def _proof_word(proof: Proof) -> str:
    if proof.is_right:
        return "loaded"
    return "failed" if proof.is_run else "not run"


def _made(layout: Layout) -> Iterator[str]:
    """Return the files that are where the loader itself leaves some."""
    for folder in layout.makes:
        yield from map(str, _files_below(Path(layout.root) / folder))


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (inside for inside in sorted(path.rglob("*")) if inside.is_file())


def _folders_below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
        yield from (inside for inside in sorted(path.rglob("*")) if inside.is_dir())


def _folders_missing(layout: Layout) -> list[Path]:
    """Return the folders that planting will make."""
    paths = [Path(layout.root) / plant.path for plant in layout.plants]
    paths += [Path(layout.root) / folder / "x" for folder in layout.makes]
    return list(dict.fromkeys(parent for path in paths for parent in path.parents if not parent.exists()))


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # not empty, or gone: then it is not ours to remove
        return


def _unwritable(python: Python, environ: Mapping[str, str]) -> tuple[str, ...]:
    homes = [environ.get("KERAS_HOME", ""), f"{python.home}/.keras"]
    return tuple(home for home in homes if home and Path(home).is_dir() and not os.access(home, os.W_OK))


def _root(dataset: Dataset, wish: Wish) -> Path:
    """Return torchvision's root: as told, else as the folder's programs have it, else `./data`."""
    if wish.root is not None:
        return Path(wish.root).expanduser().absolute()
    names = frozenset({class_of(dataset)} - {""})
    for path in _programs(Path.cwd()):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):  # then it tells us nothing
            continue
        source = notebook_source(text) if path.suffix == ".ipynb" else text
        if roots := roots_in(source, names):
            return Path(os.path.normpath(Path(roots[0]).expanduser().absolute()))
    return Path(DEFAULT_ROOT).absolute()


def _programs(folder: Path) -> list[Path]:
    found = sorted([*folder.glob("*.py"), *folder.glob("*.ipynb")])[:_SCAN_FILES]
    return [path for path in found if path.is_file() and path.stat().st_size <= _SCAN_BYTES]


def _writing_hint(layout: Layout) -> str:
    return f"choose a folder that you can write, or plant for all with `--shared DIR` ({layout.framework})"


def _none_found(dataset: Dataset, python: Python, wanted: Sequence[str]) -> UsageError:
    missing = [name for name in wanted if not any(package in python.packages for package in _packages(name))]
    if missing:
        names = ", ".join(NEEDS[name] for name in missing)
        return UsageError(
            f"`{python.executable}` has no {names}",
            code="usage.no-framework",
            hint=f"{python.executable} -m pip install {names.replace(',', '')}    (or choose by --python)",
        )
    here = ", ".join(sorted(python.packages)) or "none"
    return UsageError(
        f"no framework of `{python.executable}` loads `{dataset.name}` by itself (found: {here})",
        code="usage.no-framework",
        hint=f"surefetch get {dataset.name} --output DIR    (gives the files themselves)",
    )


def _packages(framework: str) -> tuple[str, ...]:
    return ("keras", "tf_keras") if framework == "keras" else (NEEDS[framework],)


def _lines(item: FrameworkResult) -> Iterator[str]:
    counts = {state: sum(file.state == state for file in item.files) for state in _STATES}
    what = ", ".join(f"{count} {_STATES[state]}" for state, count in counts.items() if count)
    proofs = {
        "loaded": f"loaded by {item.package} {item.version} offline: right",
        "not run": f"not loaded as proof: {item.why}",
        "failed": f"NOT usable: {item.why}",
        "not wanted": item.why,
    }
    proof = f"; {proofs[item.proof]}" if proofs[item.proof] else ""
    yield f"  {item.package} {item.version}: {what} in {item.root}{proof}"
    yield from (
        f"    {file.path} was wrong; it is {file.moved_to} now" for file in item.files if file.moved_to
    )
    yield from (f"    {note}" for note in item.notes)
    if item.usage and item.is_ok:
        yield f"    now works: {item.usage}"


_STATES = {
    "planted": "planted",
    "replaced": "replaced",
    "good": "good already",
    "missing": "missing",
    "bad": "wrong",
    "unknown": "not judged",
}
