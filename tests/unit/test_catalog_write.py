"""Writing catalog files: what can be read can be written, and other projects' lists become files."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from surefetch.catalog import Catalog, parse_catalog, write_catalog
from surefetch.catalog.imports import import_croissant, import_pooch_registry, seal, slug
from surefetch.errors import CatalogError
from surefetch.model import Artifact, Dataset, Form, TensorSpec
from surefetch.recipes import parse_recipe

SHA, MD5 = "ab" * 32, "cd" * 16

texts = st.text(st.characters(codec="utf-8"), max_size=60)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(texts, texts, texts, st.lists(texts, max_size=4), digests, st.integers(1, 2**53))
@example("", "", "\\n", ["a\\\nb", '\\"\n'], SHA, 1)
@settings(deadline=None)
def test_any_text_survives_writing(
    title: str, citation: str, description: str, classes: list[str], digest: str, size: int
) -> None:
    dataset = Dataset(
        name="demo",
        version="1",
        title=title,
        citation=citation,
        description=description,
        classes=tuple(classes),
        artifacts=(Artifact(name="x", form="files", size=size, sha256=digest),),
        origin="here",
    )
    assert parse_catalog(write_catalog(dataset, f"a comment\n{title}"), "here") == dataset


def test_recipes_of_several_files_stand_in_forms() -> None:
    parts = parse_recipe(["a.gz: gzip > idx", "b.gz: gzip > idx"])
    dataset = Dataset(
        name="demo",
        version="2",
        tensors={"x": TensorSpec(dtype="uint8", shape=(4,)), "y": TensorSpec(dtype="int64", shape=())},
        artifacts=tuple(Artifact(name=f"{name}.gz", form="idx", size=1, sha256=SHA) for name in "ab"),
        forms=(Form(name="idx", gives={"x": parts, "y": parse_recipe("gzip > raw:int64", "b.gz")}),),
    )
    text = write_catalog(dataset)
    assert "[[form]]" in text
    assert parse_catalog(text, "built-in") == dataset


def test_a_file_that_would_be_refused_is_not_written() -> None:
    with pytest.raises(CatalogError, match="a digest"):
        seal(Dataset(name="demo", version="1", artifacts=(Artifact(name="x", form="files", size=1),)))


def test_a_new_file_can_be_used_at_once() -> None:
    artifact = Artifact(name="x.zip", form="files", size=7, sha256=SHA, urls=("https://one.example/x.zip",))
    text = seal(
        Dataset(name="my-data", version="1", artifacts=(artifact,)), "Digests learned at first sight."
    )
    assert text.startswith("# Digests learned at first sight.\n")
    assert Catalog([("mine", text)]).find("my data").artifacts == (artifact,)


# --- pooch -----------------------------------------------------------------------------------------------

REGISTRY = f"""
# a comment
a.csv {SHA}
grids/b.nc md5:{MD5}
more/b.nc  SHA1:{"EF" * 20}   https://else.example/b.nc
"a file.txt" sha256:{SHA}
"""


def test_a_pooch_registry_becomes_a_catalog() -> None:
    text = import_pooch_registry(
        REGISTRY,
        name="grids",
        base_url="https://data.example/{version}/",
        version="v1.2",
        urls={"a.csv": "https://other.example/a.csv"},
    )
    dataset = parse_catalog(text, "x")
    found = {artifact.name: (str(artifact.digest), artifact.urls) for artifact in dataset.artifacts}
    assert found == {
        "a.csv": (f"sha256:{SHA}", ("https://other.example/a.csv",)),
        "grids_b.nc": (f"md5:{MD5}", ("https://data.example/v1.2/grids/b.nc",)),
        "more_b.nc": (f"sha1:{'ef' * 20}", ("https://else.example/b.nc",)),
        "a file.txt": (f"sha256:{SHA}", ("https://data.example/v1.2/a%20file.txt",)),
    }
    assert dataset.version == "v1.2"
    assert all(artifact.size is None and artifact.max_size for artifact in dataset.artifacts)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a.csv", "line 2 of the registry: expected `FILE HASH`"),
        ('"a.csv x', "line 2 of the registry"),
        (f"a.csv sha512:{SHA}", "not of sha512"),
        ("a.csv abc", "64 lower-case hexadecimal digits"),
    ],
)
def test_a_registry_with_a_mistake_is_refused(line: str, says: str) -> None:
    with pytest.raises(CatalogError) as caught:
        import_pooch_registry(f"# first\n{line}\n", name="grids", base_url="https://data.example/")
    assert says in caught.value.message


def test_a_registry_without_web_address_is_refused() -> None:
    with pytest.raises(CatalogError, match="begins with `https://` or `http://`"):
        import_pooch_registry(REGISTRY, name="grids", base_url="doi:10.5281/zenodo.1")


# --- Croissant -------------------------------------------------------------------------------------------

CROISSANT = {
    "@type": "sc:Dataset",
    "name": "Penguins & Co.",
    "description": "Birds.",
    "license": ["https://spdx.org/licenses/CC0-1.0.html"],
    "version": "1.0.0",
    "url": "https://birds.example/",
    "citeAs": "@misc{birds}",
    "distribution": [
        {
            "@type": "cr:FileObject",
            "@id": "penguins.csv",
            "contentUrl": "https://birds.example/penguins.csv?download=1",
            "contentSize": "13478 B",
            "encodingFormat": "text/csv",
            "sha256": SHA,
        },
        {
            "@type": "sc:FileObject",
            "name": "images.zip",
            "contentUrl": "https://birds.example/images.zip",
            "contentSize": "1.2 GB",
            "md5": MD5.upper(),
        },
        {
            "@type": "cr:FileObject",
            "@id": "repo",
            "contentUrl": "https://hub.example/datasets/birds",
            "encodingFormat": "git+https",
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        },
        {
            "@type": "cr:FileObject",
            "@id": "notes.txt",
            "contentUrl": "https://birds.example/notes.txt",
            "sha256": "https://github.com/mlcommons/croissant/issues/80",
        },
        {"@type": "cr:FileObject", "@id": "inner.csv", "containedIn": {"@id": "images.zip"}, "sha256": SHA},
        {"@type": "cr:FileSet", "@id": "pictures", "includes": "*.png"},
    ],
}


def test_a_croissant_description_becomes_a_catalog() -> None:
    text = import_croissant(json.dumps(CROISSANT))
    dataset = parse_catalog(text, "x")
    assert (dataset.name, dataset.version, dataset.title) == ("penguins-co", "1.0.0", "Penguins & Co.")
    table, images = dataset.artifacts
    assert (table.name, table.size, table.sha256) == ("penguins.csv", 13478, SHA)
    assert (images.name, images.size, images.md5) == ("images.zip", None, MD5)
    assert images.max_size is not None
    assert dataset.citation == "@misc{birds}"


def test_what_has_no_digest_is_left_out_and_named() -> None:
    text = import_croissant(json.dumps(CROISSANT), name="birds")
    assert 'name = "birds"' in text
    assert "# Left out: notes.txt: it has no digest.\n" in text
    assert "# Left out: repo: it has no address of a file.\n" in text
    assert "issues/80" not in text.replace("#", "", 1).partition("name = ")[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "it is not JSON"),
        ("[]", "no `distribution`"),
        ('{"name": "x"}', "no `distribution`"),
        ('{"name": "x", "distribution": []}', "no file with an address and a digest"),
        ('{"name": "x", "distribution": [{"@type": "cr:FileObject", "name": "y"}]}', "y: it has no address"),
        ('{"name": "x", "distribution": "nonsense"}', "no file with an address and a digest"),
    ],
)
def test_a_description_that_cannot_be_used_says_why(text: str, says: str) -> None:
    with pytest.raises(CatalogError) as caught:
        import_croissant(text)
    assert says in caught.value.message


def test_a_description_with_a_name_of_nothing_needs_one() -> None:
    with pytest.raises(CatalogError) as caught:
        import_croissant(json.dumps(CROISSANT | {"name": "鳥"}))
    assert caught.value.details["key"] == "name"
    assert slug("鳥") == ""
    assert slug(" My Data (2024)! ") == "my-data-2024"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["@type", "name", "contentUrl", "sha256", "distribution", "@id"]), inner
            )
        ),
    )
)
@settings(deadline=None)
def test_no_description_breaks_the_import(content: object) -> None:
    entry = {"name": "x", "distribution": content}
    with pytest.raises(CatalogError):
        import_croissant(json.dumps(entry))
