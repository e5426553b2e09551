"""GNU gzip, where it is at hand: its deflate stream is what publishers' canonical `.gz` files consist of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

#: Seconds for the largest file that is rebuilt (47 MB) on a slow machine.
TIMEOUT = 120.0


def compress(data: bytes, command: Sequence[str], environ: Mapping[str, str]) -> bytes | None:
    """Compress as GNU gzip does; None where there is none, or where `gzip` is another program.

    Args:
        data: What is compressed.
        command: The program and its options, from `formats.rebuild.GNU_GZIP`.
        environ: Its PATH is searched.
    """
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None or not _is_gnu(program):
        return None
    done = subprocess.run(
        [program, *command[1:]], input=data, capture_output=True, timeout=TIMEOUT, check=False
    )
    return done.stdout if done.returncode == 0 else None


def _is_gnu(program: str) -> bool:
    """macOS and the BSDs have a gzip of their own, on zlib."""
    done = subprocess.run([program, "--version"], capture_output=True, timeout=10, check=False)
    return b"gzip 1." in done.stdout and b"Apple" not in done.stdout + done.stderr
