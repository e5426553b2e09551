"""The pickle machine: data come through, code does not, and nothing is allocated on a pickle's word."""

import collections
import os
import pickle
import pickletools
import struct
import subprocess
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surefetch.errors import DecodeError
from surefetch.formats import pickles
from surefetch.formats.buffers import MIB
from surefetch.model import DTYPES
from tests.unit.formats.samples import IMAGES, LABELS, python2_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text() | st.binary() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


def thaw(value: Any) -> Any:
    """Turn views into bytes, deep inside."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list | tuple):
        return type(value)(map(thaw, value))
    return {key: thaw(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_data_come_back(value: Any, protocol: int) -> None:
    assert thaw(pickles.load(pickle.dumps(value, protocol), MIB)) == value


@given(
    st.sampled_from(list(DTYPES)).flatmap(
        lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(max_side=4))
    ),
    st.sampled_from(PROTOCOLS),
    st.booleans(),
    st.booleans(),
)
def test_arrays_come_back(array: np.ndarray, protocol: int, is_fortran: bool, is_big: bool) -> None:
    stored = np.asarray(
        array, array.dtype.newbyteorder(">" if is_big else "<"), order="F" if is_fortran else "C"
    )
    result = pickles.decode(pickle.dumps({"a": [stored]}, protocol), "a.0", MIB)
    assert result.shape == array.shape
    assert result.astype(array.dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_old_numpy_named_otherwise_is_read(protocol: int) -> None:
    data = pickle.dumps(IMAGES, protocol)
    assert pickle.PROTO not in data or b"numpy" in data
    if protocol < 4:  # names are followed by a line feed, not counted
        data = data.replace(b"numpy._core.", b"numpy.core.")
    np.testing.assert_array_equal(pickles.decode(data, "", MIB), IMAGES)


def test_scalars_and_ordered_dictionaries_are_data_too() -> None:
    value = collections.OrderedDict(n=np.float64(2.5), m=[np.int64(3)])
    assert pickles.load(pickle.dumps(value, 2), MIB)["n"] == 2.5
    assert pickles.load(pickle.dumps([np.float32(1.5), np.uint8(7)], 4), MIB) == [1.5, 7]


def test_a_batch_of_python_2_is_read_by_names_that_were_bytes() -> None:
    data = python2_pickle(IMAGES.reshape(20, 42), LABELS.tolist())
    np.testing.assert_array_equal(pickles.decode(data, "data", MIB), IMAGES.reshape(20, 42))
    np.testing.assert_array_equal(pickles.decode(data, "labels", MIB), LABELS)
    theirs = pickle.loads(data, encoding="bytes")
    np.testing.assert_array_equal(theirs[b"data"], IMAGES.reshape(20, 42))


def test_an_array_is_a_view_of_the_pickle() -> None:
    data = pickle.dumps([IMAGES], 2).replace(b"X", b"X")
    binary = pickle.dumps([IMAGES], 4)
    assert np.shares_memory(pickles.decode(binary, "0", MIB), np.frombuffer(binary, np.uint8))
    np.testing.assert_array_equal(pickles.decode(data, "0", MIB), IMAGES)


class _Call:
    """Asks for a call when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call

    def __repr__(self) -> str:
        function, arguments = self.call
        return f"{function.__name__}({', '.join(type(argument).__name__ for argument in arguments)})"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        _Call(os.system, "touch /tmp/owned"),
        _Call(eval, "1"),
        _Call(getattr, IMAGES, "tofile"),
        _Call(subprocess.Popen, "true"),
        _Call(bytearray, 1 << 40),
        _Call(np.fromfile, "/etc/passwd"),
        _Call(np.load, "/etc/passwd"),
        _Call(__import__, "os"),
        np.array([1, "x", None], object),
        {1, 2},
        complex(1, 2),
    ],
    ids=repr,
)
def test_a_pickle_that_asks_for_anything_is_refused_by_name(value: Any, protocol: int) -> None:
    with pytest.raises(DecodeError) as caught:
        pickles.load(pickle.dumps(value, protocol), MIB)
    assert caught.value.code in ("body.unsafe-archive", "body.unreadable")


def test_the_refusal_names_what_was_asked_for() -> None:
    with pytest.raises(DecodeError, match=r"asks for `posix\.system`, which is not data") as caught:
        pickles.load(b"cposix\nsystem\n(S'true'\ntR.", MIB)
    assert caught.value.code == "body.unsafe-archive"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40),  # an announced length
        b"\x80\x02N" + b"r" + struct.pack("<I", 0xFFFFFFFF) + b"0N.",  # a memo index: fine, and small
        b"(" * 1000,
        b"." * 10,
        b"]" + b"2a" * 1000 + b".",
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x8a\xff" + b"\x7f" * 255 + b".",
        b"Pid\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x05\x97.",
        b"N.N.",
        b"})" + b"\x85" * 20_000 + b"Ns.",
        b"",
    ],
)
def test_a_pickle_that_plays_tricks_costs_nothing(data: bytes) -> None:
    try:
        pickles.load(data, MIB)
    except DecodeError as error:
        assert error.code.startswith("body.")


def test_copies_of_a_long_text_are_counted() -> None:
    body = (
        b"c_codecs\nencode\nq\x01X"
        + struct.pack("<I", 100_000)
        + b"x" * 100_000
        + b"X\6\0\0\0latin1\x86q\x020"
    )
    bomb = b"\x80\x02](" + body.replace(b"\x860", b"\x86q\x020") + b"h\x01h\x02R" * 50 + b"e."
    with pytest.raises(DecodeError) as caught:
        pickles.load(bomb, MIB)
    assert caught.value.code in ("body.bomb", "body.unreadable")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("b", "no `b`; it has `a`"),
        ("a.7", "no `7` in a list"),
        ("a.x", "no `x` in a list"),
        ("a.0", "no numbers at `a.0`"),
        ("", "no numbers at ``, but dict"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: str, says: str) -> None:
    with pytest.raises(DecodeError) as caught:
        pickles.decode(pickle.dumps({"a": ["text"]}, 4), path, MIB)
    assert says in str(caught.value)


def test_every_opcode_that_is_read_is_one() -> None:
    known = {ord(opcode.code) for opcode in pickletools.opcodes}
    assert set(pickles.OPCODES) <= known
    dangerous = {
        "PERSID",
        "BINPERSID",
        "EXT1",
        "EXT2",
        "EXT4",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "NEXT_BUFFER",
    }
    codes = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
    assert not {codes[name] for name in dangerous} & set(pickles.OPCODES)


def test_a_million_opcodes_need_a_limit_that_allows_them() -> None:
    lists = b"(" + b"]" * 1_000_000 + b"t."
    with pytest.raises(DecodeError) as caught:
        pickles.load(lists, MIB)
    assert caught.value.code == "body.bomb"
    assert len(pickles.load(lists, 64 * MIB)) == 1_000_000
