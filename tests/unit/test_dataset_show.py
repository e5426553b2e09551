"""Looking at a dataset: the picture, the page and the screen show what is in it."""

from __future__ import annotations

import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefetch.dataset import Handle, grid, letters, show, tables, terminal
from surefetch.dataset import facts as facts_module
from surefetch.dataset.facts import facts
from surefetch.formats.buffers import Column, Context
from surefetch.formats.images import decode_pngs
from tests.fakes.handles import make_handle, text_tensors

RANDOM = np.random.default_rng(7)


@pytest.fixture
def digits(tmp_path: Path) -> Handle:
    """Pictures whose top left corner is their label, times 25."""
    labels = np.arange(30, dtype=np.uint8) % 10
    images = RANDOM.integers(0, 256, (30, 28, 28), np.uint8)
    images[:, :4, :4] = labels[:, None, None] * 25
    return make_handle(
        tmp_path, {"train/image": images, "train/label": labels}, [f"digit {n}" for n in range(10)]
    )


@pytest.fixture
def flowers(tmp_path: Path) -> Handle:
    data = RANDOM.normal(size=(9, 4)).round(2)
    return make_handle(
        tmp_path,
        {"data": data, "target": np.repeat(np.arange(3), 3)},
        ["setosa", "versi<b>color", "virginica"],
    )


def decoded(png: bytes) -> np.ndarray[Any, Any]:
    return decode_pngs(Column.of([png]), Context(limit=1 << 30))[0]


def test_a_grid_has_the_samples_in_their_places(digits: Handle) -> None:
    sheet = grid.grid(digits["train"], count=6, columns=3)
    rows = grid.pick(30, 6)
    height, width = 84 + grid.GAP + letters.HEIGHT + 4, 84 + grid.GAP
    assert sheet.shape == (2 * height + grid.GAP, 3 * width + grid.GAP)
    for index, row in enumerate(rows):
        top, left = grid.GAP + index // 3 * height, grid.GAP + index % 3 * width
        cell = sheet[top : top + 84, left : left + 84]
        assert np.array_equal(cell[::3, ::3], digits.train.image[row])


def test_sorted_datasets_show_all_their_classes() -> None:
    labels = np.repeat(np.arange(10), 600)
    assert set(labels[grid.pick(len(labels), 40)]) == set(range(10))
    assert grid.pick(3, 40).tolist() == [0, 1, 2]


def test_captions_can_be_read(digits: Handle) -> None:
    sheet = grid.grid(digits["train"], count=1)
    below = sheet[grid.GAP + 84 + 2 :][: letters.HEIGHT, grid.GAP : grid.GAP + 84] == grid.INK
    assert np.array_equal(below, letters.write("digit 0", 84)) and below.any()


def test_letters_are_drawn_and_what_does_not_fit_is_cut() -> None:
    assert letters.write("", 20).sum() == 0
    lines = {letter: letters.write(letter, 6)[:, :5] for letter in map(chr, range(32, 127))}
    assert len({line.tobytes() for line in lines.values()}) == 95
    assert lines["I"].tolist()[1:6] == [[False, False, True, False, False]] * 5
    assert np.array_equal(letters.write("é", 6), letters.write("?", 6))
    assert np.array_equal(letters.write("abcdef", 18), letters.write("abc", 18))


@pytest.mark.parametrize(
    ("samples", "shape"),
    [
        (np.zeros((5, 8, 8), np.uint8), (5, 8, 8)),
        (np.zeros((5, 8, 8, 1), np.uint8), (5, 8, 8)),
        (np.zeros((5, 8, 8, 3), np.uint8), (5, 8, 8, 3)),
        (np.zeros((5, 8, 8, 4), np.uint8), (5, 8, 8, 3)),
        (np.zeros((5, 3, 8, 9), np.uint8), (5, 8, 9, 3)),
        (np.zeros((5, 1, 8, 9), np.float32), (5, 8, 9)),
        (np.zeros((5, 8, 9, 10), np.uint8), (5, 9, 10)),
        (np.zeros((5, 4, 8, 9, 3), np.uint8), (5, 8, 9, 3)),
        (np.zeros((5, 8, 8), bool), (5, 8, 8)),
    ],
)
def test_samples_of_any_kind_become_pictures(tmp_path: Path, samples: Any, shape: tuple[int, ...]) -> None:
    split = make_handle(tmp_path, {"train/image": samples})["train"]
    pictures = grid.pictures(split, np.arange(5))
    assert pictures.shape == shape and pictures.dtype == np.uint8
    png = show.to_png([split])
    assert png is not None and decoded(png).ndim == len(shape) - 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_values_of_any_range_are_made_visible(tmp_path: Path, dtype: str) -> None:
    samples = (np.arange(16).reshape(1, 4, 4)).astype(dtype)
    split = make_handle(tmp_path, {"image": samples})["all"]
    picture = grid.pictures(split, np.array([0]))
    assert picture.reshape(-1).tolist() == [17 * value for value in range(16)]


def test_odd_numbers_do_no_harm(tmp_path: Path) -> None:
    samples = np.full((2, 4, 4), np.nan, np.float32)
    samples[1, 0] = np.inf
    samples[1, 1] = -1
    split = make_handle(tmp_path, {"image": samples})["all"]
    assert show.to_png([split])
    assert facts(split)["tensors"][0]["low"] == -1


def test_large_pictures_are_reduced_by_averaging() -> None:
    cells = np.zeros((1, 300, 200, 3), np.uint8)
    cells[:, ::2] = 200
    small = grid.fit(cells, 10, 150)
    assert small.shape == (1, 150, 100, 3) and (small == 100).all()
    assert grid.fit(cells[:, :5, :4], 20, 150).shape == (1, 20, 16, 3)
    assert grid.fit(np.zeros((1, 301, 1), np.uint8), 10, 150).shape == (1, 100, 1)


COLOUR = r"(2;\d+;\d+;\d+|5;\d+)"
ESCAPE = re.compile(rf"\x1b\[38;{COLOUR};48;{COLOUR}m")


def pixels(line: str) -> tuple[list[str], list[str]]:
    """Read a line of half blocks as a terminal does: colours of the upper and of the lower pixels."""
    upper, lower, pair = [], [], ("", "")
    for part in re.split(r"(\x1b\[[^m]*m)", line):
        if match := ESCAPE.fullmatch(part):
            pair = match.groups()
        elif not part.startswith("\x1b"):
            upper += [pair[0]] * len(part)
            lower += [pair[1]] * len(part)
    return upper, lower


@pytest.mark.parametrize("shape", [(6, 5), (5, 4), (6, 5, 3), (1, 1)])
def test_a_terminal_of_true_colour_shows_every_pixel(shape: tuple[int, ...]) -> None:
    picture = RANDOM.integers(0, 256, shape, np.uint8)
    picture[0] = 9  # equal neighbours
    lines = terminal.picture_lines(picture, "true")
    assert len(lines) == (shape[0] + 1) // 2 and all(line.endswith(terminal.RESET) for line in lines)
    rows = [row for line in lines for row in pixels(line)][: shape[0]]
    colours = [[[int(part) for part in pixel.split(";")[1:]] for pixel in row] for row in rows]
    expected = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    assert colours == expected.tolist()


def test_256_colours_are_near_the_true_ones() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    (line,) = terminal.picture_lines(ramp, "256")
    shown = [color_256(int(code.split(";")[1])) for code in pixels(line)[0]]
    assert max(abs(rgb[0] - value) for rgb, value in zip(shown, range(256))) <= 9
    corners = np.array([[[255, 0, 0], [0, 255, 0], [95, 135, 175], [255, 255, 255]]], np.uint8)
    (line,) = terminal.picture_lines(corners, "256")
    assert [color_256(int(code.split(";")[1])) for code in pixels(line)[0]] == [tuple(c) for c in corners[0]]


def color_256(code: int) -> tuple[int, int, int]:
    """The colour of a number, by xterm's table."""
    if code >= 232:
        return (8 + 10 * (code - 232),) * 3
    red, green, blue = ((0, 95, 135, 175, 215, 255)[(code - 16) // base % 6] for base in (36, 6, 1))
    return red, green, blue


def test_without_colour_letters_show_light_and_dark() -> None:
    picture = np.array([[0, 255], [0, 255], [128, 0], [128, 0]], np.uint8)
    assert terminal.picture_lines(picture, "none") == [" @", "+ "]


@pytest.mark.parametrize(
    ("environ", "is_terminal", "encoding", "colours"),
    [
        ({"COLORTERM": "truecolor"}, True, "utf-8", "true"),
        ({"WT_SESSION": "1"}, True, "utf-8", "true"),
        ({"TERM": "xterm-256color"}, True, "utf-8", "256"),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, True, "utf-8", "none"),
        ({"COLORTERM": "truecolor"}, False, "utf-8", "none"),
        ({"FORCE_COLOR": "1"}, False, "utf-8", "256"),
        ({"TERM": "dumb"}, True, "utf-8", "none"),
        ({"COLORTERM": "truecolor"}, True, "cp1252", "none"),
    ],
)
def test_colours_are_those_that_the_terminal_has(
    environ: dict[str, str], is_terminal: bool, encoding: str, colours: str
) -> None:
    assert terminal.colours_of(environ, is_terminal=is_terminal, encoding=encoding) == colours


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (200, 60), (10, 5)])
def test_a_screen_fits_the_terminal(digits: Handle, width: int, height: int) -> None:
    text = show.to_text(list(digits.values()), width=width, height=height)
    drawn = text.split("train: 30 samples")[0].splitlines()
    assert all(len(line) <= max(width, show.SCREEN_SIDE) for line in drawn)
    assert len(drawn) <= max(height - show.WORDS, show.SCREEN_SIDE // 2 + 2)
    words = " ".join(text.split())
    assert "digit 0 3, digit 1 3," in words and "0 … 255" in words


def test_as_many_samples_are_shown_as_are_asked_for(digits: Handle) -> None:
    text = show.to_text([digits["train"]], 30, width=80, height=24)
    assert sum(line.count("digit") for line in text.split("train:")[0].splitlines()) == 30


class Page(HTMLParser):
    """Counts tags, and sees to it that they are closed."""

    VOID = ("img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(text: str) -> Page:
    page = Page()
    page.feed(text)
    assert page.open == []
    return page


def test_a_page_shows_samples_with_their_classes(digits: Handle) -> None:
    text = digits._repr_html_()
    page = page_of(text)
    assert page.tags.count("img") == show.ON_PAGE
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "digit 9" in text and "<b>train</b>: 30 samples" in text
    assert len(text) < 100_000
    assert page_of(digits.train._repr_html_()).tags.count("img") == show.ON_PAGE


def test_names_from_a_catalog_are_escaped_on_a_page(flowers: Handle) -> None:
    text = flowers._repr_html_()
    page = page_of(text)
    assert "<b>color" not in text and "versi&lt;b&gt;color" in text
    assert page.tags.count("tr") == 9 and page.tags.count("th") == 5


def test_a_table_shows_features_and_classes(flowers: Handle) -> None:
    lines = show.to_text([flowers["all"]], width=80).splitlines()
    assert lines[0].split() == ["data_0", "data_1", "data_2", "data_3", "target"]
    assert lines[1].split()[-1] == "setosa" and lines[8].split()[-1] == "virginica"
    assert f"{flowers['all'].data[0, 0]:.6g}" == lines[1].split()[0]
    assert "  3 classes: setosa 3, versi<b>color 3, virginica 3" in lines


def test_a_wide_table_says_how_many_columns_it_leaves_out(tmp_path: Path) -> None:
    split = make_handle(tmp_path, {"data": np.zeros((5, 60)), "target": np.zeros(5)})["all"]
    lines = show.to_text([split], width=60).splitlines()
    assert all(len(line) <= 60 for line in lines[:6])
    shown = len(lines[0].split("  (and")[0].split())
    assert f"(and {61 - shown} more)" in lines[0] and lines[1].split()[-1] == "0"


def test_text_is_shown_in_lines_and_cannot_command_a_terminal(tmp_path: Path) -> None:
    texts = ["fine " * 60, "\x1b[2Jnaïve\nline", ""]
    tensors = {**text_tensors("train", texts), "train/label": np.array([0, 1, 1], np.uint8)}
    split = make_handle(tmp_path, tensors, ["neg", "pos"])["train"]
    assert split.rows == 3 and split.strings("text") == texts
    text = show.to_text([split], width=70)
    assert "\x1b" not in text and "naïve line" in text and "pos" in text
    assert all(len(line) <= 70 for line in text.splitlines())
    assert facts(split)["tensors"][0]["low"] is None
    assert "<td>pos</td>" in split._repr_html_()


def test_one_long_text_shows_its_beginning(tmp_path: Path) -> None:
    data = np.frombuffer(("anarchism originated " * 100).encode(), np.uint8)
    split = make_handle(tmp_path, {"text": data})["all"]
    text = show.to_text([split], width=40)
    assert text.startswith("anarchism originated")
    assert all(len(line) <= 40 for line in text.split("all:")[0].splitlines())
    assert page_of(split._repr_html_()).tags.count("pre") == 1
    assert not tables.table(split, 3)[0]


def test_facts_tell_ranges_and_counts(digits: Handle) -> None:
    known = facts(digits["train"])
    image, label = known["tensors"]
    assert (image["low"], image["high"]) == (digits.train.image.min(), digits.train.image.max())
    assert image["shape"] == [30, 28, 28] and not image["is_sampled"]
    assert (label["low"], label["high"]) == (0, 9)
    assert known["classes"] == {f"digit {n}": 3 for n in range(10)}


def test_several_labels_to_a_sample_are_counted_by_class(tmp_path: Path) -> None:
    labels = np.array([[1, 0, 1], [1, 0, 0]], np.uint8)
    split = make_handle(tmp_path, {"train/label": labels}, ["a", "b", "c"])["train"]
    assert facts(split)["classes"] == {"a": 2, "b": 0, "c": 1}


def test_measurements_are_no_classes(tmp_path: Path) -> None:
    for target in (np.linspace(0, 1, 50), np.arange(600)):
        split = make_handle(tmp_path, {"data": np.zeros((len(target), 2)), "target": target})["all"]
        assert facts(split)["classes"] == {}


def test_ranges_of_large_tensors_come_from_samples_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "LOOKED_AT", 1000)
    monkeypatch.setattr(facts_module, "BLOCK", 100)
    values = np.arange(10_000, dtype=np.int32)
    low, high, is_sampled = facts_module.value_range(values)
    assert is_sampled and low == 0 and high is not None and 9_000 < high <= 9_999
    split = make_handle(tmp_path, {"x": values})["all"]
    assert "about 0 …" in show.to_text([split])


def test_an_empty_split_shows_what_it_can(tmp_path: Path) -> None:
    tensors = {"train/image": np.zeros((0, 4, 4), np.uint8), "train/label": np.zeros(0, np.uint8)}
    split = make_handle(tmp_path, tensors)["train"]
    assert show.to_png([split]) is None
    assert "train: 0 samples" in show.to_text([split])
    page_of(split._repr_html_())


def test_pictures_are_the_same_each_time(digits: Handle) -> None:
    first, second = (show.to_png(list(digits.values()), 12) for _ in range(2))
    assert first == second and first is not None and zlib.crc32(first)
