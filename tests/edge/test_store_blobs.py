"""Blobs: named once proven, found by any digest, in layers too, and never trusted where others can write."""

import errno
import os
import shutil
import stat
import threading
import time

import pytest

from surefetch.errors import IntegrityError, StoreError
from surefetch.store import Beside, Store, blobs, files, layout
from tests.edge.storekit import MIB, publish, sha256, some_bytes, weak

DATA = some_bytes(100_000)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def another_user(path):
    """Give a file to somebody else (these tests run as root in CI, where that can be done)."""
    os.chown(path, 12345, 12345)


def needs_root():
    return pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_a_store_opens_nothing_until_it_is_needed(tmp_path):
    store = Store(tmp_path / "store")
    assert store.find(sha256(DATA)) is None
    assert store.datasets_here() == []
    assert list(store.verify_all()) == []
    assert store.usage()["total"] == 0
    assert not store.folder.exists()


def test_a_published_blob_is_read_only_and_named_by_its_digest(store):
    path = publish(store, DATA)
    assert path == store.folder / "blobs-v1" / "sha256" / sha256(DATA).hex[:2] / sha256(DATA).hex
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_a_store_that_is_emptied_amid_a_get_is_filled_as_far_as_parts_are_there(store):
    data = [DATA, *(DATA[:length] for length in range(1000))]
    in_one_folder = [some for some in data if sha256(some).hex[:2] == sha256(DATA).hex[:2]]
    with store.batch():
        publish(store, in_one_folder[1])
        store.find(sha256(in_one_folder[1]))  # named
        shutil.rmtree(store.folder / "blobs-v1")
        publish(store, DATA)
    assert store.find(sha256(DATA)).read_bytes() == DATA
    with pytest.raises(StoreError, match="was deleted from the store while it was fetched"), store.batch():
        path = publish(store, some_bytes(5 * MIB))
        shutil.rmtree(store.folder / "parts-v1")
    assert not path.exists()


def test_bytes_already_here_are_not_replaced(store):
    number = publish(store, DATA).stat().st_ino
    assert publish(store, DATA).stat().st_ino == number
    assert store.put_tensor(DATA)[1].stat().st_ino == number
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_a_blob_that_became_short_is_missing_and_then_replaced(store):
    path = publish(store, DATA)
    path.chmod(0o644)
    os.truncate(path, 10)
    assert store.find(sha256(DATA), len(DATA)) is None
    assert publish(store, DATA).read_bytes() == DATA


def test_a_blob_is_found_by_the_weak_digests_it_was_proven_with(store):
    digests = {name: weak(name, DATA).hex for name in ("md5", "sha1")}
    path = publish(store, DATA, weak=digests)
    assert store.find(weak("md5", DATA)) == store.find(weak("sha1", DATA)) == path
    assert store.find(weak("md5", b"other")) is None
    assert stat.S_IMODE((store.folder / "private-v1").stat().st_mode) == 0o700


@pytest.mark.parametrize("note", ["", "abc", "../../../etc/passwd", "Z" * 64, "é"])
def test_a_damaged_note_of_a_weak_digest_finds_nothing(store, note):
    publish(store, DATA, weak={"md5": weak("md5", DATA).hex})
    layout.weak(store.folder, "md5", weak("md5", DATA).hex).write_text(note, encoding="utf-8")
    assert store.find(weak("md5", DATA)) is None


def test_what_came_with_a_credential_is_found_but_not_among_what_is_served(store):
    path = publish(store, DATA, is_private=True)
    assert store.find(sha256(DATA)) == path
    assert path.is_relative_to(store.folder / "private-v1")
    assert not (store.folder / "blobs-v1").exists()


def test_a_batch_names_many_files_with_one_flush(store, monkeypatch):
    flushed = []
    monkeypatch.setattr(files, "sync_folder", flushed.append)
    contents = [some_bytes(500, seed) for seed in range(300)]
    with store.batch():
        paths = [publish(store, data) for data in contents]
        assert store.find(sha256(contents[-1])) == paths[-1]  # asking names what is waiting
        assert flushed == []
    assert [path.read_bytes() for path in paths] == contents
    assert len(flushed) == len(set(flushed))
    assert {str(path.parent) for path in paths} <= set(flushed)
    assert str(store.folder) in flushed


def test_all_who_ask_for_a_blob_that_is_being_named_find_it(store, monkeypatch):
    """Also those who come while another one waits for the disk already."""
    synced, found = files.sync_data, []

    def sync_slowly(descriptor):
        time.sleep(0.3)
        synced(descriptor)

    monkeypatch.setattr(files, "sync_data", sync_slowly)
    monkeypatch.setattr(blobs, "LONGEST", 0.0)
    with store.batch():
        publish(store, DATA)
        asking = [threading.Thread(target=lambda: found.append(store.find(sha256(DATA)))) for _ in range(4)]
        for thread in asking:
            thread.start()
            time.sleep(0.02)
        for thread in asking:
            thread.join(10)
    assert len(found) == 4 and all(path is not None and path.read_bytes() == DATA for path in found)


def test_a_batch_may_be_flushed_beside_what_is_done_with_its_names(store, monkeypatch):
    flushed, may_go_on = [], threading.Event()
    monkeypatch.setattr(files, "sync_folder", lambda path: (may_go_on.wait(10), flushed.append(path)))
    beside = Beside()
    with store.batch(beside):
        path = publish(store, DATA)
    assert path.read_bytes() == DATA
    assert flushed == []
    may_go_on.set()
    beside.wait()
    assert str(path.parent) in flushed


def test_a_name_that_could_not_be_flushed_beside_is_told_at_the_end(store, monkeypatch):
    def refuse(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "sync_folder", refuse)
    beside = Beside()
    with store.batch(beside):
        publish(store, DATA)
    with pytest.raises(StoreError) as caught:
        beside.wait()
    assert caught.value.code == "local.io"


def test_data_is_on_the_disk_before_it_has_a_name(store, monkeypatch):
    order = []
    sync, replace = files.sync_data, files.replace
    monkeypatch.setattr(files, "sync_data", lambda fd: (order.append("data"), sync(fd))[1])
    monkeypatch.setattr(files, "replace", lambda a, b: (order.append("name"), replace(a, b))[1])
    monkeypatch.setattr(files, "sync_folder", lambda path: order.append("folder"))
    publish(store, DATA)
    store.flush()
    assert order[:2] == ["data", "name"]
    assert set(order[2:]) == {"folder"}


def test_bytes_that_the_disk_lost_get_no_name(store, monkeypatch):
    def lose(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "sync_data", lose)
    with pytest.raises(StoreError) as caught:
        publish(store, DATA)
    assert caught.value.code == "local.io"
    monkeypatch.undo()
    store.flush()  # fsync(2) forgets that it failed: nothing may be tried a second time
    assert store.find(sha256(DATA)) is None
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_a_tensor_is_named_by_what_it_holds(store):
    digest, path = store.put_tensor(memoryview(DATA), sha256(DATA).hex)
    assert digest == sha256(DATA).hex
    assert path.read_bytes() == DATA
    assert store.put_tensor(b"")[1].read_bytes() == b""


def test_a_tensor_that_is_not_what_was_promised_is_refused(store):
    with pytest.raises(IntegrityError) as caught:
        store.put_tensor(DATA, "0" * 64)
    assert caught.value.code == "body.content-mismatch"
    assert caught.value.details["actual"] == sha256(DATA).hex
    assert store.find(sha256(DATA)) is None


def test_a_numpy_array_is_taken_as_it_is(store):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(600_000, dtype="<i8").reshape(3, -1)
    assert store.put_tensor(array)[1].read_bytes() == array.tobytes()


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_of_this_machine_is_copied_in_and_proven(store, tmp_path, algorithm):
    data = some_bytes(2 * MIB + 7)
    file = tmp_path / "mnist.npz"
    file.write_bytes(data)
    digest = weak(algorithm, data)
    proof, path = store.adopt_copy(file, digest)
    assert proof.matches(digest)
    assert proof.sha256 == sha256(data).hex
    assert path.read_bytes() == data
    assert path.stat().st_ino != file.stat().st_ino
    assert store.find(digest) == path


def test_a_file_of_this_machine_that_is_something_else_gets_no_name(store, tmp_path):
    file = tmp_path / "mnist.npz"
    file.write_bytes(b"<html>sign in")
    proof, path = store.adopt_copy(file, sha256(DATA))
    assert path is None
    assert proof.sha256 == sha256(b"<html>sign in").hex
    assert list(store.verify_all()) == []
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_a_file_beyond_the_bound_is_not_copied(store, tmp_path):
    file = tmp_path / "mnist.npz"
    file.write_bytes(DATA)
    with pytest.raises(OSError, match="more than 10"):
        store.adopt_copy(file, sha256(DATA), bound=10)


def test_a_pipe_is_not_waited_for(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        store.adopt_copy(tmp_path / "pipe", sha256(DATA))


def test_a_layer_is_looked_into_after_the_own_folder(tmp_path):
    layer = Store(tmp_path / "lab")
    lab = publish(layer, DATA)
    store = Store(tmp_path / "own", [layer.folder])
    assert store.find(sha256(DATA)) == lab
    own = publish(store, DATA)
    assert store.find(sha256(DATA)) == own
    assert lab.read_bytes() == DATA


@needs_root()
def test_a_layer_that_others_can_write_is_hashed_once(tmp_path, monkeypatch):
    layer = Store(tmp_path / "lab")
    lab = publish(layer, DATA)
    another_user(lab)
    hashed = count_hashes(monkeypatch)
    for _ in range(3):
        assert Store(tmp_path / "own", [layer.folder]).find(sha256(DATA)) == lab
    assert hashed == [lab]


@needs_root()
def test_a_layer_that_others_have_changed_is_not_used(tmp_path, monkeypatch):
    layer = Store(tmp_path / "lab")
    lab = publish(layer, DATA)
    another_user(lab)
    store = Store(tmp_path / "own", [layer.folder])
    assert store.find(sha256(DATA)) == lab
    lab.chmod(0o644)
    lab.write_bytes(DATA[::-1])
    assert store.find(sha256(DATA)) is None
    assert lab.exists()


@needs_root()
def test_an_own_blob_that_somebody_put_there_is_hashed_too(store, monkeypatch):
    path = publish(store, DATA)
    path.unlink()
    path.write_bytes(bytes(len(DATA)))
    another_user(path)
    assert store.find(sha256(DATA)) is None


def test_a_blob_that_the_group_can_write_is_hashed(store, monkeypatch):
    path = publish(store, DATA)
    path.chmod(0o664)
    hashed = count_hashes(monkeypatch)
    assert store.find(sha256(DATA)) == path
    assert store.find(sha256(DATA)) == path
    assert hashed == [path]


def count_hashes(monkeypatch):
    from surefetch.store import trust

    hashed, hash_file = [], trust.hash_file
    monkeypatch.setattr(trust, "hash_file", lambda path: (hashed.append(path), hash_file(path))[1])
    return hashed


class Full:
    """A disk that has room for so many bytes more."""

    def __init__(self, monkeypatch, room):
        self.room, self._write_all = room, files.write_all
        monkeypatch.setattr(files, "write_all", self.write_all)

    def write_all(self, descriptor, data, start):
        if len(data) > self.room:
            self._write_all(descriptor, memoryview(data)[: self.room], start)
            self.room = 0
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        return self._write_all(descriptor, data, start)


def small_parts(store, contents):
    """Parts of small files, whole and hashed, as the prover hands them over."""
    for data in contents:
        part = store.part(sha256(data), len(data))
        part.write(0, data)
        yield part, sha256(data)


def test_what_was_written_before_the_disk_was_full_is_kept(store, monkeypatch):
    contents = [some_bytes(1000, seed) for seed in range(6)] + [b"small"]
    disk = Full(monkeypatch, 3500)
    with pytest.raises(StoreError) as caught, store.batch():
        for part, digest in small_parts(store, contents):
            store.publish(part, digest.hex)
    assert caught.value.code == "local.disk-full"
    assert [store.find(sha256(data)) is not None for data in contents] == [True] * 3 + [False] * 4
    assert list((store.folder / "parts-v1").iterdir()) == []
    disk.room = 100_000
    with store.batch():
        for part, digest in small_parts(store, contents):
            store.publish(part, digest.hex)
    assert all(store.find(sha256(data)).read_bytes() == data for data in contents)


def test_a_finished_part_does_not_wait_long_for_others(store, monkeypatch):
    monkeypatch.setattr(blobs, "LONGEST", 0.02)
    contents = [some_bytes(1000, seed) for seed in range(2)]
    first = layout.blob(store.folder, sha256(contents[0]).hex)
    with store.batch():
        for part, digest in small_parts(store, contents):
            time.sleep(0.03)
            store.publish(part, digest.hex)
        until = time.monotonic() + 10
        while not first.exists() and time.monotonic() < until:
            time.sleep(0.001)
        assert first.read_bytes() == contents[0]


def test_who_interrupts_the_flush_loses_nothing_that_is_proven(store, monkeypatch):
    contents, sync_data, syncs = [some_bytes(1000, seed) for seed in range(6)], files.sync_data, []

    def sync_or_not(descriptor):
        syncs.append(descriptor)
        if len(syncs) == 3:
            raise KeyboardInterrupt
        sync_data(descriptor)

    monkeypatch.setattr(files, "sync_data", sync_or_not)
    with pytest.raises(KeyboardInterrupt), store.batch():
        for part, digest in small_parts(store, contents):
            store.publish(part, digest.hex)
    assert all(layout.blob(store.folder, sha256(data).hex).read_bytes() == data for data in contents)
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_what_is_too_large_for_the_disk_does_not_hold_up_what_is_not(store, monkeypatch):
    contents = [some_bytes(size, size) for size in (1000, 100_000, 2000)]
    write_all = files.write_all

    def write_little(descriptor, data, start):
        if len(data) > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_all(descriptor, data, start)

    monkeypatch.setattr(files, "write_all", write_little)
    with pytest.raises(StoreError), store.batch():
        for part, digest in small_parts(store, contents):
            store.publish(part, digest.hex)
    assert [store.find(sha256(data)) is not None for data in contents] == [True, False, True]


def test_a_part_that_its_owner_gave_up_gets_no_name(store):
    part, digest = next(small_parts(store, [DATA]))
    with store.batch():
        store.publish(part, digest.hex)
        part.close()
    assert store.find(digest) is None
