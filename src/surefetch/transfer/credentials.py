"""What is shown to whom: netrc and tokens, looked up by origin at the moment of a request, never printed."""

from __future__ import annotations

import binascii
import contextlib
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from surefetch.paths import home_folder
from surefetch.transfer import urls
from surefetch.transfer.spelling import encoded

#: Files are read up to this size; a token is a line.
_MAX_BYTES: Final = 1 << 20
_HUGGING_FACE: Final = "https://huggingface.co"
_KAGGLE: Final = ("https://www.kaggle.com:443", "https://kaggle.com:443", "https://api.kaggle.com:443")
_TRUE: Final = ("1", "true", "yes", "on")


class _Way(Enum):
    """How a request comes to an origin."""

    ASKED = "asked"  # somebody named it
    SAME_HOST = "same host"  # another origin of the same host led there: by another port or scheme
    OTHER_HOST = "other host"  # a redirect of another host led there


class Credentials:
    """Looks credentials up for an origin. Keeps what was given to it and nothing that it reads."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path | None = None,
        given: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """Take where to look.

        Args:
            environ: The environment.
            home: The user's home; None: by the platform's rule.
            given: (user, password) by origin, from URLs or an index configuration.
        """
        self._environ, self._home = environ, home or Path(home_folder())
        self._given: dict[str, tuple[str, str]] = {}
        self._known: dict[tuple[str, _Way], list[str]] = {}  # header lines: thousands of files ask for them
        self.warnings: list[str] = []  # for people: files that could not be read
        self.give(given or {})

    def give(self, given: Mapping[str, tuple[str, str]]) -> None:
        """Add (user, password) by origin, from URLs or an index configuration; what is known stays."""
        for url, pair in given.items():
            with contextlib.suppress(ValueError):  # an address that cannot be read: nobody asks there
                self._given.setdefault(urls.origin(urls.spelled(url)), pair)
        self._known.clear()

    def __repr__(self) -> str:
        """Without secrets."""
        return f"Credentials({len(self._given)} given)"

    def headers(self, url: str, asked_url: str = "") -> list[str]:
        """Return the header lines that belong to this URL's origin; each origin is looked up once.

        Args:
            url: Where they go.
            asked_url: What was asked for, if redirects led from there to `url`.
        """
        key = urls.origin(url), _way(url, asked_url)
        if key not in self._known:
            self._known[key] = self._look_up(*key, url)
        return self._known[key]

    def _look_up(self, origin: str, way: _Way, url: str) -> list[str]:
        """Find what belongs to an origin; no token goes over plain http."""
        if origin in self._given:
            return [basic(*self._given[origin])]
        if not origin.startswith("https://"):
            return self._from_netrc(url) if way is _Way.ASKED else []
        return self._hugging_face(origin) or self._kaggle(origin) or self._by_host(way, url)

    def _by_host(self, way: _Way, url: str) -> list[str]:
        """Look into netrc, which knows hosts and no origins, as far as that is safe where a redirect led."""
        return [] if way is _Way.SAME_HOST else self._from_netrc(url, takes_default=way is _Way.ASKED)

    def _hugging_face(self, origin: str) -> list[str]:
        endpoint = self._environ.get("HF_ENDPOINT") or _HUGGING_FACE
        if not endpoint.startswith("https://") or urls.named_host(endpoint) == "":
            return []
        if origin != urls.origin(urls.spelled(endpoint)):
            return []
        token = self._environ.get("HF_TOKEN") or self._environ.get("HUGGING_FACE_HUB_TOKEN")
        if not token and self._environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in _TRUE:
            return []
        token = token or self._read(self._hugging_face_file())
        return _bearer(token)

    def _hugging_face_file(self) -> Path:
        if path := self._environ.get("HF_TOKEN_PATH"):
            return self._expanded(path)
        cache = self._environ.get("XDG_CACHE_HOME") or str(self._home / ".cache")
        return self._expanded(self._environ.get("HF_HOME") or str(Path(cache) / "huggingface")) / "token"

    def _kaggle(self, origin: str) -> list[str]:
        if origin not in _KAGGLE:
            return []
        folder = self._expanded(self._environ.get("KAGGLE_CONFIG_DIR") or str(self._home / ".kaggle"))
        token = self._environ.get("KAGGLE_API_TOKEN") or self._read(folder / "access_token")
        if bearer := _bearer(token):
            return bearer
        user, key = self._environ.get("KAGGLE_USERNAME"), self._environ.get("KAGGLE_KEY")
        if not (user and key):
            user, key = self._kaggle_file(folder / "kaggle.json")
        return [basic(user, key)] if user and key else []

    def _kaggle_file(self, path: Path) -> tuple[str | None, str | None]:
        text = self._read(path)
        if not text:
            return None, None
        import json  # for Kaggle's file only

        try:
            content = json.loads(text)
            return str(content["username"]), str(content["key"])
        except (ValueError, KeyError, TypeError):
            self._warn(f"`{path}` is not what Kaggle writes: passed over")
            return None, None

    def _from_netrc(self, url: str, *, takes_default: bool = True) -> list[str]:
        path = self._netrc_file()
        host = urlsplit(url).hostname
        if path is None or not host:
            return []
        import netrc  # most users have no such file

        try:
            content = netrc.netrc(str(path))
            hosts = {
                name.lower() if name != "default" else "": entry for name, entry in content.hosts.items()
            }
            found = hosts.get(host) or (hosts.get("") if takes_default else None)
        except netrc.NetrcParseError as error:
            self._warn(f"`{path}` is passed over: {error.msg}, line {error.lineno}")
            return []
        except (OSError, UnicodeDecodeError) as error:
            self._warn(f"`{path}` cannot be read: {type(error).__name__}")
            return []
        if found is None:
            return []
        login, account, password = found
        return [basic(login or account or "", password or "")]

    def _netrc_file(self) -> Path | None:
        if path := self._environ.get("NETRC"):
            return self._expanded(path)
        names = ("_netrc", ".netrc") if sys.platform == "win32" else (".netrc", "_netrc")
        return next((self._home / name for name in names if (self._home / name).is_file()), None)

    def _expanded(self, path: str) -> Path:
        """A path from a variable: who sets one in a file writes `~` and no shell reads it."""
        return self._home / path[2:] if path.startswith("~/") else Path(path)

    def _read(self, path: Path) -> str:
        try:
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                return ""
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._warn(f"`{path}` cannot be read: {type(error).__name__}")
            return ""

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _way(url: str, asked_url: str) -> _Way:
    if not asked_url or urls.origin(asked_url) == urls.origin(url):
        return _Way.ASKED
    return _Way.SAME_HOST if urls.host(asked_url) == urls.host(url) else _Way.OTHER_HOST


def _bearer(token: str) -> list[str]:
    """Return the header line of a token; a line break pasted along would begin another line."""
    token = "".join(token.split())
    return [f"Authorization: Bearer {token}"] if token else []


def basic(user: str, password: str) -> str:
    """Return the header line of Basic authentication (RFC 7617)."""
    pair = binascii.b2a_base64(encoded(f"{user}:{password}"), newline=False)
    return f"Authorization: Basic {pair.decode('ascii')}"
