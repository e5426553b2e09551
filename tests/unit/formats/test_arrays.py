"""The reshaping steps: exact or refused."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats import arrays, digest_of
from surefetch.formats.buffers import Array, Context
from surefetch.formats.steps import FUNCTIONS
from surefetch.model import DTYPES

ANY = Context()
CASTS = ["uint8", "int16", "int32", "int64", "float32", "float64"]


def apply(array: Array, step: str, context: Context = ANY) -> Array:
    name, _, argument = step.partition(":")
    result: Array = FUNCTIONS[name](array, argument, context)
    return result


@given(
    array=st.sampled_from(["uint8", "int16", "int64", "uint64", "float32", "float64", "bool"]).flatmap(
        lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(max_side=4))
    ),
    wanted=st.sampled_from(CASTS),
)
def test_a_cast_gives_equal_numbers_or_an_error(array: Array, wanted: str) -> None:
    try:
        result = arrays.cast(array, wanted)
    except DecodeError as error:
        assert error.code == "body.content-mismatch"
        return
    assert result.dtype == wanted
    if wanted == "float32" and array.dtype == np.float64:
        assert np.isinf(result).sum() == np.isinf(array).sum()
        np.testing.assert_array_equal(result, array.astype(np.float32))
    else:
        assert [_exact(item) for item in result.ravel().tolist()] == [
            _exact(item) for item in array.ravel().tolist()
        ]


def _exact(item: float) -> object:
    return "nan" if item != item else item


@pytest.mark.parametrize("value", [256, -1, 0.5, float("nan"), float("inf"), 1e300])
def test_no_number_wraps_into_uint8(value: float) -> None:
    with pytest.raises(DecodeError, match="does not fit into uint8"):
        arrays.cast(np.array([1, value, 3]), "uint8")


def test_whole_numbers_past_the_mantissa_do_not_become_floats() -> None:
    with pytest.raises(DecodeError):
        arrays.cast(np.array([2**53 + 1]), "float64")
    with pytest.raises(DecodeError):
        arrays.cast(np.array([2**24 + 1]), "float32")


def test_a_wrong_number_is_found_behind_a_million_right_ones() -> None:
    array = np.zeros(arrays.BLOCK_ITEMS * 2, np.int64)
    array[-1] = 300
    with pytest.raises(DecodeError, match="300"):
        arrays.cast(array, "uint8")


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_side=6)))
def test_fractions_scale_back_to_the_bytes_they_were(array: Array) -> None:
    for divisor in (256, 255):
        fractions = array.astype(np.float32) / np.float32(divisor)
        np.testing.assert_array_equal(arrays.cast(apply(fractions, f"scale:{divisor}"), "uint8"), array)
        ahead = apply(fractions, f"scale:{divisor}", Context(dtype="uint8"))
        assert ahead.dtype == np.uint8
        np.testing.assert_array_equal(ahead, array)


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_scaled_numbers_must_be_whole(value: float) -> None:
    with pytest.raises(DecodeError, match="no whole number"):
        apply(np.array([0.25, value / 255]), "scale:255" if value == 0.5 else "scale:4")


def test_minus_is_exact() -> None:
    np.testing.assert_array_equal(apply(np.array([1, 26], np.uint8), "minus:1"), [0, 25])
    np.testing.assert_array_equal(apply(np.array([1.5]), "minus:1"), [0.5])
    with pytest.raises(DecodeError):
        apply(np.array([np.iinfo(np.int64).min]), "minus:1")
    with pytest.raises(DecodeError):
        apply(np.array([2**64 - 1], np.uint64), "minus:1")


@pytest.mark.parametrize(
    ("step", "shape"),
    [
        ("rows:1-3", (2, 3, 4)),
        ("rows:0-0", (0, 3, 4)),
        ("column:2", (5, 3)),
        ("shape:12", (5, 12)),
        ("shape:2,6", (5, 2, 6)),
        ("axes:2,0,1", (4, 5, 3)),
    ],
)
def test_moving_steps_give_the_shape_they_say(step: str, shape: tuple[int, ...]) -> None:
    assert apply(np.zeros((5, 3, 4)), step).shape == shape


@pytest.mark.parametrize(
    "step", ["rows:4-6", "rows:3-2", "column:4", "shape:7", "shape:0", "axes:0,1", "axes:0,1,1"]
)
def test_moving_steps_that_do_not_fit_are_refused(step: str) -> None:
    with pytest.raises(DecodeError) as caught:
        apply(np.zeros((5, 3, 4)), step)
    assert caught.value.code == "body.content-mismatch"


@pytest.mark.parametrize(
    "step",
    [
        "rows:a-b",
        "rows:5",
        "column:-1",
        "shape:1.5",
        "axes:x",
        "scale:x",
        "scale:nan",
        "minus:",
        "rows:1-99999999999999999999",
    ],
)
def test_an_argument_that_is_none_is_the_catalogs_mistake(step: str) -> None:
    with pytest.raises(CatalogError, match="is no argument of step"):
        apply(np.zeros((5, 3, 4)), step)


@given(
    st.sampled_from(list(DTYPES)).flatmap(
        lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(max_side=4))
    )
)
def test_a_digest_is_of_the_little_endian_bytes_in_c_order(array: Array) -> None:
    plain = hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).hexdigest()
    assert digest_of(array) == plain
    assert digest_of(np.asfortranarray(array)) == plain
    assert digest_of(array.astype(array.dtype.newbyteorder(">"))) == plain
