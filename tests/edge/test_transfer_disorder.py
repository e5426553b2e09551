"""Packets out of order: what the system tells of a connection, and what the engine makes of it."""

import socket
import sys

import pytest

from surefetch.events import Disordered, Opened
from surefetch.transfer import disorder, sockets
from surefetch.transfer.disorder import Reading, Watch, read
from tests.fakes.driver import Driver
from tests.fakes.faulty_server import FaultyServer, Script

CONTENT = bytes(range(256)) * 4000
SLOWLY = Script(drip=(64 << 10, 0.02))


def counted(monkeypatch: pytest.MonkeyPatch, *readings: Reading) -> list[int]:
    """Let the system tell these readings, the last of them from then on; return the sockets asked about."""
    asked: list[int] = []

    def tell(descriptor: int) -> Reading:
        asked.append(descriptor)
        return readings[min(len(asked), len(readings)) - 1]

    monkeypatch.setattr(disorder, "read", tell)
    return asked


def reading(received: int, segments: int, ahead: int) -> Reading:
    return Reading(round_trip=82_000, received=received, least=80_000, segments=segments, ahead=ahead)


def seen(driver: Driver, server: FaultyServer, content: bytes = CONTENT) -> list[Disordered]:
    events, sink = driver.fetch(server.serve("/file", content, SLOWLY), len(content))
    assert bytes(sink.data) == content
    kinds = [type(event) for event in events if isinstance(event, Opened | Disordered)]
    assert kinds[0] is Opened
    return [event for event in events if isinstance(event, Disordered)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_system_counts_what_a_connection_received() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as sender:
            sender.sendall(b"x" * 1000)
            assert client.recv(1000, socket.MSG_WAITALL) == b"x" * 1000
            found = read(client.fileno())
            assert found is not None
            assert (found.received, found.segments, found.ahead) == (1000, 1, 0)
            assert 0 < found.least < 1_000_000
            sender.sendall(b"y")
            assert client.recv(1) == b"y", "the socket is open still"
            descriptor = client.fileno()
        assert read(descriptor) is None, "closed"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        assert read(other.fileno()) is None
    assert read(-1) is None


def test_a_connection_in_order_is_not_told(driver: Driver, server: FaultyServer) -> None:
    assert seen(driver, server) == []


def test_packets_ahead_of_a_lost_one_are_told_once(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch, reading(14_480, 10, 0), reading(90_000, 90, 28), reading(200_000, 150, 60))
    (event,) = seen(driver, server)
    assert (event.id, event.segments, event.round_trip, event.queued) == (1, 62, 0.08, 0.002)
    assert 0 <= event.used <= 1


def test_one_packet_ahead_is_told_when_nothing_follows(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch, reading(14_480, 10, 0), reading(28_960, 21, 1))
    assert [event.segments for event in seen(driver, server)] == [20]


def test_a_packet_that_was_overtaken_is_not_told(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(monkeypatch, *(reading(14_480 * n, 10 * n, min(n, 2)) for n in range(1, 500)))
    assert seen(driver, server) == []
    assert len(asked) > 2


def test_what_an_earlier_request_lost_is_not_told_of_the_next(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(monkeypatch, *(reading(1_000_000 + n, 1000 + n, 40) for n in range(500)))
    assert len(seen(driver, server)) == 1, "a new connection"
    assert seen(driver, server) == [], "the same connection"


def test_small_downloads_and_other_systems_are_not_watched(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(monkeypatch, reading(14_480, 30, 20))
    assert seen(driver, server, CONTENT[: disorder.LEAST_BYTES - 1]) == []
    monkeypatch.setattr(sockets, "HAS_TCP_INFO", False)
    assert seen(driver, server) == []
    assert asked == []


def test_the_share_of_the_link_is_what_came_in_a_round_trip_over_what_can_come() -> None:
    """Forty packets in 10 ms, then nothing to the end of the round trip: an eighth of 80 ms was used."""
    watch = Watch(3, reading(0, 1, 0), 0.0)
    for step in range(1, 17):
        watch.note(reading(1448 * min(40, 20 * step), 1 + min(40, 20 * step), 0), 0.005 * step)
    assert watch.note(reading(60_000, 45, 4), 0.085)
    event = watch.tell(7, 0.085)
    assert event.id == 7
    assert 0.05 < event.used < 0.2


def test_near_connections_are_not_watched(
    driver: Driver, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(monkeypatch, Reading(round_trip=100, received=1, least=50, segments=30, ahead=20))
    assert seen(driver, server) == []
    assert len(asked) == 1
