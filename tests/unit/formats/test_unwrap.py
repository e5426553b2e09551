"""gzip, bzip2 and xz: exact ends, several members, bounds."""

import bz2
import gzip
import lzma
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefetch.errors import DecodeError
from surefetch.formats.buffers import MIB
from surefetch.formats.unwrap import blocks, gzip_header_length, inflate, unwrap

PACK = {"gzip": lambda data: gzip.compress(data, mtime=0), "bzip2": bz2.compress, "xz": lzma.compress}
TEXT = b"the quick brown fox " * 500


@pytest.mark.parametrize("encoding", PACK)
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_whatever_was_packed_comes_back(encoding: str, parts: list[bytes]) -> None:
    packed = b"".join(PACK[encoding](part) for part in parts)
    assert bytes(unwrap(packed, encoding, MIB)) == b"".join(parts)


@pytest.mark.parametrize("encoding", PACK)
def test_zeros_may_follow_the_last_member(encoding: str) -> None:
    assert bytes(unwrap(PACK[encoding](TEXT) + bytes(64), encoding, MIB)) == TEXT


@pytest.mark.parametrize("encoding", PACK)
def test_anything_else_behind_the_last_member_is_an_error_with_its_place(encoding: str) -> None:
    packed = PACK[encoding](TEXT)
    with pytest.raises(DecodeError) as caught:
        unwrap(packed + b"more", encoding, MIB)
    assert caught.value.offset == len(packed)
    assert "`6d 6f 72 65`" in str(caught.value)


@pytest.mark.parametrize("encoding", PACK)
def test_a_cut_stream_is_truncated_not_damaged(encoding: str) -> None:
    packed = PACK[encoding](TEXT)
    with pytest.raises(DecodeError) as caught:
        unwrap(packed[:-5], encoding, MIB)
    assert caught.value.code == "body.truncated"


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_ends_early(encoding: str) -> None:
    bomb = PACK[encoding](bytes(64 * MIB))
    given_bytes = 0
    with pytest.raises(DecodeError) as caught:
        for block in blocks(memoryview(bomb), encoding, 3 * MIB):
            given_bytes += len(block)
    assert caught.value.code == "body.bomb"
    assert given_bytes <= 3 * MIB


def test_a_bomb_that_lies_about_its_size_is_caught_by_counting() -> None:
    bomb = gzip.compress(bytes(8 * MIB), mtime=0)[:-4] + struct.pack("<I", 100)
    with pytest.raises(DecodeError) as caught:
        unwrap(bomb, "gzip", MIB)
    assert caught.value.code == "body.bomb"


def test_two_equal_members_are_both_given() -> None:
    """The last 8 bytes fit the first member too: the fast path must see that there are two."""
    member = gzip.compress(TEXT, mtime=0)
    assert bytes(unwrap(member + member, "gzip", MIB)) == TEXT + TEXT


def test_a_wrong_checksum_is_damage() -> None:
    packed = bytearray(gzip.compress(TEXT, mtime=0))
    packed[-6] ^= 1
    with pytest.raises(DecodeError) as caught:
        unwrap(bytes(packed), "gzip", MIB)
    assert caught.value.code == "body.unreadable"


def test_a_header_with_every_field_is_passed_over() -> None:
    raw = zlib.compress(TEXT, wbits=-15)
    header = b"\x1f\x8b\x08\x1e\0\0\0\0\0\3" + struct.pack("<H", 3) + b"abc" + b"name\0" + b"comment\0"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    packed = header + raw + struct.pack("<II", zlib.crc32(TEXT), len(TEXT))
    assert gzip_header_length(memoryview(packed)) == len(header)
    assert bytes(unwrap(packed, "gzip", MIB)) == TEXT


def test_an_announced_size_that_deflate_cannot_reach_is_not_allocated() -> None:
    assert inflate(memoryview(zlib.compress(b"x", wbits=-15)), 1 << 30, 1 << 40) is None


@pytest.mark.parametrize("encoding", PACK)
def test_the_error_shows_what_stood_in_place_of_the_magic(encoding: str) -> None:
    with pytest.raises(DecodeError) as caught:
        unwrap(b"<html>", encoding, MIB)
    assert caught.value.offset == 0
    assert "3c 68 74 6d" in str(caught.value)
