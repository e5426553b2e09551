"""The files that loaders want, made of tensors; and how what stands there is judged."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

import arff
import numpy as np
import pytest

from surefetch.layouts.frameworks import plan_layouts
from surefetch.layouts.values import Arff, Layout, Machine, Plant
from surefetch.session.loader_files import write_arff, write_idx
from surefetch.session.planting import State, Workshop, judge, move_aside, place, unzipped_md5
from tests.fakes.supplier import SmallSupplier, digits


class Sklearn:
    """scikit-learn's layout below a folder, with what makes its files."""

    def __init__(self, folder: Path) -> None:
        self.supplier = SmallSupplier(folder / "store")
        machine = Machine(home=str(folder), packages={"scikit-learn": "1.9.1", "pandas": "2.3.3"})
        (self.layout,) = plan_layouts(self.supplier.dataset, machine, ["sklearn"])
        (folder / "work").mkdir()
        self.workshop = Workshop(self.supplier.dataset, self.supplier, folder / "work", sys.executable, {})

    def judge(self, plant: Plant) -> State:
        return judge(plant, self.layout, self.supplier.dataset, {})

    def path(self, plant: Plant) -> Path:
        return Path(self.layout.root) / plant.path

    def plant(self, end: str) -> Plant:
        return next(plant for plant in self.layout.plants if plant.path.endswith(end))

    def plant_all(self) -> None:
        for plant in sorted(self.layout.plants, key=lambda plant: not isinstance(plant.content, Arff)):
            place(self.workshop.make(plant, self.layout), self.path(plant))


@pytest.fixture
def sklearn(tmp_path: Path) -> Sklearn:
    return Sklearn(tmp_path)


def test_an_idx_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    image = digits()["train/image"]
    write_idx(image, tmp_path / "idx")
    data = (tmp_path / "idx").read_bytes()
    assert data[:4] == b"\0\0\x08\x03"
    assert tuple(np.frombuffer(data, ">u4", 3, 4)) == image.shape
    assert data[16:] == image.tobytes()


def test_idx_of_other_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="float32"):
        write_idx(np.zeros(3, np.float32), tmp_path / "idx")


def test_the_table_is_what_another_reader_reads(tmp_path: Path) -> None:
    arrays = digits()
    path = tmp_path / "table.arff.gz"
    images, labels = (
        [arrays[f"{split}/{kind}"] for split in ("train", "test")] for kind in ("image", "label")
    )
    md5 = write_arff(images, labels, "mnist_784", path)
    text = gzip.decompress(path.read_bytes())
    assert md5 == hashlib.md5(text).hexdigest()
    read = arff.loads(text.decode("ascii"))
    assert [name for name, _ in read["attributes"]][::784] == ["pixel1", "class"]
    rows = np.array([[int(float(value)) for value in row] for row in read["data"]])
    assert np.array_equal(rows[:, :-1], np.concatenate(images).reshape(80, 784))
    assert np.array_equal(rows[:, -1], np.concatenate(labels))


def test_the_description_tells_the_md5_of_the_table_beside_it(sklearn: Sklearn) -> None:
    sklearn.plant_all()
    description = json.loads(gzip.decompress(sklearn.path(sklearn.plant("/554.gz")).read_bytes()))
    table = sklearn.path(sklearn.plant("mnist_784.arff.gz"))
    assert description["data_set_description"]["md5_checksum"] == unzipped_md5(table)
    assert table.read_bytes() == sklearn.path(sklearn.plant("52667.gz")).read_bytes()


def test_everything_that_was_planted_is_good_or_left_to_be_compared(sklearn: Sklearn) -> None:
    assert {sklearn.judge(plant) for plant in sklearn.layout.plants} == {State.MISSING}
    sklearn.plant_all()
    states = {sklearn.judge(plant) for plant in sklearn.layout.plants}
    assert states == {State.GOOD, State.UNKNOWN}
    table = sklearn.plant("mnist_784.arff.gz")
    assert sklearn.workshop.is_same(table, sklearn.layout, sklearn.path(table))


def test_a_description_of_another_file_is_bad(sklearn: Sklearn) -> None:
    sklearn.plant_all()
    plant = sklearn.plant("data/554.gz")
    content = json.loads(gzip.decompress(sklearn.path(plant).read_bytes()))
    content["data_set_description"]["md5_checksum"] = "0" * 32
    sklearn.path(plant).write_bytes(gzip.compress(json.dumps(content).encode()))
    assert sklearn.judge(plant) is State.BAD


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"<html>", gzip.compress(b'{"data": 1}', mtime=0), b"\x1f\x8b\x08torn"]
)
def test_an_answer_that_does_not_tell_what_is_needed_is_bad(sklearn: Sklearn, data: bytes) -> None:
    sklearn.plant_all()
    plant = sklearn.plant("data_version/1.gz")
    sklearn.path(plant).write_bytes(data)
    assert sklearn.judge(plant) is State.BAD


def test_openmls_own_answer_is_as_good_as_ours(sklearn: Sklearn) -> None:
    sklearn.plant_all()
    plant = sklearn.plant("data_version/1.gz")
    content = json.loads(gzip.decompress(sklearn.path(plant).read_bytes()))
    content["data"]["dataset"][0]["quality"] = [{"name": "NumberOfClasses", "value": "10.0"}]
    sklearn.path(plant).write_bytes(gzip.compress(json.dumps(content).encode()))
    assert sklearn.judge(plant) is State.GOOD


def test_a_folder_where_a_file_belongs_is_bad(sklearn: Sklearn) -> None:
    plant = sklearn.plant("data/554.gz")
    sklearn.path(plant).mkdir(parents=True)
    assert sklearn.judge(plant) is State.BAD


def test_a_placed_file_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        place(tmp_path / "nothing", tmp_path / "folder" / "target")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_folder_moved_aside_is_out_of_its_list(tmp_path: Path) -> None:
    folder = tmp_path / "ylecun___mnist" / "mnist" / "0.0.0" / "abc"
    for number in ("", "1"):
        folder.mkdir(parents=True)
        assert (
            move_aside(folder, tmp_path)
            == tmp_path / f"ylecun___mnist.bad{number}" / "mnist" / "0.0.0" / "abc"
        )
    assert list(tmp_path.glob("ylecun___mnist/*/*/*")) == []


def test_a_layout_says_all_that_a_program_needs(sklearn: Sklearn) -> None:
    layout: Layout = sklearn.layout
    assert layout.usage == "fetch_openml('mnist_784', version=1, as_frame=False)"
    assert layout.root.endswith("/scikit_learn_data")
