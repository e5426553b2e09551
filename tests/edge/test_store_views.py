"""Views and copies: readable folders that are mended, never a user's file lost, copies that are one's own."""

import errno
import os
import stat
from pathlib import Path

import pytest

from surefetch.errors import StoreError
from surefetch.store import Store, files, owner, views
from tests.edge.storekit import names_in, publish, sha256, some_bytes

IMAGES, LABELS = some_bytes(50_000, 1), some_bytes(3_000, 2)
NAMES = {"train/images.gz": sha256(IMAGES).hex, "labels.gz": sha256(LABELS).hex}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    publish(store, IMAGES)
    publish(store, LABELS)
    return store


def check(view: Path):
    assert (view / "train" / "images.gz").read_bytes() == IMAGES
    assert (view / "labels.gz").read_bytes() == LABELS
    assert list(view.rglob(".*")) == []


def test_a_view_has_the_files_under_their_published_names(store):
    view = store.view("ylecun/mnist", "1", NAMES)
    check(view)
    assert view == store.folder / "views-v1" / "ylecun%2fmnist" / "1"
    assert stat.S_IMODE((view / "labels.gz").stat().st_mode) & 0o222 == 0
    assert names_in(view.parent) == ["1"]


def test_a_view_made_again_stays_as_it_is(store):
    view = store.view("mnist", "1", NAMES)
    before = (view / "labels.gz").stat()
    check(store.view("mnist", "1", NAMES))
    assert (view / "labels.gz").stat().st_ino == before.st_ino
    assert (view / "labels.gz").stat().st_ctime_ns == before.st_ctime_ns


@pytest.mark.parametrize("way", ["links", "symbolic links", "copies"])
def test_every_way_to_place_a_file_gives_the_same_view(store, monkeypatch, way):
    refuse = lambda *_: (_ for _ in ()).throw(OSError(95, "no"))  # noqa: E731 - one line says it
    if way != "links":
        monkeypatch.setattr(os, "link", refuse)
    if way == "copies":
        monkeypatch.setattr(os, "symlink", refuse)
    view = store.view("mnist", "1", NAMES)
    check(view)
    assert (view / "labels.gz").is_symlink() == (way == "symbolic links")
    monkeypatch.setattr(views, "_place", refuse)  # nothing is left to be placed
    check(store.view("mnist", "1", NAMES))


def test_a_missing_file_of_a_view_is_put_back(store):
    view = store.view("mnist", "1", NAMES)
    (view / "train" / "images.gz").unlink()
    check(store.view("mnist", "1", NAMES))


def test_a_wrong_file_of_a_view_is_moved_aside_and_a_foreign_one_left_alone(store):
    view = store.view("mnist", "1", NAMES)
    (view / "labels.gz").unlink()
    (view / "labels.gz").write_bytes(b"mine")
    (view / "notes.txt").write_bytes(b"mine too")
    told = {}
    check(store.view("mnist", "1", NAMES, lambda path, what: told.update({path.name.split(".")[0]: what})))
    assert told["labels"].startswith("moved aside")
    assert told["notes"].startswith("left alone")
    assert (view / "notes.txt").read_bytes() == b"mine too"
    assert [path.read_bytes() for path in view.glob("labels.gz.*.aside")] == [b"mine"]


def test_each_wrong_file_that_was_ever_moved_aside_stays(store):
    view = store.view("mnist", "1", NAMES)
    for mine in (b"mine", b"mine again"):
        (view / "labels.gz").unlink()
        (view / "labels.gz").write_bytes(mine)
        check(store.view("mnist", "1", NAMES))
    assert {path.read_bytes() for path in view.glob("labels.gz.*.aside")} == {b"mine", b"mine again"}


def test_a_file_with_the_right_bytes_is_taken_for_what_it_is(store):
    view = store.view("mnist", "1", NAMES)
    (view / "labels.gz").unlink()
    (view / "labels.gz").write_bytes(LABELS)
    told = []
    check(store.view("mnist", "1", NAMES, lambda path, what: told.append(path)))
    assert told == []


def test_two_versions_of_a_dataset_lie_beside_each_other(store):
    first = store.view("mnist", "1", NAMES)
    second = store.view("mnist", "2", {"labels.gz": NAMES["labels.gz"]})
    check(first)
    assert names_in(second) == ["labels.gz"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "c:x", "a\\b"])
def test_a_name_that_leaves_the_folder_is_refused(store, name):
    with pytest.raises(StoreError, match="inside its folder"):
        store.view("mnist", "1", {name: NAMES["labels.gz"]})


def test_a_view_of_what_is_not_here_is_refused(store):
    with pytest.raises(StoreError) as caught:
        store.view("mnist", "1", {"x": "0" * 64})
    assert caught.value.code == "local.cache-corrupt"
    assert not (store.folder / "views-v1").exists()


def test_a_view_of_private_bytes_is_private(store):
    data = some_bytes(10, 3)
    publish(store, data, is_private=True)
    view = store.view("gated", "1", {"x": sha256(data).hex})
    assert view.is_relative_to(store.folder / "private-v1")
    assert (view / "x").read_bytes() == data


def test_a_copy_is_ones_own(store, tmp_path):
    target = tmp_path / "out" / "labels.gz"
    store.copy_out(NAMES["labels.gz"], target)
    assert target.stat().st_nlink == 1
    assert not target.is_symlink()
    with target.open("r+b") as file:
        file.write(b"overwritten")
    assert all(blob.is_good for blob in store.verify_all())
    assert names_in(target.parent) == ["labels.gz"]


def test_what_a_dead_process_left_of_a_copy_is_deleted_and_nothing_else(tmp_path):
    mine = owner.me()
    dead = str(owner.Owner(mine.machine, mine.pid, mine.started - 1))
    kept = [
        f".surefetch-{mine}.{files.nonce()}.tmp",
        f".surefetch-{owner.Owner('f' * 12, 1, 1)}.{files.nonce()}.tmp",  # of another machine: nobody knows
        ".surefetch-notes.tmp",
        f"{dead}.tmp",
    ]
    for name in (*kept, f".surefetch-{dead}.{files.nonce()}.tmp"):
        (tmp_path / name).write_bytes(b"half")
    views.tidy(tmp_path)
    views.tidy(tmp_path / "nowhere")
    assert names_in(tmp_path) == sorted(kept)


def test_a_copy_that_fails_leaves_nothing(store, tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(files, "sync_path", fail)
    with pytest.raises(StoreError):
        store.copy_out(NAMES["labels.gz"], tmp_path / "labels.gz")
    assert names_in(tmp_path) == ["store"]


def test_a_copy_does_not_replace_another_file_unless_asked(store, tmp_path):
    target = tmp_path / "labels.gz"
    target.write_bytes(b"mine")
    with pytest.raises(StoreError, match="is another file"):
        store.copy_out(NAMES["labels.gz"], target)
    assert target.read_bytes() == b"mine"
    store.copy_out(NAMES["labels.gz"], target, overwrite=True)
    assert target.read_bytes() == LABELS
    number = target.stat().st_ino
    store.copy_out(NAMES["labels.gz"], target)  # there already
    assert target.stat().st_ino == number


def test_a_copy_onto_a_link_replaces_the_link_and_not_what_it_points_to(store, tmp_path):
    mine = tmp_path / "mine"
    mine.write_bytes(LABELS)
    target = tmp_path / "labels.gz"
    target.symlink_to(mine)
    store.copy_out(NAMES["labels.gz"], target, overwrite=True)
    assert not target.is_symlink()
    assert mine.read_bytes() == LABELS


def test_a_damaged_blob_is_not_handed_out(store, tmp_path, monkeypatch):
    blob = store.find(sha256(LABELS))
    blob.chmod(0o644)
    blob.write_bytes(LABELS[::-1])
    blob.chmod(0o444)
    monkeypatch.setattr(files, "clone", lambda source, target: False)
    with pytest.raises(StoreError) as caught:
        store.copy_out(NAMES["labels.gz"], tmp_path / "labels.gz")
    assert caught.value.code == "local.cache-corrupt"
    assert names_in(tmp_path) == ["store"]
