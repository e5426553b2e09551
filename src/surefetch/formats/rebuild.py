"""Published files made again, byte for byte, from tensors or from another package's copy.

A compressor's output is only repeatable with that compressor: whatever comes out is compared with the
published digest, and said to be equal in content only where it differs.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Final

from surefetch.errors import DecodeError, UsageError
from surefetch.formats.buffers import Array, Buffer, view_of
from surefetch.formats.encoders import idx_bytes, npy_bytes, zip_bytes
from surefetch.formats.unwrap import gzip_header_length
from surefetch.model import Struct

#: What an edge runs to compress as GNU gzip does; the file goes in and out by its standard streams.
GNU_GZIP: Final = ("gzip", "-6", "-n", "-c")
UNIX: Final = 3
#: Members of Keras' mnist.npz in their order: name, tensor, DOS time (2017-02-17 17:13:54 and :56).
KERAS_MEMBERS: Final = (
    ("x_test", "test/image", 0x4A51_89BB),
    ("x_train", "train/image", 0x4A51_89BC),
    ("y_train", "train/label", 0x4A51_89BC),
    ("y_test", "test/label", 0x4A51_89BC),
)


class Rebuild(Struct, frozen=True, kw_only=True):
    """How a published file is made."""

    name: str
    sha256: str
    size: int  # bytes
    kind: str  # "keras-npz", or "gzip"
    tensors: tuple[str, ...]  # what it holds
    stored_name: str = ""  # in the gzip header
    stored_time: int = 0  # in the gzip header, seconds since 1970
    needs_gnu_gzip: bool = (
        False  # its deflate stream is GNU gzip's; else any copy with the same stream will do
    )


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What came of it."""

    data: bytes
    is_exact: bool  # it has the published digest
    note: str = ""  # why not, for people


def keras_npz(tensors: Mapping[str, Array]) -> bytes:
    """Write MNIST as Keras publishes it: `np.savez_compressed` of Python 2.7, NumPy before 1.14, zlib."""
    members = []
    for name, tensor, time in KERAS_MEMBERS:
        if tensor not in tensors:
            raise UsageError(f"Keras' mnist.npz needs the tensor `{tensor}`")
        members.append((f"{name}.npy", npy_bytes(tensors[tensor], alignment=16), time))
    return zip_bytes(members)


def gzip_header(name: str, time: int) -> bytes:
    """Write the header of a gzip member that keeps a name and a time (RFC 1952, 2.3), as GNU gzip -6 does."""
    return b"\x1f\x8b\x08\x08" + struct.pack("<IBB", time, 0, UNIX) + name.encode("latin-1") + b"\0"


def wrap_gzip(deflated: Buffer, checksum: int, size: int, name: str, time: int) -> bytes:
    """Make a gzip file of a deflate stream and its content's CRC-32 and size."""
    trailer = struct.pack("<II", checksum, size & 0xFFFF_FFFF)
    return gzip_header(name, time) + view_of(deflated).tobytes() + trailer


def strip_gzip_header(data: Buffer) -> tuple[memoryview, int, int]:
    """Return a gzip file's deflate stream, CRC-32 and size (modulo 2**32); the file has one member.

    Raises:
        DecodeError: It is no gzip file.
    """
    view = view_of(data)
    start = gzip_header_length(view)
    if start is None:
        raise DecodeError("the file is no gzip file of one member", offset=0)
    checksum, size = struct.unpack("<II", view[-8:])
    return view[start:-8], checksum, size


def swap_gzip_header(data: Buffer, name: str, time: int) -> bytes:
    """Give a gzip file another stored name and time; its deflate stream stays.

    Raises:
        DecodeError: It is no gzip file.
    """
    return wrap_gzip(*strip_gzip_header(data), name, time)


def plain_content(how: Rebuild, tensors: Mapping[str, Array]) -> bytes:
    """Return what is to be compressed by `GNU_GZIP`, before `finish`: the raw IDX file."""
    return idx_bytes(tensors[how.tensors[0]])


def finish(
    how: Rebuild, *, tensors: Mapping[str, Array] | None = None, gzipped: Buffer | None = None
) -> Rebuilt:
    """Make a published file.

    Args:
        how: A row of KNOWN_REBUILDS.
        tensors: For `keras-npz`.
        gzipped: For `gzip`: what GNU gzip gave, or another copy of the same stream (Debian's).

    Raises:
        DecodeError: `gzipped` is no gzip file.
        UsageError: What it is to be made of is not given.
    """
    if how.kind == "keras-npz" and tensors is not None:
        data, compressor = keras_npz(tensors), "zlib"
    elif how.kind == "gzip" and gzipped is not None:
        data, compressor = swap_gzip_header(gzipped, how.stored_name, how.stored_time), "gzip"
    else:
        raise UsageError(
            f"`{how.name}` is made of {'tensors' if how.kind == 'keras-npz' else 'a gzip stream'}"
        )
    if hashlib.sha256(data).hexdigest() == how.sha256:
        return Rebuilt(data=data, is_exact=True)
    note = (
        f"this machine's {compressor} compresses differently: `{how.name}` is equal in content, not in bytes"
    )
    return Rebuilt(data=data, is_exact=False, note=note)


def _gzip(name: str, size: int, sha256: str, tensor: str, time: int, stored_name: str = "") -> Rebuild:
    return Rebuild(
        name=name,
        sha256=sha256,
        size=size,
        kind="gzip",
        tensors=(tensor,),
        stored_name=stored_name or name.removesuffix(".gz"),
        stored_time=time,
        needs_gnu_gzip=bool(stored_name),
    )


_ROWS: Final = (
    Rebuild(
        name="mnist.npz",
        sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        size=11490434,
        kind="keras-npz",
        tensors=tuple(tensor for _, tensor, _ in KERAS_MEMBERS),
    ),
    # MNIST: `gzip -6` of the raw files, whose names had a dot then.
    _gzip(
        "train-images-idx3-ubyte.gz", 9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train/image", 848331386, "train-images.idx3-ubyte",
    ),
    _gzip(
        "train-labels-idx1-ubyte.gz", 28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "train/label", 848331398, "train-labels.idx1-ubyte",
    ),
    _gzip(
        "t10k-images-idx3-ubyte.gz", 1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "test/image", 885827245, "t10k-images.idx3-ubyte",
    ),
    _gzip(
        "t10k-labels-idx1-ubyte.gz", 4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "test/label", 885827268, "t10k-labels.idx1-ubyte",
    ),
    # Fashion-MNIST: Debian's package keeps the published streams, and drops names and times.
    _gzip(
        "train-images-idx3-ubyte.gz", 26421880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train/image", 1504176606,
    ),
    _gzip(
        "train-labels-idx1-ubyte.gz", 29515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "train/label", 1504176606,
    ),
    _gzip(
        "t10k-images-idx3-ubyte.gz", 4422102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "test/image", 1504176627,
    ),
    _gzip(
        "t10k-labels-idx1-ubyte.gz", 5148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "test/label", 1504176627,
    ),
)  # fmt: skip
#: (artifact name, SHA-256) -> how it is made.
KNOWN_REBUILDS: Final = {(row.name, row.sha256): row for row in _ROWS}
