"""Whole gets with a store that was damaged by hand, and with a disk that is full or read-only."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.errors import FetchError, StoreError
from surefetch.receipts import Receipt
from surefetch.reporters import SilentReporter
from surefetch.session.facade import Session
from surefetch.settings import Settings
from surefetch.store import files
from tests.fakes.faulty_server import FaultyServer

FILES = {f"f{number}": random.Random(number).randbytes(4096) for number in range(6)}


class Lines(SilentReporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


class Scene:
    """Six small files, a server that has them, and a store."""

    def __init__(self, folder: Path, server: FaultyServer, *, tells_sizes: bool = True) -> None:
        self.store, self.server, self.lines = folder / "store", server, Lines()
        self.catalog = folder / "many.toml"
        rows = ['name = "many"', 'version = "1"']
        for name, data in FILES.items():
            server.serve(f"/{name}", data)
            size = f"size = {len(data)}" if tells_sizes else "max_size = 10000"
            rows += ["[[artifact]]", f'name = "{name}"', size, f'sha256 = "{digest(data)}"']
        self.catalog.write_text("\n".join(rows) + "\n", encoding="utf-8")

    def session(self, **settings: bool) -> Session:
        return Session(
            Settings(store=str(self.store), catalogs=(str(self.catalog),), progress=False, **settings),
            self.lines,
        )

    def get(self, session: Session | None = None, **settings: bool) -> Receipt:
        """Get the files, as a program started anew does if no session is given."""
        session = session or self.session(**settings)
        mirrors = () if settings.get("offline") else (self.server.origin,)
        return session.get("many", mirrors=mirrors)

    def blob(self, name: str) -> Path:
        """Where the bytes of a file lie."""
        sha256 = digest(FILES[name])
        return self.store / "blobs-v1" / "sha256" / sha256[:2] / sha256

    def asked(self) -> list[str]:
        """The files that were asked for since the last time, in the order of their names."""
        seen, self.server.seen[:] = list(self.server.seen), []
        return sorted(one.target.removeprefix("/") for one in seen if one.target.removeprefix("/") in FILES)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def cut(path: Path, size: int) -> None:
    path.chmod(0o644)
    os.truncate(path, size)


def is_right(receipt: Receipt) -> bool:
    return all((Path(receipt) / name).read_bytes() == data for name, data in FILES.items())


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.mark.parametrize("tells_sizes", [True, False], ids=["by the catalog", "by the record"])
def test_a_file_that_became_short_is_moved_aside_and_fetched_anew(
    home: Path, server: FaultyServer, tells_sizes: bool
) -> None:
    scene = Scene(home, server, tells_sizes=tells_sizes)
    scene.get()
    assert scene.asked() == sorted(FILES)
    cut(scene.blob("f1"), 0)
    cut(scene.blob("f4"), 100)
    assert is_right(scene.get())
    assert scene.asked() == ["f1", "f4"]
    assert len(scene.lines.said) == 1 and "1 more have other bytes" in scene.lines.said[0]
    assert len(list((scene.store / "private-v1" / "quarantine").iterdir())) == 2
    assert is_right(scene.get())
    assert scene.asked() == []


def test_a_file_that_became_empty_is_known_whatever_its_size_was(home: Path, server: FaultyServer) -> None:
    scene = Scene(home, server, tells_sizes=False)
    scene.get()
    for path in (scene.store / "index-v1").iterdir():
        path.unlink()
    scene.asked()
    cut(scene.blob("f1"), 0)
    assert is_right(scene.get())
    assert scene.asked() == ["f1"]


def test_only_what_is_missing_is_to_be_fetched_by_hand(home: Path, server: FaultyServer) -> None:
    scene = Scene(home, server)
    scene.get()
    scene.blob("f4").unlink()
    with pytest.raises(FetchError) as caught:
        scene.session().get("many", mirrors=("http://127.0.0.1:1/lab/",))
    told = [line for line in caught.value.hint.splitlines() if "127.0.0.1:1" in line]
    assert len(told) == 1 and "/lab/f4 " in told[0]


def test_offline_a_short_file_is_missing(home: Path, server: FaultyServer) -> None:
    scene = Scene(home, server)
    scene.get()
    cut(scene.blob("f1"), 10)
    with pytest.raises(FetchError):
        scene.get(offline=True)


def test_a_right_file_stays_whatever_size_a_catalog_tells(home: Path, server: FaultyServer) -> None:
    scene = Scene(home, server)
    scene.get()
    text = scene.catalog.read_text(encoding="utf-8")
    scene.catalog.write_text(text.replace("size = 4096", "size = 4095", 1), encoding="utf-8")
    with pytest.raises(FetchError):
        scene.get()
    assert scene.blob("f0").read_bytes() == FILES["f0"]


@pytest.mark.parametrize("part", ["", "blobs-v1", "views-v1", "private-v1"])
def test_a_store_that_was_deleted_is_filled_anew_by_the_same_process(
    home: Path, server: FaultyServer, part: str
) -> None:
    scene = Scene(home, server)
    session = scene.session()
    scene.get(session)
    shutil.rmtree(scene.store / part)
    assert is_right(scene.get(session))


def test_a_disk_that_is_full_in_the_middle_keeps_what_it_has(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, write_all, written = Scene(home, server), files.write_all, []

    def write_some(descriptor: int, data: memoryview, start: int) -> None:
        if len(data) == 4096 and len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.extend([start] * (len(data) == 4096))
        write_all(descriptor, data, start)

    monkeypatch.setattr(files, "write_all", write_some)
    with pytest.raises(StoreError) as caught:
        scene.get()
    assert caught.value.code == "local.disk-full"
    assert caught.value.message.endswith("2 of 6 files are kept")
    monkeypatch.undo()
    scene.asked()
    assert is_right(scene.get())
    assert len(scene.asked()) == 4


@pytest.mark.privileged
@pytest.mark.parametrize("has_record", [True, False])
def test_a_store_on_a_disk_that_cannot_be_written_serves_what_it_has(
    home: Path, server: FaultyServer, has_record: bool
) -> None:
    scene = Scene(home, server)
    scene.get()
    scene.asked()
    if not has_record:
        (scene.store / "index-v1" / "many.json").unlink()
    for more in ("--offline", f"--mirror={server.origin}"):
        done = among_read_only(scene.store, "get", "many", "--catalog", str(scene.catalog), more)
        assert (done.returncode, scene.asked()) == (0, []), done.stderr
        assert done.stdout.strip() == str(scene.store / "views-v1" / "many" / "1")
    assert (scene.store / "index-v1" / "many.json").exists() is has_record
    scene.blob("f1").unlink()
    done = among_read_only(scene.store, "get", "many", "--catalog", str(scene.catalog), more)
    assert done.returncode == 11 and "it is mounted read-only" in done.stderr


def among_read_only(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the store's folder is mounted read-only, for that command alone."""
    mounts = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    command = [sys.executable, "-m", "surefetch", *words, "--store", str(store)]
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mounts, str(store), *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.privileged
@pytest.mark.parametrize("words", [("prune",), ("prune", "--unpinned"), ("rm", "many"), ("rm", "--all")])
def test_a_disk_that_cannot_be_written_refuses_to_delete_in_plain_words(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    scene = Scene(home, server)
    scene.get()
    monkeypatch.setenv("SUREFETCH_CATALOG", str(scene.catalog))
    done = among_read_only(scene.store, "cache", *words)
    assert done.returncode == 11 and "read-only" in done.stderr.lower(), done.stderr
    assert is_right(scene.get())
