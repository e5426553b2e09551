"""Recipes run backwards: tensors as files of any form, equal by content, the same bytes each time.

Nothing is put on a disk here: each encoder gives paths and bytes.
"""

from __future__ import annotations

import math
import pickle
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import deflate
import numpy as np

from surefetch.errors import UsageError
from surefetch.formats.arrays import contiguous
from surefetch.formats.buffers import Array, missing_extra
from surefetch.formats.images import MAGIC as PNG_MAGIC
from surefetch.formats.images import SAMPLES

#: dtype -> type byte, the inverse of `idx.TYPES`.
IDX_TYPES: Final = {
    "uint8": 0x08,
    "int8": 0x09,
    "int16": 0x0B,
    "int32": 0x0C,
    "float32": 0x0D,
    "float64": 0x0E,
}
#: How MNIST and its relatives call splits and tensors in file names.
SPLITS: Final = {"test": "t10k"}
PLURALS: Final = {"image": "images", "label": "labels"}
#: 1980-01-01, the earliest time that zip can say: files of equal content are equal files.
DOS_EPOCH: Final = 0x0021_0000
#: What mnist.pkl.gz takes for training, of 60,000; the rest is for validation.
PICKLE_TRAINING: Final = 50_000
ROWS_AT_ONCE: Final = 1000

File = tuple[str, bytes]
Tensors = Mapping[str, Array]


def encode(form: str, name: str, tensors: Tensors) -> Iterator[File]:
    """Write tensors in a form.

    Args:
        form: A key of FORMS.
        name: The dataset's, for file names and headings.
        tensors: By name, `train/image`.

    Returns:
        Relative paths and bytes, one file at a time.

    Raises:
        UsageError: There is no such form, or the tensors have no place in it.
        MissingExtraError: The form needs an optional package.
    """
    if form not in FORMS:
        raise UsageError(f"`{form}` is no form that can be written; there are {', '.join(FORMS)}")
    return FORMS[form](name, tensors)


def idx_bytes(array: Array) -> bytes:
    """Write an IDX file, not compressed.

    Raises:
        UsageError: IDX has no type for the dtype, or the array no axis.
    """
    kind = IDX_TYPES.get(array.dtype.name)
    if kind is None or not 1 <= array.ndim <= 255:
        raise UsageError(f"IDX has no form for {array.dtype.name} with {array.ndim} axes")
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, array.dtype.newbyteorder(">")).tobytes()


def npy_bytes(array: Array, alignment: int = 64) -> bytes:
    """Write an .npy file, version 1.0. `alignment`: 64 as NumPy writes it today, 16 as before 1.14."""
    plain = contiguous(array)
    header = f"{{'descr': '{plain.dtype.str}', 'fortran_order': False, 'shape': {plain.shape!r}, }}"
    header += " " * (-(10 + len(header) + 1) % alignment) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin-1") + plain.tobytes()


def zip_bytes(members: Iterable[tuple[str, bytes, int]], mode: int = 0o600) -> bytes:
    """Write a zip archive of deflated members: name, bytes, DOS time each. No extra fields, zlib's level 6.

    Raises:
        UsageError: It would be larger than 2 GiB.
    """
    body, directory, count = bytearray(), bytearray(), 0
    for name, data, time in members:
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = compressor.compress(data) + compressor.flush()
        if len(body) + len(packed) >= 1 << 31 or len(data) >= 1 << 31:
            raise UsageError("a zip archive of more than 2 GiB is not written: choose another form")
        path, offset, checksum = name.encode("ascii"), len(body), zlib.crc32(data)
        sizes = struct.pack("<IIIHH", checksum, len(packed), len(data), len(path), 0)
        stamp = struct.pack("<HHHI", 20, 0, 8, time)
        body += b"PK\x03\x04" + stamp + sizes + path + packed
        directory += b"PK\x01\x02" + struct.pack("<BB", 20, 3) + stamp + sizes
        directory += struct.pack("<HHHII", 0, 0, 0, (0o100000 | mode) << 16, offset) + path
        count += 1
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\x05\x06" + end)


def png_bytes(image: Array) -> bytes:
    """Write a picture: uint8, shape (height, width) or (height, width, samples).

    Raises:
        UsageError: The array is no such picture.
    """
    samples = image.shape[2] if image.ndim == 3 else 1
    colors = {count: color for color, count in SAMPLES.items()}
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or samples not in colors or not image.size:
        raise UsageError(f"an array of {image.dtype.name} {image.shape} is no picture")
    height, width = image.shape[:2]
    lines = np.zeros((height, 1 + width * samples), np.uint8)  # filter 0 before each line
    lines[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 8, colors[samples], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return PNG_MAGIC + b"".join(map(_chunk, chunks))


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _idx_files(name: str, tensors: Tensors) -> Iterator[File]:
    for tensor, array in tensors.items():
        split, _, what = tensor.rpartition("/")
        stem = f"{SPLITS.get(split, split)}-{PLURALS.get(what, what)}".lstrip("-").replace("/", "-")
        yield f"{stem}-idx{array.ndim}-ubyte", idx_bytes(array)


def _npy_files(name: str, tensors: Tensors) -> Iterator[File]:
    for tensor, array in tensors.items():
        yield f"{tensor}.npy", npy_bytes(array)


def _npz_file(name: str, tensors: Tensors) -> Iterator[File]:
    members = [
        (f"{tensor.replace('/', '_')}.npy", npy_bytes(array), DOS_EPOCH) for tensor, array in tensors.items()
    ]
    yield f"{name}.npz", zip_bytes(members)


def _pickle_file(name: str, tensors: Tensors) -> Iterator[File]:
    """Write mnist.pkl.gz as the Deep Learning Tutorials did: 50,000, 10,000, 10,000 rows; float32 k/256."""
    images, labels = _take(tensors, "train/image"), _take(tensors, "train/label")
    splits = [
        (images[:PICKLE_TRAINING], labels[:PICKLE_TRAINING]),
        (images[PICKLE_TRAINING:], labels[PICKLE_TRAINING:]),
        (_take(tensors, "test/image"), _take(tensors, "test/label")),
    ]
    value = tuple((_fractions(image), np.asarray(label, "<i8")) for image, label in splits)
    yield f"{name}.pkl.gz", bytes(deflate.gzip_compress(pickle.dumps(value, protocol=2), 6))


def _fractions(images: Array) -> Array:
    if images.dtype != np.uint8:
        raise UsageError(f"the pickle form holds bytes as fractions, not {images.dtype.name}")
    return _flat(images).astype("<f4") / np.float32(256)


def _arff_file(name: str, tensors: Tensors) -> Iterator[File]:
    """Write one table, training rows before test rows, the label last and nominal, as OpenML has it."""
    splits = _splits(tensors)
    first = next(iter(splits.values()))
    parts = [f"@RELATION {name}\n\n".encode()]
    for what in _labels_last(first):
        array = np.concatenate([split[what] for split in splits.values() if what in split])
        headings = _arff_headings(what, array)
        parts.append("".join(headings).encode("ascii"))
    parts.append(b"\n@DATA\n")
    for split in splits.values():
        parts += _text_rows([split[what] for what in _labels_last(split)])
    yield f"{name}.arff", b"".join(parts)


def _arff_headings(what: str, array: Array) -> list[str]:
    if what == "label" and array.ndim == 1 and array.dtype.kind in "iu":
        return [f"@ATTRIBUTE class {{{','.join(map(str, np.unique(array).tolist()))}}}\n"]
    return [f"@ATTRIBUTE {heading} real\n" for heading in _headings(what, array)]


def _csv_files(name: str, tensors: Tensors) -> Iterator[File]:
    """Write a table for each split, the label first, a heading above."""
    for split, columns in _splits(tensors).items():
        names = _labels_last(columns)[::-1]
        headings = [heading for what in names for heading in _headings(what, columns[what])]
        rows = _text_rows([columns[what] for what in names])
        yield f"{split or name}.csv", b"".join([",".join(headings).encode("ascii") + b"\n", *rows])


def _parquet_files(name: str, tensors: Tensors) -> Iterator[File]:
    """Write a file for each split as Hugging Face has them: pictures as PNG, numbers as they are."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra("parquet", "pyarrow") from error
    for split, columns in _splits(tensors).items():
        arrays = {what: _arrow_column(pyarrow, array) for what, array in columns.items()}
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.table(arrays), sink)
        yield f"{split or name}-00000-of-00001.parquet", sink.getvalue().to_pybytes()


def _arrow_column(pyarrow: Any, array: Array) -> Any:
    if _is_pictures(array):
        kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        return pyarrow.array([{"bytes": png_bytes(image), "path": None} for image in array], kind)
    if array.ndim == 1:
        return pyarrow.array(np.asarray(array, np.int64) if array.dtype.kind in "iu" else array)
    flat = _flat(contiguous(array))
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat.ravel()), flat.shape[1])


def _png_files(name: str, tensors: Tensors) -> Iterator[File]:
    """Write a picture for each row, in folders by split and label."""
    for split, columns in _splits(tensors).items():
        images, labels = columns.get("image"), columns.get("label")
        if images is None or not _is_pictures(images):
            raise UsageError(f"`{name}` has no pictures in `{split}`")
        for index, image in enumerate(images):
            folders = [part for part in (split, "" if labels is None else str(labels[index])) if part]
            yield "/".join([*folders, f"{index:05}.png"]), png_bytes(image)


def _is_pictures(array: Array) -> bool:
    channels = SAMPLES.values()
    return array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in channels))


def _splits(tensors: Tensors) -> dict[str, dict[str, Array]]:
    """Sort tensors by split: `train/image` goes to `train` under `image`.

    Raises:
        UsageError: There is none, or the tensors of a split are not of one length.
    """
    splits: dict[str, dict[str, Array]] = {}
    for tensor, array in tensors.items():
        split, _, what = tensor.rpartition("/")
        splits.setdefault(split, {})[what] = array
    for split, columns in splits.items():
        if len({len(array) if array.ndim else -1 for array in columns.values()}) != 1:
            raise UsageError(f"the tensors of `{split}` are not of one length, so they make no table")
    if not splits:
        raise UsageError("there are no tensors to write")
    return splits


def _labels_last(columns: Mapping[str, Array]) -> list[str]:
    return sorted(columns, key=lambda what: (what == "label", columns[what].ndim == 1))


def _headings(what: str, array: Array) -> list[str]:
    if array.ndim == 1:
        return [what]
    prefix = "pixel" if what == "image" else what
    return [f"{prefix}{index + 1}" for index in range(math.prod(array.shape[1:]))]


def _text_rows(columns: Sequence[Array]) -> Iterator[bytes]:
    """Write rows of numbers, comma between, the shortest text that reads back equal."""
    flat = [_flat(array) for array in columns]
    for start in range(0, len(flat[0]), ROWS_AT_ONCE):
        blocks = [array[start : start + ROWS_AT_ONCE].tolist() for array in flat]
        rows = (",".join(map(repr, (number for part in parts for number in part))) for parts in zip(*blocks))
        yield ("\n".join(rows) + "\n").encode("ascii")


def _flat(array: Array) -> Array:
    """Give each row as one line of numbers."""
    return array.reshape(len(array), math.prod(array.shape[1:]))


def _take(tensors: Tensors, name: str) -> Array:
    if name not in tensors:
        raise UsageError(f"this form needs the tensor `{name}`; there are {', '.join(tensors)}")
    return tensors[name]


#: Form -> its encoder. `keras-npz` and canonical gzip, which are exact to the byte, stand in `rebuild`.
FORMS: Final[dict[str, Callable[[str, Tensors], Iterator[File]]]] = {
    "idx": _idx_files,
    "npy": _npy_files,
    "npz": _npz_file,
    "pickle": _pickle_file,
    "arff": _arff_file,
    "csv": _csv_files,
    "parquet": _parquet_files,
    "png": _png_files,
}
