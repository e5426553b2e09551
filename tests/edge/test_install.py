"""Planting and proving in a home of the test's own; the loaders check what the real ones check."""

from __future__ import annotations

import gzip
import json
import os
import stat
import sys
from pathlib import Path
from urllib.request import pathname2url, urlretrieve

import pytest

from surefetch.errors import FetchError, UsageError
from surefetch.session.install import FrameworkResult, InstallResult, Wish, install, uninstall
from surefetch.session.ledger import Ledger
from surefetch.session.planting import file_digest
from surefetch.session.user_python import find_python, is_tool_environment
from tests.fakes.frameworks import write_frameworks
from tests.fakes.supplier import SmallSupplier


class Home:
    """A user's home with frameworks in reach. `SmallSupplier` is the store."""

    def __init__(self, folder: Path, dataset: str = "mnist") -> None:
        self.folder = folder / "home"
        self.folder.mkdir(exist_ok=True)
        self.supplier = SmallSupplier(folder / "store", dataset)
        self.ledger = Ledger(folder / "planted")
        self.npz = self.folder / ".keras" / "datasets" / "mnist.npz"
        site = write_frameworks(folder / "site", self.supplier.dataset.artifact("mnist.npz").sha256 or "")
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(site),
        }
        self.said: list[str] = []

    def install(self, *into: str, **wishes: object) -> InstallResult:
        wish = Wish(into=into, python=sys.executable, root=str(self.folder / "data"), **wishes)  # type: ignore[arg-type] # keywords of Wish
        return install(
            self.supplier.dataset, self.supplier, self.ledger, wish, self.environ, self.said.append
        )

    def one(self, into: str, **wishes: object) -> FrameworkResult:
        (result,) = self.install(into, **wishes).frameworks
        return result

    def bad_files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*.bad*"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_an_empty_home_is_planted_and_every_framework_loads_it(home: Home) -> None:
    result = home.install()
    assert result.is_ok
    assert [(item.framework, item.proof) for item in result.frameworks] == [
        ("keras", "loaded"),
        ("torchvision", "loaded"),
    ]
    assert {file.state for item in result.frameworks for file in item.files} == {"planted"}
    assert any("keras.datasets.mnist.load_data()" in line for line in result.lines())


def test_a_good_file_is_left_alone(home: Home) -> None:
    home.one("keras")
    before = home.npz.stat()
    home.supplier.asked.clear()
    result = home.one("keras")
    assert (result.files[0].state, result.proof) == ("good", "loaded")
    assert home.npz.stat().st_mtime_ns == before.st_mtime_ns
    assert home.supplier.asked == []


def test_a_poisoned_file_is_moved_aside_said_and_replaced(home: Home) -> None:
    home.npz.parent.mkdir(parents=True)
    home.npz.write_text("<html>sign in</html>", encoding="utf-8")
    result = home.one("keras")
    assert (result.files[0].state, result.proof) == ("replaced", "loaded")
    aside = home.npz.with_name("mnist.npz.bad")
    assert result.files[0].moved_to == str(aside)
    assert aside.read_text(encoding="utf-8") == "<html>sign in</html>"
    assert any("mnist.npz.bad" in line for line in home.said)


def test_two_poisoned_files_both_stay(home: Home) -> None:
    for text in ("first", "second"):
        home.one("keras")
        home.npz.write_text(text, encoding="utf-8")
    home.one("keras")
    assert home.bad_files() == ["mnist.npz.bad", "mnist.npz.bad1"]


def test_other_bytes_with_the_same_content_are_good_where_the_loader_believes_names(tmp_path: Path) -> None:
    home = Home(tmp_path, "fashion-mnist")
    folder = home.folder / ".keras" / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        data = gzip.decompress((home.supplier.folder / name).read_bytes())
        (folder / name).write_bytes(gzip.compress(data, 1, mtime=5))
    wrong = gzip.decompress((home.supplier.folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(wrong[:-1] + b"\xff"))
    result = home.one("keras")
    assert [file.state for file in result.files] == ["good", "good", "planted", "replaced"]
    assert result.proof == "loaded"


def test_a_torn_gzip_file_is_bad(tmp_path: Path) -> None:
    home = Home(tmp_path, "fashion-mnist")
    home.one("keras")
    path = home.folder / ".keras" / "datasets" / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert home.one("keras").files[0].state == "replaced"


def test_what_cannot_be_had_is_made_of_tensors_where_the_loader_allows_it(tmp_path: Path) -> None:
    home = Home(tmp_path, "fashion-mnist")
    home.supplier.without = {"train-images-idx3-ubyte.gz"}
    assert home.one("keras").proof == "loaded"


def test_what_cannot_be_had_and_must_be_exact_is_one_error(home: Home) -> None:
    home.supplier.without = {"mnist.npz"}
    with pytest.raises(FetchError, match=r"mnist\.npz.*no other bytes"):
        home.one("keras")
    assert not home.npz.exists()


def test_one_framework_that_cannot_be_had_does_not_keep_the_others_from_it(home: Home) -> None:
    home.supplier.without = {"mnist.npz"}
    keras, torchvision = home.install().frameworks
    assert (keras.is_ok, torchvision.is_ok) == (False, True)
    assert "no other bytes" in keras.why


def test_plants_are_copies_and_a_loader_that_writes_over_one_spares_the_store(
    home: Home, tmp_path: Path
) -> None:
    """Runs as root where it can: modes are no protection then, only separate files are."""
    original = home.supplier.folder / "mnist.npz"
    original.chmod(0o444)
    digest = file_digest(original)
    home.one("keras")
    assert not home.npz.is_symlink() and home.npz.stat().st_nlink == 1
    assert home.npz.stat().st_mode & stat.S_IWUSR
    other = tmp_path / "other"
    other.write_bytes(b"another file")
    urlretrieve("file:" + pathname2url(str(other)), home.npz)  # as Keras does, in place
    assert home.npz.read_bytes() == b"another file"
    assert file_digest(original) == digest


def test_old_files_of_torchvision_that_win_over_good_ones_are_moved_aside(home: Home) -> None:
    processed = home.folder / "data" / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"stale")
    result = home.one("torchvision")
    assert result.proof == "loaded"
    assert home.bad_files() == ["test.pt.bad", "training.pt.bad"]
    assert any("stood in the way" in line for line in home.said)


def test_what_stands_in_the_way_is_put_back_if_moving_it_did_not_help(home: Home) -> None:
    processed = home.folder / "data" / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"stale")
    site = Path(home.environ["PYTHONPATH"])
    (site / "torchvision" / "datasets.py").write_text(
        "class MNIST:\n    data = targets = [1]\n    def __init__(self, *a, **k): pass\n"
    )
    result = home.one("torchvision")
    assert (result.proof, result.is_ok) == ("failed", False)
    assert home.bad_files() == []
    assert any("NOT usable" in line for line in install_lines(home, result))


def install_lines(home: Home, item: FrameworkResult) -> list[str]:
    result = InstallResult(dataset="mnist", python="p", python_version="3", chosen_by="x", frameworks=(item,))
    return result.lines()


def test_a_framework_that_cannot_be_imported_is_no_reason_to_move_anything(home: Home) -> None:
    site = Path(home.environ["PYTHONPATH"])
    (site / "keras" / "datasets" / "mnist.py").write_text("import a_backend_that_is_missing\n")
    result = home.one("keras")
    assert (result.proof, result.is_ok) == ("not run", True)
    assert "a_backend_that_is_missing" in result.why


def test_the_proof_has_no_network(home: Home) -> None:
    site = Path(home.environ["PYTHONPATH"])
    (site / "keras" / "datasets" / "mnist.py").write_text(
        "import socket\ndef load_data():\n    socket.create_connection(('127.0.0.1', 80))\n"
    )
    result = home.one("keras")
    assert result.proof == "failed" and "without a network" in result.why


def test_a_dry_run_and_a_check_change_nothing(home: Home) -> None:
    assert {file.state for file in home.one("keras", is_dry=True).files} == {"missing"}
    assert home.one("keras", is_check=True).is_ok is False
    assert list(home.folder.iterdir()) == [] and home.supplier.asked == []


def test_a_check_has_the_framework_load_what_is_there(home: Home) -> None:
    home.one("keras")
    home.supplier.asked.clear()
    result = home.one("keras", is_check=True)
    assert (result.proof, result.is_ok) == ("loaded", True)
    assert home.supplier.asked == []


def test_a_check_never_runs_a_loader_over_a_bad_file(home: Home) -> None:
    home.npz.parent.mkdir(parents=True)
    home.npz.write_text("poison", encoding="utf-8")
    result = home.one("keras", is_check=True)
    assert (result.files[0].state, result.proof, result.is_ok) == ("bad", "not wanted", False)
    assert home.npz.read_text(encoding="utf-8") == "poison"  # Keras would have deleted it


def test_a_shared_folder_is_planted_once_and_its_variables_are_told(home: Home, tmp_path: Path) -> None:
    result = home.install(shared=str(tmp_path / "srv"))
    assert result.is_ok
    assert result.exports() == [f"export KERAS_HOME={tmp_path}/srv/keras"]
    assert (tmp_path / "srv" / "keras" / "datasets" / "mnist.npz").stat().st_mode & stat.S_IROTH
    assert list(home.folder.iterdir()) == []


def test_a_variable_moves_the_home(home: Home, tmp_path: Path) -> None:
    home.environ["KERAS_HOME"] = str(tmp_path / "elsewhere")
    assert home.one("keras").root == str(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "datasets" / "mnist.npz").exists()


def test_uninstall_takes_away_only_what_was_planted(home: Home) -> None:
    home.install()
    own = home.npz.with_name("mine.npz")
    own.write_bytes(b"mine")
    raw = home.folder / "data" / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    raw.write_bytes(b"changed since")
    result = uninstall(home.ledger, "mnist")
    assert result.kept == (str(raw),)
    assert len(result.removed) == 4
    left = sorted(path.name for path in home.folder.rglob("*") if path.is_file())
    assert left == ["mine.npz", "train-labels-idx1-ubyte"]
    assert uninstall(home.ledger, "mnist").removed == ()


def test_uninstall_leaves_no_empty_folders_of_ours(home: Home) -> None:
    home.install()
    uninstall(home.ledger, "mnist")
    assert list(home.folder.iterdir()) == []


def test_uninstall_of_one_framework_leaves_the_others(home: Home) -> None:
    home.install()
    uninstall(home.ledger, "mnist", ["torch"])
    assert home.npz.exists() and not (home.folder / "data").exists()


def test_a_good_file_that_was_there_is_not_ours_to_take_away(home: Home) -> None:
    home.npz.parent.mkdir(parents=True)
    home.npz.write_bytes((home.supplier.folder / "mnist.npz").read_bytes())
    home.one("keras")
    assert uninstall(home.ledger, "mnist").removed == ()
    assert home.npz.exists()


def test_a_ledger_that_is_torn_is_no_trouble(home: Home) -> None:
    home.one("keras")
    (entry,) = (path for path in home.npz.parents[3].joinpath("planted").glob("*.json"))
    entry.write_text("{", encoding="utf-8")
    assert home.one("keras").files[0].state == "good"


def test_an_unknown_framework_is_named_with_those_there_are(home: Home) -> None:
    with pytest.raises(UsageError, match="no framework `mxnet`") as caught:
        home.install("mxnet")
    assert "keras, torchvision" in caught.value.hint


def test_a_framework_that_is_not_installed_is_said_with_the_line_to_type(home: Home) -> None:
    with pytest.raises(UsageError, match="has no datasets") as caught:
        home.install("huggingface")
    assert "-m pip install datasets" in caught.value.hint


def test_torchvisions_root_is_read_from_the_folders_programs(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    wish = Wish(into=("torchvision",), python=sys.executable, is_dry=True)

    def root() -> str:
        result = install(
            home.supplier.dataset, home.supplier, home.ledger, wish, home.environ, home.said.append
        )
        return result.frameworks[0].root

    assert root() == str(work / "data")
    (work / "nb.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": ["d = MNIST('in-notebook')"]}]}),
        encoding="utf-8",
    )
    assert root() == str(work / "in-notebook")
    (work / "a.py").write_text("MNIST(root='../shared', download=True)", encoding="utf-8")
    assert root() == str(tmp_path / "shared")
    assert f"torchvision's root is {tmp_path / 'shared'}; name another with --root" in home.said


def test_the_result_is_json(home: Home) -> None:
    told = json.loads(json.dumps(home.install().to_json()))
    assert told["ok"] is True and told["schema_version"] == 1
    assert told["frameworks"][0]["files"][0]["path"] == str(home.npz)


# --- which Python -----------------------------------------------------------------------------------------


def a_python(folder: Path) -> Path:
    path = folder / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.symlink_to(sys.executable)
    return path


def test_the_users_python_is_named_or_active_or_on_the_path(tmp_path: Path) -> None:
    named, venv, conda, on_path = (a_python(tmp_path / name) for name in ("named", "venv", "conda", "usr"))
    environ = {
        "VIRTUAL_ENV": str(venv.parents[1]),
        "CONDA_PREFIX": str(conda.parents[1]),
        "PATH": str(on_path.parent),
    }
    assert find_python(environ, str(named)) == (str(named), "--python")
    assert find_python(environ, str(named.parents[1])) == (str(named), "--python")
    assert find_python(environ) == (str(venv), "VIRTUAL_ENV")
    del environ["VIRTUAL_ENV"]
    assert find_python(environ) == (str(conda), "CONDA_PREFIX")
    del environ["CONDA_PREFIX"]
    assert find_python(environ) == (str(on_path), "PATH")


def test_an_environment_made_for_one_tool_is_never_the_users(tmp_path: Path) -> None:
    for mark in ("uv-receipt.toml", "pipx_metadata.json"):
        python = a_python(tmp_path / f"tool with {mark[:4]}")
        (python.parents[1] / mark).touch()
        assert is_tool_environment(python.parents[1])
        assert find_python({"VIRTUAL_ENV": str(python.parents[1]), "PATH": ""})[1] != "VIRTUAL_ENV"
    assert is_tool_environment(Path("/home/ann/.cache/uv/archive-v0/abc"))
    assert not is_tool_environment(tmp_path)


def test_a_python_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no Python"):
        find_python({"PATH": ""}, str(tmp_path / "none"))
