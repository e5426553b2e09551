"""Requests to end: SIGTERM and SIGHUP are met as Ctrl-C is, so that what has come is kept."""

from __future__ import annotations

import signal
from typing import Final

NAMES: Final = ("SIGTERM", "SIGHUP")
_received: list[int] = []


def catch() -> None:
    """Have the signals raise `KeyboardInterrupt`; one that is ignored stays so: nohup."""
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _interrupt)


def exit_code(code: int, interrupted: int) -> int:
    """Return the exit code of a process that ends with `code`: 128 + number where a signal ended it."""
    return 128 + _received[0] if _received and code == interrupted else code


def _interrupt(number: int, _: object) -> None:
    _received.append(number)
    raise KeyboardInterrupt
