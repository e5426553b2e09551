"""surefetch: a dataset's exact bytes, from any place that has them, or exactly why not.

Importing this package imports nothing else (PEP 562): a warm `load` must cost no more than its memory maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefetch.session import Session, datasets, get, load

__version__ = "0.1.0"

#: Public name -> module that has it.
_PUBLIC = {
    "Session": "surefetch.session",
    "datasets": "surefetch.session",
    "get": "surefetch.session",
    "load": "surefetch.session",
}
__all__ = ["Session", "__version__", "datasets", "get", "load"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module `surefetch` has no `{name}`")
    from importlib import import_module

    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
