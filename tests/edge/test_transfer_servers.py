"""The engine against nginx: HTTP/1.1, TLS, HTTP/2, throttled connections."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.events import Failed, Finished, Opened
from surefetch.transfer.options import Options
from surefetch.transfer.trust import Trust
from tests.fakes.driver import MemorySink, driving, ending, opened
from tests.fakes.ports import free_port
from tests.fakes.servers import Nginx, TestAuthority, TlsFront, nginx

CONTENT = bytes(range(256)) * 4000
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), authority.leaf("localhost")) as web:
        (web.root / "data.bin").write_bytes(CONTENT)
        for number in range(200):
            (web.root / f"small-{number}.bin").write_bytes(f"{number:04}".encode() * 1000)
        yield web


@pytest.fixture
def trust(authority: TestAuthority) -> Trust:
    return Trust(system=str(authority.pem))


def test_the_same_bytes_over_every_protocol(web: Nginx, trust: Trust) -> None:
    with driving(trust=trust) as driver:
        for origin, version in ((web.plain, "1.1"), (web.h1, "1.1"), (web.h2, "2")):
            events, sink = driver.fetch(f"{origin}/small-7.bin", 4000)
            assert bytes(sink.data) == b"0007" * 1000
            assert opened(events).is_multiplexed == (version == "2")
            events, sink = driver.fetch(f"{origin}/data.bin", SIZE)
            assert isinstance(ending(events), Finished)
            assert bytes(sink.data) == CONTENT
            assert opened(events).takes_ranges


def test_a_large_request_has_a_connection_of_its_own(web: Nginx, trust: Trust) -> None:
    """Over one multiplexed connection the segments of one file would share one congestion window."""
    with driving(trust=trust) as driver:
        events, _ = driver.fetch(f"{web.h2}/data.bin", SIZE)
        assert not opened(events).is_multiplexed


def test_a_part_of_a_small_file_has_a_connection_of_its_own(web: Nginx, trust: Trust) -> None:
    """It is asked for where one connection is too slow: another stream of the same one would not help."""
    with driving(trust=trust) as driver:
        for start, is_shared in ((0, True), (2000, False)):
            events, _ = driver.fetch(f"{web.h2}/small-7.bin", 4000, start=start)
            assert opened(events).is_multiplexed == is_shared


def test_stretches_of_one_file_from_several_connections(web: Nginx, trust: Trust) -> None:
    sink, step = MemorySink(), SIZE // 4
    with driving(trust=trust) as driver:
        for start in range(0, SIZE, step):
            request = driver.request(f"{web.h1}/data.bin", SIZE, start=start, stop=start + step)
            driver.engine.begin(request, sink)
        events = driver.until_ended(4)
    assert all(isinstance(e, Finished) for e in events if isinstance(e, Finished))
    assert bytes(sink.data) == CONTENT


def test_many_small_files_over_one_http2_connection(web: Nginx, trust: Trust) -> None:
    sinks = [MemorySink() for _ in range(200)]
    with driving(trust=trust) as driver:
        for number, sink in enumerate(sinks):
            driver.engine.begin(driver.request(f"{web.h2}/small-{number}.bin", 4000), sink)
        events = driver.until_ended(200)
    assert all(event.is_multiplexed for event in events if isinstance(event, Opened))
    assert [bytes(sink.data[:4]) for sink in sinks] == [f"{number:04}".encode() for number in range(200)]


def test_a_server_that_ends_each_shared_connection_is_asked_over_connections_of_their_own(
    tmp_path: Path, authority: TestAuthority, trust: Trust
) -> None:
    sinks = [MemorySink() for _ in range(60)]
    with nginx(tmp_path, authority.leaf("localhost"), more="keepalive_timeout 0;") as web:
        (web.root / "small.bin").write_bytes(b"x" * 4000)
        with driving(trust=trust) as driver:
            for sink in sinks:
                driver.engine.begin(driver.request(f"{web.h2}/small.bin", 4000), sink)
            events = driver.until_ended(60)
    assert [event for event in events if isinstance(event, Failed)] == []
    assert {bytes(sink.data) for sink in sinks} == {b"x" * 4000}


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x00\x04\x03\x00STREAM\x00\x00\x00\x02",  # RST_STREAM, INTERNAL_ERROR
        b"\x00\x00\x04\x03\x00STREAM\x00\x00\x00\x07",  # RST_STREAM, REFUSED_STREAM
        b"\x00\x00\x08\x07\x00" + bytes(4) + b"STREAM\x00\x00\x00\x0b",  # GOAWAY, ENHANCE_YOUR_CALM
        b"\x00\x00\x08\x07\x00" + bytes(4) + bytes(4) + bytes(4),  # GOAWAY, NO_ERROR
        b"no frame of HTTP/2 at all",
    ],
    ids=["broken off", "refused", "calm", "going away", "nonsense"],
)
def test_a_server_that_cannot_do_the_http2_that_it_offers_is_asked_without(
    web: Nginx, authority: TestAuthority, trust: Trust, frame: bytes
) -> None:
    context = authority.leaf("localhost").context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    sinks = [MemorySink() for _ in range(20)]
    with (
        TlsFront(int(web.plain.rpartition(":")[2]), context, breaks=frame) as front,
        driving(trust=trust) as driver,
    ):
        for number, sink in enumerate(sinks):
            url = f"https://localhost:{front.port}/small-{number}.bin"
            driver.engine.begin(driver.request(url, 4000), sink)
        events = driver.until_ended(20)
    assert [event for event in events if isinstance(event, Failed)] == []
    assert not any(event.is_multiplexed for event in events if isinstance(event, Opened))
    assert [bytes(sink.data[:4]) for sink in sinks] == [f"{number:04}".encode() for number in range(20)]


@pytest.mark.parametrize("size", [4000, SIZE])
def test_a_server_that_speaks_http2_alone_gives_files_of_any_size(
    tmp_path: Path, authority: TestAuthority, trust: Trust, size: int
) -> None:
    """Large ones are asked for without it at first, for the sake of connections of their own."""
    port, context = free_port(), authority.leaf("localhost").context()
    context.set_alpn_protocols(["h2"])
    more = f"server {{ listen 127.0.0.1:{port} http2; root {tmp_path}/root; }}"
    sinks = [MemorySink() for _ in range(4)]
    with nginx(tmp_path, more=more) as web, TlsFront(port, context, only="h2") as front:
        (web.root / "file.bin").write_bytes(CONTENT[:size])
        with driving(trust=trust) as driver:
            for sink in sinks:
                driver.engine.begin(driver.request(f"https://localhost:{front.port}/file.bin", size), sink)
            events = driver.until_ended(4)
    assert [event for event in events if isinstance(event, Failed)] == []
    assert all(event.is_multiplexed for event in events if isinstance(event, Opened))
    assert {bytes(sink.data) for sink in sinks} == {CONTENT[:size]}


def test_a_throttled_connection_is_told_bit_by_bit(web: Nginx) -> None:
    with driving() as driver:
        events, sink = driver.fetch(f"{web.throttled}/data.bin", SIZE)
    assert bytes(sink.data) == CONTENT
    assert len(events) > 3


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_a_limit_on_the_rate_holds_for_every_protocol(web: Nginx, trust: Trust, version: str) -> None:
    """Requests that share a connection wait for each other's turns."""
    sinks = [MemorySink() for _ in range(50)]
    with driving(Options(limit_rate=200_000), trust=trust) as driver:
        began = time.monotonic()
        for number, sink in enumerate(sinks):
            url = f"{getattr(web, version)}/small-{number}.bin"
            driver.engine.begin(driver.request(url, 4000), sink)
        events = driver.until_ended(50)
        seconds = time.monotonic() - began
    assert [event for event in events if isinstance(event, Failed)] == []
    assert [bytes(sink.data[:4]) for sink in sinks] == [f"{number:04}".encode() for number in range(50)]
    assert 0.8 < seconds < 1.5
