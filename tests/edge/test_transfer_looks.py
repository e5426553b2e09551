"""Answers that look like pages or encoded files: what they are is decided by their bytes, where it can be."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from surefetch.events import Failed, Finished
from tests.fakes.driver import Driver, ending
from tests.fakes.faulty_server import FaultyServer, Script, behind, page

TABLE = (
    b"<html><head><title>Table 1</title></head><table>" + b"<tr><td>1</td></tr>" * 10_000 + b"</table></html>"
)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
PLAIN = bytes(range(256)) * 400
GZIP = Script(headers=(("Content-Encoding", "gzip"),))
CHUNKED = Script(chunked=True, takes_ranges=False)


def ask(driver: Driver, server: FaultyServer, data: bytes, script: Script, right: bytes, **more: Any) -> Any:
    """Ask for a file whose digest is known; return the request's ending, and what was written."""
    url = server.serve("/looks", data, script)
    events, sink = driver.fetch(url, more.pop("size", None), sha256=hashlib.sha256(right).hexdigest(), **more)
    return ending(events), bytes(sink.data)


@pytest.mark.parametrize("size", [True, False], ids=["size promised", "size unknown"])
@pytest.mark.parametrize("script", [Script(), CHUNKED], ids=["length", "chunks"])
@pytest.mark.parametrize("data", [TABLE, POINTER], ids=["page", "pointer"])
def test_a_page_that_is_the_file_is_taken(
    driver: Driver, server: FaultyServer, data: bytes, script: Script, size: bool
) -> None:
    bound = {"size": len(data)} if size else {"size": None, "max_size": 1 << 30}
    end, written = ask(driver, server, data, script, data, **bound)
    assert isinstance(end, Finished)
    assert written == data


@pytest.mark.parametrize("script", [GZIP, behind(CHUNKED, headers=GZIP.headers)], ids=["length", "chunks"])
def test_right_bytes_that_are_labelled_as_encoded_are_taken(
    driver: Driver, server: FaultyServer, script: Script
) -> None:
    for bound in ({"size": len(PLAIN)}, {"size": None, "max_size": 1 << 30}):
        end, written = ask(driver, server, PLAIN, script, PLAIN, **bound)
        assert isinstance(end, Finished)
        assert written == PLAIN


@pytest.mark.parametrize("script", [Script(), CHUNKED], ids=["length", "chunks"])
@pytest.mark.parametrize("size", [len(PLAIN), None], ids=["size promised", "size unknown"])
def test_nothing_of_a_page_is_written_where_a_file_was_asked_for(
    driver: Driver, server: FaultyServer, script: Script, size: int | None
) -> None:
    for body, cause in ((page("Sign in").body or b"", "body.html"), (POINTER, "body.lfs-pointer")):
        end, written = ask(driver, server, body, script, PLAIN, size=size, max_size=1 << 30)
        assert isinstance(end, Failed)
        assert end.cause == cause
        assert written == b""
    end, written = ask(driver, server, PLAIN, Script(encoding="gzip"), PLAIN, size=size, max_size=1 << 30)
    assert end.cause == "body.unasked-encoding"
    assert written == b""


def test_a_page_that_does_not_end_is_not_waited_for(driver: Driver, server: FaultyServer) -> None:
    script = behind(CHUNKED, drip=(64 << 10, 0.0))
    end, written = ask(driver, server, TABLE * 20, script, PLAIN, max_size=1 << 30)
    assert isinstance(end, Failed)
    assert end.cause == "body.html"
    assert written == b""
