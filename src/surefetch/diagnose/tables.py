"""Read this package's data: markers of pages, certificate issuers. Each is parsed once, at need."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from surefetch.model import Struct


class Marker(Struct, frozen=True, kw_only=True):
    """A wording that tells what a page is. All patterns that a row has must be found."""

    cause: str
    name: str  # who or what shows it: "Zscaler", "Google Drive"
    body: str = ""  # pattern of the text, case ignored
    title: str = ""  # pattern of the page's title, case ignored
    header: str = ""  # pattern of one `name: value` line, case ignored
    url: str = ""  # pattern of the address that it came from, case ignored

    def matches(self, *, body: str, title: str, headers: str, url: str) -> bool:
        """Return whether all patterns of this row are found."""
        pairs = ((self.body, body), (self.title, title), (self.header, headers), (self.url, url))
        wanted = [(pattern, text) for pattern, text in pairs if pattern]
        return bool(wanted) and all(_pattern(pattern).search(text) for pattern, text in wanted)


class Issuers(Struct, frozen=True, kw_only=True):
    """Names in certificates' issuers: who inspects TLS, and who signs for the public."""

    inspectors: dict[str, str]  # pattern -> vendor
    inspection_words: str
    intermediate_words: str
    public: tuple[str, ...]

    def inspector(self, name: str) -> str:
        """Return the vendor whose inspecting proxies or scanners sign with this name, or ""."""
        for pattern, vendor in self.inspectors.items():
            if _pattern(pattern).search(name):
                return vendor
        return ""

    def is_public(self, name: str) -> bool:
        """Return whether a public authority is named."""
        return any(word.lower() in name.lower() for word in self.public)

    def sounds_like_inspection(self, name: str) -> bool:
        """Return whether the name speaks of a proxy, gateway, firewall or inspection."""
        return bool(_pattern(self.inspection_words).search(name))

    def sounds_intermediate(self, name: str) -> bool:
        """Return whether the name is that of an intermediate authority."""
        return bool(_pattern(self.intermediate_words).search(name))


@cache
def markers() -> tuple[Marker, ...]:
    """Return the table of page markers, the most telling first."""
    return tuple(msgspec.convert(row, Marker) for row in read("markers.toml")["marker"])


@cache
def issuers() -> Issuers:
    """Return the table of certificate issuers."""
    return msgspec.convert(read("issuers.toml"), Issuers)


@cache
def read(name: str) -> dict[str, Any]:
    """Read one of this package's TOML files."""
    import tomli

    text = files("surefetch.diagnose").joinpath(name).read_text(encoding="utf-8")
    return tomli.loads(text)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)
