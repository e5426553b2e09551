"""A loaded dataset in other libraries: right values, no copies, no warnings, workers of both kinds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.frameworks.kit import SOURCE, User

pytestmark = pytest.mark.frameworks

BEGIN = """
import numpy as np
import surefetch as sf

ds = sf.load("mnist")
image, label = ds.train.image, ds.train.label
"""
#: Programs that fail by themselves if something is not right; warnings are errors in them.
PROGRAMS = {
    "torch shares the map and may write": """
import torch
tensors = ds.train.to_torch()
assert tensors["image"].shape == (60000, 28, 28) and tensors["label"].dtype == torch.uint8
assert np.array_equal(tensors["image"].numpy(), image)
tensors["image"].zero_()
taken = torch.from_dlpack(image)
assert np.array_equal(taken.numpy(), image) and taken.shape == (60000, 28, 28)
taken.add_(1)
assert int(torch.from_dlpack(label[5:10]).sum()) == int(label[5:10].sum())
assert int(ds["train"]["image"][0].sum()) == 27525
""",
    "torch datasets give samples and batches": """
import torch
view = ds.train.torch_dataset()
assert len(view) == 60000 and view[0][0].dtype == torch.uint8 and view[0][1] == 5 and view[-1][1] == 8
batch = view.__getitems__([3, 1])
assert [item[1] for item in batch] == [1, 0] and np.array_equal(batch[0][0].numpy(), image[3])
def scale(x):
    assert type(x) is np.ndarray
    return torch.from_numpy(x.astype("float32") / 255)
scaled = ds.test.torch_dataset(scale)
assert scaled[0][0].dtype == torch.float32 and float(scaled[0][0].max()) <= 1
try:
    view[60000]
    raise SystemExit("no IndexError")
except IndexError:
    pass
""",
    "a transform may write in place": """
def darken(x):
    x[...] = 0
    return x
view = ds.train.torch_dataset(darken)
assert view[0][0].sum() == 0 and view.__getitems__([0])[0][0].sum() == 0
assert image[0].sum() == 27525
assert ds.train.torch_dataset()[0][0].sum() == 27525
""",
    "workers of both kinds load all samples": """
import torch
def scale(x):
    return torch.from_numpy(x[None]).float() / 255
if __name__ == "__main__":
    for kind in ("fork", "spawn"):
        for transform in (None, scale):
            loader = torch.utils.data.DataLoader(
                ds.test.torch_dataset(transform), batch_size=256, num_workers=2, multiprocessing_context=kind
            )
            rows = total = 0
            for x, y in loader:
                rows += len(x)
                total += int(y.sum())
            assert (rows, total) == (10000, int(ds.test.label.sum(dtype=int))), kind
            assert x.shape[1:] == ((28, 28) if transform is None else (1, 28, 28))
""",
    "datasets share the map": """
import datasets
made = ds.to_hf()
assert list(made) == ["train", "test"] and made["train"].num_rows == 60000
train = made["train"]
assert isinstance(train.features["label"], datasets.ClassLabel) and train[0]["label"] == 5
assert np.array_equal(train[7]["image"], image[7])
assert np.array_equal(train.with_format("numpy")[:100]["image"], image[:100])
assert np.array_equal(train.select([59999]).with_format("numpy")["image"][0], image[59999])
chunk = train.data.column("image").chunk(0).storage.flatten().flatten()
assert chunk.buffers()[1].address == image.__array_interface__["data"][0]
assert train.map(lambda row: {"sum": int(np.sum(row["image"]))}).select([0])["sum"][0] == 27525
""",
    "arrow and pandas": """
import pandas as pd
import pyarrow as pa
table = pa.table(ds.test)
assert table.num_rows == 10000 and table.column("image")[3].as_py() == ds.test.image[3].tolist()
values = table.column("image").chunk(0).flatten().flatten()
assert values.buffers()[1].address == ds.test.image.__array_interface__["data"][0]
frame = ds.test.to_pandas()
assert frame.shape == (10000, 2) and np.array_equal(frame["image"][4], ds.test.image[4])
assert frame["label"].tolist() == ds.test.label.tolist()
""",
    "scikit-learn takes the arrays as they are": """
from sklearn.neighbors import KNeighborsClassifier
(x, y), (x_test, y_test) = ds.xy()
model = KNeighborsClassifier().fit(x[:3000].reshape(3000, -1), y[:3000])
assert model.score(x_test[:300].reshape(300, -1), y_test[:300]) > 0.8
""",
}
TENSORFLOW = """
import tensorflow as tf
made = ds.train.to_tf()
assert made.cardinality() == 60000
x, y = next(iter(made.batch(100)))
assert x.dtype == tf.uint8 and np.array_equal(x, image[:100]) and np.array_equal(y, label[:100])
assert np.array_equal(tf.convert_to_tensor(image[:5]), image[:5])
"""


def run(folder: Path, environment: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an environment; warnings of ours and of the libraries about us are errors."""
    user = User(folder / "home", environment)
    program = folder / "program.py"
    program.write_text(BEGIN + text, encoding="utf-8")
    environ = {**user.environ, "PYTHONPATH": SOURCE, "SUREFETCH_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    strict = ["-W", "error::UserWarning", "-W", "error::DeprecationWarning:surefetch"]
    return subprocess.run(
        [str(user.python), *strict, str(program)],
        env=environ, cwd=folder, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("what", PROGRAMS)
def test_arrays_serve_other_libraries(tmp_path: Path, what: str) -> None:
    ran = run(tmp_path, "main", PROGRAMS[what])
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_tensorflow_takes_pairs(tmp_path: Path) -> None:
    ran = run(tmp_path, "tensorflow", TENSORFLOW)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_a_library_that_is_missing_is_named_in_a_line(tmp_path: Path) -> None:
    ran = run(tmp_path, "main", "ds.train.to_tf()\n")
    last = ran.stderr.strip().splitlines()[-3:]
    assert "MissingExtraError: this needs `tensorflow`, which is not installed" in last[0]
    assert last[-1] == "hint: pip install 'tensorflow'"
