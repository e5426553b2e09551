"""What is read without click is what click would read."""

from __future__ import annotations

import random

import click
import pytest

from surefetch.cli.get_command import get_command
from surefetch.cli.plain import FLAGS, LISTS, VALUES, read_get

#: Words that may stand anywhere: options, values, names, and what only click may judge.
WORDS = [*FLAGS, *VALUES, *LISTS, " -7", ""]
TEXT = """
    mnist https://a.example/f.gz https://b.example/f.gz 7 0 +7 1_000 ½ 2.5 1e3 nan inf x
    --sha256=ab --size=7 --size=-7 --size= --as=npz --mirror=https://c.example/ --mirror= --deadline=2
    --deadline=x -o=x -oout -qv - -- --help -h --sha --quiet=1 --no-such
"""


def by_click(words: list[str]) -> dict[str, object] | str:
    try:
        return dict(get_command.make_context("get", list(words)).params)
    except click.exceptions.Exit:
        return "help"
    except click.ClickException as error:
        return error.format_message()


@pytest.mark.parametrize("seed", range(20))
def test_it_reads_what_click_reads(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(seed)
    read = 0
    for _ in range(500):
        words = draw.choices([*WORDS, *TEXT.split()], k=draw.randint(0, 6))
        plain = read_get(["get", *words])
        if plain is not None:
            assert repr(sorted(plain.items())) == repr(sorted(by_click(words).items())), words  # type: ignore[union-attr] # a text fails too
            read += 1
    assert read > 25


def test_it_knows_every_option_of_get() -> None:
    spelled = {word for option in get_command.params for word in option.opts if word.startswith("-")}
    assert {*FLAGS, *VALUES, *LISTS} == spelled


@pytest.mark.parametrize(
    "words",
    ["", "list", "mnist", "get", "get --help", "get mnist --size x", "get mnist --size", "get -qv mnist"],
)
def test_everything_else_is_left_to_click(words: str) -> None:
    assert read_get(words.split()) is None
