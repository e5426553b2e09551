"""The session of one call, made from its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefetch.session.facade import Session

#: The options of `session_options`, which are settings.
SETTINGS = ("offline", "store", "catalogs", "limit_rate", "deadline", "trace")


def make_session(options: dict[str, Any], *, quiet: bool = False, progress: bool = True) -> Session:
    """Make the session of one call; takes the settings' options out of `options`.

    Raises:
        SettingError: A value cannot be used.
    """
    import os

    from surefetch.reporters import default_reporter
    from surefetch.session.facade import Session

    arguments = {name: options.pop(name, None) for name in SETTINGS}
    arguments["catalogs"] = arguments["catalogs"] or None
    reporter = default_reporter(os.environ, progress=progress, quiet=quiet)
    return Session.from_environment(arguments, reporter=reporter)
