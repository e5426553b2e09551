"""Errors: raised once, where the user must act, with everything known inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from surefetch.events import Attempt


class SurefetchError(Exception):
    """Root of all errors that surefetch raises on purpose.

    Attributes:
        message: What failed, lower case, the value in backticks, and why.
        code: The cause, a code of `causes.toml`.
        hint: The one thing to do, ready to paste; empty when there is none.
        attempts: What was tried, in order.
        details: Facts for programs: names, numbers, paths.
    """

    default_code = "usage.no-cause"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        attempts: Sequence[Attempt] = (),
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.attempts = tuple(attempts)
        self.details = details

    @property
    def fault(self) -> str:
        """Whose fault: `you`, `network`, `mirror` or `owner`; all attempts say more than the table."""
        from surefetch.causes import cause

        return str(self.details.get("fault") or cause(self.code).fault)

    @property
    def action(self) -> str:
        """The hint, or what the table of causes says is to be done."""
        if self.hint:
            return self.hint
        from surefetch.causes import cause

        return cause(self.code).action()

    @property
    def exit_code(self) -> int:
        """The process's exit code (docs/exit-codes.md)."""
        from surefetch.causes import cause

        return cause(self.code).exit

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class UsageError(SurefetchError):
    """An argument, a name or a setting cannot be used."""

    default_code = "usage.argument"


class UnknownDatasetError(UsageError):
    """No catalog knows the name."""

    default_code = "usage.unknown-dataset"


class SettingError(UsageError):
    """A setting's value cannot be used."""

    default_code = "usage.setting"


class CatalogError(UsageError):
    """A catalog file has a mistake; `details` hold `file`, `key` and `expected`."""

    default_code = "usage.catalog"


class MissingExtraError(UsageError):
    """An optional dependency is needed and not installed."""

    default_code = "usage.missing-extra"


class FetchError(SurefetchError):
    """Not everything wanted could be had; `attempts` tell all."""

    default_code = "service.outage"


class IntegrityError(FetchError):
    """Every mirror that answered served bytes with another digest."""

    default_code = "body.corrupt"


class OfflineError(FetchError):
    """Offline is set, and not everything wanted is here."""

    default_code = "usage.offline"


class DecodeError(SurefetchError):
    """Bytes do not follow the format they should have.

    Attributes:
        offset: Where, in bytes from the start, when that is known.
    """

    default_code = "body.unreadable"

    def __init__(self, message: str, *, offset: int | None = None, code: str | None = None) -> None:
        super().__init__(message, code=code, offset=offset)
        self.offset = offset


class StoreError(SurefetchError):
    """The store's folder or a file in it cannot be used."""

    default_code = "local.path"


class InterruptError(SurefetchError, KeyboardInterrupt):
    """The user interrupted; what is proven is kept. Who waits for Python's own kind gets this one."""

    default_code = "usage.interrupted"
