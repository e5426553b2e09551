"""The command line. A command is imported when it is called: `list` costs little more than click."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from surefetch import __version__
from surefetch.session.called import program_name

if TYPE_CHECKING:
    from surefetch.errors import SurefetchError

#: Handles that any library wants at once.
FEW = 8
#: How Python, the loader and the system say that memory, or threads, are used up.
NO_MEMORY = ("can't start new thread", "failed to map segment", "cannot allocate memory", "out of memory")
#: Command -> (module, one line of help), in the order that help shows.
COMMANDS = {
    "get": ("get", "Get a dataset's proven files, or any file by URL and digest."),
    "show": ("show", "Look at a dataset: a grid of samples, class counts, shapes."),
    "install": ("install", "Put the files where Keras, torchvision, scikit-learn, … look."),
    "uninstall": ("install", "Take away what `install` planted."),
    "run": ("run", "Run a program whose downloads of known URLs are served from proven bytes."),
    "doctor": ("doctor", "Find out why downloads fail here, and what to do."),
    "explain": ("explain", "Explain an error text, a traceback or a cause code."),
    "list": ("list", "List the datasets that exist and those that are here."),
    "info": ("info", "Tell a dataset's licence, files, digests and sources."),
    "verify": ("verify", "Check what is here; name any known file by its digest."),
    "cache": ("cache", "See, shrink and clear the store."),
    "catalog": ("catalog", "Add, import and check catalogs of datasets."),
    "config": ("config", "See and change settings."),
}


class Commands(click.Group):
    """The group of all commands; an unknown word that names a dataset means `get`."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the commands that this installation has, in the table's order."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command's module and return the command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"surefetch.cli.{COMMANDS[name][0]}_command")
        command = getattr(module, f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `surefetch mnist` as `surefetch get mnist`, and suggest a command for a near miss."""
        word = arguments[0]
        if word in COMMANDS or word.startswith("-"):
            return super().resolve_command(context, arguments)
        from difflib import get_close_matches

        near = get_close_matches(word, COMMANDS, n=1, cutoff=0.75)
        if near and not _names_dataset(word):
            context.fail(f"there is no command `{word}`. Did you mean `{near[0]}`?")
        if (
            len(arguments) > 1
            and word.isalpha()
            and not _names_dataset(word)
            and _names_dataset(arguments[1])
        ):
            context.fail(f"there is no command `{word}`. Did you mean `surefetch get {arguments[1]}`?")
        return super().resolve_command(context, ["get", *arguments])

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' help from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(context)])


@click.command(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: surefetch get mnist",
)
@click.version_option(__version__, message="surefetch %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Get a dataset's exact bytes from any place that has them, or one sentence that says why not."""
    if context.invoked_subcommand is None:
        from surefetch.cli.welcome import welcome

        click.echo(welcome())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None: the process's own.

    Returns:
        The exit code.
    """
    from surefetch.errors import SurefetchError

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = program.main(words, prog_name=program_name(), standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _usage(error, words)
    except (click.Abort, KeyboardInterrupt):
        from surefetch.errors import InterruptError

        return _fail(InterruptError("interrupted; everything proven so far is kept"), words)
    except SurefetchError as error:
        return _fail(error, words)
    except BrokenPipeError:  # `surefetch list | head` is no error
        _silence_stdout()
        return 0
    except Exception as error:  # the last door: what no limit of the system explains is a bug of ours
        limit = _system_limit(error)
        return _told(limit, words) if limit is not None else _bug(error, words)
    return result if isinstance(result, int) else 0


def _fail(error: Exception, words: Sequence[str]) -> int:
    from surefetch.cli.render import show_error
    from surefetch.errors import SurefetchError

    assert isinstance(error, SurefetchError)
    return show_error(error, as_json="--json" in words, verbose="-v" in words or "--verbose" in words)


def _told(error: Exception, words: Sequence[str]) -> int:
    """Tell an error although stdout may be what failed: then stderr alone is told."""
    from surefetch.errors import SurefetchError

    assert isinstance(error, SurefetchError)
    try:
        return _fail(error, words)
    except OSError:
        _silence_stdout()
        click.echo(f"error: {error.message}\n\nhint: {error.action}", err=True)
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
        if getattr(chain, "errno", None) in (errno.EMFILE, errno.ENFILE):
            return StoreError("this process may not open more files", code="local.limit")
        if getattr(chain, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            code = "local.io" if getattr(chain, "errno", None) == errno.EIO else "local.disk-full"
            where = getattr(chain, "filename", None) or "what stdout is written to"
            hint = f"free room, or write elsewhere: {where} takes no more"
            return StoreError(
                f"`{where}`: {os.strerror(getattr(chain, 'errno', 0)).lower()}", code=code, hint=hint
            )
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
    return _fail(SurefetchError(message, hint=hint), words)


def _usage(error: click.ClickException, words: Sequence[str]) -> int:
    from surefetch.cli.render import show_usage_error

    return show_usage_error(error, as_json="--json" in words)


def _names_dataset(word: str) -> bool:
    from surefetch.catalogs import builtin_names

    return word.lower() in builtin_names()


def _silence_stdout() -> None:
    """Keep the interpreter from complaining about the closed pipe at exit (docs of `signal`)."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
