"""`surefetch explain`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from surefetch.cli.options import json_option

#: Bytes of a text that are read at most.
MAX_BYTES = 4 << 20
#: Exit code where the text does not tell.
UNKNOWN = 3


@click.command("explain", epilog="Example: surefetch explain tls.unknown-issuer")
@click.argument("words", nargs=-1, metavar="[CODE|FILE|TEXT…]")
@click.option("--host", metavar="NAME", help="The host that failed, where the text does not name it.")
@click.option("--last", "is_last", is_flag=True, help="Explain our own last transfer.")
@click.option("--log", "with_log", is_flag=True, help="With --last: its network log too.")
@click.option("--store", metavar="DIR", help="Use this store.")
@json_option
def explain_command(
    words: tuple[str, ...], host: str | None, is_last: bool, with_log: bool, store: str | None, as_json: bool
) -> int:
    """Explain an error text, a traceback of any library, or a cause code.

    Takes a code, a file, the text itself, or stdin; alone on a terminal: paste, then Enter twice.
    """
    from surefetch.cli.making import make_session
    from surefetch.cli.render import print_json, print_line
    from surefetch.session.explain import explain, of_last

    session = make_session({"store": store})
    explained = of_last(session) if is_last else explain(_subject(words), host=host, session=session)
    if as_json:
        print_json(explained.to_json())
    else:
        print_line(str(explained))
    if is_last and with_log:
        _print_log(session)
    is_told = is_last or explained.explanation is None or explained.cause is not None
    return 0 if is_told else UNKNOWN


def _subject(words: tuple[str, ...]) -> str:
    from surefetch.errors import UsageError

    if len(words) == 1 and words[0] != "-" and len(words[0]) < 1000 and Path(words[0]).is_file():
        with Path(words[0]).open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    if words and words != ("-",):
        return " ".join(words)
    text = (
        _pasted()
        if sys.stdin.isatty() and not words
        else sys.stdin.buffer.read(MAX_BYTES).decode("utf-8", "replace")
    )
    if not text.strip():
        raise UsageError(
            "there is nothing to explain",
            hint="`surefetch explain error.txt`, or `python train.py 2>&1 | surefetch explain`",
        )
    return text


def _pasted() -> str:
    """Read what is pasted into a terminal, up to two empty lines."""
    from surefetch.cli.render import tell

    tell("paste the error, then press Enter twice:")
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip() and lines and not lines[-1].strip():
            break
        lines.append(line)
    return "".join(lines)


def _print_log(session: object) -> None:
    from surefetch.cli.render import print_line
    from surefetch.session import last

    transfer = last.read(session)  # type: ignore[arg-type] # the session made above
    for line in last.log_lines(transfer) if transfer else ():
        print_line(line)
