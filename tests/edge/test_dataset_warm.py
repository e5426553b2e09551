"""A warm load and the short commands import next to nothing, and open no socket; `show` runs as a command."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surefetch as sf
from surefetch.errors import UsageError
from surefetch.model import Dataset, TensorSpec
from surefetch.store import Store
from tests.conftest import Run
from tests.edge.storekit import publish, sha256

IMAGES = np.random.default_rng(3).integers(0, 256, (40, 28, 28), np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)
TENSORS = {"train/image": IMAGES, "train/label": LABELS, "test/image": IMAGES[:9], "test/label": LABELS[:9]}
#: What a warm load may not import: everything that plans, fetches, proves or draws.
HEAVY = {
    "click", "rich", "pycurl", "filelock", "platformdirs", "tomllib", "msgspec", "deflate", "zlib_ng",
    "asyncio", "socket", "ssl", "hashlib", "subprocess",
}  # fmt: skip
ROOMS = {
    "catalog",
    "sources",
    "plan",
    "formats",
    "layouts",
    "scan",
    "diagnose",
    "transfer",
    "machine",
    "history",
}


@pytest.fixture
def warm(home: Path) -> Path:
    """A store, where the commands look for it, that has the dataset `tiny` with two splits."""
    store = Store(home / ".cache" / "surefetch")
    if sys.platform == "darwin":
        store = Store(home / "Library" / "Caches" / "surefetch")
    dataset = Dataset(
        name="tiny",
        version="1",
        title="Tiny",
        aliases=("ti/ny",),
        classes=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        tensors={
            name: TensorSpec(dtype="uint8", shape=array.shape, sha256=sha256(array.tobytes()).hex)
            for name, array in TENSORS.items()
        },
    )
    with store.batch():
        for array in TENSORS.values():
            publish(store, array.tobytes())
        digest = sha256(IMAGES.tobytes()).hex
        view = store.view("tiny", "1", {"images.bin": digest})
        digests = {name: sha256(array.tobytes()).hex for name, array in TENSORS.items()}
        store.record_dataset(dataset, digests, {"images.bin": digest}, view=view)
    return store.folder


def modules_of(code: str) -> set[str]:
    """Names of the modules that a fresh process has after some code."""
    program = f"import sys\n{code}\nsys.stderr.write('\\n'.join(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    return set(result.stderr.splitlines())


def rooms_in(modules: set[str]) -> set[str]:
    return {name.split(".")[1] for name in modules if name.startswith("surefetch.")}


def command(*words: str) -> str:
    return f"""
sys.argv = ["surefetch", *{list(words)!r}]
import surefetch.__main__
from surefetch.cli import run
code = run()
assert not code, code
"""


def test_importing_the_package_imports_nothing_of_it() -> None:
    assert rooms_in(modules_of("import surefetch")) == set()
    assert "numpy" not in modules_of("import surefetch")


def test_a_warm_load_imports_numpy_and_nothing_that_plans_or_fetches(warm: Path) -> None:
    plain = modules_of("import numpy, mmap")
    load = modules_of(
        "import surefetch as sf\nds = sf.load('tiny')\n"
        "assert sum(int(ds[s][t][0].sum()) for s in ds for t in ds[s]) > 0"
    )
    assert {name.partition(".")[0] for name in load} & HEAVY <= {n.partition(".")[0] for n in plain}
    assert rooms_in(load) == {"dataset", "paths", "session", "store"}
    third = {name.partition(".")[0] for name in load - plain} - set(sys.stdlib_module_names)
    assert third <= {"surefetch"}


def test_a_handle_without_a_look_at_its_arrays_needs_no_numpy(warm: Path) -> None:
    assert "numpy" not in modules_of("import surefetch as sf\nrepr(sf.load('ti/ny'))")


@pytest.mark.parametrize("words", [("list",), ("get", "tiny", "--quiet")])
def test_short_commands_import_click_and_next_to_nothing_else(warm: Path, words: tuple[str, ...]) -> None:
    plain, ours = modules_of("import click"), modules_of(command(*words))
    tops = {name.partition(".")[0] for name in ours - plain}
    assert not tops & (HEAVY - {"click"}) and "numpy" not in tops
    assert not rooms_in(ours) & (ROOMS | {"model", "events", "settings", "receipts", "dataset"})


def test_a_warm_load_opens_no_socket(warm: Path) -> None:
    modules_of(
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('a socket')\n"
        "socket.socket = refuse\n"
        "import surefetch as sf\n"
        "assert sf.load('tiny').train.image.shape == (40, 28, 28)"
    )


def test_verbs_are_not_hidden_by_the_modules_of_their_names() -> None:
    modules_of(
        "import surefetch as sf, surefetch.session.get, surefetch.session.install, surefetch.session.show\n"
        "assert all(callable(getattr(sf, name)) for name in sf.__all__ if name[0] != '_')\n"
    )


def test_every_public_name_is_there() -> None:
    assert all(hasattr(sf, name) for name in sf.__all__)
    assert set(sf.__all__) <= set(dir(sf))


def png_size(data: bytes) -> tuple[int, int]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert zlib.crc32(data[12:29]) == int.from_bytes(data[29:33], "big")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_show_writes_a_picture_and_prints_its_path(surefetch: Run, warm: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "grid.png"
    result = surefetch("show", "tiny", "--split", "test", "--count", "4", "--output", str(output))
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(output)
    assert "test: 9 samples" in result.stderr and "train" not in result.stderr
    assert min(png_size(output.read_bytes())) > 100


def test_show_prints_a_screen(surefetch: Run, warm: Path) -> None:
    result = surefetch("show", "tiny")
    assert result.returncode == 0, result.stderr
    assert "train: 40 samples" in result.stdout and "test: 9 samples" in result.stdout
    assert "\x1b" not in result.stdout and result.stderr == ""
    assert "zero 4, one 4," in " ".join(result.stdout.split())


def test_show_draws_in_colour_where_it_is_asked_to(surefetch: Run, warm: Path) -> None:
    result = surefetch("show", "tiny", NO_COLOR="", FORCE_COLOR="1", COLORTERM="truecolor")
    assert "\x1b[38;2;" in result.stdout and "▀" in result.stdout


def test_show_tells_facts_to_programs(surefetch: Run, warm: Path) -> None:
    found: dict[str, Any] = json.loads(surefetch("show", "tiny", "--json").stdout)
    train = found["splits"][0]
    assert found["dataset"] == "tiny" and found["picture"] is None
    assert train["tensors"][0]["high"] == IMAGES.max() and train["classes"]["zero"] == 4


def test_show_names_the_splits_that_there_are(surefetch: Run, warm: Path) -> None:
    result = surefetch("show", "tiny", "--split", "dev")
    assert result.returncode == 2
    assert "has no split `dev`" in result.stderr and "train, test" in result.stderr


def test_a_picture_that_cannot_be_written_is_an_error(surefetch: Run, warm: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = surefetch("show", "tiny", "--output", str(tmp_path / "file" / "grid.png"))
    assert (
        result.returncode != 0 and "cannot be written" in result.stderr and "Traceback" not in result.stderr
    )


def test_the_verb_shows_too(warm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sf.show("tiny", split="test") is None
    assert "test: 9 samples" in capsys.readouterr().out
    path = sf.show("tiny", output=tmp_path / "grid.png", count=3)
    assert path == tmp_path / "grid.png" and path.exists()
    with pytest.raises(UsageError, match="no split"):
        sf.show("tiny", split="dev")
