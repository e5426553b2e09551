"""Read the facts file: which digests and URLs of it may be used, and why not the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from surefetch.catalog import normalise_url
from surefetch.model import ALGORITHMS

Fact = Mapping[str, Any]  # one file of the facts

#: What a URL's dated status remark tells, first match: "live" is fetched, "known" answered but never
#: contacted, "never" is not this file.
STATUS = (
    (re.compile(r"exact URL not in the excerpt|CSV rendering|\bbranch archive\b"), "never"),
    (re.compile(r"^OpenML; 404"), "known"),
    (re.compile(r"^dead\b|host (is )?down|host unreachable|now serves another page|^original home"), "known"),
    (re.compile(r"^former official \(madm"), "known"),
    (re.compile(r""), "live"),
)

#: Bounds of files whose size nobody tells, by ending; first match. The last is for archives.
BOUNDS = (
    (re.compile(r"\.(txt|json)$"), 64 << 20),
    (re.compile(r"\.(csv|mat|data|dat|arff)(\.gz)?$"), 256 << 20),
    (re.compile(r""), 2 << 30),
)


def usable_digests(fact: Fact) -> dict[str, str]:
    """Return the digests of the whole file, by algorithm.

    A digest of its first MiB only, of another file or of an unpacked one is none (the facts' reading rules).

    Raises:
        ValueError: Two sources tell different digests.
    """
    found: dict[str, str] = {}
    for digest in fact["digests"]:
        if digest["scope"] == "whole file" and digest["alg"] in ALGORITHMS:
            if found.setdefault(digest["alg"], digest["value"]) != digest["value"]:
                raise ValueError(f"sources tell different {digest['alg']} digests")
    return {algorithm: found[algorithm] for algorithm in ALGORITHMS if algorithm in found}


def sort_urls(fact: Fact) -> tuple[list[str], list[str]]:
    """Return the live URLs, the publisher's before third parties', and the ones that are only known."""
    sorts: dict[str, list[tuple[bool, str]]] = {"live": [], "known": [], "never": []}
    for entry in fact["urls"]:
        status, url = entry["status"], entry["url"]
        if re.match(r"https?://\S+$", url):
            kind = next(kind for pattern, kind in STATUS if pattern.search(status))
            sorts[kind].append(("third-party" in status, _raw(url)))
    live = _distinct(url for _, url in sorted(sorts["live"], key=lambda pair: pair[0]))
    return live, _distinct(url for _, url in sorts["known"])


def size_of(fact: Fact) -> int | None:
    """Return the size in bytes, if the facts tell it."""
    return fact["size"]["value"] if fact["size"] else None


def bound_of(name: str) -> int:
    """Return the bound for a file of unknown size."""
    return next(bound for pattern, bound in BOUNDS if pattern.search(name))


def packages(fact: Fact) -> set[str]:
    """Return which projects pin the digests, e.g. `torchvision 0.29.2`."""
    sources = (
        str(digest["source"]).split(":")[0] for digest in fact["digests"] if digest["scope"] == "whole file"
    )
    return {source for source in sources if re.fullmatch(r"[\w.-]+ \d[\w.]*", source)}


def _raw(url: str) -> str:
    return url.removesuffix("?download=1") if url.startswith("https://data.caltech.edu/") else url


def _distinct(urls: Iterable[str]) -> list[str]:
    return list({normalise_url(url): url for url in reversed(list(urls))}.values())[::-1]
