"""A warm `load("mnist")` in a fresh process, beside the least that it could cost and beside other libraries.

    surefetch get mnist
    python benchmarks/warm_load.py
    surefetch install mnist --python ~/frameworks/bin/python
    python benchmarks/warm_load.py --python ~/frameworks/bin/python

Bars: at most 1.15 times Python, NumPy and four raw memory maps; at most 1.3 times Python, NumPy and four
`np.load(mmap_mode="r")`; 20 times faster than Keras, torchvision and Hugging Face to arrays, 100 times faster
than scikit-learn's `fetch_openml`. Every program touches all four arrays. A library that is not there, or
does not find its files, is left out, and it is said why.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from processes import environment, judge_ratio, judge_speedup, print_times, race, why_not

NAMES = ("train/image", "train/label", "test/image", "test/label")
TOUCH = "for a in arrays: a[0].sum(), a[-1].sum()"
OURS = f"""
import surefetch as sf
ds = sf.load("mnist")
arrays = [ds["train"]["image"], ds["train"]["label"], ds["test"]["image"], ds["test"]["label"]]
{TOUCH}
"""
#: Library -> (bar, its own way to MNIST, warm).
PEERS = {
    "keras": (
        20.0,
        """
import keras
(a, b), (c, d) = keras.datasets.mnist.load_data()
arrays = [a, b, c, d]
""",
    ),
    "torchvision": (
        20.0,
        """
from torchvision.datasets import MNIST
parts = [MNIST(ROOT, train=train, download=False) for train in (True, False)]
arrays = [tensor for part in parts for tensor in (part.data, part.targets)]
""",
    ),
    "datasets": (
        20.0,
        """
from datasets import load_dataset
parts = [load_dataset("ylecun/mnist", split=split).with_format("numpy")[:] for split in ("train", "test")]
arrays = [part[name] for part in parts for name in ("image", "label")]
""",
    ),
    "sklearn": (
        100.0,
        """
from sklearn.datasets import fetch_openml
found = fetch_openml("mnist_784", version=1, as_frame=False)
arrays = [found.data, found.target[:1].astype(int)]
""",
    ),
    "sklearn, liac-arff": (
        100.0,
        """
from sklearn.datasets import fetch_openml
found = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
arrays = [found.data, found.target[:1].astype(int)]
""",
    ),
}
#: Operators that a torchvision built for another torch names on import; its data sets need none.
OPERATORS = """
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in (
    "nms qnms roi_align roi_pool ps_roi_align ps_roi_pool deform_conv2d _roi_align_backward "
    "_roi_pool_backward _ps_roi_align_backward _ps_roi_pool_backward _deform_conv2d_backward"
).split():
    library.define(name + "(Tensor any) -> Tensor")
"""


def main() -> int:
    """Run; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="of the floors and surefetch")
    parser.add_argument("--python", help="the Python of the other libraries")
    parser.add_argument("--peer-rounds", type=int, default=5)
    parser.add_argument("--peer", action="append", choices=PEERS, help="this library alone; may be repeated")
    parser.add_argument("--root", default="data", help="torchvision's root")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = floors(Path(folder))
        times = race(programs, arguments.rounds, environment())
    print_times(times)
    holds = judge_ratio("load over raw maps", times["surefetch"], times["raw maps"], 1.15)
    holds &= judge_ratio("load over np.load", times["surefetch"], times["np.load"], 1.3)
    if arguments.python:
        chosen = {name: PEERS[name][1] for name in arguments.peer or PEERS}
        floor = programs["raw maps"]
        holds &= against_peers(chosen, arguments.python, arguments.peer_rounds, arguments.root, floor)
    return 0 if holds else 1


def floors(folder: Path) -> dict[str, tuple[str, ...]]:
    """Programs that do the least, over the same bytes; the .npy files are written into `folder`."""
    import numpy as np

    import surefetch as sf

    dataset = sf.load("mnist")
    records, files = [], []
    for name in NAMES:
        split, _, tensor = name.partition("/")
        record = dataset[split].record(tensor)
        records.append((record["path"], record["shape"]))
        files.append(str(folder / f"{split}-{tensor}.npy"))
        np.save(files[-1], dataset[split][tensor])
    raw = f"""
import mmap
import numpy as np
arrays = []
for path, shape in {records!r}:
    with open(path, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    arrays.append(np.frombuffer(pages, np.uint8).reshape(shape))
{TOUCH}
"""
    load = f"""
import numpy as np
arrays = [np.load(path, mmap_mode="r") for path in {files!r}]
{TOUCH}
"""
    programs = {
        "python": "pass",
        "numpy": "import numpy",
        "raw maps": raw,
        "np.load": load,
        "surefetch": OURS,
    }
    return {name: (sys.executable, "-c", code) for name, code in programs.items()}


def against_peers(
    chosen: dict[str, str], python: str, rounds: int, root: str, floor: tuple[str, ...]
) -> bool:
    """Race the libraries that are there; False if one is not slow enough."""
    environ = environment(HF_HUB_OFFLINE="1", TF_CPP_MIN_LOG_LEVEL="3")
    programs: dict[str, tuple[str, ...]] = {"surefetch": (sys.executable, "-c", OURS), "raw maps": floor}
    for name, code in chosen.items():
        for more in ("", OPERATORS) if name == "torchvision" else ("",):
            program = (python, "-W", "ignore", "-c", f"ROOT = {root!r}\n{more}\n{code}\n{TOUCH}\n")
            reason = why_not(program, environ)
            if not reason:
                programs[name] = program
                break
        else:
            print(f"  left out: {name} ({reason})")
    times = race(programs, rounds, environ)
    print_times(times)
    ours, least = times.pop("surefetch"), times.pop("raw maps")
    verdicts = [judge_speedup(name, ours, least, times[name], PEERS[name][0]) for name in times]
    return all(verdicts)


if __name__ == "__main__":
    sys.exit(main())
