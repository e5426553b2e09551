"""The library as programs call it: what they may hand over, and what they catch."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from surefetch.catalog.metalink import write_metalink
from surefetch.errors import FetchError, SurefetchError, UsageError
from surefetch.model import Artifact, Dataset
from surefetch.paths import default_store
from surefetch.reporters import SilentReporter
from surefetch.session.facade import Session
from surefetch.settings import Settings
from surefetch.transfer import channel
from tests.fakes.faulty_server import FaultyServer, Script

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def session(home: Path) -> Session:
    return Session(Settings(store=str(home / "store"), progress=False), SilentReporter())


def test_one_mirror_or_one_place_needs_no_list(
    session: Session, server: FaultyServer, tmp_path: Path
) -> None:
    server.serve("/there.bin", DATA)
    gone = f"{server.origin}/gone.bin"
    assert Path(session.get(gone, sha256=SHA256, mirrors=f"{server.origin}/there.bin")).read_bytes() == DATA
    other, digest = DATA + b"x", hashlib.sha256(DATA + b"x").hexdigest()
    (tmp_path / "by-hand.bin").write_bytes(other)
    asked = len(server.seen)
    for local in (tmp_path / "by-hand.bin", str(tmp_path)):
        receipt = session.get(gone, sha256=digest, size=len(other), local=local)
        assert Path(receipt).read_bytes() == other
    assert len(server.seen) == asked


def test_a_metalink_file_may_be_named_by_a_path(
    session: Session, server: FaultyServer, tmp_path: Path
) -> None:
    server.serve("/x.bin", DATA)
    url = f"{server.origin}/x.bin"
    artifact = Artifact(name="x.bin", form="files", size=len(DATA), sha256=SHA256, urls=(url,))
    text = write_metalink(Dataset(name="files", version="1", artifacts=(artifact,)), (artifact,), "a test")
    path = tmp_path / "x.meta4"
    path.write_text(text, encoding="utf-8")
    assert Path(session.get(path)).read_bytes() == DATA


@pytest.mark.parametrize("wrong", [{"size": -1}, {"sha256": b"x"}, {"sha256": 5}])
def test_what_is_no_digest_and_no_size_is_told_before_any_request(
    session: Session, server: FaultyServer, wrong: dict[str, Any]
) -> None:
    asked = len(server.seen)
    with pytest.raises(UsageError):
        session.get(f"{server.origin}/x.bin", **{"sha256": SHA256} | wrong)
    assert len(server.seen) == asked


def test_settings_that_name_no_store_mean_the_usual_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUREFETCH_STORE", "")
    usual = Path(default_store(os.environ))
    assert Session(Settings(offline=True)).store.folder == usual
    assert Session().store.folder == usual and Session().settings.store == str(usual)
    assert Session.from_environment({"store": ""}).store.folder == usual
    monkeypatch.setenv("SUREFETCH_STORE", str(home / "chosen"))
    assert Session(Settings(offline=True)).store.folder == home / "chosen"


class Progress(SilentReporter):
    """Keeps what is told of the bytes."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None]] = []

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        self.told.append((done, total))


def test_progress_goes_up_to_the_size_that_the_server_tells(home: Path, server: FaultyServer) -> None:
    progress = Progress()
    data = DATA * 40
    server.serve("/told.bin", data, Script(drip=(32 << 10, 0.02)))
    session = Session(Settings(store=str(home / "store")), progress)
    session.get(f"{server.origin}/told.bin", sha256=hashlib.sha256(data).hexdigest())
    assert {total for _, total in progress.told} == {len(data)}
    assert all(done <= len(data) for done, _ in progress.told)


def test_ctrl_c_is_pythons_own_and_what_came_is_kept(session: Session, server: FaultyServer) -> None:
    data = DATA * 300
    digest = hashlib.sha256(data).hexdigest()
    server.serve("/slow.bin", data, Script(drip=(4096, 0.02)))
    url = f"{server.origin}/slow.bin"
    threading.Timer(0.6, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt, match="are kept") as caught:
        session.get(url, sha256=digest)
    assert isinstance(caught.value, SurefetchError) and caught.value.exit_code == 130
    again = session.get(url, sha256=digest)
    assert Path(again).read_bytes() == data and again.fetched < len(data)


def test_a_second_dataset_is_no_mirror_of_the_first(session: Session) -> None:
    with pytest.raises(UsageError, match="one is got at a time") as caught:
        session.get("mnist", mirrors=["iris"])
    assert caught.value.hint == "surefetch get mnist && surefetch get iris"


def test_a_line_of_a_checksum_file_is_taken_for_its_digest(session: Session, server: FaultyServer) -> None:
    server.serve("/x.bin", DATA)
    line = f"{SHA256.upper()} *x.bin\n"
    assert Path(session.get(f"{server.origin}/x.bin", sha256=line)).read_bytes() == DATA


def test_an_error_that_comes_from_another_process_tells_all(session: Session, server: FaultyServer) -> None:
    with pytest.raises(FetchError) as caught:
        session.get(f"{server.origin}/gone.bin", sha256=SHA256)
    copy: SurefetchError = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and copy.attempts == caught.value.attempts
    assert (copy.code, copy.fault, copy.exit_code) == ("http.not-found", "mirror", 3)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EAFNOSUPPORT])
def test_a_host_is_not_blamed_where_no_socket_may_be_made(
    session: Session, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """In a sandbox, or without IPv6: it was called a port on which nothing accepts connections."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(channel, "lend", refuse)
    with pytest.raises(FetchError) as raised:
        session.get(f"{server.origin}/no-socket.bin", sha256=SHA256)
    assert (raised.value.code, raised.value.fault) == ("connect.unreachable", "network")
    assert "/no-socket.bin" not in server.targets()
