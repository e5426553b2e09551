"""Small stand-ins for frameworks: each loader looks and checks as the real one does, and no more.

They are written into a folder for PYTHONPATH with the metadata by which installed packages are found.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"
#: As `keras/src/utils/file_utils.py`: hash, and delete what differs and cannot be fetched again.
KERAS_MNIST = """
    import hashlib, os, numpy
    def load_data():
        home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        path = os.path.join(home, "datasets", "mnist.npz")
        data = open(path, "rb").read()
        if hashlib.sha256(data).hexdigest() != SHA256:
            os.remove(path)
            raise Exception("URL fetch failure")
        with numpy.load(path) as f:
            return (f["x_train"], f["y_train"]), (f["x_test"], f["y_test"])
"""
#: Believes whatever lies there.
KERAS_FASHION = """
    import gzip, os, numpy
    def load_data():
        home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
        def read(name, offset):
            with gzip.open(os.path.join(home, "datasets", "fashion-mnist", name)) as f:
                return numpy.frombuffer(f.read(), numpy.uint8, offset=offset)
        y, z = read("train-labels-idx1-ubyte.gz", 8), read("t10k-labels-idx1-ubyte.gz", 8)
        x = read("train-images-idx3-ubyte.gz", 16).reshape(len(y), 28, 28)
        w = read("t10k-images-idx3-ubyte.gz", 16).reshape(len(z), 28, 28)
        return (x, y), (w, z)
"""
#: Raw files by name; a pair of old `.pt` files wins.
TORCHVISION = """
    import os, numpy
    class MNIST:
        def __init__(self, root, train=True, download=False):
            folder = os.path.join(root, type(self).__name__)
            old = os.path.join(folder, "processed", "training.pt" if train else "test.pt")
            if os.path.exists(old):
                self.data = self.targets = numpy.zeros(5, numpy.uint8)
                return
            stem = os.path.join(folder, "raw", "train" if train else "t10k")
            self.targets = numpy.fromfile(stem + "-labels-idx1-ubyte", numpy.uint8)[8:]
            self.data = numpy.fromfile(stem + "-images-idx3-ubyte", numpy.uint8)[16:].reshape(-1, 28, 28)
"""


def write_frameworks(folder: Path, npz_sha256: str) -> Path:
    """Write keras 3.15.1 and torchvision 0.29.2 into a folder for PYTHONPATH and return it."""
    mnist = f"SHA256 = {npz_sha256!r}\n{textwrap.dedent(KERAS_MNIST)}"
    files = {
        "keras/__init__.py": "",
        "keras/datasets/__init__.py": "",
        "keras/datasets/mnist.py": mnist,
        "keras/datasets/fashion_mnist.py": textwrap.dedent(KERAS_FASHION),
        "keras-3.15.1.dist-info/METADATA": METADATA.format("keras", "3.15.1"),
        "torchvision/__init__.py": "",
        "torchvision/datasets.py": textwrap.dedent(TORCHVISION),
        "torchvision-0.29.2.dist-info/METADATA": METADATA.format("torchvision", "0.29.2"),
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
