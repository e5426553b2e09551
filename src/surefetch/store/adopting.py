"""Taking in a file from this machine: copied, never linked, and proven by what was copied."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from surefetch.model import Digest
from surefetch.store import files
from surefetch.store.blobs import Blobs
from surefetch.store.part import Part
from surefetch.store.parts import Parts
from surefetch.store.prover import Proof


def adopt_copy(
    blobs: Blobs, parts: Parts, path: Path, digest: Digest, *, bound: int | None, is_private: bool
) -> tuple[Proof, Path | None]:
    """See `Store.adopt_copy`."""
    if not path.is_file():  # opening a pipe would wait for its writer
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        if bound is not None and size > bound:
            raise OSError(errno.EFBIG, f"{size} bytes, more than {bound}", str(path))
        part = parts.new(str(digest), None, size)
        try:
            proof = _copy(source.fileno(), part, dict.fromkeys(["sha256", digest.algorithm]))
            if not proof.matches(digest):
                part.abandon()
                return proof, None
            return proof, Path(blobs.publish(part, proof.sha256, proof.weak, is_private=is_private))
        except BaseException:
            part.abandon()
            raise


def _copy(source: int, part: Part, algorithms: dict[str, None]) -> Proof:
    """Copy until the source ends, a file that grows meanwhile included up to the part's bound."""
    states = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    buffer = memoryview(bytearray(files.BLOCK_BYTES))
    position = 0
    while count := files.read_into(source, buffer[: part.bound - position], position):
        part.write(position, buffer[:count])
        for state in states.values():
            state.update(buffer[:count])
        position += count
    weak = {name: state.hexdigest() for name, state in states.items()}
    return Proof(sha256=weak.pop("sha256"), size=position, weak=weak)
