"""Each codec under the contract that all share."""

import bz2
import gzip
import io
import lzma
import pickle

import numpy as np
import pyarrow
import pyarrow.parquet
import scipy.io

from surefetch.formats.encoders import idx_bytes, npy_bytes, zip_bytes
from tests.contract.codec_tests import CodecTests
from tests.unit.formats.samples import (
    FLOATS,
    IDX,
    IMAGES,
    LABELS,
    NPY,
    PNGS,
    deb_of,
    python2_pickle,
    tar_of,
    zip_of,
)


class TestGzip(CodecTests):
    steps, sample, expected = "gzip > idx", gzip.compress(IDX, mtime=0), IMAGES


class TestGzipOfSeveralMembers(CodecTests):
    steps, expected = "gzip > idx", IMAGES
    sample = (
        gzip.compress(IDX[:100], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(IDX[100:], mtime=0)
    )


class TestBzip2(CodecTests):
    steps, sample, expected = "bzip2 > idx", bz2.compress(IDX), IMAGES


class TestXz(CodecTests):
    steps, sample, expected = "xz > idx", lzma.compress(IDX), IMAGES


class TestZip(CodecTests):
    steps, sample, expected = "zip:a/b.idx > idx", zip_of({"a/b.idx": IDX, "c": b"c"}), IMAGES


class TestTar(CodecTests):
    steps, sample, expected = "tar:a/b.idx > idx", tar_of({"c": b"c", "a/b.idx": IDX}), IMAGES
    least_share = 0.2  # tar pads to 10 KiB


class TestTarInGzip(CodecTests):
    steps, sample, expected = "tar:a/b.idx > idx", tar_of({"c": b"c", "a/b.idx": IDX}, "gz"), IMAGES


class TestTarInXz(CodecTests):
    steps, sample, expected = "tar:a/b.idx > idx", tar_of({"a/b.idx": IDX}, "xz"), IMAGES


class TestTarInBzip2(CodecTests):
    steps, sample, expected = "tar:a/b.idx > idx", tar_of({"a/b.idx": IDX}, "bz2"), IMAGES


class TestDeb(CodecTests):
    steps, sample, expected = "deb:usr/share/x.idx > idx", deb_of({"usr/share/x.idx": IDX}), IMAGES


class TestIdx(CodecTests):
    steps, sample, expected, is_bounded = "idx", IDX, IMAGES, False


class TestNpy(CodecTests):
    steps, sample, expected, is_bounded = "npy", NPY, IMAGES, False


class TestNpz(CodecTests):
    steps, expected = "npz:x_train", IMAGES
    sample = zip_bytes([("x_train.npy", NPY, 0x21_0000), ("y.npy", npy_bytes(LABELS), 0x21_0000)])


class TestPickle(CodecTests):
    steps, sample, expected = "pickle:0.0", pickle.dumps([(IMAGES, LABELS)], 4), IMAGES


class TestPickleOfPython2(CodecTests):
    steps, expected = "pickle:data > shape:7,6", IMAGES
    sample = python2_pickle(IMAGES.reshape(20, 42), LABELS.tolist())


class TestPickledFractions(CodecTests):
    steps, expected = "gzip > pickle:0.0 > scale:256 > uint8 > shape:7,6", IMAGES
    value = ((IMAGES.reshape(20, 42).astype(np.float32) / np.float32(256), LABELS.astype(np.int64)),)
    sample = gzip.compress(pickle.dumps(value, 2), mtime=0)


class TestArff(CodecTests):
    steps, expected = "arff:0-41 > uint8 > shape:7,6", IMAGES
    sample = (
        "% numbers\n@RELATION r\n"
        + "".join(f"@ATTRIBUTE 'a {index}' real\n" for index in range(42))
        + "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}\n@DATA\n"
        + "\n".join(",".join(map(str, [*i.ravel(), k])) for i, k in zip(IMAGES, LABELS))
        + "\n"
    ).encode()


class TestSparseArff(CodecTests):
    steps, expected = "arff:0-2", np.array([[0, 5, 1], [2, 0, 1], [0, 0, 1], [7, 8, 2]], np.float64)
    sample = (
        (
            b"@relation r\n@attribute a real\n@attribute b integer\n@attribute c {one,two}\n@data\n"
            b"{1 5}\n{0 2}\n{}\n{0 7, 1 8, 2 two}\n"
        )
        .replace(b"{one,two}", b"{1,2}")
        .replace(b"2 two", b"2 2")
    )


class TestCsv(CodecTests):
    steps, expected = "csv:1-3", FLOATS
    sample = (
        "id,a,b,c\n"
        + "".join(f"row{i},{','.join(map(repr, row))}\n" for i, row in enumerate(FLOATS.tolist()))
    ).encode()


class TestParquet(CodecTests):
    steps, expected = "parquet:image.bytes > png", IMAGES
    sink = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table(
            {"image": [{"bytes": png, "path": None} for png in PNGS], "label": LABELS.astype(np.int64)}
        ),
        sink,
    )
    sample = sink.getvalue()


class TestParquetOfNumbers(CodecTests):
    steps, expected = "parquet:a..c > numbers", FLOATS
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: FLOATS[:, i] for i, name in enumerate("abc")}), sink)
    sample = sink.getvalue()


class TestMat(CodecTests):
    steps, expected = "mat:X", FLOATS
    sink = io.BytesIO()
    scipy.io.savemat(sink, {"y": LABELS, "X": FLOATS}, do_compression=True)
    sample = sink.getvalue()


class TestImages(CodecTests):
    steps, expected = "images:p/*.png > png", IMAGES
    sample = zip_of({f"p/{index:02}.png": png for index, png in enumerate(PNGS)})


class TestImagesInTar(CodecTests):
    steps, expected = "images:p/*.png > image", IMAGES
    sample = tar_of({f"p/{index:02}.png": png for index, png in reversed(list(enumerate(PNGS)))}, "gz")


class TestFolders(CodecTests):
    steps, expected = "folders:*.png > uint8", np.sort(LABELS)
    sample = zip_of({f"t/{label}/{index}.png": PNGS[0] for index, label in enumerate(LABELS)})


class TestLines(CodecTests):
    steps, expected = "lines > numbers", np.arange(50)
    sample = "".join(f"{index}\n" for index in range(50)).encode()


class TestRaw(CodecTests):
    steps, sample, expected, is_bounded = "raw:float64", FLOATS.tobytes(), FLOATS.ravel(), False


class TestIdxOfWideNumbers(CodecTests):
    steps, sample, expected = "gzip > idx", gzip.compress(idx_bytes(FLOATS), mtime=0), FLOATS
