"""Runs in the user's Python: tells which packages it has and where it lives. Standard library, Python 3.8+.

Usage: probe.py ANSWER PACKAGE…
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(answer: str, names: list[str]) -> None:
    """Write version, prefix, home and the packages found as JSON."""
    from importlib import metadata

    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    facts = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "home": os.path.expanduser("~"),  # noqa: PTH111 - what the frameworks themselves call
        "packages": found,
    }
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
