"""surefetch: a dataset's exact bytes, from any place that has them, or exactly why not.

Importing this package imports nothing else (PEP 562): a warm `load` must cost no more than its memory maps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefetch.errors import FetchError, SurefetchError
    from surefetch.session.explain import explain
    from surefetch.session.facade import Session
    from surefetch.session.load import load
    from surefetch.session.show import show
    from surefetch.session.verbs import datasets, doctor, get, install

__version__ = "0.1.0"

#: Public name -> module that has it.
_PUBLIC = {
    "FetchError": "surefetch.errors",
    "Session": "surefetch.session.facade",
    "SurefetchError": "surefetch.errors",
    "datasets": "surefetch.session.verbs",
    "doctor": "surefetch.session.verbs",
    "explain": "surefetch.session.explain",
    "get": "surefetch.session.verbs",
    "install": "surefetch.session.verbs",
    "load": "surefetch.session.load",
    "load_ipython_extension": "surefetch.auto",
    "show": "surefetch.session.show",
}
__all__ = [
    "FetchError",
    "Session",
    "SurefetchError",
    "__version__",
    "datasets",
    "doctor",
    "explain",
    "get",
    "install",
    "load",
    "show",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module `surefetch` has no `{name}`")
    from importlib import import_module

    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
