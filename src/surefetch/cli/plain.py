"""The plain form of `get`, read without click, whose import costs as much as fetching some megabytes.

What is not certainly what click would read is left to click: it alone knows help and mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def _count(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(word)
    return int(word)


#: Flag -> its parameter.
FLAGS = {
    "--dry-run": "dry_run",
    "--offline": "offline",
    "--json": "as_json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--no-progress": "no_progress",
}
#: Option -> its parameter and what makes a value of the word.
VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--sha256": ("sha256", str),
    "--md5": ("md5", str),
    "--sha1": ("sha1", str),
    "--size": ("size", _count),
    "-o": ("output", str),
    "--output": ("output", str),
    "--as": ("form", str),
    "--store": ("store", str),
    "--limit-rate": ("limit_rate", str),
    "--deadline": ("deadline", float),
    "--trace": ("trace", str),
}
#: Option that may be given several times -> its parameter.
LISTS = {"--mirror": "extra", "--from": "local", "--catalog": "catalogs"}


def read_get(words: Sequence[str]) -> dict[str, Any] | None:
    """Read `get NAME …` as `get_command` would be called; None if click has to read it."""
    if words[:1] != ["get"] or not all(words):
        return None
    options: dict[str, Any] = dict.fromkeys((name for name, _ in VALUES.values()), None)
    options |= dict.fromkeys(FLAGS.values(), False) | {"offline": None}
    lists: dict[str, list[str]] = {name: [] for name in LISTS.values()}
    names: list[str] = []
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-"):
            names.append(word)
        elif word in FLAGS:
            options[FLAGS[word]] = True
        else:
            option, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if not has_value:
                value = next(rest, "")
            if not value or value.startswith("-"):
                return None
            if option in LISTS:
                lists[LISTS[option]].append(value)
            elif option not in VALUES or not _put(options, *VALUES[option], value):
                return None
    if not names:
        return None
    return {
        "name": names[0],
        "mirrors": tuple(names[1:]),
        **options,
        **{key: tuple(found) for key, found in lists.items()},
    }


def _put(options: dict[str, Any], name: str, convert: Callable[[str], Any], value: str) -> bool:
    try:
        options[name] = convert(value)
    except ValueError:
        return False
    return True
