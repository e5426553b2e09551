"""Runs in the user's Python: the framework itself loads what was planted, without any network. Python 3.8+.

Usage: prove.py QUESTION ANSWER. The question is JSON: `loader` (a function below), `arguments`, `specs`
(array -> dtype and shape). The answer is JSON: `digests` (array -> SHA-256 of its values in C order,
little-endian), or `unordered` (split -> digest of its rows whatever their order), or `error`.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import json
import os
import re
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

_OPERATORS_AT_MOST = 40


def main(question: str, answer: str) -> None:
    """Load, and write down what came."""
    asked = json.loads(Path(question).read_text(encoding="utf-8"))
    _cut_network()
    try:
        found = LOADERS[asked["loader"]](asked["arguments"], asked["specs"])
    except Exception as error:  # whatever a framework raises is the answer
        lines = traceback.format_exception_only(type(error), error)
        found = {"error": lines[-1].strip(), "traceback": traceback.format_exc()}
    Path(answer).write_text(json.dumps(found), encoding="utf-8")


def keras(arguments: dict[str, str], specs: dict[str, Any]) -> dict[str, Any]:
    """Load by `keras.datasets.NAME.load_data()`; tf.keras gets its home by HOME alone."""
    home = Path(arguments["home"])
    if arguments["package"] == "tf_keras" and Path("~/.keras").expanduser() != home:
        stand_in = Path(tempfile.mkdtemp(dir="."))
        (stand_in / ".keras").symlink_to(home)
        os.environ["HOME"] = str(stand_in)
    os.environ["KERAS_HOME"] = str(home)
    _choose_backend()
    module = import_module("{}.datasets.{}".format(arguments["package"], arguments["module"]))
    (x_train, y_train), (x_test, y_test) = module.load_data()
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    return {"digests": _digests(arrays, specs)}


def torchvision(arguments: dict[str, str], specs: dict[str, Any]) -> dict[str, Any]:
    """Load by `torchvision.datasets.CLASS(root)`, both splits."""
    kind = getattr(_torchvision_datasets(), arguments["class"])
    arrays = {}
    for split in ("train", "test"):
        loaded = kind(arguments["root"], train=split == "train", download=False)
        arrays[split + "_data"], arrays[split + "_targets"] = loaded.data, loaded.targets
    return {"digests": _digests(arrays, specs)}


def sklearn(arguments: dict[str, str], specs: dict[str, Any]) -> dict[str, Any]:
    """Load by `fetch_openml`; the first rows are for training."""
    fetch = import_module("sklearn.datasets").fetch_openml
    options = {"parser": arguments["parser"], "n_retries": 1}
    known = inspect.signature(fetch).parameters
    loaded = fetch(
        arguments["name"],
        version=int(arguments["version"]),
        as_frame=False,
        data_home=arguments["home"],
        **{name: value for name, value in options.items() if name in known},
    )
    rows = specs["train_data"]["shape"][0]
    labels = loaded.target.astype("int64")
    arrays = {
        "train_data": loaded.data[:rows],
        "train_target": labels[:rows],
        "test_data": loaded.data[rows:],
        "test_target": labels[rows:],
    }
    return {"digests": _digests(arrays, specs)}


def tfds(arguments: dict[str, str], specs: dict[str, Any]) -> dict[str, Any]:
    """Load by `tfds.load`, which shuffles the rows while it prepares them."""
    package = import_module("tensorflow_datasets")
    loaded = package.as_numpy(package.load(arguments["name"], data_dir=arguments["root"], batch_size=-1))
    unordered = {}
    for split in ("train", "test"):
        images = _as(loaded[split]["image"], specs[split + "_image"])
        labels = _as(loaded[split]["label"], specs[split + "_label"])
        unordered[split] = _unordered(images, labels)
    return {"unordered": unordered}


def huggingface(arguments: dict[str, str], specs: dict[str, Any]) -> dict[str, Any]:
    """Load by `load_dataset`, images decoded by Pillow."""
    numpy = import_module("numpy")
    loaded = import_module("datasets").load_dataset(arguments["repository"], cache_dir=arguments["cache"])
    arrays = {}
    for split in ("train", "test"):
        images = loaded[split][arguments["image"]]
        arrays[split + "_image"] = numpy.stack([numpy.asarray(image) for image in images])
        arrays[split + "_label"] = numpy.asarray(loaded[split][arguments["label"]])
    return {"digests": _digests(arrays, specs)}


LOADERS: dict[str, Callable[[dict[str, str], dict[str, Any]], dict[str, Any]]] = {
    "keras": keras,
    "torchvision": torchvision,
    "sklearn": sklearn,
    "tfds": tfds,
    "huggingface": huggingface,
}


def _digests(arrays: dict[str, Any], specs: dict[str, Any]) -> dict[str, str]:
    return {
        name: hashlib.sha256(_as(array, specs[name]).tobytes()).hexdigest() for name, array in arrays.items()
    }


def _as(array: Any, spec: dict[str, Any]) -> Any:
    """Give an array the promised dtype and shape.

    Raises:
        ValueError: Its values or their number do not fit.
    """
    numpy = import_module("numpy")
    array = numpy.asarray(array)
    cast = array.astype(numpy.dtype(spec["dtype"]).newbyteorder("<"))
    if not (cast == array).all():
        raise ValueError("values of {} are not {}".format(array.dtype, spec["dtype"]))
    return numpy.ascontiguousarray(cast.reshape(spec["shape"]))


def _unordered(images: Any, labels: Any) -> str:
    rows = sorted(
        hashlib.sha256(image.tobytes() + label.tobytes()).digest() for image, label in zip(images, labels)
    )
    return hashlib.sha256(b"".join(rows)).hexdigest()


def _choose_backend() -> None:
    """Without a choice of the user's Keras wants TensorFlow; take another back end where that is missing."""
    from importlib.util import find_spec

    if "KERAS_BACKEND" in os.environ or find_spec("tensorflow"):
        return
    for name in ("torch", "jax"):
        if find_spec(name):
            os.environ["KERAS_BACKEND"] = name
            return


def _torchvision_datasets() -> Any:
    """Import torchvision's data sets, beside a torch for which it was not built too.

    The data sets need none of the compiled operators, but the package names them while it is imported: each
    that is missing is declared, without a body.
    """
    library = None
    for _ in range(_OPERATORS_AT_MOST):
        try:
            return import_module("torchvision.datasets")
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = library or import_module("torch.library").Library("torchvision", "FRAGMENT")
        library.define(f"{missing.group(1)}(Tensor any) -> Tensor")
        globals()["_library"] = library  # collected, it would take its definitions along
    return import_module("torchvision.datasets")


def _cut_network() -> None:
    """Let every way out of this process fail at once, so that only planted files can be what was loaded."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENETUNREACH, "surefetch proves this load without a network")

    def resolve(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_FAIL, "surefetch proves this load without a network")

    class Socket(socket.socket):
        connect = refuse
        connect_ex = refuse

    socket.socket = Socket  # type: ignore[misc] # the whole point
    socket.create_connection = refuse
    socket.getaddrinfo = resolve


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
