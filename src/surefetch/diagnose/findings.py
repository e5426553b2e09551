"""The values that judging gives: findings, judgements, verdicts, explanations. Frozen."""

from __future__ import annotations

from surefetch.events import Failure
from surefetch.model import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """What some facts mean: a cause and what was seen of it."""

    cause: str  # a code of causes.toml; "" when all is well
    detail: str = ""  # the evidence, for people
    subject: str = ""  # what it is about: a host, a file, a setting
    hint: str = ""  # the one thing to do
    blocks: bool = False  # it keeps data away now


class Judgement(Struct, frozen=True, kw_only=True):
    """What one attempt's evidence shows."""

    failure: Failure
    cause: str
    detail: str = ""
    retry_after: float | None = None  # seconds, if the server said
