"""Where frameworks look, by version and settings; values in, values out."""

import json

import pytest

from surefetch.layouts import openml, torchvision
from surefetch.layouts.frameworks import ALIASES, FRAMEWORKS, NEEDS, plan_layouts
from surefetch.layouts.roots import notebook_source, roots_in
from surefetch.layouts.tfds import download_name
from surefetch.layouts.values import Check, Idx, Layout, Literal, Machine, Published, version_of
from surefetch.model import Artifact, Dataset, TensorSpec

SHA = "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
FILES = [
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
]  # fmt: skip
SHAPES = {
    "train/image": (60000, 28, 28),
    "train/label": (60000,),
    "test/image": (10000, 28, 28),
    "test/label": (10000,),
}
EVERYTHING = {
    "keras": "3.15.1", "torchvision": "0.29.2", "scikit-learn": "1.9.1", "tensorflow-datasets": "4.9.10",
    "datasets": "5.2.0", "pandas": "2.3.3",
}  # fmt: skip


def dataset(name: str = "mnist", artifacts: tuple[str, ...] = ("mnist.npz", *FILES)) -> Dataset:
    return Dataset(
        name=name,
        version="1",
        classes=tuple(map(str, range(10))),
        tensors={key: TensorSpec(dtype="uint8", shape=shape) for key, shape in SHAPES.items()},
        artifacts=tuple(Artifact(name=file, form="idx", size=1, sha256=SHA) for file in artifacts),
    )


def machine(**packages: str) -> Machine:
    return Machine(home="/home/ann", packages=packages or EVERYTHING, root="/home/ann/data")


def only(framework: str, data: Dataset, where: Machine) -> Layout:
    (layout,) = plan_layouts(data, where, [framework])
    return layout


def test_every_installed_framework_gets_a_layout() -> None:
    found = plan_layouts(dataset(), machine())
    assert [layout.framework for layout in found] == [
        "keras",
        "torchvision",
        "sklearn",
        "tfds",
        "huggingface",
    ]
    assert all(layout.loader and layout.usage and layout.root.startswith("/") for layout in found)
    assert set(NEEDS) == set(FRAMEWORKS) >= set(ALIASES.values())


def test_a_framework_that_is_not_installed_gets_none() -> None:
    assert plan_layouts(dataset(), machine(numpy="2.4")) == []


def test_a_dataset_that_no_loader_knows_gets_none() -> None:
    assert plan_layouts(dataset("census-1890"), machine()) == []


def test_keras_reads_its_home_from_a_variable_and_tf_keras_does_not() -> None:
    where = Machine(
        home="/home/ann", environ={"KERAS_HOME": "/big"}, packages={"keras": "3.15.1", "tf_keras": "2.21.0"}
    )
    roots = {layout.package: layout.root for layout in plan_layouts(dataset(), where, ["keras"])}
    assert roots == {"keras": "/big", "tf_keras": "/home/ann/.keras"}


def test_the_keras_of_an_old_tensorflow_does_not_read_the_variable_either() -> None:
    where = Machine(home="/home/ann", environ={"KERAS_HOME": "/big"}, packages={"keras": "2.15.0"})
    assert only("keras", dataset(), where).root == "/home/ann/.keras"


def test_keras_leaves_a_home_that_it_cannot_write() -> None:
    where = Machine(home="/home/ann", packages={"keras": "3.15.1"}, unwritable=("/home/ann/.keras",))
    layout = only("keras", dataset(), where)
    assert layout.root == "/tmp/.keras"
    assert "cannot be written" in layout.notes[0]


def test_keras_hashes_mnist_and_believes_fashion_mnist() -> None:
    (npz,) = only("keras", dataset(), machine()).plants
    assert (npz.path, npz.check, npz.equal_to) == ("datasets/mnist.npz", Check.DIGEST, "")
    fashion = only("keras", dataset("fashion-mnist"), machine()).plants
    assert {plant.check for plant in fashion} == {Check.EXISTENCE}
    assert fashion[0].path == "datasets/fashion-mnist/train-images-idx3-ubyte.gz"
    assert fashion[0].equal_to == "train/image"


@pytest.mark.parametrize(
    ("package", "version", "path"),
    [
        ("keras", "3.15.1", "datasets/cifar-10-batches-py-target_archive"),
        ("keras", "2.15.0", "datasets/cifar-10-batches-py.tar.gz"),
        ("tf_keras", "2.21.0", "datasets/cifar-10-batches-py.tar.gz"),
    ],
)
def test_both_generations_of_keras_have_their_own_name_for_cifar(
    package: str, version: str, path: str
) -> None:
    layout = only("keras", dataset("cifar-10", ("cifar-10-python.tar.gz",)), machine(**{package: version}))
    assert [plant.path for plant in layout.plants] == [path]
    assert layout.plants[0].content == Published(artifact="cifar-10-python.tar.gz")


def test_torchvision_gets_raw_files_below_the_callers_root() -> None:
    layout = only("torchvision", dataset("fashion-mnist"), machine())
    assert layout.root == "/home/ann/data"
    assert next(plant.path for plant in layout.plants) == "FashionMNIST/raw/train-images-idx3-ubyte"
    assert {type(plant.content) for plant in layout.plants} == {Idx}
    assert layout.shadows[0].paths == ("FashionMNIST/processed/training.pt", "FashionMNIST/processed/test.pt")


def test_torchvision_gets_the_members_of_cifar_too() -> None:
    layout = only("torchvision", dataset("cifar-100", ("cifar-100-python.tar.gz",)), machine())
    assert [plant.path for plant in layout.plants] == [
        "cifar-100-python.tar.gz", "cifar-100-python/train", "cifar-100-python/test", "cifar-100-python/meta",
    ]  # fmt: skip


def test_scikit_learn_gets_both_names_of_the_file_and_both_lists() -> None:
    layout = only("sklearn", dataset(), machine())
    base = "openml/openml.org"
    assert [plant.path.removeprefix(f"{base}/") for plant in layout.plants] == [
        "api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1.gz",
        "api/v1/json/data/list/data_name/mnist_784/limit/2/status/active/.gz",
        "api/v1/json/data/554.gz",
        "api/v1/json/data/features/554.gz",
        "api/v1/json/data/qualities/554.gz",
        "data/v1/download/52667/mnist_784.arff.gz",
        "data/v1/download/52667.gz",
    ]


def test_openmls_description_leads_to_the_file_and_waits_for_its_md5() -> None:
    contents = openml.contents(dataset("fashion-mnist"))
    description = contents["api/v1/json/data/40996"]
    assert isinstance(description, Literal)
    told = json.loads(description.text)["data_set_description"]
    assert told["url"] == f"https://api.openml.org/{description.md5_of}"
    assert told["md5_checksum"] == "{md5}"
    features = contents["api/v1/json/data/features/40996"]
    assert isinstance(features, Literal)
    assert len(json.loads(features.text)["data_features"]["feature"]) == 785


@pytest.mark.parametrize(
    ("pandas", "parser", "notes"), [("2.3.3", "auto", 0), ("3.1.1", "liac-arff", 1), ("", "liac-arff", 1)]
)
def test_the_trap_of_pandas_3_is_known(pandas: str, parser: str, notes: int) -> None:
    packages = {"scikit-learn": "1.9.1"} | ({"pandas": pandas} if pandas else {})
    layout = only("sklearn", dataset(), machine(**packages))
    assert layout.loader is not None
    assert (layout.loader.arguments["parser"], len(layout.notes)) == (parser, notes)


def test_tfds_names_are_those_it_makes_itself() -> None:
    base = "https://storage.googleapis.com/cvdf-datasets/mnist/"
    assert (
        download_name(f"{base}train-images-idx3-ubyte.gz", SHA)
        == "cvdf-datasets_mnist_train-images-idx3-ubyteRA_Kv3PMVG-iFHXoHqNwJlYF9WviEKQCTSyo8gNSNgk.gz"
    )
    toronto = download_name("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", SHA)
    assert toronto.startswith("cs.toronto.edu_kriz_cifar-10-binary") and toronto.endswith(".tar.gz")


def test_tfds_keeps_datasets_apart_only_since_a_version() -> None:
    new = only("tfds", dataset("fashion-mnist"), machine())
    old = only("tfds", dataset("fashion-mnist"), machine(**{"tensorflow-datasets": "4.8.3"}))
    assert new.plants[0].path.startswith("downloads/fashion_mnist/")
    assert old.plants[0].path.count("/") == 1
    assert new.plants[1].path == new.plants[0].path + ".INFO"


def test_tfds_gets_nothing_whose_sha256_is_unknown() -> None:
    data = dataset("mnist", ("mnist.npz",))
    assert plan_layouts(data, machine(), ["tfds"]) == []


def test_hugging_face_finds_its_cache_by_the_nearest_variable() -> None:
    def root(**environ: str) -> str:
        where = Machine(home="/home/ann", environ=environ, packages=EVERYTHING)
        return only("huggingface", dataset(), where).root

    assert root() == "/home/ann/.cache/huggingface/datasets"
    assert root(XDG_CACHE_HOME="/x") == "/x/huggingface/datasets"
    assert root(XDG_CACHE_HOME="/x", HF_HOME="/hf") == "/hf/datasets"
    assert root(HF_HOME="/hf", HF_DATASETS_CACHE="/arrow") == "/arrow"


def test_hugging_face_gets_todays_name_and_the_one_of_old() -> None:
    paths = [plant.path for plant in only("huggingface", dataset("fashion-mnist"), machine()).plants]
    assert [path.rsplit("/", 1)[0] for path in paths] == [
        "zalando-datasets___fashion_mnist/fashion_mnist/0.0.0",
        "fashion_mnist/fashion_mnist/0.0.0",
    ]


def test_a_shared_folder_comes_with_its_variables() -> None:
    where = Machine(home="/home/ann", packages=EVERYTHING, shared="/srv/data")
    variables = {
        name: value for layout in plan_layouts(dataset(), where) for name, value in layout.variables.items()
    }
    assert variables == {
        "KERAS_HOME": "/srv/data/keras",
        "SCIKIT_LEARN_DATA": "/srv/data/sklearn",
        "TFDS_DATA_DIR": "/srv/data/tensorflow_datasets",
        "HF_DATASETS_CACHE": "/srv/data/huggingface/datasets",
    }


@pytest.mark.parametrize(
    ("text", "numbers"), [("3.15.1", (3, 15, 1)), ("2.0rc1", (2, 0)), ("4.9.10.dev3", (4, 9, 10)), ("", ())]
)
def test_versions_are_compared_by_their_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_of(text) == numbers


SCRIPT = """
from torchvision import datasets
from pathlib import Path
train = datasets.MNIST(root="~/data", train=True, download=True)
test = datasets.MNIST("./other", train=False)
more = datasets.MNIST(Path("third"))
again = datasets.MNIST(root="~/data")
unknown = datasets.MNIST(root=args.root)
other = datasets.CIFAR10("cifar")
"""


def test_a_programs_roots_are_read_and_never_run() -> None:
    names = frozenset({torchvision.class_of(dataset())})
    assert roots_in(SCRIPT, names) == ["~/data", "./other", "third"]
    assert roots_in("def broken(:", names) == []
    assert roots_in("x = 'bad \\d escape'; MNIST('here')", names) == ["here"]


def test_a_notebooks_code_is_read_without_its_magics() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# MNIST('not code')"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", "d = MNIST('nb')"]},
    ]
    assert roots_in(notebook_source(json.dumps({"cells": cells})), frozenset({"MNIST"})) == ["nb"]
    assert notebook_source("no notebook") == ""
