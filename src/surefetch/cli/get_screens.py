"""What `surefetch get` shows: at most five lines when it went well."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from surefetch.cli.render import as_called, print_bytes, print_json, print_line, tell
from surefetch.errors import UsageError
from surefetch.receipts import Receipt
from surefetch.units import human_size

if TYPE_CHECKING:
    from surefetch.session.dry_run import FetchPlan


def show_receipt(receipt: Receipt, *, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Print a receipt: the path to stdout, what, how much, from where and what proved it to stderr."""
    if as_json:
        print_json(receipt.to_json())
        return 0
    if not quiet:
        for line in receipt_lines(receipt, verbose=verbose):
            tell(line)
    print_line(receipt.path)
    return 0


def pour(receipt: Receipt, *, quiet: bool, verbose: bool) -> int:
    """Write a file's proven bytes to stdout; what, how much, from where and what proved it to stderr.

    Raises:
        UsageError: There are several files.
    """
    if len(receipt.files) != 1:
        said = f"{receipt.name} has {len(receipt.files)} files, and stdout is one"
        raise UsageError(said, hint=f"they are in `{receipt.path}`; `--output DIR` makes copies of your own")
    if not quiet:
        for line in receipt_lines(receipt, verbose=verbose)[: -1 if receipt.tensors else None]:
            tell(line)
    print_bytes(receipt.files[0].path)
    return 0


def receipt_lines(receipt: Receipt, *, verbose: bool = False) -> list[str]:
    """Say what was got: what and size, from where, what proved it, the next line to type."""
    lines = [f"{receipt.title or receipt.name}: {_amount(receipt)}{_origin(receipt)}"]
    lines.append(f"proven: {_proof(receipt)}{_passed_over(receipt, verbose)}")
    lines += [f"note: {note}" for note in receipt.notes]
    if verbose:
        lines += [f"  {line}" for line in _told(receipt)]
    if receipt.tensors:
        lines.append(
            as_called(f'next:  python -c "import surefetch as sf; print(sf.load({receipt.name!r}))"')
        )
    return lines


def show_plan(plan: FetchPlan, *, as_json: bool) -> int:
    """Print what a get would do."""
    if as_json:
        print_json(plan.to_json())
        return 0
    for line in plan.lines():
        print_line(line)
    return 0


def _amount(receipt: Receipt) -> str:
    count = len(receipt.files)
    return f"{count} file{'s' if count != 1 else ''}, {human_size(receipt.size)}"


def _origin(receipt: Receipt) -> str:
    places = Counter(_place(file.mirror) for file in receipt.files if file.mirror)
    if not places:
        return ", all of it here already"
    count = places.total()
    some = f"{count:,} of them " if count < len(receipt.files) else ""
    hosts = ", ".join(place for place, _ in places.most_common(3))
    return f", {some}from {hosts} in {receipt.seconds:.1f} s"


def _place(mirror: str) -> str:
    return urlsplit(mirror).hostname or mirror if "://" in mirror else mirror


def _with_port(mirror: str) -> str:
    """The host and port of a mirror, where another port of the same host gave the file."""
    return urlsplit(mirror).netloc.rpartition("@")[2] if "://" in mirror else mirror


def _proof(receipt: Receipt) -> str:
    kinds = Counter(file.proof for file in receipt.files)
    weak = {file.algorithm for file in receipt.files if file.proof == "bytes" and file.algorithm != "sha256"}
    parts = []
    if kinds["bytes"]:
        digest = (
            f"{', '.join(sorted(weak))} (a weak digest: the publisher gives no better)" if weak else "SHA-256"
        )
        parts.append(f"every byte, by {digest}")
    if kinds["content"]:
        parts.append("every value, by the SHA-256 of its tensors")
    return "; ".join(parts) or "when it came"


def _passed_over(receipt: Receipt, verbose: bool) -> str:
    troubled = {attempt.mirror for attempt in receipt.attempts if attempt.cause}
    if not troubled or verbose:
        return ""
    givers = {_place(file.mirror) for file in receipt.files}
    others = troubled - {file.mirror for file in receipt.files}
    failed = {_place(mirror) if _place(mirror) not in givers else _with_port(mirror) for mirror in others}
    if not failed:
        return " (not at the first try; -v tells why)"
    if len(failed) == 1:
        return f" ({next(iter(failed))} did not work and was passed over; -v tells why)"
    return f" ({len(failed)} other places did not work and were passed over; -v tells why)"


def _told(receipt: Receipt) -> list[str]:
    from surefetch.session.words import describe_attempts

    files = [
        f"{file.name}  {file.algorithm}:{file.digest}  {file.mirror or 'here'}" for file in receipt.files
    ]
    return files + describe_attempts(receipt.attempts, verbose=True)
