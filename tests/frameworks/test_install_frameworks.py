"""Five frameworks, two datasets, three caches: each loads right data where there is no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefetch.session.install import uninstall
from tests.frameworks.kit import DATASETS, POISONS, User, expected, program, told

pytestmark = [pytest.mark.frameworks, pytest.mark.privileged]

ENVIRONMENTS = {
    "keras": "main",
    "torchvision": "main",
    "sklearn": "main",
    "tfds": "tensorflow",
    "huggingface": "main",
}
#: Tests of one home stay in one process.
CASES = [
    pytest.param(framework, dataset, marks=pytest.mark.xdist_group(f"{framework} {dataset}"))
    for framework in ENVIRONMENTS
    for dataset in DATASETS
]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], User]:
    """Homes that were planted once; what poisons one repairs it too."""
    return {}


@pytest.fixture
def planted(
    homes: dict[tuple[str, str], User],
    tmp_path_factory: pytest.TempPathFactory,
    framework: str,
    dataset: str,
) -> User:
    key = (framework, dataset)
    if key not in homes:
        user = User(tmp_path_factory.mktemp("home"), ENVIRONMENTS[framework])
        result = user.install(framework, dataset)
        assert result.is_ok, "\n".join(result.lines())
        assert {file.state for item in result.frameworks for file in item.files} == {"planted"}
        homes[key] = user
    return homes[key]


def loads_right_data(user: User, framework: str, dataset: str) -> None:
    ran = user.run(str(user.python), user.script(program(framework, dataset)))
    assert told(ran) == expected(framework, user, dataset), ran.errors[-2000:]


@pytest.mark.parametrize(("framework", "dataset"), CASES)
def test_an_empty_cache_is_planted(planted: User, framework: str, dataset: str) -> None:
    loads_right_data(planted, framework, dataset)


@pytest.mark.parametrize(("framework", "dataset"), CASES)
def test_a_good_cache_is_left_alone(planted: User, framework: str, dataset: str) -> None:
    def times() -> dict[Path, int]:
        files = (path for path in planted.folder.rglob("*") if path.is_file() and path.suffix != ".py")
        return {path: path.stat().st_mtime_ns for path in files if "program" not in path.name}

    before = times()
    result = planted.install(framework, dataset)
    assert {file.state for item in result.frameworks for file in item.files} == {"good"}
    after = times()  # what is as it was loads as it did: to load all again takes minutes
    assert after.keys() >= before.keys() and {path: after[path] for path in before} == before


@pytest.mark.parametrize(("framework", "dataset"), CASES)
def test_a_poisoned_cache_is_replaced_and_kept_aside(planted: User, framework: str, dataset: str) -> None:
    POISONS[framework](planted)
    result = planted.install(framework, dataset)
    assert result.is_ok, "\n".join(result.lines())
    moved = [file.moved_to for item in result.frameworks for file in item.files if file.moved_to]
    assert moved and all(Path(path).exists() for path in moved)
    loads_right_data(planted, framework, dataset)


@pytest.mark.parametrize("dataset", DATASETS)
def test_tf_keras_loads_what_was_planted(tmp_path: Path, dataset: str) -> None:
    user = User(tmp_path / "home", "tensorflow")
    result = user.install("keras", dataset)
    assert [item.package for item in result.frameworks] == ["keras", "tf_keras"]
    assert result.is_ok, "\n".join(result.lines())
    ran = user.run(str(user.python), user.script(program("tf_keras", dataset)))
    assert told(ran) == expected("tf_keras", user, dataset)


def test_an_older_scikit_learn_finds_its_own_name_of_the_file(tmp_path: Path) -> None:
    user = User(tmp_path / "home", "old")
    assert user.install("sklearn", "mnist").is_ok
    loads_right_data(user, "sklearn", "mnist")


def test_mnist_and_fashion_mnist_live_side_by_side_in_tfds(tmp_path: Path) -> None:
    user = User(tmp_path / "home", "tensorflow")
    for dataset in DATASETS:
        assert user.install("tfds", dataset).is_ok
    loads_right_data(user, "tfds", "mnist")
    assert uninstall(user.ledger, "mnist", ["tfds"]).kept == ()
    below = {path.name for path in (user.folder / "tensorflow_datasets").iterdir()}
    assert "mnist" not in below and "fashion_mnist" in below
    loads_right_data(user, "tfds", "fashion-mnist")


def test_a_folder_of_hugging_face_goes_away_as_a_whole(tmp_path: Path) -> None:
    user = User(tmp_path / "home", "main")
    assert user.install("huggingface", "mnist").is_ok
    assert uninstall(user.ledger, "mnist").kept == ()
    left = list((user.folder / ".cache" / "huggingface" / "datasets").rglob("*.arrow"))
    assert left == []
