"""First touch: what `surefetch` alone prints, in at most twelve lines."""

from __future__ import annotations

import os

from surefetch.cli.render import as_called


def welcome() -> str:
    """Say the everyday commands and what is here."""
    from surefetch.session.here import datasets_here

    here = [record["dataset"] for record in datasets_here(os.environ)]
    listed = ", ".join(here[:6]) + (f" and {len(here) - 6} more" if len(here) > 6 else "")
    lines = [
        "surefetch gets a dataset's exact bytes from any place that has them.",
        "",
        "  surefetch get mnist          get it, proven, from whatever source works",
        "  surefetch install mnist      put it where Keras, torchvision, … look",
        "  surefetch run train.py       run a program whose downloads fail",
        "  surefetch doctor             find out why downloads fail here",
        "  surefetch explain            paste an error, read what to do",
        "  surefetch list               all datasets",
        "",
        f"Here: {listed}" if here else "Nothing is here yet.",
    ]
    return "\n".join(as_called(line) if line.startswith("  ") else line for line in lines)
