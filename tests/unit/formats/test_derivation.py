"""Deriving: parts joined, promises kept, every step there."""

import gzip
import sys

import numpy as np
import pytest

from surefetch.errors import DecodeError, MissingExtraError
from surefetch.formats import check_digest, derive, digest_of
from surefetch.formats.buffers import FLOOR_BYTES, LIMIT_BYTES, output_limit
from surefetch.formats.encoders import idx_bytes
from surefetch.formats.steps import FUNCTIONS
from surefetch.model import TensorSpec
from surefetch.recipes import STEPS, parse_recipe
from tests.unit.formats.samples import IDX, IMAGES, LABELS, PNGS, tar_of

SPEC = TensorSpec(dtype="uint8", shape=IMAGES.shape, sha256=digest_of(IMAGES))


def test_there_is_exactly_one_function_for_each_step() -> None:
    assert set(FUNCTIONS) == set(STEPS)


def test_parts_are_joined_along_the_first_axis() -> None:
    recipe = parse_recipe(["a: idx", "b: gzip > idx", "c: raw:uint8 > shape:7,6"])
    inputs = {
        "a": idx_bytes(IMAGES[:5]),
        "b": gzip.compress(idx_bytes(IMAGES[5:9])),
        "c": IMAGES[9:].tobytes(),
    }
    for spec in (SPEC, None):
        array = derive(recipe, spec, inputs)
        np.testing.assert_array_equal(array, IMAGES)
        assert check_digest(array, SPEC) == SPEC.sha256


def test_members_of_one_tar_are_joined_in_the_order_of_the_recipe() -> None:
    archive = tar_of({"2": idx_bytes(IMAGES[12:]), "1": idx_bytes(IMAGES[:12])}, "gz")
    recipe = parse_recipe(["tar:1 > idx", "tar:2 > idx"], "x")
    np.testing.assert_array_equal(derive(recipe, SPEC, {"x": archive}), IMAGES)
    twice = TensorSpec(dtype="uint8", shape=(24, 7, 6))
    array = derive(parse_recipe(["tar:1 > idx", "tar:1 > idx"], "x"), twice, {"x": archive})
    np.testing.assert_array_equal(array, np.concatenate([IMAGES[:12]] * 2))


def test_a_step_that_parts_have_in_common_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack, calls = FUNCTIONS["gzip"], []

    def count(*arguments: object) -> object:
        calls.append(arguments)
        return unpack(*arguments)

    monkeypatch.setitem(FUNCTIONS, "gzip", count)
    packed = gzip.compress(IDX)
    recipe = parse_recipe(["gzip > idx > rows:0-5", "gzip > idx > rows:5-20"], "x")
    np.testing.assert_array_equal(derive(recipe, SPEC, {"x": packed}), IMAGES)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("uint8", (20, 6, 7)),
        ("uint8", (19, 7, 6)),
        ("uint8", (21, 7, 6)),
        ("int8", (20, 7, 6)),
        ("uint8", (840,)),
    ],
)
def test_another_dtype_or_shape_than_promised_is_a_mismatch(dtype: str, shape: tuple[int, ...]) -> None:
    spec = TensorSpec(dtype=dtype, shape=shape)
    for recipe, inputs in (
        (parse_recipe("idx", "x"), {"x": IDX}),
        (parse_recipe(["a: idx", "b: idx"]), {"a": idx_bytes(IMAGES[:9]), "b": idx_bytes(IMAGES[9:])}),
    ):
        with pytest.raises(DecodeError) as caught:
            derive(recipe, spec, inputs)
        assert caught.value.code == "body.content-mismatch"


def test_another_digest_than_promised_is_a_mismatch() -> None:
    spoiled = IMAGES.copy()
    spoiled[-1, -1, -1] ^= 1
    array = derive(parse_recipe("idx", "x"), SPEC, {"x": idx_bytes(spoiled)})
    with pytest.raises(DecodeError, match="promised was") as caught:
        check_digest(array, SPEC)
    assert caught.value.code == "body.content-mismatch"


def test_raw_files_are_not_copied() -> None:
    assert np.shares_memory(derive(parse_recipe("idx", "x"), SPEC, {"x": IDX}), np.frombuffer(IDX, np.uint8))


def test_big_endian_numbers_come_out_little_endian() -> None:
    wide = LABELS.astype(np.int32) * 1000
    array = derive(parse_recipe("idx", "x"), None, {"x": idx_bytes(wide)})
    assert array.dtype.str == "<i4"
    np.testing.assert_array_equal(array, wide)


def test_limits_grow_with_the_promise_and_the_file_and_have_an_end() -> None:
    labels, images = TensorSpec(dtype="uint8", shape=(10,)), TensorSpec(dtype="uint8", shape=(1 << 30, 8))
    assert output_limit(labels, 100) == FLOOR_BYTES
    assert output_limit(labels, 100 << 20) == 3200 << 20
    assert output_limit(labels, 1 << 40) == LIMIT_BYTES
    assert output_limit(None, 100) == LIMIT_BYTES
    assert output_limit(images, 100) == 64 << 30


def test_a_bomb_is_told_as_one() -> None:
    bomb = gzip.compress(bytes(100 << 20))
    with pytest.raises(DecodeError) as caught:
        derive(parse_recipe("gzip > idx", "x"), TensorSpec(dtype="uint8", shape=(10,)), {"x": bomb})
    assert caught.value.code == "body.bomb"


@pytest.mark.parametrize(
    ("package", "steps", "extra"),
    [
        ("pyarrow", "parquet:a > numbers", "parquet"),
        ("PIL", "images:* > image", "image"),
        ("scipy.io", "mat:a", "mat"),
        ("h5py", "mat:a", "mat"),
    ],
)
def test_a_missing_extra_is_one_line_to_paste(
    monkeypatch: pytest.MonkeyPatch, package: str, steps: str, extra: str
) -> None:
    inputs = {
        "pyarrow": b"PAR1....PAR1",
        "PIL": tar_of({"a": b"\xff\xd8\xff\xe0" + PNGS[0]}),
        "scipy.io": b"MATLAB 5.0".ljust(126) + b"IM",
        "h5py": b"MATLAB 7.3".ljust(126) + b"IM" + bytes(384) + b"\x89HDF\r\n\x1a\n",
    }
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        derive(parse_recipe(steps, "x"), None, {"x": inputs[package]})
    assert caught.value.hint == f'pip install "surefetch[{extra}]"'
