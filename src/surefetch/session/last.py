"""The last transfer's log, kept small in the store's private folder: for `explain --last`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from surefetch.errors import SurefetchError
from surefetch.events import Attempt
from surefetch.store import files

if TYPE_CHECKING:
    from surefetch.session.facade import Session

NAME = "last-transfer-v1.json"
#: Bytes at most that are read of it.
MAX_BYTES = 4 << 20
#: Attempts that are kept.
MAX_ATTEMPTS = 200


class LastTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a transfer. Secrets were masked before."""

    name: str  # what was wanted
    ended: float  # seconds since 1970
    code: str = ""  # cause; "" when it went well
    message: str = ""
    hint: str = ""
    attempts: tuple[Attempt, ...] = ()
    log: dict[str, Any] = {}  # HAR


def keep(session: Session, transfer: LastTransfer) -> None:
    """Write it; a folder that cannot be written costs only that."""
    trimmed = msgspec.structs.replace(transfer, attempts=transfer.attempts[-MAX_ATTEMPTS:])
    try:
        files.write_small(session.store.private / NAME, msgspec.json.encode(trimmed), mode=0o600)
    except (SurefetchError, OSError):  # the transfer's own result matters, this is for later questions
        return


def read(session: Session) -> LastTransfer | None:
    """Read it; None if there is none, or it is damaged."""
    path: Path = session.store.private / NAME
    try:
        data = path.read_bytes()[:MAX_BYTES]
        return msgspec.json.decode(data, type=LastTransfer)
    except (OSError, msgspec.MsgspecError):  # nothing was transferred yet
        return None


def log_lines(transfer: LastTransfer) -> list[str]:
    """Say each exchange in a line: time, status, milliseconds by phase, URL."""
    entries = transfer.log.get("log", {}).get("entries", [])
    return [_line(entry) for entry in entries] or ["no exchange was logged"]


def _line(entry: dict[str, Any]) -> str:
    timings = {name: value for name, value in entry.get("timings", {}).items() if value and value > 0}
    phases = " ".join(f"{name} {value:.0f}" for name, value in timings.items())
    status = entry.get("response", {}).get("status", 0) or "-"
    comment = entry.get("comment") or entry.get("response", {}).get("comment") or ""
    began, url = entry.get("startedDateTime", ""), entry["request"]["url"]
    return f"{began}  {status}  {url}  [{phases} ms]  {comment}".rstrip()


def har(transfer: LastTransfer) -> str:
    """Return the log as a HAR document."""
    import json

    return json.dumps(transfer.log, indent=1, ensure_ascii=False)
