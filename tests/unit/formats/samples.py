"""Small files of every form, made here."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Mapping

import numpy as np

from surefetch.formats.encoders import idx_bytes, npy_bytes, png_bytes

IMAGES = np.random.default_rng(5).integers(0, 256, (20, 7, 6)).astype(np.uint8)
LABELS = (np.arange(20) % 10).astype(np.uint8)
FLOATS = np.random.default_rng(6).normal(size=(12, 3))
IDX = idx_bytes(IMAGES)
NPY = npy_bytes(IMAGES)
PNGS = [png_bytes(image) for image in IMAGES]


def zip_of(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive by the standard library."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, compress_type=method)
    return sink.getvalue()


def tar_of(members: Mapping[str, bytes], pack: str = "", layout: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive by the standard library."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=layout) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    packers = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    return packers[pack](sink.getvalue())


def deb_of(members: Mapping[str, bytes], pack: str = "xz") -> bytes:
    """A Debian package (deb(5))."""
    data = tar_of({f"./{name}": content for name, content in members.items()}, pack)
    parts = [("debian-binary", b"2.0\n"), ("control.tar.xz", tar_of({"./control": b"Package: x\n"}, "xz"))]
    return ar_of([*parts, (f"data.tar.{pack}", data)])


def ar_of(members: list[tuple[str, bytes]]) -> bytes:
    """An ar archive."""
    output = b"!<arch>\n"
    for name, data in members:
        output += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        output += data + b"\n" * (len(data) % 2)
    return output


def python2_pickle(batch: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 wrote for a CIFAR batch by protocol 2: `str` everywhere, opcodes T, U, c, R, b."""

    def string(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    data = batch.tobytes()
    dtype = b"cnumpy\ndtype\nq\x04" + string(b"u1") + b"K\x00K\x01\x87R(K\x03" + string(b"|")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85"
        + string(b"b")
        + b"\x87R("
    )
    array += (
        b"K\x01"
        + b"M"
        + struct.pack("<H", batch.shape[0])
        + b"M"
        + struct.pack("<H", batch.shape[1])
        + b"\x86"
    )
    array += dtype + b"\x89T" + struct.pack("<I", len(data)) + data + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    body = b"}q\x01(" + string(b"batch_label") + string(b"training batch 1 of 5")
    body += string(b"labels") + numbers + string(b"data") + array + b"u."
    return b"\x80\x02" + body
