"""What is here, read from the store's records alone: for `list` and the first screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surefetch import paths


def datasets_here(environ: Mapping[str, str], store: str | None = None) -> list[dict[str, Any]]:
    """Return the records of the datasets whose files are all here, by name."""
    from surefetch.store.warm import ready_records

    return ready_records(paths.store_folder(environ, store))
