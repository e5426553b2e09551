"""A file on this machine as a mirror: copied into the part and proven like bytes from a network."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from typing import Any

from surefetch.errors import SurefetchError
from surefetch.events import (
    Cancelled,
    Event,
    Failed,
    Failure,
    Finished,
    Halted,
    Opened,
    Phase,
    Received,
    Request,
)

#: Bytes copied at once.
BLOCK_BYTES = 1 << 20
#: Seconds between two notices of progress.
INTERVAL = 0.05


def copy_local(
    request: Request, part: Any, post: Callable[[Event], None], is_stopped: Callable[[], bool]
) -> None:
    """Copy [start, stop) of the file that the request's mirror names; ends in one event, like any request.

    Args:
        request: Its mirror's `url` is a path.
        part: Takes the bytes: `write(start, data)`.
        post: Takes the events.
        is_stopped: Asked between blocks.
    """
    try:
        post(_copy(request, part, post, is_stopped))
    except SurefetchError as error:  # our side: the store's disk
        post(Halted(cause=error.code, detail=error.message))
    except OSError as error:
        post(_failed(request, Failure.MISSING, "source.no-copy", f"{error.strerror or error}"))


def _copy(
    request: Request, part: Any, post: Callable[[Event], None], is_stopped: Callable[[], bool]
) -> Event:
    with open(request.mirror.url, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, and a fifo is refused below
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return _failed(request, Failure.MISSING, "source.no-copy", "not a regular file")
        wanted = request.artifact.size
        if wanted is not None and status.st_size != wanted:
            return _failed(request, Failure.CORRUPT, "body.corrupt", f"{status.st_size} bytes, not {wanted}")
        if status.st_size > request.artifact.bound:
            return _failed(request, Failure.CORRUPT, "body.too-large", f"{status.st_size} bytes")
        post(
            Opened(id=request.id, start=request.start, size=status.st_size, takes_ranges=True, validator=None)
        )
        stop = min(request.stop or status.st_size, status.st_size)
        file.seek(request.start)
        return _pump(request, file, part, stop, post, is_stopped)


def _pump(
    request: Request,
    file: Any,
    part: Any,
    stop: int,
    post: Callable[[Event], None],
    is_stopped: Callable[[], bool],
) -> Event:
    at, told, last = request.start, request.start, time.monotonic()
    while at < stop:
        if is_stopped():
            return Cancelled(id=request.id, phase=Phase.BODY)
        data = file.read(min(BLOCK_BYTES, stop - at))
        if not data:
            return _failed(request, Failure.CUT, "body.truncated", f"{at} bytes of {stop}")
        part.write(at, data)
        at += len(data)
        if time.monotonic() - last > INTERVAL and at < stop:
            post(Received(id=request.id, start=told, stop=at))
            told, last = at, time.monotonic()
    return Finished(id=request.id, stop=stop)


def _failed(request: Request, failure: Failure, cause: str, detail: str) -> Failed:
    return Failed(id=request.id, failure=failure, cause=cause, detail=detail)
