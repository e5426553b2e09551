"""A lean start: what a program of ours never uses is not loaded.

Only a program may leave out what a library's import brings: inside somebody else's, it may be wanted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

#: Parts that a library loads with itself, and what it takes from them; nothing of ours uses them. pycurl's
#: brings `dataclasses`, `inspect` and theirs, 8 % of a small get; those of msgspec are 3 %.
_PARTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "pycurl": {"pycurl.async_multi": ("AsyncCurlMulti",)},
    "msgspec": {"msgspec.inspect": (), "msgspec._json_schema": ("schema", "schema_components")},
}
#: What msgspec takes from here where it is installed are names that our Pythons have in `typing`.
_BACKPORTS: Final = "typing_extensions"


def leave_out_parts() -> None:
    """Let libraries be imported without parts that we never use. Whoever uses one gets it: it loads then."""
    for library, parts in _PARTS.items():
        if library not in sys.modules:
            for part, taken in parts.items():
                sys.modules.setdefault(part, _Late(part, taken))
    if "msgspec" not in sys.modules:
        _import_msgspec()


def _import_msgspec() -> None:
    """Import it as where there are no backports: loading them takes as long as 11 MB take from loopback."""
    if _BACKPORTS in sys.modules:
        return
    sys.modules[_BACKPORTS] = None  # type: ignore[assignment] # so Python notes what is not there
    if is_asked := hasattr(os, "uname") and not {"uuid", "platform"} & sys.modules.keys():
        sys.modules["platform"] = _Platform("platform", ())
    try:
        import msgspec  # noqa: F401 - for those who import it after us
    finally:
        del sys.modules[_BACKPORTS]
        if is_asked and isinstance(sys.modules.get("platform"), _Late):
            del sys.modules["platform"]


class _Late(ModuleType):
    """Stands where a module will be once something of it is used."""

    def __init__(self, name: str, taken: tuple[str, ...]) -> None:
        super().__init__(name)
        self._taken = taken  # by the library, when it is imported: callables

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._taken:
            return getattr(_load(self.__name__), name)
        return lambda *arguments, **named: getattr(_load(self.__name__), name)(*arguments, **named)


class _Platform(_Late):
    """Tells `uuid`, which msgspec wants, the system's name: the module itself is 2 % of a small get."""

    @staticmethod
    def system() -> str:
        return os.uname().sysname


def _load(part: str) -> ModuleType:
    from importlib import import_module

    if isinstance(sys.modules.get(part), _Late):
        del sys.modules[part]
    return import_module(part)
