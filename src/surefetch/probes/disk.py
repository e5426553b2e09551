"""Look at this machine's disk: the store, and files in other tools' caches."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from surefetch.diagnose.bytes import ENDINGS, name_bytes
from surefetch.diagnose.codes import LOCAL_ERRNO
from surefetch.diagnose.facts import FileFacts
from surefetch.layouts.places import is_of_another, places, roots
from surefetch.model import Artifact

#: Bytes of one file that are hashed at most: a doctor is not a `verify`.
HASHED_BYTES: Final = 256 << 20
HEAD_BYTES: Final = 4096
_BLOCK: Final = 1 << 20


class StoreLook:
    """What the store's disk allows. Immutable after it looked."""

    def __init__(self, folder: Path) -> None:
        """Try to write a file of no bytes where the store is or would be, and take it away again."""
        self.cause, self.detail = "", ""
        self.free_bytes: int | None = None
        present = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        with contextlib.suppress(OSError):
            self.free_bytes = shutil.disk_usage(present).free
        trial = present / f".surefetch-{os.getpid()}-{time.monotonic_ns()}"
        try:
            os.close(os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            trial.unlink()
        except OSError as error:
            self.cause = LOCAL_ERRNO.get(error.errno or 0, "local.path")
            self.detail = f"{present}: {(error.strerror or str(error)).lower()}"


def look_at_files(
    wanted: Iterable[tuple[str, Artifact]],
    environ: Mapping[str, str],
    home: str,
    until: float,
    lookup: Callable[[str], str | None] | None = None,
) -> tuple[tuple[FileFacts, ...], bool]:
    """Look at the files of datasets where frameworks keep them.

    Args:
        wanted: (dataset, artifact) pairs.
        environ: The environment: it moves caches.
        home: The user's home folder.
        until: A moment of `time.monotonic()` after which no further file is opened.
        lookup: Gives the name of a known file for a digest.

    Returns:
        The files that are there, and whether all were looked at.
    """
    folders = roots(environ, home, sys.platform)
    found: dict[str, FileFacts] = {}
    for dataset, artifact in wanted:
        for place in places(
            artifact.name, dataset, environ, home, sys.platform, sha256=artifact.sha256 or ""
        ):
            if time.monotonic() > until:
                return tuple(found.values()), False
            path = Path(place).absolute()
            if str(path) in found or is_of_another(str(path), dataset) or not _is_file(path):
                continue
            framework = next((name for name, tops in folders.items() if _is_below(path, tops)), "")
            found[str(path)] = _judge_file(path, dataset, artifact, framework, lookup)
    return tuple(found.values()), True


def _judge_file(
    path: Path, dataset: str, artifact: Artifact, framework: str, lookup: Callable[[str], str | None] | None
) -> FileFacts:
    try:
        size = path.stat().st_size
        head, tail = _ends(path, size)
        digest = _digest(path, artifact, size)
    except OSError as error:
        return FileFacts(
            path=str(path), dataset=dataset, artifact=artifact.name, size=0, framework=framework,
            cause=LOCAL_ERRNO.get(error.errno or 0, "local.io"), detail=(error.strerror or "").lower(),
        )  # fmt: skip
    facts = FileFacts(path=str(path), dataset=dataset, artifact=artifact.name, size=size, framework=framework)
    wanted = artifact.digest
    if wanted and digest == wanted.hex:
        return FileFacts(
            path=str(path),
            dataset=dataset,
            artifact=artifact.name,
            size=size,
            framework=framework,
            is_proven=True,
        )
    if not digest and size == artifact.size:
        return facts  # too large to hash here, and nothing speaks against it
    finding = name_bytes(
        head, length=size, expected=artifact, url=str(path), tail=tail, digest=digest, lookup=lookup
    )
    if artifact.size is None and not digest and not _is_page(finding.cause):
        return facts
    return FileFacts(
        path=str(path), dataset=dataset, artifact=artifact.name, size=size, framework=framework,
        cause=finding.cause, detail=finding.detail,
    )  # fmt: skip


def _is_page(cause: str) -> bool:
    return cause in {
        "body.html",
        "body.captive-portal",
        "body.login-page",
        "body.quota-page",
        "body.empty",
        "proxy.denied",
    }


def _ends(path: Path, size: int) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, size - HEAD_BYTES))
        return head, file.read(HEAD_BYTES) if ENDINGS else b""


def _digest(path: Path, artifact: Artifact, size: int) -> str:
    """The digest by the artifact's own algorithm, or "" where it cannot decide or would take too long."""
    if artifact.digest is None or size > HASHED_BYTES:
        return ""
    digest = hashlib.new(artifact.digest.algorithm)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_below(path: Path, tops: Iterable[str]) -> bool:
    return any(path.is_relative_to(Path(top).absolute()) for top in tops)
