"""Pictures, columns, parquet and MAT."""

import io
import struct
import zlib
from itertools import pairwise

import h5py
import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surefetch.errors import DecodeError
from surefetch.formats import columns, images, mat, parquet
from surefetch.formats.buffers import Array, Column, Context, Numbers
from surefetch.formats.encoders import png_bytes
from tests.unit.formats.samples import FLOATS, IMAGES, LABELS, PNGS, zip_of

ANY = Context()
PICTURES = st.sampled_from([(), (2,), (3,), (4,)]).flatmap(
    lambda samples: hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)).map(
            lambda size: (*size, *samples)
        ),
    )
)


@given(PICTURES)
def test_pngs_come_back(pictures: Array) -> None:
    column = Column.of([png_bytes(picture) for picture in pictures])
    np.testing.assert_array_equal(images.decode_pngs(column, ANY), pictures)


def filtered(picture: Array, kinds: list[int]) -> bytes:
    """Write a PNG whose scan lines use the given filters (PNG, 9)."""
    height, step = len(picture), 1 if picture.ndim == 2 else picture.shape[2]
    plain = picture.reshape(height, -1).astype(int)
    lines = bytearray()
    for y in range(height):
        above = plain[y - 1] if y else np.zeros_like(plain[0])
        left = np.concatenate([np.zeros(step, int), plain[y][:-step]])
        corner = np.concatenate([np.zeros(step, int), above[:-step]])
        guess = left + above - corner
        distances = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        paeth = np.choose(distances.argmin(axis=0), np.stack([left, above, corner]))
        predicted = [np.zeros_like(left), left, above, (left + above) // 2, paeth][kinds[y]]
        lines += bytes([kinds[y]]) + ((plain[y] - predicted) % 256).astype(np.uint8).tobytes()
    whole = bytearray(png_bytes(picture))
    start = whole.index(b"IDAT") - 4
    data = zlib.compress(bytes(lines))
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    return bytes(whole[:start]) + chunk + png_bytes(picture)[-12:]


@settings(max_examples=60)
@given(PICTURES, st.data())
def test_every_filter_is_undone_as_pillow_undoes_it(pictures: Array, data: st.DataObject) -> None:
    kinds = st.lists(st.integers(0, 4), min_size=pictures.shape[1], max_size=pictures.shape[1])
    rows = [filtered(picture, data.draw(kinds)) for picture in pictures]
    result = images.decode_pngs(Column.of(rows), ANY)
    np.testing.assert_array_equal(result, pictures)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(rows[0]))), result[0])


def test_image_data_in_several_chunks_are_joined() -> None:
    png = PNGS[0]
    start = png.index(b"IDAT")
    size = int.from_bytes(png[start - 4 : start], "big")
    data = png[start + 4 : start + 4 + size]
    parts = [data[:7], b"", data[7:]]
    chunks = b"".join(
        struct.pack(">I", len(part)) + b"IDAT" + part + struct.pack(">I", zlib.crc32(b"IDAT" + part))
        for part in parts
    )
    split = png[: start - 4] + chunks + png[-12:]
    np.testing.assert_array_equal(images.decode_pngs(Column.of([split]), ANY)[0], IMAGES[0])


@pytest.mark.parametrize("mode", ["1", "P"])
def test_pictures_that_are_not_plain_go_through_pillow(mode: str) -> None:
    sink = io.BytesIO()
    PIL.Image.fromarray(IMAGES[0]).convert(mode).save(sink, "PNG")
    result = images.decode_pngs(Column.of([sink.getvalue()]), ANY)
    assert result.dtype == np.uint8
    assert result.shape[:3] == (1, 7, 6)


def test_jpeg_is_an_image_and_no_png() -> None:
    sink = io.BytesIO()
    PIL.Image.fromarray(IMAGES[0]).save(sink, "JPEG")
    column = Column.of([sink.getvalue()] * 2)
    assert images.decode_images(column, ANY).shape == (2, 7, 6)
    with pytest.raises(DecodeError, match="not as a PNG"):
        images.decode_pngs(column, ANY)


@pytest.mark.parametrize("place", [17, 30, 45, -20, -6])
def test_a_spoiled_byte_of_a_png_is_found_by_its_chunk(place: int) -> None:
    spoiled = bytearray(PNGS[1])
    spoiled[place] ^= 0x10
    with pytest.raises(DecodeError):
        images.decode_pngs(Column.of([PNGS[0], bytes(spoiled)]), ANY)


def test_pictures_of_two_sizes_are_no_array() -> None:
    with pytest.raises(DecodeError, match="picture 1 is not of the first one's size"):
        images.decode_pngs(Column.of([PNGS[0], png_bytes(IMAGES[0].T.copy())]), ANY)


def test_a_picture_that_announces_gigapixels_is_not_allocated() -> None:
    header = struct.pack(">2I5B", 1 << 30, 1 << 30, 8, 0, 0, 0, 0)
    huge = (
        images.MAGIC
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )
    with pytest.raises(DecodeError) as caught:
        images.decode_pngs(Column.of([huge + PNGS[0][33:]]), ANY)
    assert caught.value.code == "body.bomb"


def write(table: dict[str, object], **options: object) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(table), sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4"])
def test_parquet_in_any_compression_and_many_groups(compression: str) -> None:
    data = write(
        {"image": [{"bytes": png, "path": None} for png in PNGS]}, compression=compression, row_group_size=3
    )
    column = parquet.read_column(data, "image.bytes", ANY)
    assert isinstance(column, Column)
    assert [bytes(row) for row in column.rows()] == PNGS


@given(st.lists(st.text(max_size=5), min_size=1, max_size=30), st.booleans())
def test_text_columns_come_back(rows: list[str], is_dictionary: bool) -> None:
    values = pyarrow.array(rows)
    data = write({"t": values.dictionary_encode() if is_dictionary else values}, row_group_size=7)
    column = parquet.read_column(data, "t", ANY)
    joined, offsets = columns.text(column, "", ANY), columns.offsets(column, "", ANY)
    assert [bytes(joined[a:b]).decode() for a, b in pairwise(offsets)] == rows


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_number_columns_keep_their_dtype(dtype: str) -> None:
    values = np.array([0, 1, 1, 0], dtype)
    column = parquet.read_column(write({"n": values}), "n", ANY)
    assert isinstance(column, Numbers)
    np.testing.assert_array_equal(columns.numbers(column, "", ANY), values)
    assert columns.numbers(column, "", Context(dtype="uint8")).dtype == np.uint8


def test_lists_of_one_length_are_rows() -> None:
    column = parquet.read_column(write({"v": [[1, 2], [3, 4], [5, 6]]}), "v", ANY)
    np.testing.assert_array_equal(columns.numbers(column, "", ANY), [[1, 2], [3, 4], [5, 6]])
    with pytest.raises(DecodeError, match="not of one length"):
        parquet.read_column(write({"v": [[1], [3, 4]]}), "v", ANY)


@pytest.mark.parametrize(
    ("table", "name", "says"),
    [
        ({"a": [1]}, "b", "no column `b`; it has `a`"),
        ({"a": [1, None]}, "a", "rows without a value"),
        ({"a": [{"b": b"x"}, None]}, "a.b", "rows without a value"),
        ({"a": [1], "b": [2]}, "b..a", "no column `b..a`"),
        ({"a": ["x"], "b": ["y"]}, "a..b", "does not hold numbers"),
    ],
)
def test_a_column_that_is_not_there_is_told(table: dict[str, object], name: str, says: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parquet.read_column(write(table), name, ANY)
    assert says in str(caught.value)


def test_a_value_repeated_by_a_dictionary_is_bounded() -> None:
    data = write({"t": ["x" * 10_000] * 10_000})
    assert len(data) < 100_000
    with pytest.raises(DecodeError) as caught:
        parquet.read_column(data, "t", Context(limit=8 << 20))
    assert caught.value.code == "body.bomb"


def test_a_dictionary_is_counted_as_what_it_stands_for() -> None:
    values = pyarrow.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), ["x" * 10_000])
    with pytest.raises(DecodeError) as caught:
        parquet.read_column(write({"t": values}), "t", Context(limit=8 << 20))
    assert caught.value.code == "body.bomb"


def test_neighbouring_columns_of_many_groups_are_put_side_by_side() -> None:
    table = {f"p{index}": np.arange(100, dtype=np.int64) * index for index in range(7)}
    column = parquet.read_column(write(table, row_group_size=9), "p2..p5", Context(dtype="int32"))
    assert isinstance(column, Numbers)
    assert column.values.dtype == np.int32
    np.testing.assert_array_equal(column.values, np.outer(np.arange(100), [2, 3, 4, 5]))


def test_lines_end_with_or_without_a_line_feed() -> None:
    for data in (b"a\nb\r\n\nc", b"a\nb\n\nc\n"):
        assert [bytes(row) for row in columns.lines(data, "", ANY).rows()] == [b"a", b"b", b"", b"c"]
    with pytest.raises(DecodeError, match="not UTF-8"):
        columns.lines(b"a\xff", "", ANY)


def test_folders_number_their_classes_in_order() -> None:
    archive = zip_of({f"t/{name}/{index}.png": png for index, (name, png) in enumerate(zip("bcabcab", PNGS))})
    assert columns.folders(archive, "t/*.png", ANY).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert [bytes(row) for row in columns.images(archive, "t/a/*.png", ANY).rows()] == [PNGS[2], PNGS[5]]
    with pytest.raises(DecodeError, match="no member that matches"):
        columns.images(archive, "*.jpg", ANY)


@pytest.mark.parametrize("is_packed", [False, True])
def test_mat_version_5(is_packed: bool) -> None:
    sink = io.BytesIO()
    scipy.io.savemat(
        sink, {"X": IMAGES, "y": LABELS, "f": FLOATS, "s": "text", "c": {"a": 1}}, do_compression=is_packed
    )
    np.testing.assert_array_equal(mat.decode(sink.getvalue(), "X", 1 << 20), IMAGES)
    np.testing.assert_array_equal(mat.decode(sink.getvalue(), "f", 1 << 20), FLOATS)
    for name, says in (("s", "plain numbers"), ("c", "plain numbers"), ("z", "no variable")):
        with pytest.raises(DecodeError, match=says):
            mat.decode(sink.getvalue(), name, 1 << 20)


def test_mat_version_5_that_unpacks_to_too_much_is_not_unpacked() -> None:
    sink = io.BytesIO()
    scipy.io.savemat(sink, {"X": np.zeros(1 << 20)}, do_compression=True)
    with pytest.raises(DecodeError) as caught:
        mat.decode(sink.getvalue(), "X", 1 << 20)
    assert caught.value.code == "body.bomb"


def test_mat_version_4_is_refused_without_a_warning() -> None:
    sink = io.BytesIO()
    scipy.io.savemat(sink, {"X": FLOATS}, format="4")
    for data in (sink.getvalue(), b"\0\0\x03\xe8" + sink.getvalue()[4:126].ljust(122) + b"IM" + bytes(64)):
        with pytest.raises(DecodeError, match="byte order at 126"):
            mat.decode(data, "X", 1 << 20)


def test_mat_version_7_3() -> None:
    sink = io.BytesIO()
    with h5py.File(sink, "w", userblock_size=512) as file:
        file["X"] = IMAGES.T
        file.create_group("g")
        file.create_dataset("huge", (1 << 30,), "f8", chunks=(1 << 20,), compression="gzip")
    data = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + sink.getvalue()[128:]
    np.testing.assert_array_equal(mat.decode(data, "X", 1 << 20), IMAGES)
    for name, says in (("g", "plain numbers"), ("z", "cannot be read"), ("huge", "more than")):
        with pytest.raises(DecodeError, match=says):
            mat.decode(data, name, 1 << 20)


def test_no_spoiled_byte_of_a_description_ends_the_process() -> None:
    """Damaged statistics make `row_group(…).column(…)` of pyarrow 26 call abort(): it is never asked."""
    data = write({"image": [{"bytes": png, "path": None} for png in PNGS[:2]]})
    footer = int.from_bytes(data[-8:-4], "little")
    assert 0 < footer < len(data)
    for place in range(len(data) - 8 - footer, len(data) - 8):
        for bit in (1, 4, 16):
            spoiled = bytearray(data)
            spoiled[place] ^= bit
            try:
                parquet.read_column(bytes(spoiled), "image.bytes", ANY)
            except DecodeError as error:
                assert error.code in ("body.unreadable", "body.content-mismatch", "body.bomb")
