"""The guides of docs/guides: each begins with the text people search for and comes to the line that helps."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from surefetch.catalog import Catalog
from surefetch.cli.program import COMMANDS, Commands
from surefetch.session.install import frameworks_named

GUIDES = sorted((Path(__file__).parent.parent / "docs" / "guides").glob("*.md"))
LINE = re.compile(r"`(surefetch [^`]+)`|^\$ (surefetch .+)$", re.MULTILINE)


def commands(text: str) -> list[list[str]]:
    """Return the words after `surefetch` of every command line in a guide."""
    return [(inline or block).split()[1:] for inline, block in LINE.findall(text)]


def test_there_is_a_guide_for_every_framework() -> None:
    names = {path.stem for path in GUIDES}
    assert names == {"any-script", "huggingface", "keras", "scikit-learn", "tfds", "torchvision"}


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_it_begins_with_the_error_and_comes_to_the_line_soon(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.split("```")[1]
    assert text.index("You searched for one of these:") < text.index(first)
    assert re.search(r"Error|Exception", first)
    assert "```console\n$ surefetch " in text
    assert len(text[: text.index("$ surefetch")].splitlines()) < 25


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_every_command_in_it_exists(path: Path) -> None:
    group = Commands("surefetch")
    for words in commands(path.read_text(encoding="utf-8")):
        assert words[0] in COMMANDS, words
        command = group.get_command(click.Context(group), words[0])
        assert command is not None
        options = {name for parameter in command.params for name in parameter.opts}
        if words[0] == "run":  # what follows belongs to the program
            words = words[:1]
        assert {word for word in words if word.startswith("--")} <= options, words
        if words[0] in ("install", "uninstall"):
            assert Catalog().find(words[1])
        if "--into" in words:
            assert frameworks_named([words[words.index("--into") + 1]])
