"""IDX, npy, npz, raw: round trips for every dtype, headers that lie."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats import derive, idx, npy
from surefetch.formats.buffers import Array
from surefetch.formats.encoders import IDX_TYPES, idx_bytes, npy_bytes
from surefetch.model import DTYPES
from surefetch.recipes import parse_recipe
from tests.unit.formats.samples import IDX, IMAGES, NPY

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)


def arrays(names: list[str]) -> st.SearchStrategy[Array]:
    return st.sampled_from(names).flatmap(lambda name: hnp.arrays(np.dtype(name), SHAPES))


def same(first: Array, second: Array) -> bool:
    return first.shape == second.shape and first.astype(second.dtype).tobytes() == second.tobytes()


@given(arrays(list(IDX_TYPES)))
def test_idx_comes_back(array: Array) -> None:
    assert same(idx.decode(idx_bytes(array)), array)


@given(arrays(list(DTYPES)), st.booleans(), st.booleans())
def test_npy_of_numpy_comes_back(array: Array, is_fortran: bool, is_big: bool) -> None:
    stored = np.asarray(
        array, array.dtype.newbyteorder(">" if is_big else "<"), order="F" if is_fortran else "C"
    )
    sink = io.BytesIO()
    np.save(sink, stored)
    derived = derive(parse_recipe("npy", "x"), None, {"x": sink.getvalue()})
    assert same(derived, array)
    assert derived.flags.c_contiguous
    assert derived.dtype.str[0] in "<|"


@given(arrays(list(DTYPES)))
def test_numpy_reads_what_is_written(array: Array) -> None:
    assert same(np.load(io.BytesIO(npy_bytes(array)), allow_pickle=False), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_npy_is_read(version: tuple[int, int]) -> None:
    sink = io.BytesIO()
    np.lib.format.write_array(sink, IMAGES, version)
    assert same(npy.decode(sink.getvalue()), IMAGES)


def test_idx_of_bytes_is_a_view_of_the_file() -> None:
    assert np.shares_memory(idx.decode(IDX), np.frombuffer(IDX, np.uint8))


def test_npz_of_numpy_gives_the_wanted_array() -> None:
    sink = io.BytesIO()
    np.savez_compressed(sink, x=IMAGES, y=np.arange(3))
    assert same(npy.decode_npz(sink.getvalue(), "x", 1 << 20), IMAGES)
    with pytest.raises(DecodeError, match=r"no member `z\.npy`; it has `x\.npy`, `y\.npy`"):
        npy.decode_npz(sink.getvalue(), "z", 1 << 20)


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "data",
    [
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }") + bytes(8),
        header("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,), }") + bytes(4),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 40,), }"),
        header("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }") + bytes(8),
        header("{'descr': '<f8', 'shape': (1,), }") + bytes(8),
        header("__import__('os').system('true')"),
        header("(" * 5000 + ")" * 5000),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000, 4000000000), }") + bytes(8),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }") + bytes(9),
        b"\x93NUMPY\x04\x00" + NPY[8:],
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    ],
)
def test_an_npy_header_that_lies_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        npy.decode(data)


def test_the_long_numbers_of_python_2_are_read() -> None:
    data = header("{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L), }") + bytes(6)
    assert npy.decode(data).shape == (2, 3)


@pytest.mark.parametrize(
    ("data", "says", "offset"),
    [
        (b"\1\0\x08\1\0\0\0\1x", "begins with two zeros", 0),
        (b"\0\0\x0a\1\0\0\0\1x", "no type `0x0a`", 2),
        (b"\0\0\x08\0x", "0 axes", 3),
        (b"\0\0\x08\3\0\0\0\1", "header is cut", 8),
        (b"\0\0\x08\1\0\0\0\2x", "has 10 bytes, this one 9", 9),
        (b"\0\0\x08\1\0\0\0\1xy", "has 9 bytes, this one 10", 9),
        (b"\0\0\x08\4" + b"\xff" * 16, "bytes, this one 20", 20),
    ],
)
def test_an_idx_header_that_lies_is_refused(data: bytes, says: str, offset: int) -> None:
    with pytest.raises(DecodeError, match=says) as caught:
        idx.decode(data)
    assert caught.value.offset == offset


def test_raw_bytes_need_a_dtype_that_there_is() -> None:
    with pytest.raises(CatalogError, match="`object` is no argument"):
        derive(parse_recipe("raw:object", "x"), None, {"x": b"12345678"})
