"""Requests to end: SIGTERM and SIGHUP are met as Ctrl-C is, so that what has come is kept."""

from __future__ import annotations

import signal
import time
from typing import Final

NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
#: Seconds in which a further signal is the same request: a terminal sends Ctrl-C, who started us hands it on.
SAME: Final = 1.0
_received: list[tuple[int, float]] = []


def catch() -> None:
    """Have the signals raise `KeyboardInterrupt`; one that is ignored stays so: nohup."""
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)


def exit_code(code: int, interrupted: int) -> int:
    """Return the exit code of a process that ends with `code`: 128 + number where a signal ended it."""
    return 128 + _received[0][0] if _received and code == interrupted else code


def _interrupt(number: int, _: object) -> None:
    now = time.monotonic()
    is_same = bool(_received) and now - _received[-1][1] < SAME
    _received.append((number, now))
    if not is_same:  # what has come is being kept
        raise KeyboardInterrupt
