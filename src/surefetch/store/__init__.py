"""The store: a content-addressed folder. Nothing unverified gets a name here, nothing verified is lost.

Importing this package imports nothing (PEP 562): a warm `load` comes through here to `store.warm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefetch.store.blobs import Beside as Beside
    from surefetch.store.part import Part as Part
    from surefetch.store.prover import Proof as Proof
    from surefetch.store.prover import Prover as Prover
    from surefetch.store.ranges import Ranges as Ranges
    from surefetch.store.store import Store as Store

#: Public name -> module that has it.
_PUBLIC = {
    "Beside": "surefetch.store.blobs",
    "Part": "surefetch.store.part",
    "Proof": "surefetch.store.prover",
    "Prover": "surefetch.store.prover",
    "Ranges": "surefetch.store.ranges",
    "Store": "surefetch.store.store",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module `surefetch.store` has no `{name}`")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
