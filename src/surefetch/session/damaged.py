"""What of the store was damaged since it was proven, as far as sizes tell: moved aside, then fetched anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from surefetch.model import Dataset, Digest
from surefetch.store import files, warm

if TYPE_CHECKING:
    from surefetch.session.facade import Session


def sizes(session: Session, dataset: Dataset) -> Mapping[Digest, int | None]:
    """Return the size of each artifact with a digest: by its catalog, else by the store's record."""
    known = {artifact.digest: artifact.size for artifact in dataset.artifacts if artifact.digest is not None}
    if None not in known.values():
        return known
    recorded = warm.recorded_sizes(session.store.folder, dataset.name)
    return {digest: recorded.get(digest.hex) if size is None else size for digest, size in known.items()}


def move_aside(session: Session) -> None:
    """Move aside what was looked up and has another size than it should have, and tell of it."""
    misfits = session.store.take_misfits()
    if not misfits:
        return
    moved = []
    for sha256, path in misfits.items():
        with files.at_best():  # a disk that cannot be written: what is fetched anew says so
            looked = session.store.verify_file(path, sha256)
            if looked.moved_to:
                moved.append(looked)
    if moved:
        more = f" and {len(moved) - 1} more have" if len(moved) > 1 else " has"
        session.reporter.say(
            f"`{moved[0].path}`{more} other bytes than when it was proven: "
            f"moved to `{Path(moved[0].moved_to).parent}`"
        )
