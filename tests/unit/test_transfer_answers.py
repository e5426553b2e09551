"""Answers by their heads: what is taken, and what it says of the file."""

import pytest

from surefetch.model import Artifact
from surefetch.transfer.answers import Accepted, Head, Refused, Verdict, Wanted, weigh

SIZE = 1000
FILE = Artifact(name="data.bin", form="files", size=SIZE, sha256="a" * 64)


def judged(wanted: Wanted, *headers: tuple[str, str], status: int = 200) -> Verdict:
    """Weigh an answer with these headers, and the file's length."""
    length = ("content-length", str(SIZE))
    return weigh(Head(status=status, reason="", version="1.1", headers=(*headers, length)), wanted)


def takes_ranges(wanted: Wanted, *headers: tuple[str, str]) -> bool:
    verdict = judged(wanted, *headers)
    assert isinstance(verdict, Accepted)
    return verdict.takes_ranges


@pytest.mark.parametrize(
    ("sent", "came", "expected"),
    [(None, '"v1"', False), ('"v1"', '"v1"', False), ('"v1"', "", False), ('"v1"', '"v2"', True)],
    ids=["not asked for", "the same version", "nobody knows which", "another version"],
)
def test_the_whole_file_for_a_range_refuses_ranges_unless_it_is_another_version(
    sent: str | None, came: str, expected: bool
) -> None:
    wanted = Wanted(artifact=FILE, start=100, stop=SIZE, has_range=True, validator=sent)
    assert takes_ranges(wanted, ("accept-ranges", "bytes"), ("etag", came)) is expected
    assert not takes_ranges(wanted, ("accept-ranges", "none"), ("etag", came))
    assert not takes_ranges(wanted, ("etag", came))


@pytest.mark.parametrize("label", ["identity", "none", "binary", "utf-8", "aws-chunked", "AWS-Chunked, ", ""])
def test_a_content_encoding_that_names_no_coding_means_nothing(label: str) -> None:
    wanted = Wanted(artifact=FILE, start=0, stop=SIZE, has_range=False)
    assert isinstance(judged(wanted, ("content-encoding", label)), Accepted)


def test_what_a_proxy_may_have_changed_is_taken() -> None:
    wanted = Wanted(artifact=FILE, start=0, stop=SIZE, has_range=False)
    assert isinstance(judged(wanted, status=203), Accepted)
    assert judged(wanted, status=202) == Refused()


def test_a_part_that_is_called_the_whole_file_lies_about_ranges() -> None:
    part = Wanted(artifact=FILE, start=100, stop=200, has_range=True)
    length = ("content-length", "100")
    called_all = judged(part, length)
    assert isinstance(called_all, Refused) and called_all.cause == "http.range-lie"
    another_file = judged(part, ("content-length", "101"))
    assert isinstance(another_file, Refused) and another_file.cause == "body.truncated"


def test_a_part_that_nobody_asked_for_and_that_names_no_range_is_the_whole_file() -> None:
    wanted = Wanted(artifact=FILE, start=0, stop=SIZE, has_range=False)
    verdict = judged(wanted, status=206)
    assert isinstance(verdict, Accepted) and (verdict.start, verdict.stop) == (0, SIZE)
    several = ("content-type", "multipart/byteranges; boundary=x")
    assert isinstance(judged(wanted, several, status=206), Refused)
    ranged = Wanted(artifact=FILE, start=0, stop=SIZE, has_range=True)
    assert isinstance(judged(ranged, status=206), Refused)
