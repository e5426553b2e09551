"""Tar archives (POSIX ustar and pax, GNU long names) and Debian packages (ar around tar), read forward only.

Own code instead of tarfile: tarfile reads a pax header of any announced size into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple

from surefetch.errors import DecodeError
from surefetch.formats.archives import no_member
from surefetch.formats.buffers import INPUT_RATIO, LIMIT_BYTES, Buffer, bomb, quote, view_of
from surefetch.formats.unwrap import blocks, encoding_of

BLOCK: Final = 512
#: What a long name or a pax header may take.
META_BYTES: Final = 1 << 20
MAX_MEMBERS: Final = 2_000_000
FILES: Final = frozenset(b"0\x007")
KINDS: Final = {
    0x31: "a hard link", 0x32: "a symbolic link", 0x33: "a device", 0x34: "a device", 0x35: "a folder",
    0x36: "a pipe", 0x53: "a sparse file",
}  # fmt: skip
AR_MAGIC: Final = b"!<arch>\n"


class Member(NamedTuple):
    """A member's header."""

    name: str
    size: int  # bytes
    kind: int  # type flag
    offset: int  # of the header, in the unpacked archive


def read_tar(data: Buffer, members: Sequence[str], limit: int) -> Mapping[str, Buffer]:
    """Read some members in one pass; those of an archive that is not compressed are views of it.

    Args:
        data: The archive; gzip, bzip2 or xz around it is seen through.
        members: Their paths, exactly as the archive writes them but for a leading `./`.
        limit: Bytes at most, all together.

    Raises:
        DecodeError: The archive is damaged, or a member is missing, no plain file, or too large.
    """
    reader = _reader(view_of(data))
    wanted, found, names = set(members), dict[str, Buffer](), list[str]()
    for member in _members(reader):
        if member.name in wanted and member.name not in found:
            found[member.name] = _read(reader, member, limit)
            limit -= member.size
            if len(found) == len(wanted):
                return found
        else:
            names.append(member.name)
            reader.skip(member.size)
        reader.skip(-member.size % BLOCK)
    raise no_member(min(wanted - set(found)), names, "tar archive")


def walk_tar(data: Buffer, is_wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, Buffer]]:
    """Give path and bytes of every plain file that is wanted, in turn.

    Args:
        data: The archive; gzip, bzip2 or xz around it is seen through.
        is_wanted: Tells by the path.
        limit: Bytes at most, all together.

    Raises:
        DecodeError: The archive is damaged, or there is too much of it.
    """
    reader, total = _reader(view_of(data)), 0
    for member in _members(reader):
        if member.kind in FILES and not member.name.endswith("/") and is_wanted(member.name):
            yield member.name, _read(reader, member, limit - total)
            total += member.size
        else:
            reader.skip(member.size)
        reader.skip(-member.size % BLOCK)


def read_deb(data: Buffer, member: str, limit: int) -> Buffer:
    """Read one member of a Debian package's data archive (deb(5)).

    Raises:
        DecodeError: It is no package, or the member cannot be read from it.
    """
    view = view_of(data)
    name, archive = next(((n, part) for n, part in _ar_members(view) if n.startswith("data.tar")), ("", view))
    if not name:
        raise DecodeError("the Debian package has no data archive")
    if name.endswith(".zst"):
        return read_tar(_unwrap_zstandard(archive), [member], limit)[member]
    return read_tar(archive, [member], limit)[member]


class _BufferReader:
    """Reads forward through an archive that is not compressed. State: the position."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self.offset = 0

    def take(self, count: int) -> Buffer:
        """Return the next bytes, as a view."""
        block = self._view[self.offset : self.offset + count]
        if len(block) < count:
            raise _cut(len(self._view))
        self.offset += count
        return block

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self.offset += count
        if self.offset > len(self._view):
            raise _cut(len(self._view))

    @property
    def is_at_end(self) -> bool:
        """Whether no byte is left."""
        return self.offset >= len(self._view)


class _StreamReader:
    """Reads forward through an archive while it is unpacked. State: the position and one block."""

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._block = memoryview(b"")
        self.offset = 0

    def take(self, count: int) -> Buffer:
        """Return the next bytes."""
        output = bytearray()
        for piece in self._pieces(count):
            output += piece
        return output

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        for _ in self._pieces(count):
            pass

    @property
    def is_at_end(self) -> bool:
        """Whether no byte is left."""
        while not self._block:
            block = next(self._stream, None)
            if block is None:
                return True
            self._block = memoryview(block)
        return False

    def _pieces(self, count: int) -> Iterator[memoryview]:
        while count:
            if self.is_at_end:
                raise _cut(self.offset)
            piece, self._block = self._block[:count], self._block[count:]
            self.offset += len(piece)
            count -= len(piece)
            yield piece


_Reader = _BufferReader | _StreamReader


def _reader(view: memoryview) -> _Reader:
    encoding = encoding_of(view)
    if encoding is None:
        return _BufferReader(view)
    return _StreamReader(blocks(view, encoding, max(LIMIT_BYTES, INPUT_RATIO * len(view))))


def _members(reader: _Reader) -> Iterator[Member]:
    """Give the headers in turn. The caller takes or skips each member's bytes and padding before the next."""
    long_name = ""
    long_size = -1
    for _ in range(MAX_MEMBERS):
        if reader.is_at_end:
            return
        offset = reader.offset
        header = bytes(reader.take(BLOCK))
        if not any(header):
            return
        member = _parse(header, offset)
        if member.kind in b"LKxg":
            meta = _meta(reader, member)
            if member.kind == ord("L"):
                long_name = meta.split(b"\0")[0].decode("utf-8", "surrogateescape")
            elif member.kind == ord("x"):
                long_name, long_size = _pax(meta, long_name, long_size, offset)
            continue
        name = (long_name or member.name).removeprefix("./")
        size = member.size if long_size < 0 else long_size
        yield Member(name=name, size=size, kind=member.kind, offset=offset)
        long_name, long_size = "", -1
    raise DecodeError(f"a tar archive of more than {MAX_MEMBERS} members is not read", offset=reader.offset)


def _parse(header: bytes, offset: int) -> Member:
    total = sum(header) - sum(header[148:156]) + 8 * 0x20
    if _number(header[148:156], offset + 148) != total:
        raise DecodeError(f"where a tar header should be stands {quote(header)}", offset=offset)
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0")[0] + b"/" + name
    kind = header[156]
    size = 0 if kind in b"123456" else _number(header[124:136], offset + 124)
    return Member(name=name.decode("utf-8", "surrogateescape"), size=size, kind=kind, offset=offset)


def _number(field: bytes, offset: int) -> int:
    """Read an octal number, or GNU's binary form of a large one."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    if not all(48 <= digit < 56 for digit in digits):
        raise DecodeError(f"where tar's octal number should be stands {quote(field)}", offset=offset)
    return int(digits or b"0", 8)


def _meta(reader: _Reader, member: Member) -> bytes:
    """Read the body of a header that speaks of the next member."""
    if member.size > META_BYTES:
        raise DecodeError(f"a tar header of {member.size} bytes is not believed", offset=member.offset)
    meta = bytes(reader.take(member.size))
    reader.skip(-member.size % BLOCK)
    return meta


def _pax(meta: bytes, name: str, size: int, offset: int) -> tuple[str, int]:
    """Read path and size from pax records, `LENGTH KEY=VALUE\\n` each (POSIX.1-2001, pax)."""
    while meta:
        head, _, _ = meta.partition(b" ")
        length = int(head) if head.isdigit() and len(head) < 8 else 0
        record = meta[len(head) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or length > len(meta) or record[-1:] != b"\n":
            raise DecodeError(f"a pax header has the record {quote(meta)}", offset=offset)
        if key == b"path":
            name = value[:-1].decode("utf-8", "surrogateescape")
        elif key == b"size":
            if not value[:-1].isdigit() or len(value) > 20:
                raise DecodeError(f"a pax header has the size {quote(value)}", offset=offset)
            size = int(value)
        elif key.startswith(b"GNU.sparse"):
            raise DecodeError("sparse files in tar archives are not read", offset=offset)
        meta = meta[length:]
    return name, size


def _read(reader: _Reader, member: Member, limit: int) -> Buffer:
    if member.kind not in FILES or member.name.endswith("/"):
        what = KINDS.get(member.kind, f"of the unknown kind `{member.kind:#04x}`")
        raise DecodeError(
            f"member `{member.name}` is {what}, not a file", offset=member.offset, code="body.unsafe-archive"
        )
    if member.size > limit:
        raise bomb(f"member `{member.name}`", limit)
    return reader.take(member.size)


def _ar_members(view: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Give name and bytes of an ar archive's members (deb(5); names are short there)."""
    if bytes(view[:8]) != AR_MAGIC:
        raise DecodeError(f"a Debian package begins with `!<arch>`, not {quote(view)}", offset=0)
    position = len(AR_MAGIC)
    while position < len(view):
        header = bytes(view[position : position + 60])
        size = header[48:58].strip()
        if len(header) < 60 or header[58:] != b"`\n" or not size.isdigit():
            raise DecodeError(f"where an ar header should be stands {quote(header)}", offset=position)
        start = position + 60
        if start + int(size) > len(view):
            raise _cut(len(view))
        yield header[:16].decode("latin-1").rstrip(" /"), view[start : start + int(size)]
        position = start + int(size) + int(size) % 2


def _unwrap_zstandard(view: memoryview) -> Buffer:
    """Unpack zstandard where Python can (3.14 and later)."""
    try:
        zstd = import_module("compression.zstd")
    except ImportError as error:
        raise DecodeError(
            "the package's data archive is packed with zstandard, which Python reads from 3.14 on"
        ) from error
    limit = max(LIMIT_BYTES, INPUT_RATIO * len(view))
    try:
        output: bytes = zstd.ZstdDecompressor().decompress(bytes(view), max_length=limit)
    except zstd.ZstdError as error:
        raise DecodeError(f"the package's data archive is damaged: {error}") from error
    return output


def _cut(offset: int) -> DecodeError:
    return DecodeError("the archive is cut", offset=offset, code="body.truncated")
