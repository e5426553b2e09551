"""The handle of a loaded dataset: splits, arrays mapped when asked for, what may be written and what not."""

from __future__ import annotations

import copy
import mmap
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefetch.dataset import Handle, Split
from surefetch.dataset.arrays import READ_ONLY, map_tensor
from surefetch.errors import MissingExtraError, StoreError, UsageError
from tests.fakes.handles import make_handle, text_tensors

IMAGES = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
LABELS = np.array([3, 1, 4, 1, 5, 9], np.uint8)


@pytest.fixture
def handle(tmp_path: Path) -> Handle:
    tensors = {
        "test/label": LABELS[:2],
        "test/image": IMAGES[:2],
        "train/label": LABELS,
        "train/image": IMAGES,
    }
    return make_handle(tmp_path, tensors)


def test_every_way_to_an_array_gives_the_same_one(handle: Handle) -> None:
    array = handle["train"]["image"]
    assert handle.train.image is array
    assert handle["train/image"] is array
    assert np.array_equal(array, IMAGES)
    assert array.dtype == np.uint8 and array.shape == (6, 4, 4)


def test_an_array_is_a_read_only_memory_map(handle: Handle) -> None:
    array = handle.train.image
    assert isinstance(array, np.memmap)
    assert isinstance(array.base, mmap.mmap)
    assert not array.flags.writeable


def test_only_what_is_asked_for_is_mapped(handle: Handle, tmp_path: Path) -> None:
    Path(handle.train.record("image")["path"]).unlink()
    assert handle.train.label.tolist() == LABELS.tolist()
    assert "6×4×4" in repr(handle)
    with pytest.raises(StoreError, match="cannot be mapped") as caught:
        handle.train.image  # noqa: B018 - the look is what fails
    assert caught.value.code == "local.cache-corrupt" and caught.value.hint


def test_a_short_blob_is_an_error_and_no_crash(handle: Handle) -> None:
    path = Path(handle.train.record("image")["path"])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="cannot be mapped"):
        handle["train"]["image"]


def test_labels_come_last_and_training_first(handle: Handle) -> None:
    assert list(handle) == ["train", "test"]
    assert list(handle.train) == ["image", "label"]
    assert handle.train.rows == 6


def test_xy_unpacks_as_keras_does(handle: Handle) -> None:
    (x_train, y_train), (x_test, y_test) = handle.xy()
    assert np.array_equal(x_train, IMAGES) and np.array_equal(y_train, LABELS)
    assert x_test.shape == (2, 4, 4) and y_test.tolist() == [3, 1]
    assert len(handle.xy("test")) == 1


def test_xy_names_what_is_there_when_there_is_no_test_split(tmp_path: Path) -> None:
    handle = make_handle(tmp_path, {"data": np.zeros((3, 2)), "target": np.zeros(3, np.int64)})
    with pytest.raises(UsageError, match="only `all`") as caught:
        handle.xy()
    assert caught.value.hint == "ds.all.xy()"
    assert handle["all"].xy()[0].shape == (3, 2)


def test_xy_needs_labels(tmp_path: Path) -> None:
    split = make_handle(tmp_path, {"train/image": IMAGES})["train"]
    with pytest.raises(UsageError, match="no inputs and labels"):
        split.xy()


def test_names_that_are_not_there_are_told_with_those_that_are(handle: Handle) -> None:
    with pytest.raises(KeyError, match="only `train`, `test`"):
        handle["dev"]
    with pytest.raises(KeyError, match="only `image`, `label`"):
        handle["train"]["pixels"]
    with pytest.raises(AttributeError, match="pixels"):
        handle.train.pixels  # noqa: B018 - the look is what fails
    assert not hasattr(handle, "__array__")


#: Ways to write into an array.
WRITES: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x.__setitem__(0, 1),
    "slice of a slice": lambda x: x[1:][0].__setitem__(slice(None), 1),
    "transposed": lambda x: x.T.__setitem__(0, 1),
    "reshaped": lambda x: x.reshape(-1).__setitem__(0, 1),
    "mask": lambda x: x.__setitem__(x > 3, 1),
    "+=": lambda x: x.__iadd__(1),
    "np.add(out=)": lambda x: np.add(x, 1, out=x),
    "np.add.at": lambda x: np.add.at(x, 0, 1),
    "np.clip(out=)": lambda x: np.clip(x, 0, 1, out=x),
    "clip(out=)": lambda x: x.clip(0, 1, out=x),
    "np.cumsum(out=)": lambda x: np.cumsum(x, axis=0, out=x),
    "np.take(out=)": lambda x: np.take(x, [0], axis=0, out=x[:1]),
    "sort": lambda x: x.sort(),
    "partition": lambda x: x.partition(1),
    "fill": lambda x: x.fill(0),
    "put": lambda x: x.put([0], [1]),
    "byteswap": lambda x: x.byteswap(inplace=True),
    "setfield": lambda x: x.setfield(1, np.uint8),
    "setflags": lambda x: x.setflags(write=True),
    "np.copyto": lambda x: np.copyto(x, 1),
    "np.put": lambda x: np.put(x, [0], [1]),
    "np.place": lambda x: np.place(x, x > 1, [1]),
    "np.putmask": lambda x: np.putmask(x, x > 1, [1]),
    "np.put_along_axis": lambda x: np.put_along_axis(x, np.zeros_like(x, np.int64), 1, 0),
    "np.fill_diagonal": lambda x: np.fill_diagonal(x[:4, 0], 1),
}


@pytest.mark.parametrize("way", WRITES)
def test_writing_in_place_says_copy(handle: Handle, way: str) -> None:
    with pytest.raises(ValueError, match=r"`array\.copy\(\)`") as caught:
        WRITES[way](handle.train.image)
    assert str(caught.value) == READ_ONLY
    assert np.array_equal(handle.train.image, IMAGES)


def test_other_mistakes_keep_their_own_words(handle: Handle) -> None:
    with pytest.raises(ValueError, match="could not be broadcast"):
        handle.train.image + np.zeros(3)
    with pytest.raises(IndexError):
        handle.train.image[99]


def test_a_copy_may_be_written(handle: Handle) -> None:
    for mine in (
        handle.train.image.copy(),
        copy.copy(handle.train.image),
        copy.deepcopy(handle.train.image),
        handle.train.image[[0, 1]],
        handle.train.image.astype(np.float32),
        np.array(handle.train.image),
    ):
        mine[0] = 7
        assert type(mine) is np.ndarray
    assert np.array_equal(handle.train.image, IMAGES)


def test_results_are_ordinary_arrays(handle: Handle) -> None:
    image = handle.train.image
    for result in (
        image / 255,
        image.sum(axis=0),
        np.concatenate([image, image]),
        np.asarray(image),
        image.flatten(),
        image.__array__(np.float32),
        image[image > 3],
    ):
        assert type(result) is np.ndarray
    assert image.__array__(copy=True).flags.writeable
    out = np.zeros((6, 4, 4), np.uint8)
    assert np.add(image, 1, out=out) is out
    assert np.array_equal(out, IMAGES + 1)


def test_an_array_pickles_as_an_ordinary_one(handle: Handle) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(handle.train.image, protocol=protocol))
        assert type(again) is np.ndarray and np.array_equal(again, IMAGES)


def test_dlpack_gives_pages_that_takers_may_write(handle: Handle) -> None:
    image = handle.train.image
    for view in (image, image[1:5:2, :, 1:3], image[::-1, 1], image[2, 3]):
        for giver in (view, Old(view)):
            taken = np.from_dlpack(giver)
            assert np.array_equal(taken, view) and taken.strides == view.strides
            assert not np.shares_memory(taken, view)
    assert np.from_dlpack(image).flags.writeable
    assert handle.train.image.__dlpack_device__() == (1, 0)


class Old:
    """A giver whose taker knows no read-only arrays, as DLPack was before 1.0."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__()

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_a_private_map_can_be_written_and_changes_no_file(handle: Handle) -> None:
    mine = map_tensor(handle.train.record("image"), mode="c")
    mine += 1
    mine[0] = 0
    mine.sort(axis=0)
    assert np.array_equal(handle.train.image, IMAGES)
    assert Path(handle.train.record("image")["path"]).read_bytes() == IMAGES.tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 1, 3)])
@pytest.mark.parametrize("dtype", ["bool", "int16", "float16", "float64", "uint64"])
def test_any_shape_and_dtype_is_mapped(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    array = np.ones(shape, dtype)
    mapped = make_handle(tmp_path, {"x": array})["all"]["x"]
    assert mapped.shape == shape and mapped.dtype == array.dtype and np.array_equal(mapped, array)
    assert not mapped.flags.writeable


def test_handles_and_splits_travel_by_record(handle: Handle) -> None:
    handle.train.image.sum()
    blob = pickle.dumps(handle)
    assert len(blob) < 2000 and IMAGES.tobytes() not in blob
    for again in (pickle.loads(blob), copy.copy(handle), copy.deepcopy(handle)):
        assert again == handle and hash(again) == hash(handle)
        assert np.array_equal(again.train.image, IMAGES)
    split: Split = pickle.loads(pickle.dumps(handle.test))
    assert split == handle.test and split != handle.train
    assert handle != "mnist"


def test_all_threads_get_one_map(handle: Handle) -> None:
    barrier, seen = threading.Barrier(8), []

    def look() -> None:
        barrier.wait()
        seen.append(handle.train.image)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(array) for array in seen}) == 1


def test_repr_tells_shapes_and_completion_names(handle: Handle) -> None:
    assert repr(handle).splitlines()[1] == "  train: image uint8 6×4×4, label uint8 6"
    assert repr(handle.test) == "<split test: image: uint8 2×4×4, label: uint8 2>"
    assert {"train", "test", "xy"} <= set(dir(handle))
    assert {"image", "label", "to_torch"} <= set(dir(handle.train))
    assert handle._ipython_key_completions_() == ["train", "test"]


def test_repr_of_an_array_reads_as_an_array(handle: Handle) -> None:
    assert repr(handle.train.label) == "array([3, 1, 4, 1, 5, 9], dtype=uint8)"


def test_a_missing_library_is_one_clear_line(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    from surefetch.dataset import convert

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(convert, "import_module", missing)
    split = handle.train
    exports = (
        split.to_torch, split.torch_dataset, split.to_tf, split.to_arrow, split.to_hf, split.to_pandas,
        handle.to_hf, handle.to_torch, handle.to_tf, handle.to_arrow, handle.to_pandas,
        split.__arrow_c_stream__,
    )  # fmt: skip
    for export in exports:
        with pytest.raises(MissingExtraError, match="not installed") as caught:
            export()
        assert caught.value.hint.startswith("pip install '") and "\n" not in caught.value.message


def test_a_broken_library_keeps_its_own_error(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    from surefetch.dataset import convert

    def broken(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'libcudart'", name="libcudart")

    monkeypatch.setattr(convert, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="libcudart"):
        handle.train.to_torch()


def test_arrow_readers_get_tables_without_copies(tmp_path: Path) -> None:
    import pyarrow as pa

    flags, numbers = np.array([True, False, True]), np.arange(6.0).reshape(3, 2)
    tensors = {
        "train/image": IMAGES[:3], "train/flag": flags, "train/data": numbers,
        **text_tensors("train", ["a", "", "ﬂow"]),
    }  # fmt: skip
    split = make_handle(tmp_path, tensors)["train"]
    table = pa.table(split)
    assert table.column_names == split.columns == ["image", "flag", "data", "text"]
    assert table.column("text").to_pylist() == ["a", "", "ﬂow"]
    assert table.column("flag").to_pylist() == [True, False, True]
    assert table.column("data").to_pylist() == numbers.tolist()
    assert table.column("image").to_pylist() == IMAGES[:3].tolist()
    pixels = table.column("image").chunk(0).flatten().flatten()
    assert pixels.buffers()[1].address == split.image.__array_interface__["data"][0]
    assert make_handle(tmp_path, tensors).to_arrow()["train"].equals(table)
