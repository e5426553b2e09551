"""Judging files on this machine: which may be a wanted artifact. Pure; walking is done by `machine`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from surefetch.model import Artifact, Struct

#: The most bytes of a file's head that `is_plausible` looks at.
HEAD_BYTES: Final = 8
#: What files of a kind begin with, by the end of their name.
_MAGIC: Final[dict[str, tuple[bytes, ...]]] = {
    ".gz": (b"\x1f\x8b",),  # RFC 1952, 2.3.1
    ".tgz": (b"\x1f\x8b",),
    ".zip": (b"PK\x03\x04",),  # APPNOTE.TXT, 4.3.7
    ".npz": (b"PK\x03\x04",),
    ".whl": (b"PK\x03\x04",),
    ".bz2": (b"BZh",),
    ".xz": (b"\xfd7zXZ\x00",),
    ".npy": (b"\x93NUMPY",),
    ".deb": (b"!<arch>\n",),  # deb(5)
    ".parquet": (b"PAR1",),
    "-ubyte": (b"\x00\x00\x08",),  # IDX of unsigned bytes
}


class Wanted(Struct, frozen=True, kw_only=True):
    """What a walk looks for: sizes, and names for the artifacts whose size nobody knows."""

    sizes: frozenset[int] = frozenset()  # bytes
    names: frozenset[str] = frozenset()
    bound: int = 0  # bytes at most for a file found by its name

    def may_be(self, name: str, size: int) -> bool:
        """Whether a file of this name and size may be a wanted artifact."""
        return size in self.sizes or (name in self.names and 0 < size <= self.bound)


def wanted(artifacts: Iterable[Artifact]) -> Wanted:
    """Say what to look for to find any of the artifacts."""
    artifacts = list(artifacts)
    unsized = [artifact for artifact in artifacts if artifact.size is None]
    return Wanted(
        sizes=frozenset(artifact.size for artifact in artifacts if artifact.size),
        names=frozenset(artifact.name for artifact in unsized),
        bound=max((artifact.bound for artifact in unsized), default=0),
    )


def fits(artifact: Artifact, path: str, size: int) -> bool:
    """Whether a file may be this artifact: by size, or by name where the size is unknown."""
    if artifact.size is not None:
        return size == artifact.size
    return file_name(path) == artifact.name and 0 < size <= artifact.bound


def is_plausible(name: str, head: bytes) -> bool:
    """Whether a file can be what the end of its name says.

    Args:
        name: The file's name. One whose kind is not known is plausible.
        head: Its first HEAD_BYTES bytes.
    """
    magics = [magic for end, magic in _MAGIC.items() if name.lower().endswith(end)]
    return all(head.startswith(magic) for magic in magics)


def file_name(path: str) -> str:
    """Return the last part of a path of this or another platform."""
    return path.replace("\\", "/").rpartition("/")[2]
