"""Asks the resolver once more why a name failed: libcurl says only that it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

#: Seconds until a resolver that stays silent counts as such.
_PATIENCE: Final = 2.0
#: Seconds until somebody is asked again who said "try again" at once: a name server that only begins.
_AGAIN: Final = 1.0
#: "Try again" after so many seconds means that no server answered: resolvers wait for a second at least.
_SILENCE: Final = 0.9
_CODES: Final = (
    "EAI_NONAME", "EAI_AGAIN", "EAI_FAIL", "EAI_NODATA", "EAI_SYSTEM", "EAI_MEMORY", "EAI_FAMILY",
)  # fmt: skip


class NameCheck:
    """Mutable: questions to the resolver under way, each on a thread of its own that is never waited for."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._due: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._works: set[str] = set()  # said once of a host that libcurl could not resolve
        self._is_closed = False

    def ask(self, host: str, now: float) -> None:
        """Ask about a host; its answer comes from `answers`."""
        if host not in self._due:
            self._due[host] = now + _PATIENCE
            threading.Thread(target=self._resolve, args=(host,), daemon=True).start()

    def answers(self, now: float) -> list[tuple[str, str]]:
        """Return (host, what the resolver said) of the questions that are answered or overdue.

        It said nothing where the name resolves now; that is told once of each host.
        """
        found = []
        for host, due in list(self._due.items()):
            if host in self._said or now >= due:
                del self._due[host]
                found.append((host, self._said.pop(host, "timeout")))
        return found

    @property
    def due(self) -> float | None:
        """When the next question is overdue."""
        return min(self._due.values(), default=None)

    def close(self) -> None:
        """Take no more answers."""
        self._is_closed = True

    def _resolve(self, host: str) -> None:
        said = _asked(host)
        if said == "EAI_AGAIN":
            time.sleep(_AGAIN)
            said = _asked(host)
        if not said and host in self._works:
            said = "EAI_AGAIN"
        elif not said:
            self._works.add(host)
        if not self._is_closed:
            self._said[host] = said
            self._wake()


def _asked(host: str) -> str:
    """Return what the resolver says is wrong with a name; nothing: it has an address."""
    import socket  # 4 ms; names fail seldom

    began = time.monotonic()
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        names = {getattr(socket, name, None): name for name in _CODES}
        said = names.get(error.errno, f"EAI_{error.errno}")
        return "timeout" if said == "EAI_AGAIN" and time.monotonic() - began >= _SILENCE else said
    except (OSError, UnicodeError):
        return "EAI_FAIL"
    return ""
