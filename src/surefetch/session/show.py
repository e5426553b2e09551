"""The verb `show`: look at a dataset, in a notebook, on a terminal or in a picture file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefetch.errors import StoreError, UsageError
from surefetch.reporters import encodable
from surefetch.session.load import load

if TYPE_CHECKING:
    from surefetch.dataset import Split
    from surefetch.session.facade import Session


def show(
    name: str,
    *,
    split: str | None = None,
    count: int | None = None,
    output: str | os.PathLike[str] | None = None,
    session: Session | None = None,
) -> Path | None:
    """Look at a dataset; fetch it first if it is not here.

    In a notebook a page of samples is displayed, else a screen is printed: pictures in blocks of colour, or a
    table, or text; class counts, value ranges and shapes.

    Args:
        name: A dataset's name or alias.
        split: One split alone; None: all of them.
        count: Samples; None: what fits, 40 at most.
        output: Write the pictures there, as PNG, and display nothing.
        session: Whose store and settings; None: the default ones.

    Returns:
        The picture's path, if `output` is given.

    Raises:
        UsageError: There is no such split, or `output` is given and there are no pictures.
        FetchError: The dataset could not be had.
        StoreError: The picture cannot be written.
    """
    splits = chosen_splits(name, split, session)
    if output is not None:
        return write_picture(splits, output, count, name)
    if not _display(splits, name):
        sys.stdout.write(screen(splits, count) + "\n")
    return None


def chosen_splits(name: str, split: str | None, session: Session | None = None) -> list[Split]:
    """Load a dataset and return its splits, or the one that is asked for.

    Raises:
        UsageError: There is no such split.
    """
    handle = load(name, session=session)
    if split is None:
        return list(handle.values())
    if split not in handle:
        hint = f"surefetch show {handle.name} --split {next(iter(handle))}    (there are {', '.join(handle)})"
        raise UsageError(f"`{handle.name}` has no split `{split}`", hint=hint)
    return [handle[split]]


def screen(splits: list[Split], count: int | None = None, stream: Any = None) -> str:
    """Draw what fits the terminal, in the colours that it has."""
    import shutil

    from surefetch.dataset.show import to_text
    from surefetch.dataset.terminal import colours_of

    stream = stream or sys.stdout
    size = shutil.get_terminal_size()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    colours = colours_of(os.environ, is_terminal=stream.isatty(), encoding=encoding)
    text = to_text(splits, count, width=size.columns, height=size.lines, colours=colours)
    return encodable(text, stream)


def write_picture(
    splits: list[Split], output: str | os.PathLike[str], count: int | None = None, name: str = ""
) -> Path:
    """Write samples as a PNG.

    Raises:
        UsageError: There are no pictures.
        StoreError: The file cannot be written.
    """
    from surefetch.dataset.show import to_png

    picture = to_png(splits, count or 40)
    if picture is None:
        raise UsageError(f"`{name}` has no pictures", hint=f"surefetch show {name}    (shows what it has)")
    path = Path(output).expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    except OSError as error:
        raise StoreError(f"`{path}` cannot be written: {error.strerror or error}") from error
    return path


def _display(splits: list[Split], title: str) -> bool:
    """Display a page if this is a notebook."""
    shell = sys.modules.get("IPython")
    kernel = shell.get_ipython() if shell else None
    if type(kernel).__name__ != "ZMQInteractiveShell":
        return False
    from IPython.display import HTML, display

    from surefetch.dataset.show import to_html

    display(HTML(to_html(splits, title)))
    return True
