"""Looking after the store: verify every byte again, delete what nobody needs, say what takes room."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from surefetch.model import Struct
from surefetch.store import files, layout, trust, views
from surefetch.store.blobs import Blobs
from surefetch.store.parts import Parts
from surefetch.store.records import Records

#: A blob that nobody has recorded yet is left alone this long, in seconds: its fetch may be under way.
GRACE_SECONDS: Final = 3600.0


class Verification(Struct, frozen=True, kw_only=True):
    """What hashing a blob again showed."""

    path: str
    sha256: str  # what its name promises
    actual: str  # "" if it could not be read
    size: int  # bytes
    moved_to: str = ""  # where a damaged one lies now

    @property
    def is_good(self) -> bool:
        """Whether its bytes are what its name promises."""
        return self.actual == self.sha256


class Removal(Struct, frozen=True, kw_only=True):
    """What deleting gave."""

    freed: int = 0  # bytes
    blobs: int = 0
    datasets: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # paths left alone: not ours, or in use


class Upkeep:
    """Verifying and deleting in one store. Holds nothing of its own."""

    def __init__(self, blobs: Blobs, records: Records, parts: Parts) -> None:
        self._blobs, self._records, self._parts = blobs, records, parts
        self._folder = blobs.folder

    def verify(self, path: Path, sha256: str) -> Verification:
        """Hash one blob again; a damaged one of this store is moved where nobody reads it."""
        size, actual = _look(path)
        moved = ""
        if actual != sha256 and path.is_relative_to(self._folder):
            moved = self._quarantine(path)
        return Verification(path=str(path), sha256=sha256, actual=actual, size=size, moved_to=moved)

    def verify_all(self) -> Iterator[Verification]:
        """Hash every blob of this store again, in the order of their names."""
        for path in sorted(self._all_blobs()):
            yield self.verify(path, path.name)

    def prune(
        self, *, keep: Collection[str] = (), unused_days: float = 0.0, dry_run: bool = False
    ) -> Removal:
        """Delete datasets that are neither pinned nor in `keep`, and what belongs to no dataset.

        Readers are safe: an open or mapped file stays until it is closed (on Windows it is left alone).

        Args:
            keep: Names of datasets; `layout.FILES` for what was got by its address.
            unused_days: Datasets used within so many days stay as well.
            dry_run: Only say what would go.
        """
        limit = time.time() - unused_days * 86400 if unused_days else float("inf")
        older_than = time.time() - GRACE_SECONDS
        gone = [
            record
            for record in self._records.all()
            if not self._records.is_pinned(record["dataset"])
            and record["dataset"] not in keep
            and self._last_used(record) < limit
        ]
        until = min(limit, older_than)
        sets = [each for each in self._sets() if layout.FILES not in keep and _used(each) < until]
        return self._remove(gone, older_than, sets=sets, dry_run=dry_run)

    def remove(self, dataset: str) -> Removal:
        """Delete one dataset, by its own name: its records, its view, and blobs that no other one needs."""
        gone = [record for record in self._records.all() if record["dataset"] == dataset]
        return self._remove(gone, float("-inf"), only=_digests(gone))

    def usage(self) -> dict[str, int]:
        """Return the bytes that each folder takes on the disk; a file with several names counts once."""
        seen: set[tuple[int, int]] = set()
        names = (layout.BLOBS, layout.PARTS, layout.VIEWS, layout.INDEX, layout.PRIVATE)
        taken = {name: sum(_allocated(self._folder / name, seen)) for name in names}
        return {**taken, "total": sum(taken.values())}

    def _remove(
        self,
        gone: list[dict[str, Any]],
        older_than: float,
        *,
        sets: Collection[Path] = (),
        only: set[str] | None = None,
        dry_run: bool = False,
    ) -> Removal:
        names = tuple(record["dataset"] for record in gone)
        needed = _digests(record for record in self._records.all() if record["dataset"] not in names)
        theirs = _digests(gone)
        shown = {_stamp(file) for each in self._sets() if each not in sets for file in each.iterdir()}
        paths = [
            path
            for path in self._all_blobs()
            if path.name not in needed
            and (only is None or path.name in only)
            and (path.name in theirs or _changed(path) < older_than)
            and _stamp(path) not in shown
        ]
        sizes = {path: _size(path) for path in paths}
        if dry_run:
            return Removal(freed=sum(sizes.values()), blobs=len(sizes), datasets=names)
        left = [str(path) for record in gone for path in self._forget(record)]
        left += [str(path) for path in self._forget_sets(sets)]
        stuck = [path for path in paths if not _delete(path)]
        freed = sum(size for path, size in sizes.items() if path not in stuck)
        if only is None:
            freed += self._parts.clear() + self._clear_quarantine()
        left += map(str, stuck)
        return Removal(freed=freed, blobs=len(paths) - len(stuck), datasets=names, left=tuple(left))

    def _forget(self, record: dict[str, Any]) -> list[Path]:
        """Delete a dataset's records and views; return what was left alone."""
        self._records.forget(record["dataset"])
        return [
            path
            for is_private in (False, True)
            for path in self._remove_view(
                views.view_folder(self._folder, record["dataset"], record["version"], is_private=is_private),
                record["files"],
            )
        ]

    def _sets(self) -> Iterator[Path]:
        """Give the readable folders of files that were got by their addresses."""
        for is_private in self._enterable():
            root = views.view_folder(self._folder, layout.FILES, "", is_private=is_private)
            yield from (path for path in root.glob("*") if path.is_dir())

    def _forget_sets(self, sets: Collection[Path]) -> list[Path]:
        """Delete such folders; return what was left alone in them: files that are no blob's."""
        ours = {_stamp(path) for path in self._all_blobs()} if sets else set()
        return [
            path
            for each in sets
            for path in self._remove_view(each, [x.name for x in each.iterdir() if _stamp(x) in ours])
        ]

    def _remove_view(self, root: Path, names: Collection[str]) -> list[Path]:
        """Delete a view's own files; the user's stay, and the folders that hold them."""
        left = [root / name for name in names if not _delete(root / name)]
        for folder, _, found in os.walk(root, topdown=False):
            left += [path for name in found if (path := Path(folder, name)) not in left]
            with files.at_best():
                Path(folder).rmdir()
        with files.at_best():
            root.parent.rmdir()
        return left

    def _clear_quarantine(self) -> int:
        folder = layout.quarantine(self._folder)
        freed = sum(_allocated(folder, set()))
        shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _all_blobs(self) -> Iterator[Path]:
        for is_private in self._enterable():
            root = layout.blobs(self._folder, is_private=is_private)
            yield from (path for path in root.glob("??/*") if len(path.name) == 64)

    def _enterable(self) -> tuple[bool, ...]:
        """Values of `is_private` to look at: of a shared store the private folder is one user's."""
        return (False, True) if os.access(self._folder / layout.PRIVATE, os.R_OK | os.X_OK) else (False,)

    def _last_used(self, record: dict[str, Any]) -> float:
        """Return when a dataset was got, or a blob of it last read, as far as the disk notes that."""
        times = [float(record["recorded"]) if isinstance(record.get("recorded"), int) else 0.0]
        for sha256 in _digests([record]):
            with files.at_best():
                times.append(layout.blob(self._folder, sha256).stat().st_atime)
        return max(times)

    def _quarantine(self, path: Path) -> str:
        layout.make_private(self._folder)
        target = layout.quarantine(self._folder) / f"{path.name}.{files.nonce()}"
        files.make_folder(target.parent)
        self._forget_links(path)
        with files.told(path, "moved aside"):
            files.replace(path, target)
        return str(target)

    def _forget_links(self, path: Path) -> None:
        """Take a damaged blob's names out of the readable folders: a link is the same file."""
        damaged = path.stat()
        for folder, _, names in os.walk(self._folder / layout.VIEWS):
            for name in names:
                with files.at_best():
                    file = Path(folder) / name
                    if os.path.samestat(file.stat(), damaged):
                        files.remove(file)


def _digests(records: Iterable[dict[str, Any]]) -> set[str]:
    """Return the digests of all blobs that records name; a damaged one may name nothing."""
    blobs = [blob for record in records for blob in (*record["tensors"].values(), *record["files"].values())]
    return {str(blob.get("sha256")) for blob in blobs if isinstance(blob, dict)}


def _look(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_size, trust.hash_file(path)
    except OSError:
        return 0, ""


def _delete(path: Path) -> bool:
    """Delete a file; False if the system refuses, e.g. because somebody maps it on Windows."""
    try:
        files.remove(path)
    except OSError:
        return False
    return True


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _stamp(path: Path) -> tuple[int, int]:
    """What a readable folder's file has in common with its blob, be it a link or a copy: size and time."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _used(folder: Path) -> float:
    """When a readable folder was made, or a file in it last read, as far as the disk notes that."""
    try:
        return max([folder.stat().st_mtime, *(file.stat().st_atime for file in folder.iterdir())])
    except OSError:
        return float("inf")


def _size(path: Path) -> int:
    return next(iter(_sizes([path], set())), 0)


def _allocated(folder: Path, seen: set[tuple[int, int]]) -> Iterator[int]:
    for root, _, names in os.walk(folder):
        yield from _sizes([Path(root, name) for name in names], seen)


def _sizes(paths: list[Path], seen: set[tuple[int, int]]) -> Iterator[int]:
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            yield getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
