"""ARFF and CSV, with liac-arff and the csv module as oracles."""

import csv as stdlib_csv
import io
import math
from typing import Any

import arff as liac
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefetch.errors import CatalogError, DecodeError
from surefetch.formats import arff, csv, tables
from surefetch.formats.buffers import Array, Context

ANY = Context()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**40), 2**40).map(float)
# No braces: liac-arff writes them without quotes, and they begin a sparse row.
LABELS = st.text("abc XYZ,'\"\\%\t\n09é", min_size=1, max_size=6)


@st.composite
def liac_tables(draw: st.DrawFn) -> dict[str, Any]:
    """Tables as liac-arff takes them: numbers, labels in need of quotes, texts, missing values."""
    labels = draw(
        st.lists(LABELS.filter(lambda t: t.strip() not in ("", "?")), min_size=1, max_size=4, unique=True)
    )
    rows = st.tuples(NUMBERS | st.none(), st.sampled_from(labels) | st.none(), LABELS, NUMBERS)
    return {
        "relation": "r",
        "attributes": [("a", "REAL"), ("b", labels), ("c", "STRING"), ("d", "NUMERIC")],
        "data": [list(row) for row in draw(st.lists(rows, min_size=1, max_size=8))],
    }


def columns_by_liac(text: str) -> list[list[float]]:
    """What liac-arff reads; labels as their index, missing as NaN."""
    table = liac.loads(text, encode_nominal=True)
    return [[math.nan if value is None else value for value in column] for column in zip(*table["data"])]


@given(liac_tables())
def test_dense_tables_read_as_liac_arff_reads_them(table: dict[str, Any]) -> None:
    text = liac.dumps(table)
    try:
        expected = columns_by_liac(text)
    except (liac.ArffException, ValueError):  # liac-arff writes some labels that it cannot read
        return
    labels = table["attributes"][1][1]
    for index in (0, 3):
        np.testing.assert_array_equal(arff.decode(text.encode(), str(index), ANY), expected[index])
    if not all(_is_number(label) for label in labels):
        np.testing.assert_array_equal(arff.decode(text.encode(), "1", ANY), expected[1])


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


@given(st.lists(st.dictionaries(st.integers(0, 5), st.integers(1, 255), max_size=6), min_size=1, max_size=8))
def test_sparse_tables_read_as_liac_arff_reads_them(rows: list[dict[int, int]]) -> None:
    text = liac.dumps({"relation": "r", "attributes": [(f"a{i}", "REAL") for i in range(6)], "data": rows})
    expected = [[float(row.get(index, 0)) for index in range(6)] for row in rows]
    np.testing.assert_array_equal(arff.decode(text.encode(), "0-5", ANY), expected)
    np.testing.assert_array_equal(
        arff.decode(text.encode(), "2", Context(dtype="uint8")), np.array(expected)[:, 2]
    )


HEAD = b"""@relation r
@attribute a real
@attribute b {1,2,'t h'}
@ATTRIBUTE "c d" integer
@attribute e string
@data
"""


@pytest.mark.parametrize(
    ("rows", "argument", "expected"),
    [
        (b"1.5,2,3,x\n% a comment\n\n 2 , 1 , 4 , y \n", "0-1", [[1.5, 1], [2, 0]]),
        (b"?,?,?,x\n", "0-2", [[math.nan] * 3]),
        (b"1,'t h',3,'a, b'\n2,2,4,\"it''s \\\" \"\n", "0-2", [[1, 2, 3], [2, 1, 4]]),
        (b"1,1,7,x\n2,2,8,y\n", "0-2", [[1, 0, 7], [2, 1, 8]]),
        (b"{2 9}\r\n{0 1,1 't h', 3 'x y'}\r\n", "0-2", [[0, 0, 9], [1, 2, 0]]),
        (b"1,2,3,x\r\n4,1,6,y\r\n", "2", [3, 6]),
    ],
)
def test_rows_of_every_kind(rows: bytes, argument: str, expected: list[Any]) -> None:
    np.testing.assert_array_equal(arff.decode(HEAD + rows, argument, ANY), np.array(expected, float))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (HEAD + b"1,2\n", "2 fields instead of 4"),
        (HEAD + b"1,2,3,'x\n", "a quote or a brace"),
        (HEAD + b"one,2,3,x\n", "`one` is no number"),
        (HEAD + b"1,3,3,x\n", "`3` is no label of `b`"),
        (HEAD + b"{4 1}\n", "column 4 of 4"),
        (HEAD + b"{1 1\n", "no end"),
        (HEAD + b"{1}\n", "cannot be read at"),
        (HEAD[:-6], "no `@data`"),
        (b"@relation r\n@data\n1\n", "without attributes"),
        (b"<html>\n", "no line of an ARFF header"),
        (b"@relation r\n@attribute a {1,2\n@data\n1\n", "have no end"),
        (b"@relation r\n@attribute\n@data\n1\n", "declares no attribute"),
    ],
)
def test_an_arff_file_that_is_none_says_where(data: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        arff.decode(data, "0-1", ANY)


def test_a_text_attribute_gives_no_numbers() -> None:
    with pytest.raises(DecodeError, match="`e` is of type `string`"):
        arff.decode(HEAD + b"1,2,3,x\n", "3", ANY)
    with pytest.raises(CatalogError, match="`b` is no argument"):
        arff.decode(HEAD + b"1,2,3,x\n", "b", ANY)
    with pytest.raises(CatalogError, match="end lies before"):
        arff.decode(HEAD + b"1,2,3,x\n", "3-1", ANY)


def test_a_plain_label_that_is_not_declared_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"9\.0 is no label"):
        arff.decode(b"@relation r\n@attribute b {1,2}\n@data\n1\n9\n", "0", ANY)


def test_a_coming_cast_is_made_at_once_and_is_as_strict() -> None:
    data = b"@relation r\n@attribute a real\n@attribute b real\n@data\n1,2\n3,4\n"
    table = arff.decode(data, "0-1", Context(dtype="uint8"))
    assert table.dtype == np.uint8
    for wrong in (b"256,1\n", b"1,0.5\n", b"-1,0\n", b"?,1\n"):
        with pytest.raises(DecodeError, match="does not fit into uint8"):
            arff.decode(data + wrong, "0-1", Context(dtype="uint8"))


def test_whole_numbers_that_float64_cannot_hold_are_not_rounded() -> None:
    rows = b"9007199254740993,x\n"
    head = b"@relation r\n@attribute a integer\n@attribute s string\n@data\n"
    assert arff.decode(head + rows, "0", Context(dtype="int64"))[0] == 9007199254740993
    with pytest.raises(DecodeError, match="not read exactly"):
        arff.decode(head + b"9007199254740993,'a b'\n", "0", Context(dtype="int64"))


def test_a_table_is_bounded_while_it_grows() -> None:
    head = b"@relation r\n" + b"".join(b"@attribute a%d real\n" % index for index in range(1000)) + b"@data\n"
    with pytest.raises(DecodeError) as caught:
        arff.decode(head + b"{}\n" * 10_000, "0-999", Context(limit=1 << 20))
    assert caught.value.code == "body.bomb"


def test_lines_may_span_the_blocks_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK_BYTES", 64)
    data = "a,b\n" + "".join(f"{index},{index * 3}\n" for index in range(500))
    np.testing.assert_array_equal(csv.decode(data.encode(), "1", ANY), np.arange(500) * 3)


FIELDS = st.text("ab,\"' \n;09é", max_size=5)


@given(
    st.lists(st.tuples(NUMBERS, FIELDS, NUMBERS), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"])
)
def test_csv_reads_as_the_standard_library_reads_it(
    rows: list[tuple[float, str, float]], delimiter: str
) -> None:
    sink = io.StringIO()
    writer = stdlib_csv.writer(sink, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["x", "y", "z"])
    writer.writerows([(repr(a), text, repr(b)) for a, text, b in rows])
    data = sink.getvalue().encode()
    if delimiter != "," and any("," in line for line in sink.getvalue().splitlines()[:2]):
        return  # the first two lines look comma-separated
    if len(sink.getvalue().splitlines()[1].split('"')) % 2 == 0:
        return  # the second line ends within quotes: nobody could tell the delimiter from it
    np.testing.assert_array_equal(csv.decode(data, "x", ANY), [a for a, _, _ in rows])
    np.testing.assert_array_equal(csv.decode(data, "2", ANY), [b for _, _, b in rows])


@pytest.mark.parametrize(
    ("data", "argument", "expected"),
    [
        (b"1,2\n3,4\n", "0-1", [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbfa,b\n1,2\n", "a", [1]),
        (
            b"150,4,setosa\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,1\n",
            "0-3",
            [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2]],
        ),
        (b"150,4,setosa\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,1\n", "4", [0, 1]),
        (b"Chins Situps Jumps\n5 162 60\n2  110 60\n", "0-2", [[5, 162, 60], [2, 110, 60]]),
        (b" 5.9e+01 2.0\n 4.8e+01 1.0\n", "0", [59, 48]),
        (b"a\tb\n1\t\n3\t4\n", "b", [math.nan, 4]),
        (b"7\n8\n9", "0", [7, 8, 9]),
        (b'"a","b"\n"1","2"\n"3","4"\n', "b", [2, 4]),
        (b"a;b\r\n1;2\r\n", "1", [2]),
    ],
)
def test_csv_of_every_kind(data: bytes, argument: str, expected: list[Any]) -> None:
    np.testing.assert_allclose(csv.decode(data, argument, ANY), np.array(expected, float))


@pytest.mark.parametrize(
    ("data", "argument", "says"),
    [
        (b"a,b\n1,2\n3\n", "0-1", "1 fields instead of 2"),
        (b"a,b\n1,2\n3\n", "0", "1 fields instead of 2"),
        (b"a,b\n1,2\nx,3\n", "0", "`x` is no number"),
        (b"a,b\n1,2\n", "c", "0 columns `c`; it has `a`, `b`"),
        (b"a,b\n1,2\n", "5", "columns 5 are wanted of 2"),
        (b"", "0", "empty"),
        (b'a,b\n1,"2\n', "0", "cannot be read"),
    ],
)
def test_csv_that_is_none_says_why(data: bytes, argument: str, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        csv.decode(data, argument, ANY)


def test_the_fast_and_the_slow_reader_agree() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.integers(0, 256, (50, 6))
    plain = "\n".join(",".join(map(str, row)) for row in numbers.tolist()) + "\n"
    slow = plain.replace("\n", "\n\n", 1) + "% the reader of rows takes over\n"
    head = "@relation r\n" + "".join(f"@attribute a{index} real\n" for index in range(6)) + "@data\n"
    fast: Array = arff.decode((head + plain).encode(), "0-5", ANY)
    np.testing.assert_array_equal(fast, arff.decode((head + slow).encode(), "0-5", ANY))
    np.testing.assert_array_equal(fast, numbers)
