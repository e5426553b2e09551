"""Writing: every form comes back equal, and published files are the same to the byte."""

import gzip
import hashlib
import io
import pickle
import zipfile
import zlib

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefetch.errors import DecodeError, UsageError
from surefetch.formats import FORMS, derive, encode, rebuild
from surefetch.formats.encoders import idx_bytes, zip_bytes
from surefetch.recipes import parse_recipe

GENERATOR = np.random.default_rng(11)
TENSORS = {
    "train/image": GENERATOR.integers(0, 256, (30, 5, 4)).astype(np.uint8),
    "train/label": (np.arange(30) % 10).astype(np.uint8),
    "test/image": GENERATOR.integers(0, 256, (10, 5, 4)).astype(np.uint8),
    "test/label": (np.arange(10) % 10).astype(np.uint8),
}
#: form -> recipes for the test split out of what was written.
BACK = {
    "idx": ("t10k-images-idx3-ubyte: idx", "t10k-labels-idx1-ubyte: idx"),
    "npy": ("test/image.npy: npy", "test/label.npy: npy"),
    "npz": ("tiny.npz: npz:test_image", "tiny.npz: npz:test_label"),
    "pickle": (
        "tiny.pkl.gz: gzip > pickle:2.0 > scale:256 > uint8 > shape:5,4",
        "tiny.pkl.gz: gzip > pickle:2.1 > uint8",
    ),
    "arff": (
        "tiny.arff: arff:0-19 > rows:30-40 > uint8 > shape:5,4",
        "tiny.arff: arff:20 > rows:30-40 > uint8",
    ),
    "csv": ("test.csv: csv:1-20 > uint8 > shape:5,4", "test.csv: csv:label > uint8"),
    "parquet": (
        "test-00000-of-00001.parquet: parquet:image.bytes > png",
        "test-00000-of-00001.parquet: parquet:label > numbers > uint8",
    ),
}


@pytest.mark.parametrize("form", BACK)
def test_every_form_that_is_written_reads_back_equal(form: str) -> None:
    files = dict(encode(form, "tiny", TENSORS))
    assert files == dict(encode(form, "tiny", TENSORS)), "the same bytes each time"
    image, label = BACK[form]
    np.testing.assert_array_equal(derive(parse_recipe(image), None, files), TENSORS["test/image"])
    np.testing.assert_array_equal(derive(parse_recipe(label), None, files), TENSORS["test/label"])


def test_every_form_is_tested_here() -> None:
    assert {*BACK, "png"} == set(FORMS)


def test_png_writes_a_picture_for_each_row_by_split_and_label() -> None:
    files = dict(encode("png", "tiny", TENSORS))
    assert len(files) == 40
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open(io.BytesIO(files["test/7/00007.png"]))), TENSORS["test/image"][7]
    )


def test_others_read_what_is_written() -> None:
    files = dict(encode("npz", "tiny", TENSORS))
    with np.load(io.BytesIO(files["tiny.npz"]), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["train_image"], TENSORS["train/image"])
    (train, _), _, (_, label) = pickle.loads(
        gzip.decompress(dict(encode("pickle", "tiny", TENSORS))["tiny.pkl.gz"])
    )
    assert train.dtype == np.float32
    np.testing.assert_array_equal(label, TENSORS["test/label"])


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**62), 2**62))
def test_numbers_are_written_so_that_they_read_back_equal(number: float, whole: int) -> None:
    tensors = {"x": np.array([number, 1.0]), "n": np.array([whole, 1])}
    files = dict(encode("csv", "t", tensors))
    assert derive(parse_recipe("t.csv: csv:x"), None, files)[0] == number
    assert derive(parse_recipe("t.csv: csv:n > int64"), None, files)[0] == whole


@pytest.mark.parametrize(
    ("form", "tensors"),
    [
        ("doc", TENSORS),
        ("pickle", {"x": np.zeros(3)}),
        ("png", {"x": np.zeros(3)}),
        ("idx", {"x": np.zeros(3, np.int64)}),
        ("csv", {"a": np.zeros(3), "b": np.zeros(4)}),
        ("arff", {}),
    ],
)
def test_tensors_that_have_no_place_in_a_form_are_refused(form: str, tensors: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError):
        list(encode(form, "t", tensors))


@given(st.dictionaries(st.text("abc", min_size=1), st.binary(max_size=200), max_size=4))
def test_zip_archives_are_read_by_the_standard_library(members: dict[str, bytes]) -> None:
    archive = zip_bytes([(name, data, 0x21_0000) for name, data in members.items()])
    with zipfile.ZipFile(io.BytesIO(archive)) as theirs:
        assert theirs.testzip() is None
        assert {name: theirs.read(name) for name in theirs.namelist()} == members


def test_a_gzip_header_is_swapped_and_the_stream_kept() -> None:
    data = b"hello " * 100
    debian = gzip.compress(data, mtime=0)
    swapped = rebuild.swap_gzip_header(debian, "train-images-idx3-ubyte", 1504176606)
    assert gzip.decompress(swapped) == data
    assert swapped[:10] == bytes.fromhex("1f8b0808dee9a7590003")
    stream, checksum, size = rebuild.strip_gzip_header(swapped)
    assert (checksum, size) == (zlib.crc32(data), len(data))
    assert bytes(stream) == debian[10:-8]
    with pytest.raises(DecodeError):
        rebuild.swap_gzip_header(b"no gzip", "x", 0)


def test_keras_file_has_the_members_the_order_and_the_times_that_keras_published() -> None:
    archive = rebuild.keras_npz(TENSORS)
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        assert [(info.filename, info.date_time) for info in members.infolist()] == [
            ("x_test.npy", (2017, 2, 17, 17, 13, 54)),
            ("x_train.npy", (2017, 2, 17, 17, 13, 56)),
            ("y_train.npy", (2017, 2, 17, 17, 13, 56)),
            ("y_test.npy", (2017, 2, 17, 17, 13, 56)),
        ]
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x_train"], TENSORS["train/image"])


def test_what_is_rebuilt_is_called_exact_only_when_its_digest_is_the_published_one() -> None:
    data = gzip.compress(idx_bytes(TENSORS["test/label"]), mtime=0)
    right = rebuild.swap_gzip_header(data, "labels", 5)
    how = rebuild.Rebuild(
        name="labels.gz", sha256=hashlib.sha256(right).hexdigest(), size=len(right), kind="gzip",
        tensors=("test/label",), stored_name="labels", stored_time=5,
    )  # fmt: skip
    assert rebuild.finish(how, gzipped=data) == rebuild.Rebuilt(data=right, is_exact=True)
    other = rebuild.finish(how, gzipped=gzip.compress(idx_bytes(TENSORS["test/label"]), 0, mtime=0))
    assert not other.is_exact
    assert "equal in content, not in bytes" in other.note
    with pytest.raises(UsageError, match="made of a gzip stream"):
        rebuild.finish(how, tensors=TENSORS)


def test_every_known_rebuild_is_named_by_name_and_digest() -> None:
    assert len(rebuild.KNOWN_REBUILDS) == 9
    for (name, sha256), how in rebuild.KNOWN_REBUILDS.items():
        assert (name, sha256) == (how.name, how.sha256)
        assert how.tensors
