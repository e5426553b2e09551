"""The tables of the engine's own judge."""

import pycurl
import pytest

from surefetch.causes import table
from surefetch.events import Failure, Phase
from surefetch.observation import Observation
from surefetch.transfer import judge as tables
from surefetch.transfer.answers import Refused, needs_more, page_title, retry_after, sniff
from surefetch.transfer.judge import judge_observation


def test_every_cause_in_the_tables_exists() -> None:
    maps = [value for name, value in vars(tables).items() if name.isupper() and isinstance(value, dict)]
    named = {cause for one in maps for cause in one.values()} | set(tables.ENGINE_KNOWS)
    named |= {cause for _, cause in tables.HANDSHAKES}
    assert len(maps) > 8
    assert named <= set(table())


def test_every_phase_has_a_meaning_when_time_is_up() -> None:
    assert set(tables.TIMEOUTS) == set(Phase)


SEEN: list[tuple[dict, Failure, str]] = [
    ({"curl_code": 28, "phase": Phase.RESOLVE}, Failure.NAME, "dns.timeout"),
    ({"curl_code": 28, "phase": Phase.CONNECT}, Failure.CONNECT, "connect.timeout"),
    ({"curl_code": 28, "phase": Phase.CONNECT, "proxy": "http://p:1"}, Failure.PROXY, "proxy.unreachable"),
    ({"curl_code": 6, "resolver": "EAI_NONAME"}, Failure.NAME, "dns.nxdomain"),
    ({"curl_code": 6, "resolver": "EAI_AGAIN"}, Failure.NAME, "dns.unavailable"),
    ({"curl_code": 6, "resolver": "timeout"}, Failure.NAME, "dns.timeout"),
    ({"curl_code": 7, "os_errno": 111}, Failure.CONNECT, "connect.refused"),
    ({"curl_code": 7, "os_errno": 113}, Failure.CONNECT, "connect.unreachable"),
    ({"curl_code": 60, "tls_verify_result": 10}, Failure.TLS, "tls.expired"),
    ({"curl_code": 60, "curl_message": "no alternative subject name"}, Failure.TLS, "tls.hostname"),
    ({"curl_code": 35, "curl_message": "tlsv1 alert protocol version"}, Failure.TLS, "tls.protocol"),
    ({"curl_code": 35, "curl_message": "wrong version number"}, Failure.TLS, "tls.not-tls"),
    ({"curl_code": 92}, Failure.CUT, "connect.reset"),
    ({"status": 418}, Failure.SERVER, "http.unexpected-status"),
    ({"status": 507}, Failure.SERVER, "http.server-error"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "failure", "cause"), SEEN)
def test_what_was_seen_names_the_cause(facts: dict, failure: Failure, cause: str) -> None:
    verdict = judge_observation(Observation(url="https://h/x", **facts))
    assert verdict[:2] == (failure, cause)


def test_an_unknown_code_of_libcurl_is_a_cut() -> None:
    assert judge_observation(Observation(url="https://h/x", curl_code=999))[1] == "connect.reset"


def test_the_engines_own_finding_stands() -> None:
    seen = Observation(url="https://h/x", status=200, curl_code=pycurl.E_PARTIAL_FILE)
    refused = Refused(cause="http.range-lie", detail="x")
    assert judge_observation(seen, refused) == (Failure.CORRUPT, "http.range-lie", "x")


def test_pages_are_told_from_files_by_their_first_bytes() -> None:
    assert sniff(b"\xef\xbb\xbf \n<!DOCTYPE HTML><html>", "", "x.gz") is not None
    assert sniff(b"<?xml?><html>", "text/html", "x.gz") is not None
    assert sniff(b"<html>", "", "x.html") is None
    assert sniff(b"\x1f\x8b<html>", "text/html", "x.gz") is None
    assert needs_more(b"  <")
    assert not needs_more(b"\x1f")
    assert page_title(b"<TITLE lang=x>\n a  b </TITLE>") == "“a b”"


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5.0), ("-1", None), ("x", None), ("", None), ("1e9", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(value, "", 0.0) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", "", 10.0) == 50.0
    assert retry_after("Thu, 01 Jan 1970 00:00:01 GMT", "", 10.0) == 0.0


def test_retry_after_as_a_date_is_held_against_the_servers_own_clock() -> None:
    assert retry_after("Thu, 01 Jan 1970 01:00:02 GMT", "Thu, 01 Jan 1970 01:00:00 GMT", 10.0) == 2.0
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", "now", 10.0) == 50.0
