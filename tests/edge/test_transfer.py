"""The engine against a raw-socket server: what arrives, what is refused, and by which cause."""

import errno
import os
import socket
import time
from email.utils import formatdate
from functools import partial
from hashlib import sha256
from pathlib import Path

import pycurl
import pytest

from surefetch.events import (
    Answered,
    Cancelled,
    Failed,
    Failure,
    Finished,
    Halted,
    LookupFailed,
    Opened,
    Phase,
    Received,
)
from surefetch.model import Lookup
from surefetch.transfer.options import Options
from tests.fakes.driver import Driver, MemorySink, driving, ending, opened
from tests.fakes.faulty_server import FaultyServer, Script, page

CONTENT = bytes(range(256)) * 2000
SIZE = len(CONTENT)


def fails(driver: Driver, url: str, size: int | None = SIZE, **more: object) -> Failed:
    events, _ = driver.fetch(url, size, **more)
    end = ending(events)
    assert isinstance(end, Failed), end
    return end


# --- what goes well -----------------------------------------------------------------------------------------


def test_a_whole_file_arrives(driver: Driver, server: FaultyServer) -> None:
    events, sink = driver.fetch(server.serve("/whole", CONTENT), SIZE)
    assert bytes(sink.data) == CONTENT
    assert ending(events) == Finished(id=1, stop=SIZE)
    first = opened(events)
    assert (first.start, first.size, first.takes_ranges, first.validator) == (0, SIZE, True, '"v1"')
    assert first.address == "127.0.0.1"
    assert events.index(first) == 0


def test_a_round_trip_is_told_apart_from_the_time_that_a_server_takes(
    driver: Driver, server: FaultyServer
) -> None:
    url = server.serve("/late", CONTENT, Script(delay=0.4))
    first, again = (opened(driver.fetch(url, SIZE)[0]) for _ in range(2))
    assert first.seconds > 0.4
    assert 0 < first.round_trip < 0.1
    assert again.round_trip == 0, "its connection was there already"


def test_received_tells_each_byte_once_in_order(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/told", CONTENT, Script(drip=(100_000, 0.06)))
    events, _ = driver.fetch(url, SIZE)
    told = [(event.start, event.stop) for event in events if isinstance(event, Received)]
    assert len(told) > 1
    assert [start for start, _ in told] == [0, *[stop for _, stop in told[:-1]]]
    assert told[-1][1] == SIZE


def test_no_range_is_asked_for_a_whole_file(driver: Driver, server: FaultyServer) -> None:
    driver.fetch(server.serve("/plain", CONTENT), SIZE, stop=SIZE)
    headers = server.seen[-1].headers
    assert "range" not in headers
    assert headers["accept-encoding"] == "identity"


def test_a_stretch_is_asked_by_range(driver: Driver, server: FaultyServer) -> None:
    events, sink = driver.fetch(server.serve("/part", CONTENT), SIZE, start=1000, stop=5000)
    assert server.seen[-1].headers["range"] == "bytes=1000-4999"
    assert sink.data[1000:] == CONTENT[1000:5000]
    assert opened(events).start == 1000
    assert opened(events).takes_ranges
    assert ending(events).stop == 5000


def test_a_file_of_unknown_size_ends_where_the_server_ends(driver: Driver, server: FaultyServer) -> None:
    for path, script in (
        ("/chunked", Script(chunked=True)),
        ("/until-close", Script(has_length=False)),
        ("/length", Script()),
    ):
        events, sink = driver.fetch(server.serve(path, CONTENT, script), None, max_size=SIZE + 1)
        assert bytes(sink.data) == CONTENT
        assert ending(events).stop == SIZE


def test_the_rest_of_a_file_of_unknown_size(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/rest", CONTENT)
    events, sink = driver.fetch(url, None, max_size=SIZE, start=100, validator='"v1"')
    assert server.seen[-1].headers["range"] == "bytes=100-"
    assert server.seen[-1].headers["if-range"] == '"v1"'
    assert opened(events).size == SIZE
    assert sink.data[100:] == CONTENT[100:]


def test_a_replaced_file_begins_anew(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/replaced", CONTENT, Script(etag='"v2"'))
    events, sink = driver.fetch(url, SIZE, start=100, validator='"v1"')
    assert opened(events).start == 0
    assert opened(events).takes_ranges, "of the version that it has"
    assert bytes(sink.data) == CONTENT


def test_an_answer_from_the_start_is_held_until_it_was_told(driver: Driver, server: FaultyServer) -> None:
    """Bytes of others lie where this answer would write: nothing is written before the owner could cancel."""
    url = server.serve("/no-ranges", CONTENT, Script(takes_ranges=False))
    sink = MemorySink()
    request = driver.request(url, SIZE, start=200_000, stop=300_000)
    driver.engine.begin(request, sink)
    events = driver.until(Opened)
    assert opened(events).start == 0
    assert not opened(events).takes_ranges
    assert sink.written == []
    driver.engine.cancel(request.id)
    assert ending(driver.until_ended(1)) == Cancelled(id=request.id, phase=Phase.BODY)
    assert sink.written == []


def test_a_running_request_can_be_shortened(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/shortened", CONTENT, Script(drip=(20_000, 0.02)))
    sink = MemorySink()
    request = driver.request(url, SIZE)
    driver.engine.begin(request, sink)
    driver.until(Opened)
    driver.engine.shorten(request.id, 100_001)
    assert ending(driver.until_ended(1)) == Finished(id=request.id, stop=100_001)
    assert bytes(sink.data) == CONTENT[:100_001]


def test_shortened_to_less_than_is_here_it_ends_at_once(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/passed", CONTENT, Script(stall_after=50_000))
    request = driver.request(url, SIZE)
    driver.engine.begin(request, MemorySink())
    driver.until(Received)
    driver.engine.shorten(request.id, 1000)
    end = ending(driver.until_ended(1))
    assert isinstance(end, Finished)
    assert end.stop >= 1000


def test_many_requests_share_few_connections(server: FaultyServer) -> None:
    urls = [server.serve(f"/many/{n}", CONTENT[:1000]) for n in range(40)]
    before = server.connections
    with driving(Options(connections=3)) as driver:
        for url in urls:
            driver.engine.begin(driver.request(url, 1000), MemorySink())
        ends = [e for e in driver.until_ended(len(urls)) if isinstance(e, Finished)]
    assert len(ends) == len(urls)
    assert server.connections - before <= 3


def test_a_gzip_file_labelled_as_encoded_is_the_file(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/x.gz", CONTENT, Script(headers=(("Content-Encoding", "x-gzip"),)))
    events, sink = driver.fetch(url, SIZE, name="x.gz")
    assert isinstance(ending(events), Finished)
    assert bytes(sink.data) == CONTENT


def test_interim_answers_are_passed_over(driver: Driver, server: FaultyServer) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Length: 7\r\n\r\n"
    events, _ = driver.fetch(server.serve("/hints", CONTENT, Script(interim=hints)), SIZE)
    assert isinstance(ending(events), Finished)


def test_an_empty_file_may_be_empty(driver: Driver, server: FaultyServer) -> None:
    events, _ = driver.fetch(server.serve("/zero", b""), 0)
    assert isinstance(ending(events), Finished)


def test_an_answer_without_end_is_complete_with_its_last_byte(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/no-end", CONTENT, Script(has_length=False, stall_after=SIZE))
    events, sink = driver.fetch(url, SIZE)
    assert isinstance(ending(events), Finished)
    assert bytes(sink.data) == CONTENT


# --- what is refused ----------------------------------------------------------------------------------------

STATUSES = [
    (202, Failure.SERVER, "http.unexpected-status"),
    (204, Failure.CORRUPT, "body.empty"),
    (300, Failure.SERVER, "http.unexpected-status"),
    (304, Failure.SERVER, "http.unexpected-status"),
    (401, Failure.AUTH, "http.unauthorized"),
    (403, Failure.AUTH, "http.forbidden"),
    (404, Failure.MISSING, "http.not-found"),
    (410, Failure.MISSING, "http.gone"),
    (416, Failure.SERVER, "http.unexpected-status"),
    (429, Failure.BUSY, "http.rate-limited"),
    (451, Failure.AUTH, "http.legal"),
    (500, Failure.SERVER, "http.server-error"),
    (502, Failure.GATEWAY, "http.server-error"),
    (503, Failure.BUSY, "http.unavailable"),
]


@pytest.mark.parametrize(("status", "failure", "cause"), STATUSES)
def test_a_status_that_carries_no_file(
    driver: Driver, server: FaultyServer, status: int, failure: Failure, cause: str
) -> None:
    body = b"" if status in (204, 304) else b"sorry"
    url = server.serve(f"/status/{status}", b"", Script(status=status, body=body, has_length=bool(body)))
    end = fails(driver, url)
    assert (end.failure, end.cause) == (failure, cause)
    seen = driver.engine.observation(end.id)
    assert seen is not None
    assert (seen.status, seen.first_bytes) == (status, body)


BAD_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
FAULTS = [
    ("html", page("Sign in"), Failure.CORRUPT, "body.html"),
    ("empty", Script(body=b""), Failure.CORRUPT, "body.empty"),
    ("empty-close", Script(body=b"", has_length=False), Failure.CORRUPT, "body.empty"),
    ("longer", Script(body=CONTENT + b"x"), Failure.CORRUPT, "body.too-large"),
    ("longer-chunked", Script(body=CONTENT + b"x", chunked=True), Failure.CORRUPT, "body.too-large"),
    ("shorter", Script(body=CONTENT[:-1]), Failure.CORRUPT, "body.truncated"),
    ("shorter-chunked", Script(body=CONTENT[:-1], chunked=True), Failure.CUT, "body.truncated"),
    ("shorter-close", Script(body=CONTENT[:-1], has_length=False), Failure.CUT, "body.truncated"),
    ("cut", Script(cut_after=1000), Failure.CUT, "body.truncated"),
    ("reset", Script(reset_after=100_000), Failure.CUT, "connect.reset"),
    ("no-answer", Script(close_at_once=True), Failure.CUT, "connect.reset"),
    ("reset-at-once", Script(reset_at_once=True), Failure.CUT, "connect.reset"),
    ("encoded", Script(encoding="gzip"), Failure.CORRUPT, "body.unasked-encoding"),
    ("huge-headers", Script(header_bytes=100_000), Failure.POLICY, "policy.header-size"),
    ("vast-headers", Script(header_bytes=2_000_000), Failure.POLICY, "policy.header-size"),
    ("no-http", Script(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), Failure.SERVER, "http.malformed"),
    ("bad-chunk", Script(raw=BAD_CHUNK), Failure.CUT, ""),
    ("lfs", Script(body=b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
                   chunked=True), Failure.CORRUPT, "body.lfs-pointer"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "script", "failure", "cause"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_is_known_by_its_cause(
    driver: Driver, server: FaultyServer, path: str, script: Script, failure: Failure, cause: str
) -> None:
    end = fails(driver, server.serve(f"/fault/{path}", CONTENT, script))
    assert end.failure is failure, end
    assert not cause or end.cause == cause, end


RANGE_LIES = [
    ("shifted", Script(range_shift=1)),
    ("other-range", Script(content_range="bytes 0-3999/512000")),
    ("no-content-range", Script(headers=(("Content-Range", ""),))),
    ("other-unit", Script(headers=(("Content-Range", "items 1000-4999/512000"),))),
    ("length", Script(content_range="bytes 1000-1999/512000")),
]


@pytest.mark.parametrize(("path", "script"), RANGE_LIES, ids=[row[0] for row in RANGE_LIES])
def test_a_lie_about_the_range_is_found(
    driver: Driver, server: FaultyServer, path: str, script: Script
) -> None:
    sink = MemorySink()
    request = driver.request(server.serve(f"/lie/{path}", CONTENT, script), SIZE, start=1000, stop=5000)
    driver.engine.begin(request, sink)
    end = ending(driver.until_ended(1))
    assert (end.failure, end.cause) == (Failure.CORRUPT, "http.range-lie")
    assert sink.written == []


def test_a_range_of_a_file_of_another_size_is_another_file(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/other-size", CONTENT + b"more")
    end = fails(driver, url, start=1000, stop=5000)
    assert (end.failure, end.cause) == (Failure.CORRUPT, "body.too-large")


def test_bytes_before_a_cut_are_kept(driver: Driver, server: FaultyServer) -> None:
    events, sink = driver.fetch(server.serve("/kept", CONTENT, Script(cut_after=100_000)), SIZE)
    assert bytes(sink.data) == CONTENT[:100_000]
    assert [e.stop for e in events if isinstance(e, Received)][-1] == 100_000


def test_a_page_is_quoted_and_hashed(driver: Driver, server: FaultyServer) -> None:
    script = page("Please log in")
    end = fails(driver, server.serve("/login", CONTENT, script))
    assert "Please log in" in end.detail
    assert script.body is not None
    assert end.wrong_digest == sha256(script.body).hexdigest()


def test_a_page_that_is_wanted_is_no_fault(driver: Driver, server: FaultyServer) -> None:
    script = page("Data")
    assert script.body is not None
    url = server.serve("/data.html", script.body, script)
    assert isinstance(ending(driver.fetch(url, len(script.body), name="data.html")[0]), Finished)


def test_nothing_of_a_refused_answer_reaches_the_sink(driver: Driver, server: FaultyServer) -> None:
    for path, script in (
        ("/p", page("x")),
        ("/g", Script(encoding="gzip")),
        ("/l", Script(body=CONTENT * 2)),
    ):
        _, sink = driver.fetch(server.serve(path, CONTENT, script), SIZE)
        assert sink.written == []


def test_a_body_beyond_the_bound_stops_at_it(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/endless", CONTENT, Script(has_length=False))
    events, sink = driver.fetch(url, None, max_size=1000)
    assert ending(events).cause == "body.too-large"
    assert len(sink.data) <= 1000


def test_retry_after_in_both_forms(driver: Driver, server: FaultyServer) -> None:
    in_two_minutes = formatdate(time.time() + 120, usegmt=True)
    for path, value, low, high in (
        ("/s", "17", 17, 17),
        ("/d", in_two_minutes, 100, 121),
        ("/x", "soon", None, None),
    ):
        script = Script(status=503, headers=(("Retry-After", value),), body=b"")
        pause = fails(driver, server.serve(f"/retry{path}", b"", script)).retry_after
        assert pause is low is None or (pause is not None and low is not None and low <= pause <= high)


def test_a_used_up_limit_that_says_when_it_counts_anew_is_waited_for_until_then(
    driver: Driver, server: FaultyServer
) -> None:
    script = Script(status=429, headers=(("RateLimit", '"resolvers";r=0;t=17'),), body=b"")
    assert fails(driver, server.serve("/limit", b"", script)).retry_after == 17


# --- breaking off -------------------------------------------------------------------------------------------


def test_a_cancelled_request_tells_how_far_it_was(driver: Driver, server: FaultyServer) -> None:
    for path, script, phase in (
        ("/silent", Script(silence=True), Phase.WAIT),
        ("/stalled", Script(stall_after=1000), Phase.BODY),
    ):
        request = driver.request(server.serve(path, CONTENT, script), SIZE)
        driver.engine.begin(request, MemorySink())
        driver.engine.poll(0.3)
        driver.engine.poll(0.1)
        driver.engine.cancel(request.id)
        assert ending(driver.until_ended(1)) == Cancelled(id=request.id, phase=phase)


def test_cancelling_what_has_ended_is_nothing(driver: Driver, server: FaultyServer) -> None:
    driver.fetch(server.serve("/over", CONTENT), SIZE)
    driver.engine.cancel(1)
    driver.engine.shorten(1, 5)
    assert driver.engine.poll(0.05) == []


def test_wake_ends_a_poll(driver: Driver) -> None:
    import threading

    threading.Timer(0.1, driver.engine.wake).start()
    began = time.monotonic()
    assert driver.engine.poll(30) == []
    assert time.monotonic() - began < 20


def test_a_connection_that_nobody_accepts_times_out_by_itself() -> None:
    with driving(Options(connect_timeout=0.5)) as driver, Unaccepting() as port:
        end = fails(driver, f"http://127.0.0.1:{port}/x")
        assert (end.failure, end.cause) == (Failure.CONNECT, "connect.timeout")


def test_the_time_behind_other_requests_is_no_time_to_connect(server: FaultyServer) -> None:
    """One connection, answers of 0.6 s: two requests wait for longer than a connection may take."""
    with driving(Options(connections=1, connect_timeout=0.4)) as driver:
        for name in "abc":
            url = server.serve(f"/{name}", CONTENT, Script(drip=(SIZE // 6, 0.1)))
            driver.engine.begin(driver.request(url, SIZE), MemorySink())
        events = driver.until_ended(3)
    assert sum(isinstance(event, Finished) for event in events) == 3
    assert not [event for event in events if isinstance(event, Failed)]


def test_a_request_that_waits_behind_others_is_broken_off_as_such(server: FaultyServer) -> None:
    with driving(Options(connections=1)) as driver:
        for name in "ab":
            url = server.serve(f"/{name}", CONTENT, Script(drip=(SIZE // 6, 0.1)))
            driver.engine.begin(driver.request(url, SIZE), MemorySink())
        driver.until(Received)
        driver.engine.cancel(2)
        cancelled = [event for event in driver.until(Cancelled) if isinstance(event, Cancelled)]
    assert [event.phase for event in cancelled] == [Phase.QUEUED]


def test_a_turn_that_comes_late_has_the_whole_time_to_connect() -> None:
    with driving(Options(connect_timeout=8)) as driver:
        channel = driver.engine._channel()
        timed_out = partial(channel.was_queued, pycurl.E_OPERATION_TIMEDOUT)
        assert timed_out("Operation timed out after 8001 milliseconds with 0 bytes received", 100.0)
        assert not timed_out("Resolving timed out after 8001 milliseconds", 100.0)
        channel.is_reused, channel.opened_at = False, 105.0
        assert timed_out("Connection timed out after 8001 milliseconds", 100.0)
        assert not timed_out("Connection timed out after 8001 milliseconds", 104.9)
        assert not channel.was_queued(pycurl.E_COULDNT_CONNECT, "Connection refused", 100.0)
        channel.close()


def test_a_broken_ipv6_costs_little(server: FaultyServer) -> None:
    """`localhost` is ::1 first, where packets vanish; 127.0.0.1 answers: both are tried side by side."""
    url = server.serve("/both", CONTENT).replace("127.0.0.1", "localhost")
    with Unaccepting("::1", server.port), driving(Options(connect_timeout=8)) as driver:
        events, _ = driver.fetch(url, SIZE)
    assert isinstance(ending(events), Finished)
    assert opened(events).address == "127.0.0.1"


class Unaccepting:
    """A listener with a full queue: further packets are silently dropped."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = (host, port)
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def __enter__(self) -> int:
        self.sockets = [socket.socket(self._family)]
        self.sockets[0].bind(self._address)
        self.sockets[0].listen(0)
        address = self.sockets[0].getsockname()
        for _ in range(4):
            client = socket.socket(self._family)
            client.setblocking(False)
            client.connect_ex(address)
            self.sockets.append(client)
        time.sleep(0.1)
        return int(address[1])

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.close()


# --- this machine -------------------------------------------------------------------------------------------


def test_a_full_disk_halts(driver: Driver, server: FaultyServer) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    driver.engine.begin(driver.request(server.serve("/full", CONTENT), SIZE), MemorySink(1000, error))
    events = driver.until(Halted)
    assert ending(events).failure is Failure.LOCAL
    assert events[-1].cause == "local.disk-full"
    assert driver.engine.is_idle


def test_a_refused_connection_is_known(driver: Driver) -> None:
    end = fails(driver, "http://127.0.0.1:1/x")
    assert (end.failure, end.cause) == (Failure.CONNECT, "connect.refused")
    seen = driver.engine.observation(end.id)
    assert seen is not None
    assert (seen.phase, seen.address, seen.os_errno) == (Phase.CONNECT, "127.0.0.1", errno.ECONNREFUSED)


@pytest.mark.parametrize("left", [0, 1])
def test_where_no_more_files_may_be_open_the_host_is_not_blamed(
    driver: Driver, server: FaultyServer, left: int
) -> None:
    resource = pytest.importorskip("resource")
    assert isinstance(ending(driver.fetch(server.serve("/file", CONTENT), SIZE)[0]), Finished)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as gap:
        resource.setrlimit(resource.RLIMIT_NOFILE, (gap.fileno() + 1 + left, hard))
        try:
            end = fails(driver, "http://127.0.0.1:1/x")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (end.failure, end.cause) == (Failure.CONNECT, "local.limit")


def test_a_name_that_does_not_exist_is_known(driver: Driver) -> None:
    end = fails(driver, "http://no-such-host.invalid/x")
    assert end.failure is Failure.NAME
    assert end.cause in ("dns.nxdomain", "dns.unavailable", "dns.timeout")  # by what resolver there is


def test_an_address_beyond_ascii_is_asked_for_in_ascii(server: FaultyServer) -> None:
    server.serve("/donn%C3%A9es", CONTENT)
    with driving(user_agent="surefetch/1 (+mailto:usér@example.org)") as driver:
        events, sink = driver.fetch(f"{server.origin}/données", SIZE)
    assert isinstance(ending(events), Finished)
    assert bytes(sink.data) == CONTENT
    assert server.seen[-1].headers["user-agent"].encode("latin-1").decode().endswith("usér@example.org)")


def test_a_host_that_no_name_server_can_be_asked_for_is_said(driver: Driver) -> None:
    end = ending(driver.fetch(f"https://{'ü' * 80}.example/x", SIZE)[0])
    assert (end.cause, "can be no host's name" in end.detail) == ("policy.scheme", True)


def test_schemes_other_than_http_open_nothing(driver: Driver) -> None:
    for url in (
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "x",
        "http://",
        "http://[::1/x",
        "https://h:99999/x",
    ):
        assert fails(driver, url).cause == "policy.scheme"


# --- pages --------------------------------------------------------------------------------------------------

LOOKUP = Lookup(source="package", kind="index", target="mnist")


def test_a_page_is_answered_whole(driver: Driver, server: FaultyServer) -> None:
    url = server.serve("/simple/", b"<html><a href=x>x</a></html>", Script(chunked=True))
    driver.engine.fetch_page(LOOKUP, url, ["Accept: text/html"], may_be_private=True)
    assert driver.until_ended(1) == [Answered(lookup=LOOKUP, answer=b"<html><a href=x>x</a></html>")]
    assert server.seen[-1].headers["accept"] == "text/html"


def test_a_page_that_is_too_large_fails(driver: Driver, server: FaultyServer) -> None:
    for script in (Script(), Script(chunked=True)):
        driver.engine.fetch_page(LOOKUP, server.serve("/big", CONTENT, script), (), 1000, True)
        end = ending(driver.until_ended(1))
        assert isinstance(end, LookupFailed)
        assert (end.lookup, end.cause) == (LOOKUP, "body.too-large")


def test_a_page_has_a_time_limit(server: FaultyServer) -> None:
    with driving(Options(page_timeout=0.3)) as driver:
        url = server.serve("/slow-page", CONTENT, Script(stall_after=10))
        driver.engine.fetch_page(LOOKUP, url, may_be_private=True)
        assert ending(driver.until_ended(1)).failure is Failure.TIMEOUT
