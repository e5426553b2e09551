"""Disks that are full, read-only, forbidden or not folders: said before the first byte, with one hint."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from surefetch.errors import StoreError
from surefetch.store import Store, files
from surefetch.store.part import Part
from tests.edge.storekit import MIB, names_in, publish, sha256, some_bytes

ROOT = Path(__file__).parents[2]
#: Runs in a process of its own, among mounts of its own: prints what the store says.
CHILD = """
import json, os, sys
from pathlib import Path
from surefetch.errors import StoreError
from surefetch.store import Store
from tests.edge.storekit import *
place = Path(sys.argv[1])
try:
    result = {body}
except StoreError as error:
    result = dict(code=error.code, message=error.message, hint=error.hint)
print(json.dumps(result))
"""


def among(place: Path, mounts: str, body: str, before: str = "") -> dict:
    """Run `body` where `mounts` were made; `place` is the folder they are about."""
    place.mkdir(exist_ok=True)
    code = before + CHILD.replace("{body}", body)
    script = f'set -e; {mounts}; exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PLACE": str(place)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SMALL = 'mount -t tmpfs -o size=3m,mode=755 none "$PLACE"'
READ_ONLY = 'mount -t tmpfs none "$PLACE"; mount -o remount,ro "$PLACE"'
HINT = "choose another folder with `SUREFETCH_STORE=/data/surefetch`"


@pytest.mark.privileged
def test_too_little_room_is_said_before_the_first_byte(tmp_path):
    said = among(tmp_path / "disk", SMALL, 'Store(place / "store").room(12_000_000, "mnist")')
    assert said["code"] == "local.disk-full"
    assert said["message"] == f"`mnist` needs 12.0 MB and `{tmp_path}/disk/store` has 3.1 MB free"
    assert said["hint"] == HINT


@pytest.mark.privileged
def test_a_disk_that_fills_up_on_the_way_is_told_and_what_came_is_kept(tmp_path):
    body = """fill(Store(place / "store"))"""
    before = """
from surefetch.errors import StoreError
from tests.edge.storekit import *
def fill(store):
    data = some_bytes(5 * MIB)
    part = store.part(sha256(data), bound=len(data))
    try:
        for start in range(0, len(data), MIB // 4):
            part.write(start, data[start : start + MIB // 4])
    except StoreError as error:
        part.close()
        names = [path.name for path in store.folder.rglob("*.tmp")]
        again = store.part(sha256(data), bound=len(data))
        told = dict(code=error.code, message=error.message, hint=error.hint)
        return dict(told, names=names, kept=again.received.total)
"""
    said = among(tmp_path / "disk", SMALL, body, before)
    assert said["code"] == "local.disk-full"
    assert said["message"].startswith(f"`{tmp_path}/disk/store` could not be written: ")
    assert said["hint"] == HINT
    assert said["names"] == []
    assert said["kept"] == 0 or said["kept"] >= 2 * MIB  # a full disk may have no room for the journal


@pytest.mark.privileged
def test_a_full_disk_while_a_tensor_is_written_leaves_no_part(tmp_path):
    before = """
from surefetch.errors import StoreError
from tests.edge.storekit import *
def put(store):
    try:
        store.put_tensor(some_bytes(5 * MIB))
    except StoreError as error:
        return dict(code=error.code, left=[p.name for p in (store.folder / "parts-v1").iterdir()])
"""
    said = among(tmp_path / "disk", SMALL, 'put(Store(place / "store"))', before)
    assert said == {"code": "local.disk-full", "left": []}


@pytest.mark.privileged
@pytest.mark.parametrize("apart", ["blobs-v1", "parts-v1"])
def test_a_store_on_two_disks_is_told_before_the_first_byte(tmp_path, apart):
    mounts = f'mkdir -p "$PLACE/store/{apart}"; mount -t tmpfs none "$PLACE/store/{apart}"'
    said = among(tmp_path / "disk", mounts, 'Store(place / "store").room(1, "mnist")')
    blobs = tmp_path / "disk/store/blobs-v1/sha256"
    assert said["code"] == "local.path"
    assert (
        said["message"]
        == f"`{blobs}` could not be written: it lies on another disk than the rest of the store"
    )
    assert not [path for path in (tmp_path / "disk").rglob("*") if path.is_file()]


@pytest.mark.parametrize("inside", ["", "surefetch"])
def test_a_link_that_leads_nowhere_is_told(tmp_path, inside):
    link = tmp_path / "cache"
    link.symlink_to(tmp_path / "scratch")  # a disk that is not mounted today
    with pytest.raises(StoreError) as raised:
        Store(link / inside).room(1, "mnist")
    assert raised.value.code == "local.path"
    assert f"`{link}` is a link to `{tmp_path}/scratch`, and no folder is there" in raised.value.message


@pytest.mark.privileged
def test_a_read_only_disk_is_told(tmp_path):
    said = among(tmp_path / "disk", READ_ONLY, 'Store(place / "store").room(1, "mnist")')
    assert said["code"] == "local.read-only"
    assert said["message"] == f"`{tmp_path}/disk/store` could not be made: it is mounted read-only"
    assert said["hint"] == HINT


@pytest.mark.privileged
def test_what_a_read_only_store_has_can_be_used(tmp_path):
    store = Store(tmp_path / "store")
    data = some_bytes(1000)
    publish(store, data)
    bind = f'mount --bind "{store.folder}" "$PLACE"; mount -o remount,ro,bind "$PLACE"'
    said = among(tmp_path / "disk", bind, "str(Store(place).find(sha256(some_bytes(1000))))")
    assert said.endswith(sha256(data).hex)
    said = among(tmp_path / "disk", bind, 'Store(place).room(1, "mnist")')
    assert said["code"] == "local.read-only"


@pytest.mark.privileged
def test_a_folder_of_somebody_else_is_told(tmp_path):
    before = "import os, surefetch.store.store, surefetch.store.views\n"
    body = '(os.setuid(65534), Store(place / "store").room(1, "mnist"))'
    said = among(tmp_path / "disk", SMALL, body, before)
    assert said["code"] == "local.permission"
    assert said["message"].endswith("could not be made: this user may not do that there")
    assert said["hint"] == HINT


def test_a_file_in_the_place_of_the_store_is_told(tmp_path):
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "store").room(1, "mnist")
    assert caught.value.code == "local.path"
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "store" / "below").part("x", 1)
    assert caught.value.code == "local.path"


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / ("x" * 300)).room(1, "mnist")
    assert caught.value.code == "local.name-too-long"


def test_enough_room_says_nothing_and_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path / "store")
    store.room(1, "mnist")
    assert names_in(store.folder / "parts-v1") == []
    assert store.free() > 1


def test_a_disk_that_cannot_reserve_the_room_is_told_before_the_first_byte(tmp_path, monkeypatch):
    def refuse(descriptor, start, length):
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    monkeypatch.setattr("surefetch.store.part.file_system_of", lambda path: "ext4")
    store = Store(tmp_path / "store")
    with pytest.raises(StoreError) as caught:
        store.part("x", 20 * MIB)
    assert caught.value.code == "local.disk-full"
    assert (
        caught.value.message == f"`{store.folder}` could not be given room: your quota on its disk is used up"
    )
    assert names_in(store.folder / "parts-v1") == []


def test_every_trouble_has_a_cause_of_the_table():
    from surefetch.causes import table

    for code, _ in files._TROUBLES.values():
        assert table()[code].failure == "local"


def test_an_unknown_trouble_is_told_in_the_systems_words():
    error = files.trouble(OSError(9999, "the moon is full"), "/x", "written")
    assert error.message == "`/x` could not be written: the moon is full"


def test_systems_without_positioned_writes_are_served(tmp_path, monkeypatch):
    """What Windows gets: one position per file, moved under a lock."""
    monkeypatch.setattr(files, "_pwrite", files.seek_and_write)
    monkeypatch.setattr(files, "_pread", files.seek_and_read)
    store, data = Store(tmp_path / "store"), some_bytes(3 * MIB)
    part = store.part(sha256(data), len(data))
    assert isinstance(part, Part)
    for start in range(0, len(data), 100_000):
        part.write(start, data[start : start + 100_000])
    buffer = bytearray(len(data))
    assert part.read_into(memoryview(buffer), 0) == len(data)
    assert bytes(buffer) == data
    assert Path(store.publish(part, sha256(data).hex)).read_bytes() == data


def test_a_file_where_blobs_belong_is_told_before_the_first_byte(tmp_path):
    (tmp_path / "blobs-v1").touch()
    with pytest.raises(StoreError, match="a file stands where a folder should be"):
        Store(tmp_path).room(1, "mnist")


def test_room_that_lacks_little_is_told_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "free_bytes", lambda folder: 12_000_000)
    with pytest.raises(StoreError, match=r"needs 12,000,001 bytes and .* has 12,000,000 free"):
        Store(tmp_path).room(12_000_001, "mnist")


def test_room_that_unfinished_downloads_take_is_told(tmp_path, monkeypatch):
    store, data = Store(tmp_path), some_bytes(2 * MIB)
    part = store.part("a name", len(data))
    part.write(0, data)
    part.close()
    monkeypatch.setattr(files, "free_bytes", lambda folder: 12_000_000)
    with pytest.raises(StoreError) as caught:
        store.room(13_000_000, "mnist")
    assert caught.value.hint == "`surefetch cache prune` frees the 2.1 MB of unfinished downloads"
    with pytest.raises(StoreError) as caught:
        store.room(15_000_000, "mnist")
    assert "prune" not in caught.value.hint


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_that_knows_no_permissions_keeps_files_all_the_same(tmp_path, monkeypatch, number):
    """A shared folder of a virtual machine, a bucket through FUSE: the file came whole, and was dropped."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    for name in ("chmod", "fchmod", "link", "symlink"):
        monkeypatch.setattr(os, name, refuse)
    store, data = Store(tmp_path / "store"), some_bytes(MIB)
    publish(store, data)
    view = store.view("mnist", "1", {"images.gz": sha256(data).hex})
    copy = store.copy_out(sha256(data).hex, tmp_path / "copy.gz")
    assert (view / "images.gz").read_bytes() == copy.read_bytes() == data
