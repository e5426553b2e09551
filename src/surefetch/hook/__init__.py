"""The hook: runs inside a user's process, so that downloads of known files are answered with proven bytes.

Standard library only, and it runs on Python 3.8 and newer: the user's Python need not have surefetch. `boot`
holds the `sitecustomize` that arms it in a child process, `inside` the parts that are loaded there by path.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

#: Environment variable that names the file in which the parent wrote where it listens.
VARIABLE = "SUREFETCH_HOOK"


def agent_here() -> Any:
    """Return this process' agent, whoever armed it; None if nobody did."""
    return getattr(sys, "_surefetch_agent", None)


def is_armed() -> bool:
    """Whether this process is armed, and who armed it still answers."""
    agent = agent_here()
    return agent is not None and bool(agent.is_alive())


def arm_here(place: str) -> Any:
    """Arm the hook in this very process.

    Args:
        place: The file in which the parent wrote where it listens.

    Returns:
        The agent, or None if nobody listens there.
    """
    path = Path(__file__).with_name("inside") / "agent.py"
    spec = importlib.util.spec_from_file_location("_surefetch_agent", path)
    if spec is None or spec.loader is None:  # pragma: no cover - the file is part of the package
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.arm(place)
