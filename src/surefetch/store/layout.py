"""Where things lie in a store's folder. Formats carry their version in the folder's name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from surefetch.store import files

BLOBS = "blobs-v1"  # plain, static, named by digest: any web server that serves it is a mirror
PARTS = "parts-v1"  # unfinished
VIEWS = "views-v1"  # readable folders
INDEX = "index-v1"  # one small JSON per dataset and alias, for the warm load
PINS = "pins-v1"  # one empty file per dataset to keep
PRIVATE = "private-v1"  # 0700: receipts, history, weak digests, what came with a credential
#: The name that the readable folders of files have which were got by their addresses: no record names those.
FILES = "files"


def blobs(folder: Path, *, is_private: bool = False) -> Path:
    """Return the folder of blobs; `is_private`: of those that came with a credential."""
    return folder.joinpath(PRIVATE, "blobs", "sha256") if is_private else folder.joinpath(BLOBS, "sha256")


def blob(folder: Path, sha256: str, *, is_private: bool = False) -> Path:
    """Return the path of a blob, whether it is there or not."""
    return blobs(folder, is_private=is_private).joinpath(sha256[:2], sha256)  # `/` costs 8 us each


def weak(folder: Path, algorithm: str, hexadecimal: str) -> Path:
    """Return the path of the note that tells which SHA-256 a weak digest belongs to."""
    return folder.joinpath(PRIVATE, "weak", algorithm, hexadecimal)


def quarantine(folder: Path) -> Path:
    """Return the folder for damaged blobs."""
    return folder / PRIVATE / "quarantine"


def short_key(key: str) -> str:
    """Return 32 digits for any text, for use in file names."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def make_private(folder: Path) -> Path:
    """Make the private folder, which only this user can enter.

    Raises:
        StoreError: It cannot be made.
    """
    path = folder / PRIVATE
    if not files.is_folder(path):
        files.make_folder(folder)
        files.make_folder(path, 0o700)
    return path
