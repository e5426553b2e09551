"""The catalog: what a file may say, and which mistakes are told how."""

import pytest

from surefetch.catalog import Catalog, merge, normalise_url, parse_catalog
from surefetch.errors import CatalogError, UnknownDatasetError
from surefetch.model import Artifact
from surefetch.recipes import format_recipe

SHA = "ab" * 32
PARQUET = "test-00000-of-00001.parquet"
GOOD = f"""
name = "demo"
aliases = ["Demo set", "lab/demo"]

[tensors]
"train/x" = {{ dtype = "uint8", shape = [3, 2], sha256 = "{"11" * 32}" }}
"train/y" = {{ dtype = "int64", shape = [3], sha256 = "{"22" * 32}" }}

[[artifact]]
form = "idx"
name = "x.gz"
size = 100
sha256 = "{SHA}"
urls = ["https://one.example/x.gz", "http://two.example:8080/x.gz"]
known_as = ["ftp://dead.example/x.gz"]
gives = {{ "train/x" = "gzip > idx" }}

[[artifact]]
form = "idx"
name = "y.gz"
size = 50
md5 = "{"cd" * 16}"
urls = ["https://one.example/y.gz"]
gives = {{ "train/y" = "gzip > idx" }}

[[artifact]]
form = "parquet"
name = "0.parquet"
max_size = 1000
unproven = true
urls = ["https://hub.example/0.parquet"]

[[artifact]]
form = "parquet"
name = "1.parquet"
max_size = 1000
unproven = true
urls = ["https://hub.example/1.parquet"]

[[form]]
name = "parquet"
gives = {{ "train/x" = ["0.parquet: parquet:x > png", "1.parquet: parquet:x > png"] }}
"""


def test_a_file_becomes_a_dataset() -> None:
    dataset = parse_catalog(GOOD, "my.toml")
    assert (dataset.name, dataset.version, dataset.origin) == ("demo", "1", "my.toml")
    assert dataset.tensors["train/x"].shape == (3, 2)
    assert [form.name for form in dataset.forms] == ["idx", "parquet"], "order of first appearance"
    assert dataset.form("idx").artifacts == ("x.gz", "y.gz")
    assert dataset.artifact("y.gz").digest is not None and dataset.artifact("y.gz").digest.is_weak
    recipe = dataset.form("parquet").gives["train/x"]
    assert format_recipe(recipe) == "0.parquet: parquet:x > png + 1.parquet: parquet:x > png"


#: what is wrong -> (text to replace, by what, key named, words of the expectation)
MISTAKES = {
    "a misspelt key": (
        f'sha256 = "{SHA}"',
        f'sha265 = "{SHA}"',
        "artifact[0].sha265",
        "one of the keys `name`, `form`",
    ),
    "an unknown key at the top": ('name = "demo"', 'name = "demo"\nurl = "x"', "url", "`url` is unknown"),
    "an unknown key of a tensor": (
        "shape = [3],",
        "size = [3],",
        'tensors."train/y".size',
        "`size` is unknown",
    ),
    "no name": ('name = "demo"', "", "name", "it is required"),
    "a name with a slash": ('name = "demo"', 'name = "a/b"', "name", "lower-case letters"),
    "a name that climbs": ('name = "demo"', 'name = ".."', "name", "lower-case letters"),
    "a device's name": ('name = "demo"', 'name = "aux"', "name", "lower-case letters"),
    "text for a number": ("size = 100", 'size = "100"', "artifact[0].size", "a whole number, got text"),
    "a negative size": ("size = 100", "size = -1", "artifact[0].size", "a number of bytes"),
    "no bytes, and a digest of some": ("size = 100", "size = 0", "artifact[0].size", "more than 0 bytes"),
    "no size": ("size = 100", "", "artifact[0].size", "`max_size`"),
    "two sizes": ("size = 100", "size = 100\nmax_size = 100", "artifact[0].size", "either `size`"),
    "no digest": (f'sha256 = "{SHA}"', "", "artifact[0].sha256", "a digest"),
    "a short digest": (SHA, SHA[:-1], "artifact[0].sha256", "64 lower-case hexadecimal digits"),
    "an upper-case digest": (SHA, SHA.upper(), "artifact[0].sha256", "64 lower-case hexadecimal digits"),
    "digest and unproven": (
        "size = 100",
        "size = 100\nunproven = true",
        "artifact[0].unproven",
        "no `unproven`",
    ),
    "a path": ("https://one.example/x.gz", "/data/x.gz", "artifact[0].urls[0]", "`https://` or `http://`"),
    "a file URL": ("https://one.example/x.gz", "file:///x.gz", "artifact[0].urls[0]", "`https://`"),
    "an IPv6 address without its end": (
        "https://one.example/x.gz",
        "https://[::1/x.gz",
        "artifact[0].urls[0]",
        "can be read",
    ),
    "an ftp URL": ("https://one.example/x.gz", "ftp://a/x.gz", "artifact[0].urls[0]", "`https://`"),
    "a URL with a password": (
        "https://one.",
        "https://me:pw@one.",
        "artifact[0].urls[0]",
        "without password",
    ),
    "a URL with a blank": ("one.example/x.gz", "one.example/x x.gz", "artifact[0].urls[0]", "an address"),
    "a path as name": ('name = "x.gz"', 'name = "a/x.gz"', "artifact[0].name", "a plain file name"),
    "a climbing name": ('name = "x.gz"', 'name = ".."', "artifact[0].name", "a plain file name"),
    "a stream's name": ('name = "x.gz"', 'name = "x.gz:y"', "artifact[0].name", "a plain file name"),
    "a reserved file name": ('name = "x.gz"', 'name = "NUL.gz"', "artifact[0].name", "a plain file name"),
    "a long file name": ('name = "x.gz"', f'name = "{"x" * 201}"', "artifact[0].name", "at most 200 bytes"),
    "one name twice": ('name = "y.gz"', 'name = "X.GZ"', "artifact[1].name", "no other artifact has"),
    "no such step": ('"gzip > idx"', '"gunzip > idx"', 'artifact[0].gives."train/x"', "`gunzip` is no step"),
    "a recipe that cannot work": (
        '"gzip > idx"',
        '"idx > gzip"',
        'artifact[0].gives."train/x"',
        "takes bytes",
    ),
    "a number as recipe": (
        '= "gzip > idx"',
        "= 7",
        'artifact[0].gives."train/x"',
        "a recipe: text, or a list",
    ),
    "an undeclared tensor": ('gives = { "train/x"', 'gives = { "x"', "artifact[0].gives.x", "in [tensors]"),
    "a tensor given twice": (
        'gives = { "train/y"',
        'gives = { "train/x"',
        'artifact[1].gives."train/x"',
        "nothing",
    ),
    "another form's artifact": (
        "0.parquet: parquet",
        "x.gz: parquet",
        'form.parquet.gives."train/x"',
        "form `par",
    ),
    "a form without artifacts": (
        'name = "parquet"',
        'name = "none"',
        "form[0].name",
        "at least one [[artifact]]",
    ),
    "an unknown dtype": ('dtype = "int64"', 'dtype = "int6"', 'tensors."train/y"', "`int6` is not one of"),
    "a negative shape": ("shape = [3],", "shape = [-3],", 'tensors."train/y"', "no negative lengths"),
    "a bad tensor name": ('"train/x" = { d', '"../x" = { d', 'tensors."../x"', "such as `train/image`"),
    "unproven content": (
        f', sha256 = "{"11" * 32}"',
        "",
        'tensors."train/x".sha256',
        "this tensor has to prove it",
    ),
    "a bad package": (
        "size = 50",
        'size = 50\npackage = "demo"',
        "artifact[1].package",
        "`pypi:NAME==VERSION`",
    ),
    "a bad deb": ("size = 50", 'size = 50\ndeb = "demo"', "artifact[1].deb", "`NAME=VERSION`"),
    "too many pieces": (
        "size = 50",
        f'size = 50\npieces = ["{SHA}", "{SHA}"]',
        "artifact[1].pieces",
        "1 digests",
    ),
    "a bad piece": ("size = 50", 'size = 50\npieces = ["xy"]', "artifact[1].pieces[0]", "64 lower-case"),
    "a bad version": ('name = "demo"', 'name = "demo"\nversion = "1/2"', "version", "such as `1`"),
    "a bad alias": ('"lab/demo"', '"a\\nb"', "aliases[1]", "a name of letters"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_file_key_and_what_was_expected(mistake: str) -> None:
    old, new, key, words = MISTAKES[mistake]
    assert old in GOOD
    with pytest.raises(CatalogError) as caught:
        parse_catalog(GOOD.replace(old, new, 1), "my.toml")
    assert caught.value.details["file"] == "my.toml"
    assert caught.value.details["key"] == key
    assert words in caught.value.details["expected"]
    assert "`my.toml`" in caught.value.message and f"`{key}`" in caught.value.message
    assert caught.value.code == "usage.catalog"


def test_an_address_that_is_refused_is_told_without_its_secrets() -> None:
    for url in ("https://me:geh/eim@one.example/x", "https://me:geheim@one.example/x?token=geheim"):
        with pytest.raises(CatalogError) as caught:
            parse_catalog(GOOD.replace("https://one.example/x.gz", url, 1), "my.toml")
        assert "one.example/x" in caught.value.message
        assert "geh" not in caught.value.message + repr(caught.value)


def test_a_mistake_in_the_toml_names_the_line() -> None:
    with pytest.raises(CatalogError, match="line 2"):
        parse_catalog('name = "demo"\naliases = = 1\n', "my.toml")


def test_a_mistake_in_an_artifact_names_its_file() -> None:
    with pytest.raises(CatalogError, match=r"`artifact\[1\]\.size` \(`y\.gz`\): expected a whole number"):
        parse_catalog(GOOD.replace("size = 50", "size = 5.5"), "my.toml")


def test_a_tensor_that_nothing_gives_is_refused() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(
            GOOD.replace("[[artifact]]", 'z = { dtype = "uint8", shape = [1] }\n\n[[artifact]]', 1), "my"
        )
    assert caught.value.details["key"] == "tensors.z"


def test_a_file_that_nothing_proves_is_refused() -> None:
    text = GOOD.replace(f'sha256 = "{SHA}"', "unproven = true").replace(
        'gives = { "train/x" = "gzip > idx" }', ""
    )
    with pytest.raises(CatalogError, match="nothing else proves this file"):
        parse_catalog(text, "my.toml")


def test_a_dataset_without_files_is_refused() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog('name = "demo"', "my.toml")
    assert caught.value.details["key"] == "artifact"


# --- finding ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "mnist",
        "MNIST",
        "mnist_784",
        "MNIST-784",
        "ylecun/mnist",
        "digits mnist",
        "http://yann.lecun.com/exdb/mnist",
    ],
)
def test_a_dataset_is_found_by_name_and_alias(name: str) -> None:
    assert Catalog().find(name).name == "mnist"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minst", "mnist"),
        ("fashon-mnist", "fashion-mnist"),
        ("cifar_1", "cifar10"),
        ("imagenet", "imagenette"),
        ("librispeech", "librispeech-dev-clean"),
    ],
)
def test_a_typo_is_told_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(UnknownDatasetError) as caught:
        Catalog().find(name)
    assert meant in caught.value.details["suggestions"]
    assert f"`{meant}`" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(UnknownDatasetError) as caught:
        Catalog().find("zzzzqqqq")
    assert caught.value.details["suggestions"] == ()
    assert caught.value.hint == "`surefetch list` shows every name"


@pytest.mark.parametrize(
    ("url", "file"),
    [
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
            "train-images-idx3-ubyte.gz",
        ),
        (
            "http://OSSCI-datasets.s3.amazonaws.com:80/mnist/train-labels-idx1-ubyte.gz#x",
            "train-labels-idx1-ubyte.gz",
        ),
        ("http://yann.lecun.com/exdb/mnist/t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("https://github.com/pytorch/tutorials/blob/main/_static/mnist.pkl.gz?raw=true", "mnist.pkl.gz"),
        ("https://raw.githubusercontent.com/pytorch/tutorials/main/_static/mnist.pkl.gz", "mnist.pkl.gz"),
        (f"https://huggingface.co/datasets/ylecun/mnist/blob/main/mnist/{PARQUET}", PARQUET),
    ],
)
def test_a_known_url_is_answered_dead_or_alive(url: str, file: str) -> None:
    found = Catalog().find_url(url)
    assert found is not None
    assert (found[0].name, found[1].name) == ("mnist", file)


def test_an_unknown_url_is_nobodys() -> None:
    assert Catalog().find_url("https://example.org/train-images-idx3-ubyte.gz") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example:443/x", "http://a.example:80/x"),
        ("https://a.example/x?download=1", "https://a.example/x"),
        ("https://user@A.example/x", "https://a.example/x"),
        ("https://raw.githubusercontent.com/o/r/refs/heads/main/x", "https://github.com/o/r/blob/main/x"),
    ],
)
def test_addresses_of_one_file_are_one(one: str, other: str) -> None:
    assert normalise_url(one) == normalise_url(other)


def test_addresses_of_two_files_are_two() -> None:
    assert normalise_url("https://a.example/x?id=1") != normalise_url("https://a.example/x?id=2")
    assert normalise_url("https://a.example:8443/x") != normalise_url("https://a.example/x")
    assert normalise_url("https://a.example/X") != normalise_url("https://a.example/x")


def test_a_file_is_known_by_any_of_its_digests() -> None:
    catalog = Catalog()
    for digest in ("sha1:6c95f4b05d2bf285e1bfb0e7960c31bd3b3f8a7d", "F68B3C2DCBEAAA9FBDD348BBDEB94873"):
        ((dataset, artifact),) = catalog.by_digest(digest)
        assert dataset.name == "mnist"
        assert isinstance(artifact, Artifact)
        assert artifact.name == "train-images-idx3-ubyte.gz"


def test_a_tensor_is_known_by_its_digest() -> None:
    catalog = Catalog()
    spec = catalog.find("mnist").tensors["test/label"]
    assert spec.sha256 is not None
    assert [(dataset.name, found) for dataset, found in catalog.by_digest(spec.sha256)] == [
        ("mnist", "test/label")
    ]
    assert catalog.by_digest("00" * 32) == []


# --- a user's catalogs -----------------------------------------------------------------------------------


def test_a_users_dataset_stands_beside_the_built_in_ones() -> None:
    catalog = Catalog([("my.toml", GOOD)])
    assert catalog.find("DEMO_set").origin == "my.toml"
    assert catalog.find("mnist").origin == "built-in"
    assert catalog.find_url("https://two.example:8080/x.gz") == (
        catalog.find("demo"),
        catalog.find("demo").artifacts[0],
    )
    assert [(d.name, a.name) for d, a in catalog.by_digest(SHA) if isinstance(a, Artifact)] == [
        ("demo", "x.gz")
    ]
    assert "demo" in catalog.names()
    (row,) = [row for row in catalog.summaries() if row["name"] == "demo"]
    assert (row["origin"], row["bytes"], row["is_exact"], row["files"]) == ("my.toml", 150, True, 4)


def lab_mirror(**changes: str) -> str:
    """A user's catalog that knows one more mirror of MNIST's training labels."""
    values = {
        "digest": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "name": "mnist",
    } | changes
    return f"""
name = "{values["name"]}"
[[artifact]]
form = "lab"
name = "labels.gz"
size = 28881
sha256 = "{values["digest"]}"
urls = ["https://lab.example/labels.gz"]
"""


@pytest.mark.parametrize("name", ["mnist", "mnist-784"])
def test_a_built_in_name_gets_mirrors_behind_its_own(name: str) -> None:
    catalog = Catalog([("lab.toml", lab_mirror(name=name))])
    built_in, merged = Catalog().find("mnist"), catalog.find("mnist")
    urls = built_in.artifact("train-labels-idx1-ubyte.gz").urls
    assert merged.artifact("train-labels-idx1-ubyte.gz").urls == (*urls, "https://lab.example/labels.gz")
    assert merged.tensors == built_in.tensors
    assert merged.forms == built_in.forms
    assert merged.origin == "built-in"
    assert catalog.find_url("https://lab.example/labels.gz") is not None


def test_a_built_in_name_cannot_be_redefined() -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog([("lab.toml", lab_mirror(digest=SHA))])
    assert caught.value.details["file"] == "lab.toml"
    assert "`mnist` is known already from `built-in`" in caught.value.message
    assert "another `name`" in caught.value.hint


def test_a_built_in_tensor_cannot_be_redefined() -> None:
    text = lab_mirror().replace(
        "[[artifact]]", '[tensors]\n"train/label" = { dtype = "uint8", shape = [60000] }\n[[artifact]]'
    )
    text += 'gives = { "train/label" = "gzip > idx" }\n'
    with pytest.raises(CatalogError, match="tensor `train/label` as `built-in` has it"):
        Catalog([("lab.toml", text)])


def test_another_encoding_of_proven_tensors_is_one_more_form() -> None:
    spec = Catalog().find("mnist").tensors["test/label"]
    text = f"""
name = "mnist"
[tensors]
"test/label" = {{ dtype = "uint8", shape = [10000], sha256 = "{spec.sha256}" }}
[[artifact]]
form = "lab-npy"
name = "labels.npy"
max_size = 20000
unproven = true
urls = ["https://lab.example/labels.npy"]
gives = {{ "test/label" = "npy" }}
"""
    merged = Catalog([("lab.toml", text)]).find("mnist")
    assert merged.forms[-1].name == "lab-npy"
    assert merged.artifacts[-1].urls == ("https://lab.example/labels.npy",)
    taken = text.replace('"labels.npy"', '"mnist.npz"').replace('"lab-npy"', '"keras-npz"')
    with pytest.raises(CatalogError, match="a file name that no other file of the dataset has"):
        Catalog([("lab.toml", taken)])
    with pytest.raises(CatalogError, match="a form's name of its own"):
        Catalog([("lab.toml", text.replace('"lab-npy"', '"keras-npz"'))])


def test_an_alias_belongs_to_one_dataset() -> None:
    with pytest.raises(CatalogError) as caught:
        Catalog([("my.toml", GOOD.replace('"lab/demo"', '"ylecun/MNIST"'))])
    assert caught.value.details["key"] == "aliases[1]"
    assert "is dataset `mnist` already" in caught.value.message


def test_merging_with_itself_changes_nothing() -> None:
    for name in ("mnist", "fashion-mnist", "cifar10", "ag-news"):
        dataset = Catalog().find(name)
        assert merge(dataset, dataset) == dataset
