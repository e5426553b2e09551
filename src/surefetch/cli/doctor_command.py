"""`surefetch doctor`."""

from __future__ import annotations

from typing import Any

import click

from surefetch.cli.making import make_session
from surefetch.cli.options import output_options, session_options


@click.command("doctor", epilog="Example: surefetch doctor mnist")
@click.argument("subject", required=False, metavar="[DATASET|URL]")
@click.option("--repair", is_flag=True, help="Replace poisoned files in other tools' caches by proven bytes.")
@click.option("--report", metavar="FILE", help="Write one Markdown page for a help desk.")
@click.option(
    "--seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="For all looks."
)
@session_options
@output_options
def doctor_command(
    subject: str | None,
    repair: bool,
    report: str | None,
    seconds: float,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    no_progress: bool,
    **options: Any,
) -> int:
    """Find out why downloads fail here: proxy, names, TLS, hosts, disk, other tools' caches.

    Ends with 0 when all is well, 20 if surefetch mended it, 21 if you must act, 22 if only the owner can.
    """
    from surefetch.cli.render import as_called, print_json, print_line, tell
    from surefetch.session.doctor import doctor

    session = make_session(options, quiet=quiet or as_json, progress=not no_progress)
    diagnosis = doctor(session, subject, repair=repair, seconds=seconds)
    if report:
        diagnosis.write_page(report)
        tell(f"report written to {report}")
    if as_json:
        print_json(diagnosis.to_json())
    elif not quiet:
        for line in diagnosis.lines():
            print_line(as_called(line))
    return diagnosis.exit_code
