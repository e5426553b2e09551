"""Compression around one file: gzip (RFC 1952), bzip2, xz. Bounded, and exact about where streams end."""

from __future__ import annotations

import bz2
import lzma
import struct
from collections.abc import Iterator
from typing import Final, cast

import deflate
from zlib_ng import zlib_ng

from surefetch.errors import DecodeError
from surefetch.formats.buffers import MIB, Buffer, bomb, quote, view_of

#: Input and output of one turn. Small input: many tiny members must not cost a large copy each.
INPUT_BYTES: Final = 64 << 10
OUTPUT_BYTES: Final = MIB
#: `xz -9` needs 65 MiB; a header may ask for 4 GiB.
XZ_MEMORY_BYTES: Final = 192 * MIB
#: Deflate's best: 258 bytes in 2 bits, and its end.
DEFLATE_RATIO: Final = 1032

MAGICS: Final = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0"}


_Decoder = bz2.BZ2Decompressor | lzma.LZMADecompressor
_InflateError = cast("type[Exception]", zlib_ng.error)


def unwrap(data: Buffer, encoding: str, limit: int) -> Buffer:
    """Unpack a whole file.

    Args:
        data: The file.
        encoding: `gzip`, `bzip2` or `xz`.
        limit: Bytes at most.

    Raises:
        DecodeError: It is cut, damaged, of another format, followed by something else or larger than allowed.
    """
    view = view_of(data)
    if encoding == "gzip":
        whole = _one_member(view, limit)
        if whole is not None:
            return whole
    output = bytearray()
    for block in blocks(view, encoding, limit):
        output += block
    return output


def blocks(data: memoryview, encoding: str, limit: int) -> Iterator[bytes]:
    """Unpack a file in blocks of at most 1 MiB; raises like `unwrap`, at the place where the trouble is."""
    magic = MAGICS[encoding]
    if bytes(data[: len(magic)]) != magic:
        raise DecodeError(f"a {encoding} file begins with `{magic.hex(' ')}`, not {quote(data)}", offset=0)
    total = 0
    for block in _gzip_blocks(data) if encoding == "gzip" else _stream_blocks(data, encoding):
        total += len(block)
        if total > limit:
            raise bomb(f"the {encoding} file", limit)
        yield block


def encoding_of(data: memoryview) -> str | None:
    """Tell the encoding by its first bytes; None when there is none that is known."""
    for encoding, magic in MAGICS.items():
        if bytes(data[: len(magic)]) == magic:
            return encoding
    return None


def gzip_header_length(data: memoryview) -> int | None:
    """Return the length of a gzip member's header (RFC 1952, 2.3), None if it is not a whole good one."""
    if len(data) < 18 or bytes(data[:3]) != b"\x1f\x8b\x08" or data[3] & 0xE0:
        return None
    flags, position = data[3], 10
    if flags & 4:  # FEXTRA
        position += 2 + int.from_bytes(data[10:12], "little")
    for flag in (8, 16):  # FNAME, FCOMMENT
        if flags & flag:
            end = bytes(data[position : position + INPUT_BYTES]).find(b"\0")
            if end < 0:
                return None
            position += end + 1
    position += 2 if flags & 2 else 0  # FHCRC
    return position if position + 8 <= len(data) else None


def inflate(data: memoryview, size: int, limit: int) -> bytearray | None:
    """Unpack a deflate stream whose output has a known size, all at once; None if it is not that.

    libdeflate does not tell where the stream ended: check a digest of what came out.
    """
    if size > limit or size > DEFLATE_RATIO * len(data) + 64:
        return None
    try:
        output: bytearray = deflate.deflate_decompress(data, max(size, 1))
    except deflate.DeflateError:
        return None
    return output if len(output) == size else None


def _one_member(data: memoryview, limit: int) -> bytearray | None:
    """Unpack a gzip file of one member, the common case, at libdeflate's speed; None if it is anything else.

    The last 8 bytes are taken for the member's CRC and size. A file of several members shows by one of them,
    or, if the last member equals the first, by the same 8 bytes standing in its midst.
    """
    start = gzip_header_length(data)
    if start is None:
        return None
    trailer = bytes(data[-8:])
    checksum, size = struct.unpack("<II", trailer)
    output = inflate(data[start:-8], size, limit)
    if output is None or deflate.crc32(output) != checksum or _find(data, trailer) != len(data) - 8:
        return None
    return output


def _find(data: memoryview, wanted: bytes) -> int:
    """Return where some bytes stand first, without a copy of the whole; -1 if nowhere."""
    for start in range(0, len(data), OUTPUT_BYTES):
        place = bytes(data[start : start + OUTPUT_BYTES + len(wanted) - 1]).find(wanted)
        if place >= 0:
            return start + place
    return -1


def _gzip_blocks(data: memoryview) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        start = position
        decoder = zlib_ng.decompressobj(wbits=31)
        while not decoder.eof:
            chunk = data[position : position + INPUT_BYTES]
            try:
                block = decoder.decompress(chunk, OUTPUT_BYTES)
            except _InflateError as error:
                raise _damaged("gzip", data, position, str(error)) from error
            position += len(chunk) - len(decoder.unconsumed_tail) - len(decoder.unused_data)
            if not block and not chunk and not decoder.eof:
                raise _cut("gzip", position)
            if block:
                yield block
        position = _next_member(data, "gzip", start, position)


def _stream_blocks(data: memoryview, encoding: str) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        start = position
        decoder = _decoder(encoding)
        while not decoder.eof:
            chunk = data[position : position + INPUT_BYTES] if decoder.needs_input else data[:0]
            if decoder.needs_input and not chunk:
                raise _cut(encoding, position)
            position += len(chunk)
            try:
                block = decoder.decompress(chunk, OUTPUT_BYTES)
            except (OSError, lzma.LZMAError, ValueError) as error:
                raise _damaged(encoding, data, start, str(error)) from error
            if block:
                yield block
        position = _next_member(data, encoding, start, position - len(decoder.unused_data))


def _decoder(encoding: str) -> _Decoder:
    if encoding == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


def _next_member(data: memoryview, encoding: str, start: int, stop: int) -> int:
    """Return where the next member begins. Zeros may follow the last one, nothing else."""
    if stop == len(data) or bytes(data[stop : stop + len(MAGICS[encoding])]) == MAGICS[encoding]:
        return stop
    for position in range(stop, len(data), INPUT_BYTES):
        if any(data[position : position + INPUT_BYTES]):
            raise DecodeError(
                f"after the {encoding} stream of bytes {start} to {stop} stands {quote(data, stop)}",
                offset=stop,
            )
    return len(data)


def _cut(encoding: str, position: int) -> DecodeError:
    return DecodeError(
        f"the {encoding} stream is cut: it goes on after the last byte, {position}",
        offset=position,
        code="body.truncated",
    )


def _damaged(encoding: str, data: memoryview, position: int, why: str) -> DecodeError:
    return DecodeError(
        f"the {encoding} stream is damaged near byte {position} ({quote(data, position)}): {why}",
        offset=position,
    )
