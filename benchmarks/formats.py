"""How fast are files decoded, against the decoder that people have now? Ratios of medians, in one run.

    python benchmarks/formats.py FOLDER

FOLDER holds MNIST's four .gz files and mnist.npz; the ARFF table is made of them and put there. Needs
scikit-learn, pandas and liac-arff. Bars: .gz at most 0.4 x stdlib gzip, .npz 0.5 x np.load, ARFF 0.5 x
scikit-learn's pandas parser and 0.1 x liac-arff; memory at most 2 x the result.
"""

from __future__ import annotations

import argparse
import gzip
import io
import mmap
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from surefetch.formats import derive, digest_of, encode
from surefetch.model import TensorSpec
from surefetch.recipes import parse_recipe

NAMES = {
    "train/image": "train-images-idx3-ubyte.gz",
    "train/label": "train-labels-idx1-ubyte.gz",
    "test/image": "t10k-images-idx3-ubyte.gz",
    "test/label": "t10k-labels-idx1-ubyte.gz",
}
KERAS = {"train/image": "x_train", "train/label": "y_train", "test/image": "x_test", "test/label": "y_test"}
SPECS = {
    "train/image": TensorSpec(dtype="uint8", shape=(60000, 28, 28)),
    "train/label": TensorSpec(dtype="uint8", shape=(60000,)),
    "test/image": TensorSpec(dtype="uint8", shape=(10000, 28, 28)),
    "test/label": TensorSpec(dtype="uint8", shape=(10000,)),
}
TABLE = TensorSpec(dtype="uint8", shape=(70000, 785))
ARFF = "mnist_784.arff"
LIAC_ROWS = 7000  # of 70,000; liac-arff's time is proportional to the rows
#: Memory beside the result that does not grow with it: a block of text, its lines, imports.
FIXED_BYTES = 32 << 20


def map_file(path: Path) -> mmap.mmap:
    """Map a file, as the store's blobs are."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def ours_gzip(folder: Path) -> list[np.ndarray]:
    """Decode the four .gz files."""
    recipe = parse_recipe("gzip > idx", "x")
    return [derive(recipe, SPECS[name], {"x": map_file(folder / file)}) for name, file in NAMES.items()]


def stdlib_gzip(folder: Path) -> list[np.ndarray]:
    """Do the same with the standard library, as most loaders do."""
    arrays = []
    for name, file in NAMES.items():
        with gzip.open(folder / file) as stream:
            spec = SPECS[name]
            arrays.append(
                np.frombuffer(stream.read(), np.uint8, offset=4 + 4 * len(spec.shape)).reshape(spec.shape)
            )
    return arrays


def ours_npz(folder: Path) -> list[np.ndarray]:
    """Decode the four arrays of mnist.npz."""
    data = map_file(folder / "mnist.npz")
    return [derive(parse_recipe(f"npz:{key}", "x"), SPECS[name], {"x": data}) for name, key in KERAS.items()]


def numpy_npz(folder: Path) -> list[np.ndarray]:
    """Do the same with NumPy."""
    with np.load(folder / "mnist.npz", allow_pickle=False) as archive:
        return [archive[key] for key in KERAS.values()]


def ours_arff(folder: Path) -> list[np.ndarray]:
    """Decode the whole table."""
    return [derive(parse_recipe("arff:0-784 > uint8", "x"), TABLE, {"x": map_file(folder / ARFF)})]


def sklearn_arff(folder: Path) -> list[np.ndarray]:
    """Do the same with scikit-learn's pandas parser, in the way `fetch_openml(as_frame=False)` does."""
    from sklearn.datasets._arff_parser import load_arff_from_gzip_file

    columns = {
        f"pixel{index + 1}": {"data_type": "numeric", "name": f"pixel{index + 1}"} for index in range(784)
    }
    columns["class"] = {"data_type": "nominal", "name": "class"}
    with (folder / ARFF).open("rb") as file:
        x, y, _, _ = load_arff_from_gzip_file(
            file,
            parser="pandas",
            output_type="numpy",
            openml_columns_info=columns,
            feature_names_to_select=list(columns)[:-1],
            target_names_to_select=["class"],
        )
    return [np.concatenate([x.astype(np.uint8), y.astype(np.uint8).reshape(-1, 1)], axis=1)]


def liac_arff(folder: Path) -> list[np.ndarray]:
    """Read a tenth of the table with liac-arff."""
    import arff

    text = (folder / ARFF).read_text(encoding="ascii")
    end = 0
    for _ in range(LIAC_ROWS + 789):  # the heading has that many lines
        end = text.index("\n", end) + 1
    return [np.array(arff.load(io.StringIO(text[:end]))["data"], float)]


#: name -> (ours, theirs, bar, how many times theirs counts)
RACES: dict[
    str, tuple[Callable[[Path], list[np.ndarray]], Callable[[Path], list[np.ndarray]], float, float]
] = {
    "four .gz / stdlib gzip": (ours_gzip, stdlib_gzip, 0.4, 1),
    "mnist.npz / np.load": (ours_npz, numpy_npz, 0.5, 1),
    "ARFF / scikit-learn, pandas parser": (ours_arff, sklearn_arff, 0.5, 1),
    "ARFF / liac-arff (a tenth, times 10)": (ours_arff, liac_arff, 0.1, 70000 / LIAC_ROWS),
}


def seconds(work: Callable[[], object]) -> float:
    """Time one call in CPU seconds: all decoders use one thread. The result is dropped outside of it."""
    began = time.process_time()
    result = work()
    took = time.process_time() - began
    del result
    return took


def make_arff(folder: Path) -> None:
    """Write the table as OpenML has it, if it is not there."""
    if (folder / ARFF).exists():
        return
    tensors = dict(zip(NAMES, ours_gzip(folder)))
    for _, data in encode("arff", "mnist_784", tensors):
        (folder / ARFF).write_bytes(data)


def memory_of(name: str, folder: Path) -> tuple[int, int]:
    """Return how much a fresh process's memory grows, and the result's size, in bytes."""
    command = [sys.executable, __file__, str(folder), "--memory", name]
    grown, size = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(grown), int(size)


def print_memory(name: str, folder: Path) -> None:
    """Measure in this process: the peak beside what it had before, mapped files not counted."""
    warm = Path("/proc/self/status").read_text(encoding="ascii")
    before = _anonymous(warm)
    work = RACES[name][0]
    result = _peak_while(lambda: work(folder))
    print(result[0] - before, result[1])


def _peak_while(work: Callable[[], list[np.ndarray]]) -> tuple[int, int]:
    """Sample the anonymous memory every millisecond while the work runs."""
    import threading

    peak, stop = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.001):
            peak = max(peak, _anonymous(Path("/proc/self/status").read_text(encoding="ascii")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    arrays = work()
    stop.set()
    watcher.join()
    peak = max(peak, _anonymous(Path("/proc/self/status").read_text(encoding="ascii")))
    return peak, sum(array.nbytes for array in arrays)


def _anonymous(status: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def main() -> int:
    """Run all races; the exit code says whether every bar was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--memory", choices=RACES, help="print peak and result of one race, for the runs above"
    )
    options = parser.parse_args()
    if options.memory:
        print_memory(options.memory, options.folder)
        return 0
    make_arff(options.folder)
    missed = 0
    for name, (ours, theirs, bar, factor) in RACES.items():
        first, second = ours(options.folder), theirs(options.folder)
        assert factor != 1 or [digest_of(a) for a in first] == [digest_of(a) for a in second], name
        del first, second
        pairs = [
            (seconds(partial(ours, options.folder)), seconds(partial(theirs, options.folder)))
            for _ in range(options.rounds)
        ]
        mine = statistics.median(pair[0] for pair in pairs)
        other = statistics.median(pair[1] for pair in pairs) * factor
        grown, size = memory_of(name, options.folder)
        is_lean = grown <= 2 * size + FIXED_BYTES
        is_kept = mine / other <= bar and is_lean
        missed += not is_kept
        print(
            f"{name:40} {mine * 1000:8.0f} ms / {other * 1000:8.0f} ms = {mine / other:.3f} (bar {bar})"
            f"   memory {grown / size:.2f} x the result{'' if is_kept else '   MISSED'}"
        )
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
