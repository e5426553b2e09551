"""Small things done to files, with errors translated once and the ways of each system seen to."""

from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from surefetch.errors import StoreError
from surefetch.units import human_size

if sys.platform != "win32":
    import resource

#: Bytes read, hashed and copied at once.
BLOCK_BYTES: Final = 1 << 20
#: What a file of unknown size leaves free on its disk at most, in bytes.
SPARED: Final = 1 << 30
#: What to do when the store's own folder is the trouble.
HINT: Final = "choose another folder with `SUREFETCH_STORE=/data/surefetch`"
SHORTER: Final = "choose a folder with a shorter path: `SUREFETCH_STORE=/data/surefetch`"
#: errno -> (cause, what is said of the path)
_TROUBLES: Final = {
    errno.ENOSPC: ("local.disk-full", "there is no room left on its disk"),
    errno.EDQUOT: ("local.disk-full", "your quota on its disk is used up"),
    errno.EFBIG: ("local.disk-full", "its file system takes no file this large"),
    errno.EROFS: ("local.read-only", "it is mounted read-only"),
    errno.EACCES: ("local.permission", "this user may not do that there"),
    errno.EPERM: ("local.permission", "this user may not do that there"),
    errno.ENAMETOOLONG: ("local.name-too-long", "the path is longer than this system allows"),
    errno.ENOENT: ("local.path", "it does not exist"),
    errno.ENOTDIR: ("local.path", "a part of the path is a file, not a folder"),
    errno.EEXIST: ("local.path", "a file stands where a folder should be"),
    errno.EXDEV: ("local.path", "it lies on another disk than the rest of the store"),
    errno.EISDIR: ("local.path", "a folder stands where a file should be"),
    errno.ELOOP: ("local.path", "its symbolic links lead in a circle"),
    errno.EIO: ("local.io", "the disk reports an input or output error"),
    errno.ESTALE: ("local.io", "the network file system lost it"),
    errno.EMFILE: ("local.limit", "this process has too many files open"),
    errno.ENFILE: ("local.limit", "this machine has too many files open"),
}
_FICLONE: Final = 0x40049409  # ioctl_ficlonerange(2), Linux
#: What a file system answers that has no reflinks at all; it is not asked again in this process.
_NO_REFLINKS: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS})
#: What a file system answers that has no permissions, or lets nobody change them: vboxsf, exFAT, buckets.
_NO_MODES: Final = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS})
_NEVER_CLONES: Final[set[int]] = set()  # devices
_MANY: Final = 1 << 20  # open files: as good as no limit
_O_BINARY: Final = getattr(os, "O_BINARY", 0)
_O_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
#: Windows refuses to replace or remove a file while somebody maps or scans it: tries, and seconds between.
_TRIES, _PAUSE = 8, 0.05
#: Folders flushed at the same time.
_SYNCS: Final = 8
#: A thread for each so many folders: what one flush journals, the next few find done.
_FOLDERS_PER_SYNC: Final = 8
#: One position per open file where writes carry none: one at a time.
_position = threading.Lock()
_numbers = itertools.count()  # one step: needs no lock


@contextmanager
def told(path: str | os.PathLike[str], doing: str, hint: str = HINT) -> Iterator[None]:
    """Turn any `OSError` inside into a `StoreError` that says what could not be done to which path."""
    try:
        yield
    except OSError as error:
        raise trouble(error, path, doing, hint) from error


@contextmanager
def at_best() -> Iterator[None]:
    """Try something that only saves work: if the disk refuses, go on without."""
    with suppress(OSError, StoreError):
        yield


def trouble(error: OSError, path: str | os.PathLike[str], doing: str, hint: str = HINT) -> StoreError:
    """Return the error that says why `path` could not be, e.g., "written"."""
    code, why = _TROUBLES.get(error.errno or 0, ("local.path", error.strerror or str(error)))
    if error.errno == errno.ENOSPC and _has_no_names_left(Path(path)):
        why = "its disk takes no more files, however small (its inodes are used up)"
    if error.errno == errno.EFBIG and (most := _largest_file()) is not None:
        code, why = (
            "local.limit",
            f"this process may write files of {human_size(most)} at most (`ulimit -f`)",
        )
        hint = "raise the limit: `ulimit -f unlimited`"
    if error.errno == errno.EEXIST and (link := Path(error.filename or path)).is_symlink():
        why = f"`{link}` is a link to `{link.readlink()}`, and no folder is there"
    if error.errno == errno.EMFILE:
        hint = "raise the limit: `ulimit -n 4096`"
    if code == "local.name-too-long" and hint == HINT:
        hint = SHORTER
    message = f"`{os.fspath(path)}` could not be {doing}: {why}"
    return StoreError(message, code=code, hint=hint, path=os.fspath(path), errno=error.errno)


def is_folder(path: Path) -> bool:
    """Whether a folder is there.

    Raises:
        StoreError: This user may not know, or the path is none.
    """
    with told(path, "made"):
        return path.is_dir()


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder and its parents; fine if it is there. `mode` 0o700 makes it private to this user.

    Raises:
        StoreError: It cannot be made, or something else stands there.
    """
    with told(path, "made"):
        try:
            path.mkdir(mode, parents=True)
        except FileExistsError:
            if not path.is_dir():
                raise


def create(path: str | os.PathLike[str], mode: int = 0o600, *, is_new: bool = True) -> int:
    """Open a new file for reading and writing that nobody else has; its folder is made if missing.

    Args:
        path: Its name.
        mode: Its permissions, less the umask.
        is_new: False: fine if it is there already, because nobody else uses the name.

    Raises:
        StoreError: It cannot be made.
        FileExistsError: Somebody has that name already.
    """
    flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0) | _O_BINARY | _O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        make_folder(Path(path).parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise trouble(error, path, "made") from error
    with told(path, "made"):
        return os.open(path, flags, mode)


def replace(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename, over `target` if it is there; patient with Windows, where open files resist."""
    if sys.platform == "win32":
        _patiently(lambda: os.replace(source, target))  # noqa: PTH105 - see `remove`
    else:
        os.replace(source, target)  # noqa: PTH105 - of thousands of files, `Path` would cost most


def remove(path: str | os.PathLike[str]) -> bool:
    """Delete a file; return whether it was there. A read-only one is deleted on Windows too."""
    try:
        if sys.platform == "win32":
            Path(path).chmod(0o600)
        _patiently(Path(path).unlink)
    except FileNotFoundError:
        return False
    return True


def write_small(path: Path, content: bytes, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write a small file so that readers see the old or the new content whole, never a mixture.

    Raises:
        StoreError: It cannot be written.
    """
    temporary = path.with_name(f".{nonce()}.tmp")
    descriptor = create(temporary, mode)
    with told(path, "written"):
        try:
            write_all(descriptor, content, 0)
            if durable:
                sync_data(descriptor)
        except BaseException:
            os.close(descriptor)
            remove(temporary)
            raise
        os.close(descriptor)
        replace(temporary, path)


def write_all(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`, wherever the file's own position is."""
    view = memoryview(data).cast("B")
    while view:
        count = _pwrite(descriptor, view, offset)
        offset += count
        view = view[count:]


def read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Fill `buffer` from `offset` on; return how much there was."""
    filled = 0
    while filled < len(buffer):
        count = _pread(descriptor, buffer[filled:], offset + filled)
        if count == 0:
            break
        filled += count
    return filled


def copy(source: Path, target: Path, take: Callable[[memoryview], None] | None = None) -> int:
    """Copy a file to a new one of this user's own, block by block; return its length.

    Args:
        source: What to read.
        target: A name that nobody has.
        take: Sees each block as it passes, e.g. a hash's `update`.
    """
    buffer = memoryview(bytearray(BLOCK_BYTES))
    length = 0
    descriptor = create(target)
    try:
        with source.open("rb", buffering=0) as original:
            while count := original.readinto(buffer):
                write_all(descriptor, buffer[:count], length)
                length += count
                if take is not None:
                    take(buffer[:count])
    except BaseException:
        os.close(descriptor)
        remove(target)
        raise
    os.close(descriptor)
    return length


def make_read_only(descriptor: int, path: str | os.PathLike[str]) -> None:
    """Take from an open file everybody's right to write it, and let everybody read it."""
    set_mode(descriptor if hasattr(os, "fchmod") else path, 0o444)


def set_mode(file: int | str | os.PathLike[str], mode: int) -> None:
    """Set who may read and write a file, where its disk knows that: shared folders and FUSE often do not."""
    try:
        os.chmod(file, mode)  # noqa: PTH101 - also of an open file
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def hold(descriptor: int) -> bool:
    """Lock an open file as long as it is open, for `is_let_go`; return whether nobody else had it."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody holds it, or its file system has no locks
        return False
    return True


def is_let_go(path: str | os.PathLike[str]) -> bool:
    """Whether a file that was held is open nowhere in this system, as far as its disk has true locks."""
    opened: list[int] = []
    try:
        for _ in range(2):
            opened.append(os.open(path, os.O_RDWR | _O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)))
        return hold(opened[0]) and not hold(opened[1])  # some disks give everybody the lock
    except OSError:
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)


def sync_data(descriptor: int) -> None:
    """Have a file's bytes, and what is needed to find them, on the disk before returning."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync(2) of macOS leaves data in the drive's cache
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_path(path: Path) -> None:
    """Have a closed file's bytes on the disk before returning."""
    descriptor = os.open(path, os.O_RDWR | _O_BINARY | _O_CLOEXEC)
    try:
        sync_data(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Have a folder's names on the disk before returning. Windows journals names by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | _O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def sync_folders(folders: Sequence[str | os.PathLike[str]]) -> None:
    """Have the names of several folders on the disk, many side by side: each waits for the disk alike.

    Raises:
        StoreError: The disk refuses.
    """
    left = list(folders)
    errors: list[StoreError] = []

    def work() -> None:
        while left and not errors:
            try:
                folder = left.pop()
            except IndexError:  # another thread was faster
                return
            try:
                with told(folder, "flushed"), suppress(FileNotFoundError):  # deleted since
                    sync_folder(folder)
            except StoreError as error:
                errors.append(error)

    count = min(len(left) // _FOLDERS_PER_SYNC, _SYNCS - 1)  # beside this one
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def start_writeback(descriptor: int, start: int, length: int) -> None:
    """Ask Linux to begin writing a range to the disk, without waiting: the flush at the end is short then.

    `posix_fadvise(DONTNEED)` would do that as well, but also drops pages that are to be read again.
    """
    if sys.platform == "linux" and (function := _sync_file_range()) is not None:
        function(descriptor, start, length, 2)  # SYNC_FILE_RANGE_WRITE; a refusal costs nothing


def clone(source: str | os.PathLike[str], target: str | os.PathLike[str], device: int | None = None) -> bool:
    """Make `target` a reflink of `source`: bytes shared, copied on write; return whether the disk can.

    `device` is the source's, where that is known: of one that cannot, thousands are not looked at.
    """
    if sys.platform == "darwin":
        import ctypes

        names = os.fsencode(source), os.fsencode(target)
        return bool(ctypes.CDLL(None).clonefile(*names, 0) == 0)  # clonefile(2), APFS
    if sys.platform != "linux":
        return False
    import fcntl

    device = os.stat(source).st_dev if device is None else device  # noqa: PTH116 - likewise
    if device in _NEVER_CLONES:
        return False
    with Path(source).open("rb") as original:
        descriptor = create(target)
        try:
            fcntl.ioctl(descriptor, _FICLONE, original.fileno())
        except OSError as error:
            if error.errno in _NO_REFLINKS:
                _NEVER_CLONES.add(device)
            remove(target)
            return False
        finally:
            os.close(descriptor)
    return True


def data_extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges that hold data; what was only reserved, or lost with the power, is a hole."""
    if not hasattr(os, "SEEK_DATA"):
        return [(0, size)]
    extents: list[tuple[int, int]] = []
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data from here on
                break
            return [(0, size)]
        extents.append((start, min(position, size)))
    return extents


def free_bytes(folder: Path) -> int | None:
    """Return the room for this user on the disk of a folder that need not exist yet; None if nobody says."""
    for place in (folder, *folder.parents):
        try:
            return _free_at(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None


def lacks_room(what: str, needed: int, folder: Path, free: int) -> str:
    """Say how many bytes are needed, and how many fewer are free."""
    wants, has = human_size(needed), human_size(free)
    if wants == has:
        wants, has = f"{needed:,} bytes", f"{free:,}"
    return f"{what} needs {wants} and `{folder}` has {has} free"


def left_to_others(folder: Path) -> int:
    """Return the bytes of a disk that a file leaves free whose end nobody knows: a twentieth, or SPARED."""
    return min(SPARED, _total_at(folder) // 20)


def _total_at(place: Path) -> int:
    if hasattr(os, "statvfs"):
        status = os.statvfs(place)
        return status.f_blocks * status.f_frsize
    import shutil  # Windows; its import costs 3 ms

    return shutil.disk_usage(place).total


def _free_at(place: Path) -> int:
    if hasattr(os, "statvfs"):
        status = os.statvfs(place)
        return status.f_bavail * status.f_frsize
    import shutil  # likewise

    return shutil.disk_usage(place).free


def _has_no_names_left(path: Path) -> bool:
    """Whether the disk of a path that need not exist has room for bytes, and for no further file."""
    for place in (path, *path.parents) if hasattr(os, "statvfs") else ():
        with suppress(OSError):
            status = os.statvfs(place)
            return status.f_files > 0 and status.f_favail == 0 and status.f_bavail > 0
    return False


def _largest_file() -> int | None:
    """Bytes that a file of this process may have; None: no limit is set."""
    if sys.platform == "win32":
        return None
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if most == resource.RLIM_INFINITY else most


def most_open() -> int:
    """Return how many files this process may have open."""
    if sys.platform == "win32":
        return 8192  # of the C runtime's low-level calls: _setmaxstdio
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MANY if most == resource.RLIM_INFINITY else min(most, _MANY)


def nonce() -> str:
    """Return 22 hexadecimal digits that nobody else draws: some of this process's own, and a number."""
    return f"{_seed(os.getpid())}{next(_numbers):06x}"


@cache
def _seed(pid: int) -> str:  # by number, because a fork is another process
    return os.urandom(8).hex()


def _patiently(action: Callable[[], Any]) -> None:
    for _ in range(_TRIES if sys.platform == "win32" else 0):
        try:
            action()
            return
        except PermissionError:
            time.sleep(_PAUSE)
    action()


def seek_and_write(descriptor: int, view: memoryview, offset: int) -> int:
    """Write at a position where the system has no call for that: Windows."""
    with _position:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, view)


def seek_and_read(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read at a position where the system has no call for that: Windows."""
    with _position:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def _pwrite_posix(descriptor: int, view: memoryview, offset: int) -> int:
    return os.pwrite(descriptor, view, offset)


def _pread_posix(descriptor: int, buffer: memoryview, offset: int) -> int:
    return os.preadv(descriptor, [buffer], offset)


_pwrite = _pwrite_posix if hasattr(os, "pwrite") else seek_and_write
_pread = _pread_posix if hasattr(os, "preadv") else seek_and_read


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    import ctypes  # 3 ms, for many files or many megabytes only

    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function
