"""How the program was called, for hints that can be pasted."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def program_name() -> str:
    """Return `surefetch` or `python -m surefetch`."""
    return "python -m surefetch" if sys.argv[:1] and sys.argv[0].endswith("__main__.py") else "surefetch"


def shell_of(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the shell that hints are written for: `posix`, `powershell` or `cmd`."""
    if platform != "win32":
        return "posix"
    return "powershell" if "PSModulePath" in environ and "PROMPT" not in environ else "cmd"
