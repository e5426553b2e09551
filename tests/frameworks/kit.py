"""Homes, poisons and loads: how the framework tests play a user."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from surefetch.model import Dataset
from surefetch.reporters import SilentReporter
from surefetch.session.facade import Session
from surefetch.session.install import InstallResult, Wish, install
from surefetch.session.ledger import Ledger
from surefetch.session.proof import unordered
from surefetch.session.supplier import SessionSupplier
from surefetch.settings import read_settings

FOLDER = Path(os.environ["SUREFETCH_FRAMEWORKS"])
#: For programs of users that have surefetch beside their frameworks.
SOURCE = str(Path(__file__).parents[2] / "src")
NAMESPACE = Path(__file__).with_name("in_namespace.py")
SECONDS = 600
DATASETS = ("mnist", "fashion-mnist")
#: Operators that a torchvision built for another torch names on import; its data sets need none.
OPERATORS = """
import sys
try:
    import torchvision
except RuntimeError:
    import torch
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in (
        "nms qnms roi_align roi_pool ps_roi_align ps_roi_pool deform_conv2d _roi_align_backward "
        "_roi_pool_backward _ps_roi_align_backward _ps_roi_pool_backward _deform_conv2d_backward"
    ).split():
        _library.define(_name + "(Tensor any) -> Tensor")
"""
#: What a user would write, ending in four arrays.
LOADS = {
    "keras": """
        import keras
        (a, b), (c, d) = keras.datasets.{keras}.load_data()
    """,
    "tf_keras": """
        import tf_keras
        (a, b), (c, d) = tf_keras.datasets.{keras}.load_data()
    """,
    "torchvision": OPERATORS
    + """
import torchvision
train = torchvision.datasets.{torchvision}("data", train=True, download=True)
test = torchvision.datasets.{torchvision}("data", train=False)
a, b, c, d = train.data, train.targets, test.data, test.targets
    """,
    "sklearn": """
        from sklearn.datasets import fetch_openml
        data, labels = fetch_openml({openml!r}, version=1, as_frame=False, return_X_y=True)
        a, c = data[:60000], data[60000:]
        b, d = labels[:60000].astype(int), labels[60000:].astype(int)
    """,
    "tfds": """
        import tensorflow_datasets as tfds
        loaded = tfds.as_numpy(tfds.load({keras!r}, batch_size=-1))
        (a, b), (c, d) = ((loaded[split]["image"], loaded[split]["label"]) for split in ("train", "test"))
    """,
    "huggingface": """
        import numpy
        from datasets import load_dataset
        loaded = load_dataset({hub!r})
        def stacked(split):
            return numpy.stack([numpy.asarray(image) for image in loaded[split]["image"]])
        a, c = stacked("train"), stacked("test")
        b, d = (numpy.asarray(loaded[split]["label"]) for split in ("train", "test"))
    """,
}
NAMES = {
    "mnist": {"keras": "mnist", "torchvision": "MNIST", "openml": "mnist_784", "hub": "ylecun/mnist"},
    "fashion-mnist": {
        "keras": "fashion_mnist",
        "torchvision": "FashionMNIST",
        "openml": "Fashion-MNIST",
        "hub": "zalando-datasets/fashion_mnist",
    },
}
_TELL = """
import hashlib, json, numpy
def _bytes(array, shape):
    array = numpy.asarray(array)
    cast = array.astype(numpy.uint8)
    assert (cast == array).all()
    return numpy.ascontiguousarray(cast.reshape(shape))
_arrays = [_bytes(a, (60000, 28, 28)), _bytes(b, (60000,)), _bytes(c, (10000, 28, 28)), _bytes(d, (10000,))]
def _unordered(images, labels):
    rows = sorted(hashlib.sha256(i.tobytes() + l.tobytes()).digest() for i, l in zip(images, labels))
    return hashlib.sha256(b"".join(rows)).hexdigest()
_told = [hashlib.sha256(x.tobytes()).hexdigest() for x in _arrays]
if {is_unordered}:
    _told = [_unordered(*_arrays[:2]), _unordered(*_arrays[2:])]
print("TOLD", json.dumps(_told))
"""


class Ran(NamedTuple):
    """What a program left."""

    code: int
    output: str
    errors: str


class User:
    """A home with one environment; the store is shared, and filled by `setup.sh`."""

    def __init__(self, folder: Path, environment: str) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(folder.parent / f"{folder.name}-planted")
        self.python = FOLDER / environment / "bin" / "python"
        if not self.python.exists():
            pytest.skip(
                f"environment `{environment}` was not made (see setup.sh)"
            )  # SUREFETCH_FRAMEWORKS_ONLY
        kept = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE")
        self.environ = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(folder),
            "SUREFETCH_STORE": str(FOLDER / "store"),
            "KERAS_BACKEND": "torch" if environment == "main" else "tensorflow",
            "HF_HUB_OFFLINE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TQDM_DISABLE": "1",
        }

    def session(self) -> Session:
        settings, decisions = read_settings(self.environ, {"offline": True})
        return Session(settings, SilentReporter(), environ=self.environ, decisions=decisions)

    def install(self, framework: str, dataset: str) -> InstallResult:
        wish = Wish(into=(framework,), python=str(self.python), root=str(self.folder / "data"))
        session = self.session()
        supplier = SessionSupplier(session)
        return install(session.catalog.find(dataset), supplier, self.ledger, wish, self.environ)

    def run(self, *command: str, **environ: str) -> Ran:
        """Run a command where there is no network but loopback."""
        ended = subprocess.run(
            [sys.executable, str(NAMESPACE), *command],
            cwd=self.folder, env={**self.environ, **environ}, capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def script(self, text: str, name: str = "program.py") -> str:
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)


def program(load: str, dataset: str) -> str:
    """Return a program that loads as a user would and tells the digests of what came."""
    text = textwrap.dedent(LOADS[load]).format(**NAMES[dataset]) if load != "torchvision" else LOADS[load]
    if load == "torchvision":
        text = text.replace("{torchvision}", NAMES[dataset]["torchvision"])
    return text + _TELL.replace("{is_unordered}", str(load == "tfds"))


def told(ran: Ran) -> list[str]:
    """Return the digests that a program told."""
    lines = [line for line in ran.output.splitlines() if line.startswith("TOLD ")]
    assert lines, ran.errors[-3000:]
    digests: list[str] = json.loads(lines[-1].removeprefix("TOLD "))
    return digests


def expected(load: str, user: User, name: str) -> list[str]:
    """Return the digests that our own tensors have."""
    supplier = SessionSupplier(user.session())
    dataset: Dataset = supplier.find(name)
    if load != "tfds":
        order = ("train/image", "train/label", "test/image", "test/label")
        return [dataset.tensors[tensor].sha256 or "" for tensor in order]
    return [
        unordered(supplier.tensor(dataset, f"{split}/image"), supplier.tensor(dataset, f"{split}/label"))
        for split in ("train", "test")
    ]


def _overwrite(pattern: str, data: bytes) -> Callable[[User], None]:
    def poison(user: User) -> None:
        paths = [path for path in user.folder.glob(pattern) if path.is_file()]
        assert paths, pattern
        for path in paths:
            path.write_bytes(data)

    return poison


def _poison_torchvision(user: User) -> None:
    _overwrite("data/*/raw/train-images-idx3-ubyte", b"\0\0\x08\x03" + bytes(100))(user)
    (raw,) = user.folder.glob("data/*/raw")
    processed = raw.parent / "processed"
    processed.mkdir(exist_ok=True)
    save = "torch.save((torch.zeros(5), torch.zeros(5)), name + '.pt')"
    text = f"import torch\nfor name in ('training', 'test'):\n    {save}"
    subprocess.run([str(user.python), "-c", text], cwd=processed, check=True, timeout=SECONDS)


def _poison_tfds(user: User) -> None:
    _overwrite("tensorflow_datasets/downloads/*/*.gz", gzip.compress(b"another file"))(user)
    _overwrite("tensorflow_datasets/*/*/*-train.tfrecord-*", b"torn")(user)


#: Framework -> how its cache goes bad.
POISONS: dict[str, Callable[[User], None]] = {
    "keras": _overwrite(".keras/datasets/**/*[zZ]", b"<html>sign in to the network</html>"),
    "torchvision": _poison_torchvision,
    "sklearn": _overwrite("scikit_learn_data/openml/openml.org/data/**/*.gz", gzip.compress(b"% torn")),
    "tfds": _poison_tfds,
    "huggingface": _overwrite(".cache/huggingface/datasets/*/*/*/*/*-train.arrow", b"torn"),
}
