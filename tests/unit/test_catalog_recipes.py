"""Built-in recipes whose true bytes are not here, run on small files of the publishers' forms."""

import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from surefetch.catalog import Catalog
from surefetch.formats.derivation import derive

Array = npt.NDArray[Any]
Files = dict[str, bytes]
RANDOM = np.random.default_rng(5)


def pixels(*shape: int) -> Array:
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def idx(array: Array) -> bytes:
    code = {"uint8": 8, "int32": 12}[array.dtype.name]
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def npz(**arrays: Array) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tar(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def mat(**variables: Array) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


def table(rows: Array) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in rows.tolist()).encode()


def cifar10() -> Files:
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    content = {"batch_label": "a batch", "labels": [1, 9, 0], "data": pixels(3, 3072)}
    return {
        "cifar-10-python.tar.gz": tar(
            {f"cifar-10-batches-py/{name}": pickle.dumps(content, 2) for name in batches}
        )
    }


def cifar100() -> Files:
    content = {b"data": pixels(3, 3072), b"fine_labels": [1, 99, 0], b"coarse_labels": [1, 19, 0]}
    members = {f"cifar-100-python/{name}": pickle.dumps(content, 2) for name in ("train", "test")}
    return {"cifar-100-python.tar.gz": tar(members)}


def emnist() -> Files:
    members = {}
    for part in ("train", "test"):
        members[f"gzip/emnist-letters-{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(pixels(3, 28, 28)))
        members[f"gzip/emnist-letters-{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(pixels(3)))
    return {"gzip.zip": zipped(members)}


def qmnist() -> Files:
    info = RANDOM.integers(0, 9, (3, 8)).astype(np.int32)
    images = {f"qmnist-{part}-images-idx3-ubyte.gz": idx(pixels(3, 28, 28)) for part in ("train", "test")}
    labels = {f"qmnist-{part}-labels-idx2-int.gz": idx(info) for part in ("train", "test")}
    return {name: gzip.compress(content) for name, content in (images | labels).items()}


def qmnist_nist() -> Files:
    info = RANDOM.integers(0, 9, (3, 8)).astype(np.int32)
    return {
        "xnist-images-idx3-ubyte.xz": lzma.compress(idx(pixels(3, 28, 28))),
        "xnist-labels-idx2-int.xz": lzma.compress(idx(info)),
    }


def k49() -> Files:
    images = {f"k49-{part}-imgs.npz": npz(arr_0=pixels(3, 28, 28)) for part in ("train", "test")}
    return images | {f"k49-{part}-labels.npz": npz(arr_0=pixels(3)) for part in ("train", "test")}


def medmnist() -> Files:
    images = {f"{part}_images": pixels(3, 28, 28, 3) for part in ("train", "val", "test")}
    labels = {f"{part}_labels": pixels(3, 1) for part in ("train", "val", "test")}
    return {"pathmnist.npz": npz(**images, **labels)}


def stl10() -> Files:
    pictures = {f"stl10_binary/{part}_X.bin": pixels(2, 27648).tobytes() for part in ("train", "test")}
    labels = {f"stl10_binary/{part}_y.bin": pixels(2).tobytes() for part in ("train", "test")}
    return {"stl10_binary.tar.gz": tar(pictures | labels)}


def svhn() -> Files:
    return {f"{part}_32x32.mat": mat(X=pixels(32, 32, 3, 4), y=pixels(4, 1)) for part in ("train", "test")}


def california() -> Files:
    return {"cal_housing.tgz": tar({"CaliforniaHousing/cal_housing.data": table(RANDOM.random((4, 9)))})}


#: dataset -> files of a few rows. The first axis is the only one in which they differ from the true ones.
SMALL: dict[str, Callable[[], Files]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "emnist-letters": emnist,
    "qmnist": qmnist,
    "qmnist-nist": qmnist_nist,
    "kuzushiji-49": k49,
    "pathmnist": medmnist,
    "stl10": stl10,
    "svhn": svhn,
    "california-housing": california,
    "covtype": lambda: {"covtype.data.gz": gzip.compress(table(RANDOM.integers(0, 9, (4, 55))))},
    "boston-housing": lambda: {"boston_housing.npz": npz(x=RANDOM.random((4, 13)), y=RANDOM.random(4))},
    "olivetti-faces": lambda: {"olivettifaces.mat": mat(faces=pixels(4096, 400))},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_gives_the_promised_kind_of_tensor(name: str) -> None:
    dataset, files = Catalog().find(name), SMALL[name]()
    gives = dataset.forms[0].gives
    assert set(gives) == set(dataset.tensors)
    for tensor, recipe in gives.items():
        array, spec = derive(recipe, None, files), dataset.tensors[tensor]
        assert (array.dtype.name, array.shape[1:]) == (spec.dtype, spec.shape[1:]), tensor


def test_cifars_pictures_stand_upright() -> None:
    picture = np.arange(3072).reshape(3, 32, 32).astype(np.uint8)
    content = pickle.dumps({"data": picture.reshape(1, 3072), "fine_labels": [7], "coarse_labels": [3]}, 2)
    files = {"cifar-100-python.tar.gz": tar({"cifar-100-python/test": content})}
    array = derive(Catalog().find("cifar100").forms[0].gives["test/image"], None, files)
    assert (array[0] == np.moveaxis(picture, 0, -1)).all()


def test_stls_columns_become_rows() -> None:
    picture = pixels(3, 96, 96)  # planes, columns, rows: as in the file
    files = {"stl10_binary.tar.gz": tar({"stl10_binary/test_X.bin": picture.tobytes()})}
    array = derive(Catalog().find("stl10").forms[0].gives["test/image"], None, files)
    assert (array[0] == picture.transpose(2, 1, 0)).all()


def test_olivettis_faces_are_as_scikit_learn_has_them() -> None:
    faces = pixels(4096, 400)
    array = derive(
        Catalog().find("olivetti-faces").forms[0].gives["image"],
        None,
        {"olivettifaces.mat": mat(faces=faces)},
    )
    assert (array == faces.T.reshape(400, 64, 64).transpose(0, 2, 1)).all()


def test_moving_mnist_is_one_array() -> None:
    frames = pixels(20, 2, 64, 64)
    recipe = Catalog().find("moving-mnist").forms[0].gives["test/frames"]
    assert (derive(recipe, None, {"mnist_test_seq.npy": npy(frames)}) == frames).all()
