"""Verify, prune, remove: damage is found and moved aside, nothing needed is lost."""

import json
import os
import time
from pathlib import Path

import pytest

from surefetch.model import Dataset, TensorSpec
from surefetch.store import Store, layout, views, warm
from surefetch.store.lead import Lead
from tests.edge.storekit import MIB, names_in, publish, sha256, some_bytes

SHARED = some_bytes(4096, 9)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    for name in ("mnist", "kmnist"):
        record(store, name)
    return store


def record(store, name):
    data = some_bytes(8192, len(name))
    digests = [sha256(data).hex, sha256(SHARED).hex]
    for content in (data, SHARED):
        store.put_tensor(content)
    names = {"a.gz": digests[0], "sub/b.gz": digests[1]}
    spec = TensorSpec(dtype="uint8", shape=(8192,), sha256=digests[0])
    dataset = Dataset(name=name, version="1", aliases=(f"alias-of-{name}",), tensors={"x": spec})
    store.record_dataset(dataset, {"x": digests[0]}, names, view=store.view(name, "1", names))


def here(store):
    return [found["dataset"] for found in store.datasets_here()]


def age(store, seconds=7200):
    """Make all blobs older."""
    then = time.time() - seconds
    for path in (store.folder / "blobs-v1").rglob("*"):
        os.utime(path, (then, then))


def test_a_whole_store_verifies(store):
    assert [blob.is_good for blob in store.verify_all()] == [True, True, True]
    assert store.verify_blob(sha256(SHARED).hex).is_good
    assert store.verify_blob("0" * 64) is None


def test_a_damaged_blob_is_moved_aside_and_told(store):
    blob = store.find(sha256(SHARED))
    blob.chmod(0o644)
    blob.write_bytes(SHARED[::-1])
    blob.chmod(0o444)
    bad = [blob for blob in store.verify_all() if not blob.is_good]
    assert [(blob.sha256, blob.actual) for blob in bad] == [(sha256(SHARED).hex, sha256(SHARED[::-1]).hex)]
    assert Path(bad[0].moved_to).exists()
    assert store.find(sha256(SHARED)) is None
    assert here(store) == []
    publish(store, SHARED)
    assert here(store) == ["kmnist", "mnist"]
    view = store.view("mnist", "1", {"sub/b.gz": sha256(SHARED).hex})  # its link shared the damage
    assert (view / "sub" / "b.gz").read_bytes() == SHARED


def test_remove_takes_one_dataset_and_leaves_what_others_need(store):
    view = store.folder / "views-v1" / "mnist" / "1"
    (view / "sub" / "notes.txt").write_text("mine")
    removal = store.remove("mnist")
    assert (removal.datasets, removal.blobs) == (("mnist",), 1)
    assert removal.freed >= 8192
    assert removal.left == (str(view / "sub" / "notes.txt"),)
    assert here(store) == ["kmnist"]
    assert warm.find_ready(store.folder, "alias-of-mnist") is None
    assert [path.name for path in view.rglob("*") if path.is_file()] == ["notes.txt"]
    store.remove("kmnist")
    assert list(store.verify_all()) == []
    assert names_in(store.folder / "index-v1") == []
    assert store.remove("never here").blobs == 0


def test_prune_keeps_what_is_pinned_kept_or_used(store):
    store.records.pin("mnist")
    age(store)
    assert store.prune(dry_run=True).datasets == ("kmnist",)
    assert here(store) == ["kmnist", "mnist"]
    assert store.prune(keep=["kmnist"]).datasets == ()
    assert store.prune(unused_days=1).datasets == ()
    assert store.prune().datasets == ("kmnist",)
    assert here(store) == ["mnist"]
    store.records.unpin("mnist")
    assert store.prune().datasets == ("mnist",)
    assert list(store.verify_all()) == []


def test_prune_takes_what_belongs_to_no_dataset_unless_it_is_new(store):
    stray = publish(store, b"a carrier")
    assert store.prune(keep=["mnist", "kmnist"]).blobs == 0
    age(store)
    assert store.prune(keep=["mnist", "kmnist"]).blobs == 1
    assert not stray.exists()
    assert here(store) == ["kmnist", "mnist"]


@pytest.mark.parametrize("is_copy", [False, True], ids=["links", "copies"])
def test_a_file_got_by_its_address_goes_whole_or_not_at_all(store, monkeypatch, is_copy):
    monkeypatch.setattr(views, "_linked", lambda source, target: not is_copy and not os.link(source, target))
    monkeypatch.setattr(views, "_symlinked", lambda source, target: False)
    blob = publish(store, b"a file of some address")
    age(store)
    folder = store.view(layout.FILES, "0123", {"x.bin": blob.name, "y.gz": sha256(SHARED).hex})
    (folder / "notes.txt").write_text("of the user")
    then = (time.time_ns() - 7200 * 10**9,)
    for path in folder.iterdir():
        os.utime(path, ns=(*then, path.stat().st_mtime_ns))
    os.utime(folder, ns=then * 2)
    assert store.prune(keep=["mnist", "kmnist", layout.FILES]).blobs == 0
    assert store.prune(keep=["mnist", "kmnist"], unused_days=1).blobs == 0
    removal = store.prune(keep=["mnist", "kmnist"])
    assert removal.blobs == 1 and not blob.exists()
    assert names_in(folder) == ["notes.txt"] and removal.left == (str(folder / "notes.txt"),)
    assert here(store) == ["kmnist", "mnist"] and store.find(sha256(SHARED))


def test_prune_takes_parts_that_nobody_goes_on_with(store):
    data = some_bytes(2 * MIB)
    alive, left = store.part("alive", len(data)), store.part("left", len(data))
    for part in (alive, left):
        part.write(0, data[:MIB])
    left.close()
    assert store.prune(keep=["mnist", "kmnist"]).freed >= MIB
    assert alive.path.exists()
    assert not store.part("left", len(data)).received


@pytest.mark.skipif(os.name == "nt", reason="there everybody leads")
def test_prune_takes_locks_that_a_kill_left_and_none_that_is_held(store):
    left, held = Lead(store.folder / layout.PARTS / "a.lock"), Lead(store.folder / layout.PARTS / "b.lock")
    assert left.take() and held.take()
    left.release(is_over=False)  # as the system does for a dead process
    store.prune(keep=["mnist", "kmnist"])
    assert [path.name for path in (store.folder / layout.PARTS).glob("*.lock")] == ["b.lock"]
    held.release(is_over=True)


def test_a_mapped_blob_can_be_read_while_it_is_removed(store):
    import mmap

    blob = store.find(sha256(SHARED))
    with blob.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        store.remove("mnist")
        store.remove("kmnist")
        assert mapped[:] == SHARED


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"7", b'{"x": 5}', b'{"x": {"sha256": 5}}'])
def test_a_damaged_record_stops_neither_prune_nor_remove(store, content):
    path = store.folder / "index-v1" / "kmnist.json"
    record = json.loads(path.read_bytes())
    for key in ("tensors", "names", "recorded", "files"):
        path.write_text(json.dumps({**record, key: json.loads(content or b"null")}))
        assert store.remove("mnist").blobs <= 2
        store.prune(keep=["kmnist"])
        store.datasets_here()


def test_records_of_another_release_are_listed_and_kept(store, monkeypatch):
    monkeypatch.setattr(warm, "__version__", "99.0")
    age(store)
    assert store.prune(keep=["mnist", "kmnist"]).blobs == 0
    assert here(store) == ["kmnist", "mnist"]
    assert warm.find_ready(store.folder, "mnist") is None


def test_usage_counts_a_file_with_several_names_once(store):
    usage = store.usage()
    assert usage["blobs-v1"] >= 2 * 8192 + 4096
    assert usage["views-v1"] < 4096 or not _has_links(store)
    assert usage["total"] == sum(size for name, size in usage.items() if name != "total")


def _has_links(store):
    return any(path.stat().st_nlink > 1 for path in (store.folder / "views-v1").rglob("*") if path.is_file())
