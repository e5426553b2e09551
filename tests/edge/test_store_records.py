"""Records: what the warm load reads, and that it reads nothing else."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import surefetch
from surefetch.errors import StoreError
from surefetch.model import Dataset, TensorSpec
from surefetch.store import Store, files, records, warm
from tests.edge.storekit import names_in, publish, sha256, some_bytes

SOURCE = str(Path(surefetch.__file__).parents[1])
IMAGES, FILE = some_bytes(7840), some_bytes(5000, 2)
DEMO = Dataset(
    name="demo",
    version="1",
    title="A demonstration",
    aliases=("Demo", "ylecun/demo"),
    classes=("zero", "one"),
    tensors={"train/image": TensorSpec(dtype="uint8", shape=(10, 28, 28), sha256=sha256(IMAGES).hex)},
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def record(store, **options):
    store.put_tensor(IMAGES)
    publish(store, FILE)
    names = {"images.gz": sha256(FILE).hex}
    view = store.view("demo", "1", names)
    tensors = {"train/image": sha256(IMAGES).hex}
    return store.record_dataset(DEMO, tensors, names, view=view, **options)


@pytest.mark.parametrize("name", ["demo", "Demo", "ylecun/demo"])
def test_a_recorded_dataset_is_found_by_every_name(store, name):
    record(store, details={"form": "idx"})
    found = warm.find_ready(store.folder, name)
    assert found["dataset"] == "demo"
    assert found["details"] == {"form": "idx"}
    tensor = found["tensors"]["train/image"]
    assert (tensor["dtype"], tensor["shape"], tensor["size"]) == ("uint8", [10, 28, 28], 7840)
    assert Path(tensor["path"]).read_bytes() == IMAGES
    assert Path(found["view"], "images.gz").read_bytes() == FILE


def test_what_was_not_recorded_is_not_found(store):
    assert warm.find_ready(store.folder, "demo") is None
    record(store)
    for name in ("emo", "DEMO", "", "..", "../demo", "demo.json", "x" * 5000, "a\0b", "\udcff"):
        assert warm.find_ready(store.folder, name) is None


@pytest.mark.parametrize("damage", ["missing", "short", "long", "a folder"])
def test_a_blob_that_is_not_whole_makes_the_record_void(store, damage):
    record(store)
    blob = store.find(sha256(IMAGES))
    blob.unlink()
    if damage == "a folder":
        blob.mkdir()
    elif damage != "missing":
        blob.write_bytes(IMAGES[:-1] if damage == "short" else IMAGES + b"x")
    assert warm.find_ready(store.folder, "demo") is None
    assert store.datasets_here() == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"{}", b"\xff", b'{"release": "0.0.0"}', b"[" * 100_000, None]
)
def test_a_damaged_record_is_no_record(store, content):
    record(store)
    path = store.folder / "index-v1" / "demo.json"
    path.write_bytes(content) if content is not None else path.unlink()
    assert warm.find_ready(store.folder, "demo") is None
    assert warm.ready_records(store.folder) == []


@pytest.mark.parametrize("key", ["names", "dataset", "origins", "tensors", "files", "view"])
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"x": 1}, [[1]], {"x": {"sha256": 5}}])
def test_a_record_of_another_shape_never_crashes(store, key, value):
    record(store)
    path = store.folder / "index-v1" / "demo.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, key: value}))
    warm.ready_records(store.folder)
    found = warm.find_ready(store.folder, "demo")
    assert found is None or found["dataset"] in ("demo", value)


def test_a_record_of_another_release_is_asked_of_the_catalog_again(store, monkeypatch):
    record(store)
    monkeypatch.setattr(warm, "__version__", "99.0")
    assert warm.find_ready(store.folder, "demo") is None


def test_a_change_of_the_users_catalog_makes_the_record_void(store, tmp_path):
    catalog = tmp_path / "my.toml"
    catalog.write_text("one")
    record(store, origins=[catalog])
    assert warm.find_ready(store.folder, "demo") is not None
    catalog.write_text("another")
    assert warm.find_ready(store.folder, "demo") is None


def test_a_dataset_whose_blobs_lie_in_a_layer_is_found_through_the_own_record(tmp_path):
    layer = Store(tmp_path / "lab")
    record(layer)
    store = Store(tmp_path / "own", [layer.folder])
    store.record_dataset(DEMO, {"train/image": sha256(IMAGES).hex}, {})
    found = warm.find_ready(store.folder, "demo")
    assert found["tensors"]["train/image"]["path"] == str(layer.find(sha256(IMAGES)))
    assert names_in(store.folder) == ["index-v1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_blob_of_a_shared_layer_that_changed_since_it_was_hashed_is_not_mapped(tmp_path):
    layer = Store(tmp_path / "lab")
    record(layer)
    blob = layer.find(sha256(IMAGES))
    os.chown(blob, 12345, 12345)
    store = Store(tmp_path / "own", [layer.folder])
    store.record_dataset(DEMO, {"train/image": sha256(IMAGES).hex}, {})
    assert warm.find_ready(store.folder, "demo") is not None
    blob.chmod(0o644)
    blob.write_bytes(IMAGES[::-1])
    assert warm.find_ready(store.folder, "demo") is None


def test_a_tensor_that_is_not_here_is_not_recorded(store):
    with pytest.raises(StoreError, match="not in the store"):
        store.record_dataset(DEMO, {"train/image": sha256(IMAGES).hex}, {})
    assert store.datasets_here() == []


def test_a_tensor_of_the_wrong_size_is_not_recorded(store):
    digest, _ = store.put_tensor(b"short")
    with pytest.raises(StoreError, match="has 5 bytes in the store, not 7840"):
        store.record_dataset(DEMO, {"train/image": digest}, {})


def test_all_datasets_are_listed_once(store):
    record(store)
    store.record_dataset(Dataset(name="bare", version="2"), {}, {})
    assert [found["dataset"] for found in store.datasets_here()] == ["bare", "demo"]


def test_a_warm_load_imports_next_to_nothing(store):
    record(store)
    code = """
import sys
before = set(sys.modules)
from surefetch.store.warm import find_ready
assert find_ready(sys.argv[1], "demo")["dataset"] == "demo"
print(*sorted(name for name in set(sys.modules) - before if name.startswith("surefetch")))
heavy = {"msgspec", "pathlib", "hashlib", "numpy", "typing", "tomllib", "filelock"}
print(*(heavy & set(sys.modules) - before))
"""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.append({SOURCE!r})\n{code}",
            store.folder,
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    ours, foreign = done.stdout.splitlines()
    assert ours == "surefetch surefetch.store surefetch.store.warm"
    assert set(foreign.split()) <= {"typing"}


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("mnist", "mnist"),
        ("ylecun/mnist", "ylecun%2fmnist"),
        ("mnist_784", "mnist_784"),
        ("a b.c", "a%20b%2ec"),
        ("ü", "%c3%bc"),
        ("CON", "%43ON"),
        ("nul", "%6eul"),
        ("com1", "%63om1"),
        ("..", "%2e%2e"),
    ],
)
def test_any_name_becomes_a_file_name_for_all_systems(name, quoted):
    assert warm.quote(name) == quoted


def test_long_names_stay_apart():
    one, other = "x" * 4000 + "a", "x" * 4000 + "b"
    assert warm.quote(one) != warm.quote(other)
    assert len(warm.quote(one)) <= 120


def test_pins_survive_each_other(store):
    store.records.pin("demo")
    store.records.pin("ylecun/mnist")
    store.records.unpin("demo")
    assert not store.records.is_pinned("demo")
    assert store.records.is_pinned("ylecun/mnist")
    store.records.unpin("never pinned")


def test_receipts_are_logged_privately_and_the_log_stays_small(store, monkeypatch):
    monkeypatch.setattr(records, "LOG_BYTES", 2000)
    assert store.records.receipts() == []
    for number in range(200):
        store.records.log({"dataset": "demo", "number": number})
    entries = store.records.receipts()
    assert entries[-1] == {"dataset": "demo", "number": 199}
    log = next((store.folder / "private-v1").glob("receipts*"))
    assert log.stat().st_size < 2100
    assert log.stat().st_mode & 0o077 == 0
    with log.open("ab") as file:
        file.write(b"{torn\n")
    assert store.records.receipts()[-1]["number"] == 199


def refuse(monkeypatch, number):
    """Have the disk refuse to take a record."""

    def write_small(path, content, **_):
        raise files.trouble(OSError(number, os.strerror(number)), path, "made")

    monkeypatch.setattr(files, "write_small", write_small)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_record_that_cannot_be_written_is_given_all_the_same(store, monkeypatch, number):
    refuse(monkeypatch, number)
    given = record(store)
    assert Path(given["tensors"]["train/image"]["path"]).read_bytes() == IMAGES
    assert warm.find_ready(store.folder, "demo") is None
    composed = store.records.compose(DEMO, {"train/image": sha256(IMAGES).hex})
    assert composed["tensors"] == given["tensors"]


def test_without_room_a_record_has_to_say_the_same_already(store, monkeypatch):
    refuse(monkeypatch, errno.ENOSPC)
    with pytest.raises(StoreError):
        record(store)
    monkeypatch.undo()
    record(store)
    refuse(monkeypatch, errno.ENOSPC)
    assert record(store)["dataset"] == "demo"
    with pytest.raises(StoreError):
        record(store, details={"form": "idx"})
