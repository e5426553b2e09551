"""`import surefetch.auto`: from here on this process gets proven bytes when it downloads a known file.

It helps after frameworks were imported and a download has failed already, and in notebooks: `%load_ext
surefetch`. Threads and forked workers are answered too. Another program is armed by `surefetch run`.
"""

from __future__ import annotations

import atexit
import sys
import traceback
from collections.abc import Callable
from typing import Any

from surefetch.hook import agent_here, arm_here, is_armed
from surefetch.session.answering import SessionAnswers
from surefetch.session.clerk import KnownFiles
from surefetch.session.desk import Desk
from surefetch.session.facade import Session


class _Armed:
    """What stands ready in this process."""

    def __init__(self, session: Session) -> None:
        self._answers = SessionAnswers(session)
        self._clerk = KnownFiles(self._answers, _say, session.environ)
        self._desk = Desk(self._clerk)
        self._desk.open()
        self.agent = arm_here(str(self._desk.place))

    def close(self) -> None:
        """Stop answering: downloads go out as always."""
        if self.agent is not None:
            self.agent.rest()
        self._desk.close()
        self._clerk.close()
        self._answers.close()


_armed: _Armed | None = None
_told: Callable[[Any], None] | None = None


def arm() -> None:
    """Arm this process; once is enough.

    Raises:
        SettingError: A setting cannot be used.
    """
    global _armed
    if _armed is None and not is_armed():  # by `surefetch run`, whose parent answers
        atexit.register(disarm)  # before the hook's own last words are registered: they run first
        _armed = _Armed(Session.default())


def disarm() -> None:
    """Let downloads go out as always again."""
    global _armed
    if _armed is not None:
        _armed.close()
        _armed = None


def load_ipython_extension(ipython: Any) -> None:
    """Arm a notebook's kernel; errors of its cells are explained below them."""
    global _told
    arm()
    if _told is None:
        _told = _explain_cell
        ipython.events.register("post_run_cell", _told)


def unload_ipython_extension(ipython: Any) -> None:
    """Undo `load_ipython_extension`."""
    global _told
    if _told is not None:
        ipython.events.unregister("post_run_cell", _told)
        _told = None
    disarm()


def _explain_cell(result: Any) -> None:
    error, agent = result.error_in_exec, agent_here()
    if error is not None and agent is not None:
        agent.explain("".join(traceback.format_exception(error)))


def _say(line: str) -> None:
    sys.stderr.write(f"surefetch: {line}\n")


arm()
