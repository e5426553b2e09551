"""The verb `cache`: what is in the store, and making it smaller."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from surefetch.errors import StoreError, UnknownDatasetError
from surefetch.store import layout

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: What a store's folder may hold; anything else means that the folder is not (only) a store.
PARTS_OF_A_STORE = frozenset(
    {"blobs-v1", "parts-v1", "views-v1", "index-v1", "pins-v1", "private-v1", "private-blobs-v1"}
)


def list_cache(session: Session) -> dict[str, Any]:
    """Return the datasets in the store with their bytes (docs/schema/cache.schema.json)."""
    rows = [
        {
            "name": record["dataset"],
            "version": record["version"],
            "size": sum(blob["size"] for blob in _blobs(record)),
            "path": record["view"],
            "pinned": session.store.records.is_pinned(record["dataset"]),
        }
        for record in session.store.datasets_here()
    ]
    return {"store": str(session.store.folder), "size": session.store.usage()["total"], "datasets": rows}


def remove_datasets(session: Session, names: Sequence[str]) -> int:
    """Remove datasets; return the bytes freed. Blobs that other datasets need stay.

    Raises:
        UnknownDatasetError: Nothing of that name is in the store.
    """
    here = {record["dataset"] for record in session.store.records.all()}
    freed = 0
    for name in names:
        own = session.catalog.find(name).name if name not in here else name
        if own not in here:
            raise UnknownDatasetError(f"`{own}` is not in the store", hint="surefetch cache list")
        freed += session.store.remove(own).freed
    return freed


def remove_all(session: Session) -> int:
    """Remove the store's folder; return the bytes freed.

    Raises:
        StoreError: It holds something that no store has, or cannot be removed.
    """
    folder = session.store.folder
    if not folder.exists():
        return 0
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in PARTS_OF_A_STORE)
    if foreign:
        raise StoreError(
            f"`{folder}` holds `{foreign[0]}`, which no store has: nothing was removed",
            hint=f"look at `{folder}` and delete it yourself if you want",
        )
    size: int = session.store.usage()["total"]
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(
            f"`{error.filename}` could not be removed: {error.strerror}", code="local.permission"
        ) from error
    return size


def prune(session: Session, *, unused_days: float | None = None, unpinned: bool = False) -> int:
    """Delete what no dataset needs; return the bytes freed.

    Args:
        session: Whose store.
        unused_days: Delete unpinned datasets too that nobody used for so long.
        unpinned: Delete every unpinned dataset.
    """
    if unpinned:
        return session.store.prune().freed
    if unused_days is not None:
        return session.store.prune(unused_days=unused_days).freed
    keep = [record["dataset"] for record in session.store.records.all()]
    return session.store.prune(keep=[*keep, layout.FILES]).freed


def set_pin(session: Session, name: str, *, pinned: bool) -> None:
    """Keep a dataset whatever is pruned, or let it go again.

    Raises:
        UnknownDatasetError: No catalog has the name.
    """
    own = session.catalog.find(name).name
    if pinned:
        session.store.records.pin(own)
    else:
        session.store.records.unpin(own)


def _blobs(record: dict[str, Any]) -> list[dict[str, Any]]:
    unique = {blob["sha256"]: blob for blob in (*record["tensors"].values(), *record["files"].values())}
    return list(unique.values())
