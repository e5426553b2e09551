"""A readable folder that is made while files are still fetched: the same in the end, and nothing is left."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from surefetch.store import Store, ahead, owner
from surefetch.store.parts import FOREIGN_SECONDS
from tests.edge.storekit import names_in, publish, sha256, some_bytes

FILES = {f"{number % 3}/f{number}.bin": some_bytes(3000, number) for number in range(9)}
NAMES = {name: sha256(data).hex for name, data in FILES.items()}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def begun(store, names=tuple(FILES), **options):
    """Publish files, those named into a view in the making; return that."""
    store.room(0, "many")
    view = store.view_ahead("many", "1")
    with store.batch():
        for name, data in FILES.items():
            put = (lambda place, name=name: view.put(name, place)) if name in names else None
            publish(store, data, on_named=put, **options)
    return view


def read(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("names", [tuple(FILES), tuple(FILES)[:4]])
def test_it_becomes_the_view(store, names):
    view = begun(store, names)
    inode = (view.folder / names[0]).stat().st_ino
    root = store.view("many", "1", NAMES, ahead=view)
    assert read(root) == FILES
    assert (root / names[0]).stat().st_ino == inode
    assert names_in(store.folder / "parts-v1") == []


def test_one_that_is_of_other_files_is_of_no_use(store):
    view = begun(store)
    view.put("0/other.bin", str(store.find(sha256(FILES["0/f0.bin"]))))
    assert read(store.view("many", "1", NAMES, ahead=view)) == FILES
    view.close()
    assert names_in(store.folder / "parts-v1") == []


def test_what_cannot_be_put_is_put_in_the_end(store, monkeypatch):
    refuse = lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full"))  # noqa: E731 - one line says it
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        patch.setattr(os, "symlink", refuse)
        patch.setattr("surefetch.store.files.copy", refuse)
        view = begun(store)
    assert read(store.view("many", "1", NAMES, ahead=view)) == FILES
    view.close()
    assert names_in(store.folder / "parts-v1") == []


def test_a_view_on_another_disk_is_made_there(store, monkeypatch):
    view = begun(store)
    rename = Path.rename

    def across(path, target):
        if path == view.folder:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", across)
    assert read(store.view("many", "1", NAMES, ahead=view)) == FILES
    assert names_in(store.folder / "parts-v1") == []


def test_a_name_that_would_leave_the_folder_is_never_put(store, tmp_path):
    view = begun(store)
    view.put("../../escaped.bin", str(store.find(sha256(FILES["0/f0.bin"]))))
    assert not (store.folder / "escaped.bin").exists()
    assert not view.is_of(NAMES)


def test_a_view_that_stands_is_mended_instead(store):
    view = begun(store)
    first = store.view("many", "1", NAMES)
    (first / "0" / "f0.bin").unlink()
    assert read(store.view("many", "1", NAMES, ahead=view)) == FILES
    assert store.view_ahead("many", "1") is None


def test_bytes_that_came_with_a_credential_are_shown_to_this_user_alone(store):
    view = begun(store, tuple(FILES)[:4])
    secret = some_bytes(3000, 77)
    publish(store, secret, is_private=True)
    root = store.view("many", "1", {**NAMES, "secret.bin": sha256(secret).hex}, ahead=view)
    assert root.is_relative_to(store.folder / "private-v1")
    assert read(root) == {**FILES, "secret.bin": secret}


@pytest.mark.parametrize("way", ["prune", "the next"])
def test_what_a_dead_process_left_is_deleted_and_what_a_living_one_makes_is_not(store, way):
    living = begun(store)
    dead = living.folder.with_name(f"{owner.NOBODY}.0123{ahead.SUFFIX}")
    (dead / "0").mkdir(parents=True)
    (dead / "0" / "f0.bin").write_bytes(FILES["0/f0.bin"])
    if way == "prune":
        store.prune()
    else:
        store.view_ahead("others", "1")
    assert names_in(store.folder / "parts-v1") == [living.folder.name]
    assert read(living.folder) == FILES


def test_what_another_machine_left_is_deleted_after_a_day(store):
    living = begun(store)
    theirs = [living.folder.with_name(f"0123456789ab-{pid}-7.0123{ahead.SUFFIX}") for pid in (1, 2)]
    for path in theirs:
        path.mkdir()
    os.utime(theirs[0], (time.time() - 2 * FOREIGN_SECONDS,) * 2)
    ahead.tidy(living.folder.parent)
    assert names_in(living.folder.parent) == sorted([theirs[1].name, living.folder.name])


def test_a_folder_that_somebody_deleted_is_of_no_use(store):
    view = begun(store, tuple(FILES)[:4])
    shutil.rmtree(view.folder)
    for name in tuple(FILES)[4:]:
        view.put(name, str(store.find(sha256(FILES[name]))))
    assert read(store.view("many", "1", NAMES, ahead=view)) == FILES
