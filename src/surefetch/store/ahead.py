"""A view in the making: files are put into it as they get their names, while others are still fetched."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from surefetch.errors import StoreError
from surefetch.store import files, layout, owner, views
from surefetch.store.parts import FOREIGN_SECONDS

#: End of the name of such a folder, among the parts; its owner stands before.
SUFFIX: Final = ".view"


class Ahead:
    """Mutable: the folder that a view will be made of. Where something fails, the view is made without it."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing on the disk.

        Args:
            folder: The store's.
        """
        self.folder = folder / layout.PARTS / f"{owner.my_name()}.{files.nonce()}{SUFFIX}"
        self._root = str(self.folder)
        self._put: dict[str, str] = {}  # name -> SHA-256
        self._device: int | None = None
        self._is_broken = False

    def put(self, name: str, place: str) -> None:
        """Put a file in; any thread, one at a time.

        Args:
            name: Its published name.
            place: Its blob's path.
        """
        if self._is_broken:
            return
        target = f"{self._root}{os.sep}{name}"
        try:
            views.check_name(name)
            if self._device is None:
                self.folder.mkdir()
                self._device = self.folder.stat().st_dev
            if "/" in name:
                os.utime(self._root)  # how others see that somebody is at work on it
                Path(target).parent.mkdir(parents=True, exist_ok=True)
            views.put(place, target, self._device)
        except (OSError, StoreError):  # told when the view is made without, if it happens again
            self._is_broken = True
        else:
            self._put[name] = os.path.basename(place)  # noqa: PTH119 - of thousands, `Path` would cost most

    def is_of(self, names: Mapping[str, str]) -> bool:
        """Whether everything that was put belongs to a view of these names, each with its SHA-256."""
        return not self._is_broken and bool(self._put) and self._put.items() <= names.items()

    def __contains__(self, name: object) -> bool:
        return name in self._put

    def close(self) -> None:
        """Delete the folder, unless it has become the view."""
        if self._device is not None:
            delete(self.folder)


def tidy(folder: Path) -> None:
    """Delete what dead processes left of such folders; of machines that we cannot see into, after a day.

    Args:
        folder: That of the parts.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a glob is a regular expression more
    except OSError:  # nothing was ever fetched
        return
    for name in names:
        whose = owner.parse(name.partition(".")[0]) if name.endswith(SUFFIX) else None
        if whose is not None and (whose.is_dead or (not whose.is_here and _is_old(folder / name))):
            delete(folder / name)


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - FOREIGN_SECONDS
    except OSError:  # its owner has ended with it
        return False


def delete(folder: Path) -> None:
    """Delete a folder as far as possible; the files in it are others', by another name."""
    import shutil  # 3 ms, after a mishap only

    shutil.rmtree(folder, ignore_errors=True)
