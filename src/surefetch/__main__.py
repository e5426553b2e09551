"""`python -m surefetch` and the `surefetch` command: the same program."""

import gc
import sys


def main() -> None:
    """Run the command line and exit with its code (docs/exit-codes.md)."""
    gc.set_threshold(50_000)  # with the default of 700 a short command spends a tenth of its time collecting
    from surefetch.cli import run

    code = run()
    gc.freeze()  # nothing is left to collect at exit: the interpreter would look for 5 ms
    sys.exit(code)


if __name__ == "__main__":
    main()
