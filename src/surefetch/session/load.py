"""`load`, warm: what is here is mapped at once, and nothing else is imported.

Bound: a fresh process's warm `load("mnist")` costs numpy and four memory maps (benchmarks/warm_load.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from surefetch import paths

if TYPE_CHECKING:
    from surefetch.dataset import Handle
    from surefetch.session.facade import Session


def load(name: str, *, session: Session | None = None) -> Handle:
    """Load a dataset; fetch it first if it is not here.

    Args:
        name: A dataset's name or alias, e.g. `mnist`.
        session: Whose store and settings; None: the default ones.

    Returns:
        A handle: `ds["train"]["image"]` is a read-only memory map, e.g. uint8 (60000, 28, 28).

    Raises:
        UnknownDatasetError: No catalog has the name.
        FetchError: It is not here and could not be had; the error tells every attempt.
        UsageError: The dataset has files only, no tensors.
    """
    record = _warm(name, session)
    if record is not None and record["tensors"]:
        from surefetch.dataset import Handle

        return Handle(record)
    from surefetch.session.facade import Session

    return (session or Session.default()).load(name)


def _warm(name: str, session: Session | None) -> dict[str, Any] | None:
    if session is None:
        return find_record(name, os.environ)
    if session.settings.catalogs:  # they may describe another dataset of that name
        return None
    return find_record(name, session.environ, session.settings.store)


def find_record(
    name: str, environ: Mapping[str, str], store: str | os.PathLike[str] | None = None
) -> dict[str, Any] | None:
    """Return the store's record of a dataset whose blobs are all here; None if anything is missing."""
    from surefetch.store.warm import find_ready

    return find_ready(paths.store_folder(environ, store), name)
