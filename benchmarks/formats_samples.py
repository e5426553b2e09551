"""Small files of every form, made of true pictures and labels, for `fuzz_formats.py`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from formats_mutations import BINARY, TEXT, Mutate, fixed_png, inside, some

from surefetch.errors import DecodeError
from surefetch.formats import arff, encode, idx, npy
from surefetch.formats.archives import list_zip
from surefetch.formats.encoders import idx_bytes, npy_bytes, png_bytes
from surefetch.formats.unwrap import blocks, gzip_header_length
from surefetch.model import Recipe
from surefetch.recipes import parse_recipe

Header = Callable[[bytes], bool]


class Codec(NamedTuple):
    """One codec under fire."""

    recipe: Recipe
    sample: bytes
    expected: np.ndarray
    header: Header  # whether a file passes the codec's own header check
    mutate: Mutate


class Truth(NamedTuple):
    """What all samples hold."""

    images: np.ndarray
    labels: np.ndarray


def build(folder: Path) -> dict[str, Codec]:
    """Make the samples from MNIST's raw test files."""
    truth = Truth(
        idx.decode((folder / "t10k-images-idx3-ubyte").read_bytes())[:24].copy(),
        idx.decode((folder / "t10k-labels-idx1-ubyte").read_bytes())[:24].copy(),
    )
    few = Truth(truth.images[:6], truth.labels[:6])
    return plain(truth) | packed(truth) | pickles(truth) | tables(few) | pictures(few) | extras(few)


def make(recipe: str, sample: bytes, expected: np.ndarray, header: Header, mutate: Mutate) -> Codec:
    """Make a codec whose recipe stands inside its artifact."""
    return Codec(parse_recipe(recipe, "x"), sample, expected, header, mutate)


def plain(truth: Truth) -> dict[str, Codec]:
    """Arrays in files that are not packed."""
    images, wide = truth.images, truth.images.astype(np.int32)
    doubles = images.astype(np.float64)
    header = passes(idx._header)
    npy_header = passes(lambda view: npy._fields(npy._header(view)[0]))
    eights = passes(lambda view: len(view) % 8 == 0)
    return {
        "idx": make("idx", idx_bytes(images), images, header, some(BINARY)),
        "idx of int32": make("idx", idx_bytes(wide), wide, header, some(BINARY)),
        "npy": make("npy", npy_bytes(images), images, npy_header, some(BINARY)),
        "raw": make("raw:float64", doubles.tobytes(), doubles.ravel(), eights, some(BINARY)),
    }


def packed(truth: Truth) -> dict[str, Codec]:
    """An IDX file in every compression and archive."""
    images = truth.images
    raw, header = idx_bytes(images), passes(gzip_header_length)
    zip_header = passes(lambda view: len(list_zip(view)) > 0)
    npz = dict(encode("npz", "m", {"x": images, "y": truth.labels}))["m.npz"]
    tar_in = inside(tarred(raw), packed_gzip)
    ar_header = passes(lambda view: bytes(view[:8]) == b"!<arch>\n")
    return {
        "npz": make("npz:x", npz, images, zip_header, some(BINARY)),
        "gzip": make("gzip > idx", packed_gzip(raw), images, header, inside(raw, packed_gzip)),
        "bzip2": make("bzip2 > idx", packed_bzip2(raw), images, first("bzip2"), inside(raw, packed_bzip2)),
        "xz": make("xz > idx", packed_xz(raw), images, first("xz"), inside(raw, packed_xz)),
        "zip": make("zip:a/b > idx", zipped(raw), images, zip_header, inside(raw, zipped)),
        "tar": make("tar:a/b > idx", tarred(raw), images, passes(tar_header), some(BINARY)),
        "tar.gz": make("tar:a/b > idx", packed_gzip(tarred(raw)), images, header, tar_in),
        "deb": make("deb:a/b > idx", deb(raw), images, ar_header, inside(raw, deb)),
    }


def pickles(truth: Truth) -> dict[str, Codec]:
    """A CIFAR-like batch by several protocols, and mnist.pkl.gz."""
    images, labels = truth
    batch = {
        "data": images.reshape(24, -1),
        "labels": labels.tolist(),
        "batch_label": "training batch 1 of 5",
    }
    fractions = (images.reshape(24, -1).astype("<f4") / np.float32(256), labels.astype("<i8"))
    inner = pickle.dumps((fractions,), 2)
    recipe = "gzip > pickle:0.0 > scale:256 > uint8 > shape:28,28"
    codecs = {
        "pickle of fractions": make(
            recipe, packed_gzip(inner), images, passes(gzip_header_length), inside(inner, packed_gzip)
        )
    }
    for protocol in (0, 2, 4, 5):
        data, mutate = pickle.dumps(batch, protocol), some(BINARY if protocol else TEXT)
        codecs[f"pickle {protocol}"] = make("pickle:data > shape:28,28", data, images, is_pickle, mutate)
    return codecs


def tables(truth: Truth) -> dict[str, Codec]:
    """Text."""
    tensors = {"train/image": truth.images, "train/label": truth.labels}
    table = dict(encode("csv", "mnist", tensors))["train.csv"]
    dense = dict(encode("arff", "mnist", tensors))["mnist.arff"]
    sparse = dense[: dense.index(b"@DATA") + 6] + b"".join(map(sparse_row, truth.images))
    header = passes(lambda view: len(arff.read_header(view)[0]) == 785)
    heading = table.split(b"\n")[0]
    numbers = b"".join(b"%d\n" % number for number in range(500))
    recipe = "arff:0-783 > uint8 > shape:28,28"
    return {
        "arff": make(recipe, dense, truth.images, header, some(TEXT)),
        "sparse arff": make(recipe, sparse, truth.images, header, some(TEXT)),
        "csv": make(
            "csv:1-784 > uint8 > shape:28,28",
            table,
            truth.images,
            lambda data: data.startswith(heading),
            some(TEXT),
        ),
        "lines": make(
            "lines > numbers", numbers, np.arange(500), passes(lambda view: len(view) > 0), some(TEXT)
        ),
    }


def pictures(truth: Truth) -> dict[str, Codec]:
    """PNGs in a zip archive, in folders by label."""
    pngs = [png_bytes(image) for image in truth.images]
    paths = [f"{label}/{index}.png" for index, label in enumerate(truth.labels)]
    order = sorted(range(len(paths)), key=lambda index: paths[index])
    names = sorted({str(label) for label in truth.labels})
    folders = np.array([names.index(str(truth.labels[index])) for index in order], np.uint8)

    def archive(first: bytes) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as output:
            for path, png in zip(paths, [first, *pngs[1:]]):
                output.writestr(path, png)
        return sink.getvalue()

    def spoil(data: bytes, generator: random.Random) -> bytes:
        if generator.random() < 0.5:
            return archive(fixed_png(pngs[0], generator))
        return some(BINARY)(data, generator)

    header = passes(lambda view: len(list_zip(view)) > 0)
    return {
        "png": make("images:*.png > png", archive(pngs[0]), truth.images[order], header, spoil),
        "folders": make("folders:*.png > uint8", archive(pngs[0]), folders, header, some(BINARY)),
    }


def extras(truth: Truth) -> dict[str, Codec]:
    """Forms that need pyarrow, scipy and h5py."""
    import h5py
    import scipy.io

    tensors = {"train/image": truth.images, "train/label": truth.labels}
    (parquet,) = dict(encode("parquet", "m", tensors)).values()
    mat, hdf = io.BytesIO(), io.BytesIO()
    scipy.io.savemat(mat, {"X": truth.images, "y": truth.labels}, do_compression=True)
    with h5py.File(hdf, "w", userblock_size=512) as file:
        file["X"] = truth.images.T
    v73 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + hdf.getvalue()[128:]
    footer = passes(lambda view: bytes(view[:4]) == bytes(view[-4:]) == b"PAR1")
    signature = passes(lambda view: bytes(view[512:516]) == b"\x89HDF")
    return {
        "parquet, png": make("parquet:image.bytes > png", parquet, truth.images, footer, some(BINARY)),
        "parquet, numbers": make(
            "parquet:label > numbers > uint8", parquet, truth.labels, footer, some(BINARY)
        ),
        "mat 5": make("mat:X", mat.getvalue(), truth.images, passes(mat_header), some(BINARY)),
        "mat 7.3": make("mat:X", v73, truth.images, signature, some(BINARY)),
    }


# --- packing --------------------------------------------------------------------------------------------


def packed_gzip(data: bytes) -> bytes:
    """Pack by gzip."""
    return gzip.compress(data, 1, mtime=0)


def packed_bzip2(data: bytes) -> bytes:
    """Pack by bzip2."""
    return bz2.compress(data, 1)


def packed_xz(data: bytes) -> bytes:
    """Pack by xz."""
    return lzma.compress(data, preset=0)


def zipped(data: bytes) -> bytes:
    """Make a zip archive of two members."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/b"), data, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("c"), b"c")
    return sink.getvalue()


def tarred(data: bytes) -> bytes:
    """Make a tar archive of two members, one with a pax header."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in (("ü" * 60, b"c"), ("a/b", data)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def deb(data: bytes) -> bytes:
    """Make a Debian package."""
    output = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.gz", packed_gzip(tarred(data)))):
        output += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        output += b"\n" * (len(content) % 2)
    return output


def sparse_row(image: np.ndarray) -> bytes:
    """Write a row of a sparse ARFF file."""
    return b"{" + b",".join(b"%d %d" % pair for pair in enumerate(image.ravel().tolist()) if pair[1]) + b"}\n"


# --- header checks --------------------------------------------------------------------------------------


def passes(check: Callable[[memoryview], object]) -> Callable[[bytes], bool]:
    """Build a header check of a function that raises DecodeError, or gives something false."""

    def run(data: bytes) -> bool:
        try:
            return check(memoryview(data)) not in (None, False)
        except DecodeError:
            return False

    return run


def first(encoding: str) -> Header:
    """Check that a stream gives its first block: its header is right."""
    return passes(lambda view: next(blocks(view, encoding, 1 << 26), None))


def tar_header(view: memoryview) -> object:
    """Check the first header as the standard library does."""
    try:
        return tarfile.TarInfo.frombuf(bytes(view[:512]), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None


def mat_header(view: memoryview) -> bool:
    """Check the byte order's mark and the first element's length."""
    if len(view) < 136 or bytes(view[126:128]) != b"IM":
        return False
    return int.from_bytes(view[132:136], "little") + 136 <= len(view)


def is_pickle(data: bytes) -> bool:
    """Whether the first opcodes are a pickle's: a protocol that is known, or protocol 0's mark."""
    return data[:2] in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"(d")
