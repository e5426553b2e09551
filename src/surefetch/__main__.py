"""`python -m surefetch` and the `surefetch` command: the same program."""

import sys


def main() -> None:
    """Run the command line and exit with its code (docs/exit-codes.md)."""
    from surefetch.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
