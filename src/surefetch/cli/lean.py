"""A lean start: what a program of ours never uses is not loaded.

Only a program may leave out what a library's import brings: inside somebody else's, it may be wanted.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final

_ASYNC: Final = "pycurl.async_multi"
_CLASS: Final = "AsyncCurlMulti"


def leave_out_asyncio() -> None:
    """Let pycurl be imported without its asyncio part, which brings `dataclasses`, `inspect` and theirs.

    That is 8 % of a small get. Whoever uses the part after all gets it: it loads then.
    """
    if "pycurl" not in sys.modules:
        sys.modules.setdefault(_ASYNC, _Late(_ASYNC))


class _Late(ModuleType):
    """Stands where a module will be once something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _make if name == _CLASS else getattr(_load(), name)


def _make(*arguments: Any, **named: Any) -> Any:
    return getattr(_load(), _CLASS)(*arguments, **named)


def _load() -> ModuleType:
    from importlib import import_module

    if isinstance(sys.modules.get(_ASYNC), _Late):
        del sys.modules[_ASYNC]
    return import_module(_ASYNC)
