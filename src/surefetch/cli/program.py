"""All commands, as click knows them. One is imported when called: `list` costs little more than click."""

from __future__ import annotations

import importlib

import click

from surefetch import __version__
from surefetch.session.called import program_name

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


def call(words: list[str]) -> int:
    """Have click read the words and run the command that they name.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: Somebody pressed Ctrl-C.
        SurefetchError: What the command raised.
    """
    try:
        result = program.main(words, prog_name=program_name(), standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        from surefetch.cli.render import show_usage_error

        return show_usage_error(error, as_json="--json" in words)
    except click.Abort as stop:
        cause = stop.__cause__
        raise cause if isinstance(cause, KeyboardInterrupt) else KeyboardInterrupt from None
    return result if isinstance(result, int) else 0


def _names_dataset(word: str) -> bool:
    from surefetch.catalogs import builtin_names

    return word.lower() in builtin_names()
