"""Zip archives (PKWARE APPNOTE 6.3): one member of many, checked; nothing is ever written to a disk."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence

import deflate

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Buffer, bomb, quote, view_of
from surefetch.formats.unwrap import blocks, inflate

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 1


def read_zip(data: Buffer, member: str, limit: int) -> Buffer:
    """Read one member; a stored one is a view of the archive.

    Args:
        data: The archive.
        member: Its path, exactly as the archive writes it.
        limit: Bytes at most.

    Raises:
        DecodeError: The archive or the member is damaged, encrypted, missing, there twice or too large.
    """
    view = view_of(data)
    found = [info for info in list_zip(view) if info.filename == member]
    if not found:
        raise no_member(member, [info.filename for info in list_zip(view)], "zip archive")
    if len(found) > 1:
        raise DecodeError(
            f"the zip archive has {len(found)} members `{member}`",
            offset=found[1].header_offset,
            code="body.unsafe-archive",
        )
    return read_member(view, found[0], limit)


def list_zip(view: memoryview) -> Sequence[zipfile.ZipInfo]:
    """Read an archive's directory.

    Raises:
        DecodeError: There is none, or it is damaged.
    """
    try:
        with zipfile.ZipFile(_Window(view)) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError, IndexError) as error:
        what = "is no zip archive" if bytes(view[:2]) != b"PK" else "is a cut or damaged zip archive"
        raise DecodeError(f"the file, which begins with {quote(view)}, {what}: {error}", offset=0) from error


def read_member(view: memoryview, info: zipfile.ZipInfo, limit: int) -> Buffer:
    """Read the member that a directory entry describes; raises like `read_zip`."""
    if info.flag_bits & _ENCRYPTED:
        raise DecodeError(f"member `{info.filename}` is encrypted", offset=info.header_offset)
    if info.file_size > limit:
        raise bomb(f"member `{info.filename}`", limit)
    packed = _packed(view, info)
    plain = _unpack(packed, info, limit)
    if plain is None or len(plain) != info.file_size or deflate.crc32(plain) != info.CRC:
        raise DecodeError(
            f"member `{info.filename}` is damaged: its CRC or size differs", offset=info.header_offset
        )
    return plain


def no_member(member: str, names: Sequence[str], what: str) -> DecodeError:
    """Build the error for a member that is not there; it names some that are."""
    there = ", ".join(f"`{name[:80]}`" for name in names[:5]) or "nothing"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return DecodeError(f"the {what} has no member `{member}`; it has {there}{more}")


def _packed(view: memoryview, info: zipfile.ZipInfo) -> memoryview:
    """Return a member's bytes as they stand in the archive."""
    start = info.header_offset
    header = view[start : start + _LOCAL_HEADER.size]
    if start < 0 or len(header) < _LOCAL_HEADER.size or bytes(header[:4]) != b"PK\x03\x04":
        raise DecodeError(f"where member `{info.filename}` should begin stands {quote(header)}", offset=start)
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start += _LOCAL_HEADER.size + name_length + extra_length
    if start + info.compress_size > len(view):
        raise DecodeError(f"member `{info.filename}` is cut", offset=len(view), code="body.truncated")
    return view[start : start + info.compress_size]


def _unpack(packed: memoryview, info: zipfile.ZipInfo, limit: int) -> Buffer | None:
    if info.compress_type == zipfile.ZIP_STORED:
        return packed
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return inflate(packed, info.file_size, limit)
    if info.compress_type == zipfile.ZIP_BZIP2:
        return b"".join(blocks(packed, "bzip2", info.file_size))
    raise DecodeError(
        f"member `{info.filename}` is packed by method {info.compress_type}, which is not read",
        offset=info.header_offset,
    )


class _Window:
    """A file object over a buffer, for zipfile: keeps a position, copies what is read and no more."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        stop = len(self._view) if count < 0 else min(len(self._view), self._position + count)
        block = bytes(self._view[self._position : stop])
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}[whence]
        if base + offset < 0:
            raise ValueError(f"a place before the file's begin, {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to close: the buffer is the caller's."""
