"""Reporters: how progress and messages reach a person. Data never goes through here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from surefetch.units import human_size

#: Seconds between two plain progress lines, where there is no terminal to draw on.
PLAIN_INTERVAL = 5.0
#: Characters of a title beside a bar; of a longer one, an address, its end says most.
TITLE = 28


class Reporter(Protocol):
    """Takes what a session has to tell while it works."""

    def begin(self, title: str, total: int | None) -> None:
        """A transfer of about `total` bytes begins."""
        ...

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Bytes so far; called often. `note` says from where."""
        ...

    def say(self, line: str) -> None:
        """One line that the person should see now."""
        ...

    def end(self) -> None:
        """The transfer is over, well or not."""
        ...


class SilentReporter:
    """Says nothing."""

    def begin(self, title: str, total: int | None) -> None:
        """Pass over."""

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Pass over."""

    def say(self, line: str) -> None:
        """Pass over."""

    def end(self) -> None:
        """Pass over."""


class PlainReporter:
    """Plain lines, one every few seconds: for logs, CI and pipes. Mutable: it remembers its last line."""

    def __init__(self, stream: TextIO | None = None, *, shows_progress: bool = True) -> None:
        self._stream, self._shows_progress = stream or sys.stderr, shows_progress
        self._title, self._last = "", 0.0

    def begin(self, title: str, total: int | None) -> None:
        """Remember the title; nothing is printed before the first interval has passed."""
        self._title, self._last = title, time.monotonic()

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Print a line if the last one is old enough."""
        if not self._shows_progress or time.monotonic() - self._last < PLAIN_INTERVAL:
            return
        self._last = time.monotonic()
        share = f" ({done * 100 // total} %)" if total else ""
        self.say(f"{self._title}: {human_size(done)}{share}{' from ' + note if note else ''}")

    def say(self, line: str) -> None:
        """Print the line."""
        write_message(line, self._stream)

    def end(self) -> None:
        """Nothing to take down."""


class TerminalReporter:
    """A bar on a terminal, drawn by rich; made when the first bytes come. Mutable: it owns the bar."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._task: Any = None
        self._title, self._began = "", 0.0

    def begin(self, title: str, total: int | None) -> None:
        """Remember the title; a fetch that is over at once draws no bar."""
        self._title, self._began = title, time.monotonic()

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Draw."""
        if self._bar is None:
            if time.monotonic() - self._began < 0.3:
                return
            self._bar, self._task = self._draw(total)
        self._bar.update(self._task, completed=done, total=total, note=f"from {note}" if note else "")

    def say(self, line: str) -> None:
        """Print the line above the bar."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            write_message(line, self._stream)

    def end(self) -> None:
        """Take the bar down."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, total: int | None) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
        from rich.table import Column

        columns = (
            TextColumn("{task.description}", markup=False),  # addresses may have brackets
            BarColumn(bar_width=24),
            DownloadColumn(table_column=Column(no_wrap=True)),
            TransferSpeedColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        bar = Progress(*columns, console=Console(file=self._stream), transient=True)
        bar.start()
        title = self._title if len(self._title) <= TITLE else f"…{self._title[1 - TITLE :]}"
        return bar, bar.add_task(title, total=total, note="")


class NotebookReporter:
    """One line in a notebook's output, updated in place; needs no widgets. Mutable: it owns the line."""

    def __init__(self) -> None:
        self._title, self._last = "", 0.0
        self._line: Any = None

    def begin(self, title: str, total: int | None) -> None:
        """Remember the title."""
        self._title, self._last = title, time.monotonic()

    def progress(self, done: int, total: int | None, note: str = "") -> None:
        """Update the line, four times a second at most."""
        if time.monotonic() - self._last < 0.25:
            return
        self._last = time.monotonic()
        filled = round(24 * done / total) if total else 0
        share = f" / {human_size(total)}" if total else ""
        line = f"{self._title} {'█' * filled}{'░' * (24 - filled)} {human_size(done)}{share}"
        self._show(f"{line}{' from ' + note if note else ''}")

    def say(self, line: str) -> None:
        """Print the line into the cell's output."""
        print(line)  # noqa: T201 - a notebook's output is where its person looks

    def end(self) -> None:
        """Leave the line empty: the result speaks."""
        if self._line is not None:
            self._show("")
            self._line = None

    def _show(self, text: str) -> None:
        from html import escape

        from IPython.display import HTML, display

        content = HTML(f"<code>{escape(text)}</code>" if text else "")
        if self._line is None:
            self._line = display(content, display_id=True)
        else:
            self._line.update(content)


def write_message(text: str, stream: TextIO) -> None:
    """Write a line, in what the stream can show. That nobody takes it any more changes nothing else."""
    try:
        print(encodable(text, stream), file=stream, flush=True)
    except OSError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Have a pipe without a reader take everything, or Python complains at exit (docs of `signal`)."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def default_reporter(environ: Mapping[str, str], *, progress: bool = True, quiet: bool = False) -> Reporter:
    """Choose the reporter that fits where the program runs.

    Args:
        environ: `TERM=dumb`, `CI` and the progress switches of other tools are respected.
        progress: False: messages only.
        quiet: Nothing at all.
    """
    if quiet:
        return SilentReporter()
    if _is_notebook():
        return NotebookReporter()
    wants = progress and not (environ.get("HF_HUB_DISABLE_PROGRESS_BARS") or environ.get("TQDM_DISABLE"))
    if wants and sys.stderr is not None and sys.stderr.isatty() and environ.get("TERM") != "dumb":
        return TerminalReporter()
    return PlainReporter(shows_progress=wants)


def encodable(text: str, stream: TextIO) -> str:
    """Replace what the stream's encoding cannot print (a cp1252 console has no `█`)."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    kernel = getattr(shell, "get_ipython", lambda: None)() if shell else None
    return type(kernel).__name__ == "ZMQInteractiveShell" and os.environ.get("TERM") != "dumb"
