"""The command line: words in, an exit code out.

A plain `get` is read without click (`plain`), everything else by it (`program`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from surefetch.cli.plain import read_get

if TYPE_CHECKING:
    from surefetch.errors import SurefetchError

#: The exit code after Ctrl-C; after another signal it is 128 + its number.
INTERRUPTED = 130
#: Handles that any library wants at once.
FEW = 8
#: How Python, the loader and the system say that memory, or threads, are used up.
NO_MEMORY = ("can't start new thread", "failed to map segment", "cannot allocate memory", "out of memory")
#: What pycurl says where a sandbox (seccomp) forbids that.
NO_EVENTS = "initializing curl-multi failed"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None: the process's own.

    Returns:
        The exit code.
    """
    if arguments is not None:
        return _run(list(arguments))
    from surefetch.cli import ending

    ending.catch()
    try:
        return ending.exit_code(_run(sys.argv[1:]), INTERRUPTED)
    except KeyboardInterrupt:  # while an error was told
        return ending.exit_code(INTERRUPTED, INTERRUPTED)


def _run(words: list[str]) -> int:
    from surefetch.cli.render import ReaderIsGoneError
    from surefetch.errors import InterruptError, SurefetchError
    from surefetch.reporters import silence

    try:
        return _call(words)
    except SurefetchError as error:
        return _told(error, words)
    except KeyboardInterrupt:
        return _told(InterruptError("interrupted; everything proven so far is kept"), words)
    except (BrokenPipeError, ReaderIsGoneError):  # `surefetch list | head` is no error
        silence(sys.stdout)
        return 0
    except Exception as error:  # the last door: what no limit of the system explains is a bug of ours
        limit = _system_limit(error)
        return _told(limit, words) if limit is not None else _bug(error, words)


def _call(words: list[str]) -> int:
    if (options := read_get(words)) is not None:
        from surefetch.cli.getting import get

        return get(**options)
    from surefetch.cli.program import call

    return call(words)


def _told(error: Exception, words: Sequence[str]) -> int:
    """Tell an error although stdout, or opening files, may be what failed: then stderr alone is told."""
    from surefetch.cli.render import show_error
    from surefetch.errors import SurefetchError
    from surefetch.reporters import silence

    assert isinstance(error, SurefetchError)
    try:
        return show_error(error, as_json="--json" in words, verbose="-v" in words or "--verbose" in words)
    except OSError:
        silence(sys.stdout)
        sys.stderr.write(f"error: {error.message}\n\nhint: {error.action}\n")
        return error.exit_code


def _system_limit(error: BaseException) -> SurefetchError | None:
    """Read an exception as what the system refused: files open, memory, a full disk behind stdout."""
    import errno
    import os

    from surefetch.errors import StoreError

    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, MemoryError) or any(words in str(chain).lower() for words in NO_MEMORY):
            hint = "close other programs, or raise the limits: `ulimit -v unlimited`, `ulimit -u 4096`"
            message = "this process may use no more memory, or start no more threads"
            return StoreError(message, code="local.limit", hint=hint)
        if NO_EVENTS in str(chain) and not _has_no_handles():
            message = "this system refuses what libcurl waits for connections with: `eventfd`, `epoll`"
            return StoreError(message, code="local.permission", hint="run it outside of this sandbox")
        if getattr(chain, "errno", None) in (errno.EMFILE, errno.ENFILE):
            return StoreError("this process may not open more files", code="local.limit")
        if getattr(chain, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            code = "local.io" if getattr(chain, "errno", None) == errno.EIO else "local.disk-full"
            name = getattr(chain, "filename", None)
            where = f"`{name}`" if name else "what stdout is written to"
            hint = f"free room, or write elsewhere: {where} takes no more"
            why = os.strerror(getattr(chain, "errno", 0)).lower()
            return StoreError(f"{where}: {why}", code=code, hint=hint)
        chain = chain.__cause__ or chain.__context__
    if _has_no_handles():
        return StoreError("this process may not open more files", code="local.limit")
    return None


def _has_no_handles() -> bool:
    """Whether a few more files cannot be opened: libraries tell of that in words of their own."""
    import os

    opened: list[int] = []
    try:
        for _ in range(FEW):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
    finally:
        for handle in opened:
            os.close(handle)
    return False


def _bug(error: Exception, words: Sequence[str]) -> int:
    import os
    import traceback

    from surefetch.errors import SurefetchError

    if os.environ.get("SUREFETCH_DEBUG") or "-v" in words or "--verbose" in words:
        traceback.print_exception(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    message = f"surefetch itself failed: {type(error).__name__}: {error} ({place.name}, line {place.lineno})"
    hint = "this is a bug: please report it, with what `SUREFETCH_DEBUG=1` before the command prints"
    return _told(SurefetchError(message, hint=hint), words)
