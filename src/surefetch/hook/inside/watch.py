"""Watch the process: uncaught errors are explained below their traceback, and deaf children are told."""

from __future__ import annotations

import atexit
import os
import sys
import threading

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_QUIET = (KeyboardInterrupt, SystemExit, SyntaxError)
_VARIABLE = "SUREFETCH_HOOK"
#: Switches with which Python ignores PYTHONPATH or does not run `sitecustomize`.
_DEAF = "IES"


def watch(agent: Any) -> None:
    """Explain uncaught errors of all threads, and say when a child process will not inherit the hook."""
    told = _Told(agent)
    _wrap_excepthook(told)
    _wrap_threads(told)
    atexit.register(told.tell_last)
    if hasattr(sys, "addaudithook"):
        sys.addaudithook(_audit(agent))


class _Told:
    """Sends each error once, whichever way it is seen."""

    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self._last: Any = None

    def tell(self, kind: Any, value: Any, trace: Any) -> None:
        """Explain one error, unless it was the last one too, or is none to explain."""
        if value is None or value is self._last or issubclass(kind, _QUIET):
            return
        import traceback  # 2 ms that only a failing program pays

        self._last = value
        self._agent.explain("".join(traceback.format_exception(kind, value, trace)))

    def tell_last(self) -> None:
        """Explain the error that ends the program, if it was not seen yet."""
        # Python sets these before it calls sys.excepthook; another hook may have replaced ours.
        value = getattr(sys, "last_value", None)
        if value is not None and sys.excepthook is not None and not hasattr(sys, "ps1"):
            self.tell(type(value), value, getattr(sys, "last_traceback", None))


def _wrap_excepthook(told: _Told) -> None:
    previous = sys.excepthook

    def excepthook(kind: Any, value: Any, trace: Any) -> None:
        previous(kind, value, trace)
        told.tell(kind, value, trace)

    sys.excepthook = excepthook


def _wrap_threads(told: _Told) -> None:
    previous = threading.excepthook

    def excepthook(arguments: Any) -> None:
        previous(arguments)
        told.tell(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    threading.excepthook = excepthook


def _audit(agent: Any) -> Callable[[str, Any], None]:
    said: list[str] = []

    def audit(event: str, arguments: Any) -> None:
        if event != "subprocess.Popen" or said:
            return
        why = _deafness(arguments[1], arguments[3])
        if why:
            said.append(why)
            agent.say(f"a Python was started {why}: its downloads go out as always")

    return audit


def _deafness(command: Any, environ: Any) -> str:
    """Return why a child Python will not load the hook; "" if it will, or is no Python."""
    words = [os.fsdecode(word) for word in ([command] if isinstance(command, (str, bytes)) else command)]
    if not words or "python" not in os.path.basename(words[0]).lower():
        return ""
    for word in words[1:]:
        if not word.startswith("-") or word.startswith("--") or word[1:2] in ("c", "m"):
            break
        if any(letter in _DEAF for letter in word[1:]):
            return f"with `{word}`"
    if environ is None:
        return ""
    known = {os.fsdecode(name): os.fsdecode(value) for name, value in environ.items()}
    if _VARIABLE not in known or os.path.join("hook", "boot") not in known.get("PYTHONPATH", ""):
        return "with an environment of its own"
    return ""
