"""The verbs as functions of the default session. Light to import: the facade comes with the first call.

`load` has a module of its own, because its warm path imports even less.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefetch.receipts import Receipt
    from surefetch.session.doctor import Diagnosis
    from surefetch.session.install import InstallResult


def get(
    name: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    sha1: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    mirrors: str | Sequence[str] = (),
    local: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] | None = None,
    form: str | None = None,
) -> Receipt:
    """Get a dataset's proven files, or any file by URL and digest, with the default session.

    Arguments, result and errors are those of `Session.get`.
    """
    from surefetch.session.facade import Session

    return Session.default().get(
        name,
        sha256=sha256,
        sha1=sha1,
        md5=md5,
        size=size,
        mirrors=mirrors,
        local=local,
        output=output,
        form=form,
    )


def datasets() -> list[dict[str, Any]]:
    """Return a row per dataset: name, title, bytes, licence, forms, and whether it is here."""
    from surefetch.session.facade import Session

    return Session.default().datasets()


def install(
    name: str,
    into: str | Sequence[str] = (),
    *,
    python: str | None = None,
    root: str | os.PathLike[str] | None = None,
    shared: str | os.PathLike[str] | None = None,
) -> InstallResult:
    """Plant a dataset where frameworks look, and have them load it.

    Args:
        name: A dataset's name or alias.
        into: One framework or several (`keras`, `torchvision`, `sklearn`, `tfds`, `huggingface`); empty: all.
        python: The Python whose frameworks are meant; None: as `surefetch install` finds it.
        root: torchvision's root.
        shared: Plant below this folder, for many users.

    Raises:
        UsageError: No such framework, or none that loads this dataset.
        FetchError: The bytes cannot be had.
    """
    from surefetch.session.facade import Session
    from surefetch.session.install import Wish, install_for

    wish = Wish(
        into=(into,) if isinstance(into, str) else tuple(into),
        python=python,
        root=os.fspath(root) if root is not None else None,
        shared=os.fspath(shared) if shared is not None else None,
    )
    return install_for(Session.default(), name, wish)


def doctor(subject: str | None = None, *, repair: bool = False) -> Diagnosis:
    """Find out why downloads fail here; its text is what `surefetch doctor` shows.

    Arguments, result and errors are those of `surefetch.session.doctor.doctor`.
    """
    from surefetch.session.doctor import doctor as look
    from surefetch.session.facade import Session

    return look(Session.default(), subject, repair=repair)
