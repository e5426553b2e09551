"""Addresses that were signed for a time: when they end, and what a refusal means then."""

from __future__ import annotations

import pytest

from surefetch.transfer.signed import end_of, signed_until

END = 1767229200.0  # 2026-01-01 01:00 UTC
LINK = "https://h.example/x?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=a"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-Signature=a",
        "X-Goog-Date=20260101T000000Z&X-Goog-Expires=3600&X-Goog-Signature=a",
        "se=2026-01-01T01%3A00%3A00Z&sp=r&sig=a",
        "Expires=1767229200&Signature=a&Key-Pair-Id=K",
    ],
)
def test_the_end_of_a_signature_is_read(query: str) -> None:
    until = signed_until(f"https://h.example/x?{query}")
    assert until is not None and until.timestamp() == END


@pytest.mark.parametrize(
    "query",
    ["", "Expires=1767229200", "X-Amz-Date=now&X-Amz-Expires=1", "X-Amz-Date=20260101T000000Z", "se=x&sig=a"],
)
def test_an_address_that_says_nothing_of_an_end_has_none(query: str) -> None:
    assert signed_until(f"https://h.example/x?{query}") is None


def test_a_refusal_is_the_last_word_once_the_time_is_over() -> None:
    assert end_of(LINK, "status 403", END + 1) == "; the link was signed until 2026-01-01 01:00 UTC"
    assert end_of(LINK, "status 403", END - 60) is None
    assert (
        end_of("https://h.example/x", "the storage service says AccessDenied: Request has expired", END) == ""
    )
    assert end_of("https://h.example/x", "status 403; its pass has expired", END) is None
