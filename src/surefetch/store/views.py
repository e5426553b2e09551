"""Views: one readable folder per dataset and version, its files under their published names."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from surefetch.errors import StoreError
from surefetch.store import files, layout, owner, trust
from surefetch.store.blobs import Blobs
from surefetch.store.warm import quote

if TYPE_CHECKING:
    from surefetch.store.ahead import Ahead

#: End of the name of a file that stood where a published one belongs.
ASIDE: Final = ".aside"
#: Begin of the name of a copy that is not whole yet; its owner follows.
_UNFINISHED: Final = ".surefetch-"
#: Told of what was found in a view that is not ours: its path, and what was done about it.
OnFinding = Callable[[Path, str], None]


def view_folder(folder: Path, dataset: str, version: str, *, is_private: bool = False) -> Path:
    """Return where a view lies, whether it is there or not."""
    root = folder / layout.PRIVATE / layout.VIEWS if is_private else folder / layout.VIEWS
    return root / quote(dataset) / quote(version)


def build(
    blobs: Blobs,
    dataset: str,
    version: str,
    names: Mapping[str, str],
    on_finding: OnFinding | None = None,
    ahead: Ahead | None = None,
) -> Path:
    """Make a view, or mend one: right files stay, missing ones are put there, wrong ones are moved aside.

    Args:
        blobs: Where the bytes are.
        dataset: Its name.
        version: Of the dataset.
        names: Published name (slashes for folders) -> SHA-256.
        on_finding: Told of files that are not ours, or not right.
        ahead: Holds some of the files already. It becomes the view, or is of no use.

    Raises:
        StoreError: A blob is missing, a name would leave the folder, or the disk refuses.
    """
    tell = on_finding or (lambda path, what: None)
    begun: Container[str] = ahead if ahead is not None and ahead.is_of(names) else frozenset()
    sources = {name: _source(blobs, name, names[name]) for name in names if name not in begun}
    inside = os.path.join(blobs.folder, layout.PRIVATE, "")  # noqa: PTH118 - text, to compare with
    private = any(place.startswith(inside) for place, _ in sources.values())
    root = view_folder(blobs.folder, dataset, version, is_private=private)
    if private:
        layout.make_private(blobs.folder)
    blobs.make_folder(root.parent)
    folder = ahead.folder if ahead is not None and begun and not private else None
    if folder is None or root.is_dir() or not _build_new(root, sources, folder):
        sources |= {name: _source(blobs, name, names[name]) for name in names if name not in sources}
        if root.is_dir() or not _build_new(root, sources):
            _mend(root, sources, tell)
    for each in {root.parent, root, *(root / name for name in _folders(names))}:
        blobs.touch(each)
    return root


def copy_out(blobs: Blobs, sha256: str, destination: Path, *, overwrite: bool = False) -> Path:
    """Give a copy of one's own: never a link into the store, there at once and whole.

    Args:
        blobs: Where the bytes are.
        sha256: Which.
        destination: The file's path; its folder is made if missing.
        overwrite: Replace another file that stands there.

    Raises:
        StoreError: It is not here, something else stands at `destination`, or the disk refuses.
    """
    source = Path(_source(blobs, destination.name, sha256)[0])
    hint = "choose another place, or another disk, for the copy"
    refuse_taken(destination, None)
    if destination.exists() and not destination.is_symlink() and _holds(destination, sha256, source):
        return destination
    if not overwrite and (destination.exists() or destination.is_symlink()):
        raise _taken(destination)
    with files.told(destination, "written", hint):
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = destination.with_name(f"{_UNFINISHED}{owner.my_name()}.{files.nonce()}.tmp")
        try:
            _copy(source, temporary, sha256)
            files.set_mode(temporary, 0o666 & ~_umask())
            files.sync_path(temporary)
            files.replace(temporary, destination)
        except BaseException:
            files.remove(temporary)
            raise
        files.sync_folder(destination.parent)
    return destination


def tidy(folder: Path) -> None:
    """Delete what processes that are certainly dead left of copies in a user's folder; nothing else."""
    with files.at_best():
        for path in folder.glob(f"{_UNFINISHED}*"):
            whose = owner.parse(path.name.removeprefix(_UNFINISHED).partition(".")[0])
            if whose is not None and whose.is_dead:
                files.remove(path)


def refuse_taken(destination: Path, size: int | None) -> None:
    """Refuse a place where something else stands than a copy of so many bytes, as far as a look shows.

    Raises:
        StoreError: It is a folder, or, where the size is known, a link, no file, or one of another size.
    """
    if destination.is_dir():
        message = f"`{destination}` is a folder, and a file should go there"
        raise StoreError(message, code="local.path", hint=f"write `{destination / 'NAME'}`")
    try:
        status = destination.lstat()
    except OSError:  # nothing is there; what else it may be shows when it is written
        return
    if size is not None and not (stat.S_ISREG(status.st_mode) and status.st_size == size):
        raise _taken(destination)


def _taken(destination: Path) -> StoreError:
    message = f"`{destination}` is there already and is another file"
    return StoreError(message, code="local.path", hint="move it away, or choose another place for the copy")


def foreign_files(root: Path, names: Mapping[str, str]) -> Iterator[Path]:
    """Give the files of a view that nobody published, those moved aside apart."""
    ours = {root / name for name in names}
    for folder, _, found in os.walk(root):
        paths = [Path(folder) / name for name in found if not name.endswith(ASIDE)]
        yield from (path for path in paths if path not in ours)


def _source(blobs: Blobs, name: str, sha256: str) -> tuple[str, int]:
    """Return the path of the blob that a published name stands for, and its device."""
    check_name(name)
    found = blobs.locate(sha256)
    if found is None:
        raise StoreError(f"`{name}` is not in the store, or not whole", code="local.cache-corrupt")
    place, status = found
    return place, status.st_dev


def check_name(name: str) -> None:
    """See that a published name stays inside its folder.

    Raises:
        StoreError: It would not.
    """
    parts = name.split("/")  # of thousands, `PurePosixPath` would cost most
    if not parts[0] or ".." in parts or {*parts} <= {"", "."} or "\\" in name or ":" in name:
        raise StoreError(f"`{name}` would not stay inside its folder", code="body.unsafe-archive")


def _folders(names: Iterable[str]) -> set[str]:
    """The folders of published names, where they have any."""
    return {folder for name in names if (folder := name.rpartition("/")[0])}


def _build_new(root: Path, sources: Mapping[str, tuple[str, int]], begun: Path | None = None) -> bool:
    """Build the view beside its place, or end one begun elsewhere, and move it there whole.

    Returns:
        Whether it is there. Somebody may have been faster; what was begun may be on another disk.
    """
    temporary = begun or root.with_name(f".{files.nonce()}.tmp")
    try:
        temporary.mkdir(parents=True, exist_ok=begun is not None)
        for folder in _folders(sources):
            (temporary / folder).mkdir(parents=True, exist_ok=True)
        inside = os.path.join(temporary, "")  # noqa: PTH118 - text, to put names behind
        for name, (source, device) in sources.items():
            put(source, inside + name, device)
        try:
            temporary.rename(root)
        except OSError as error:
            if root.is_dir() or (begun is not None and error.errno == errno.EXDEV):
                return False
            raise
        return True
    except OSError as error:
        raise files.trouble(error, root, "made") from error
    finally:
        if temporary.exists():
            import shutil  # 3 ms, after a mishap only

            shutil.rmtree(temporary, ignore_errors=True)


def _mend(root: Path, sources: Mapping[str, tuple[str, int]], tell: OnFinding) -> None:
    with files.told(root, "mended"):
        for name, (place, _) in sources.items():
            source, target = Path(place), root / name
            if _is_right(source, target):
                continue
            if target.exists() or target.is_symlink():
                tell(_move_aside(target), "moved aside: it was not the published file")
            _place(source, target)
    for path in foreign_files(root, dict.fromkeys(sources, "")):
        tell(path, "left alone: it is not surefetch's")


def _is_right(source: Path, target: Path) -> bool:
    try:
        if target.is_symlink():
            return target.readlink() == source
        there, blob = target.stat(), source.stat()
    except OSError:
        return False
    if os.path.samestat(there, blob):
        return True
    if there.st_size != blob.st_size:
        return False
    return there.st_mtime_ns == blob.st_mtime_ns or trust.hash_file(target) == source.name


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.{files.nonce()}{ASIDE}")
    path.rename(aside)
    return aside


def _place(source: Path, target: Path) -> None:
    """Put a file there in one step: a reflink, else a read-only link, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{files.nonce()}.tmp")
    put(str(source), str(temporary))
    files.replace(temporary, target)
    files.remove(temporary)  # rename(2) does nothing where both are links to one file


def put(source: str, target: str, device: int | None = None) -> None:
    """Put a file where nothing is and nobody looks yet; `device` is the source's."""
    if files.clone(source, target, device):
        _dress(Path(source), Path(target))
    elif not (_linked(source, target) or _symlinked(source, target)):
        files.copy(Path(source), Path(target))
        _dress(Path(source), Path(target))


def _dress(source: Path, target: Path) -> None:
    """Make a copy read-only and as old as its blob: that is how it is known again without hashing."""
    status = source.stat()
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    files.set_mode(target, 0o444)


def _linked(source: str, target: str) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another disk, a layer of somebody else's, a file system without links
        return False
    return True


def _symlinked(source: str, target: str) -> bool:
    try:
        os.symlink(source, target)  # noqa: PTH211 - likewise
    except OSError:
        return False
    return True


def _holds(path: Path, sha256: str, source: Path) -> bool:
    try:
        return path.stat().st_size == source.stat().st_size and trust.hash_file(path) == sha256
    except OSError:
        return False


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a blob; a damaged one is noticed on the way."""
    if files.clone(source, target):
        return
    import hashlib

    state = hashlib.sha256()
    files.copy(source, target, state.update)
    if state.hexdigest() != sha256:
        files.remove(target)
        message = f"`{source}` is damaged"
        raise StoreError(
            message, code="local.cache-corrupt", hint="run `surefetch verify`, then get it again"
        )


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
