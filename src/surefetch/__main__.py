"""`python -m surefetch` and the `surefetch` command: the same program."""

import gc
import os
import sys
from contextlib import suppress

#: Files that a fetch of thousands may have open, where the system allows it.
HANDLES = 4096


def main() -> None:
    """Run the command line and exit with its code (docs/exit-codes.md)."""
    _open_closed_streams()
    _allow_open_files()
    # While libcurl hands over piece after piece, the thread that hashes got the interpreter's lock back only
    # after the interval: with the default of 5 ms it came to stand still for a third of the time.
    sys.setswitchinterval(0.0005)
    gc.set_threshold(50_000)  # with the default of 700 a short command spends a tenth of its time collecting
    from surefetch.cli import run

    _leave(run())


def _open_closed_streams() -> None:
    """Give streams that are closed (`>&-`, a service without a console) a place that takes everything.

    Otherwise the next file that is opened gets the number of stdout, and what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, number < 3)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _allow_open_files() -> None:
    """Have as many files open as this user may: macOS begins with 256, where 1,048,576 are allowed."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HANDLES if hard == resource.RLIM_INFINITY else min(HANDLES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # the system sets a limit of its own below
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave(code: int) -> None:
    """End the process at once: all is said and closed, and the interpreter needs 15 ms to take itself apart.

    Profilers and debuggers still get to see the end.
    """
    if sys.gettrace() is None and sys.getprofile() is None:
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except (OSError, ValueError):  # stdout takes no more: Python's own code, unless more is known
            code = code or 120
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
