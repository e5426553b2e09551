"""The limit on the rate: kept to by all connections together, and nobody looks silent for it."""

from __future__ import annotations

import random
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from surefetch.events import Received
from surefetch.reporters import SilentReporter
from surefetch.session.facade import Session
from surefetch.session.limits import LEAST_RATE, limits_of
from surefetch.settings import Settings
from surefetch.transfer.options import Options
from tests.fakes.driver import MemorySink, driving
from tests.fakes.faulty_server import FaultyServer

SIZE = 1_500_000
CONTENT = random.Random(7).randbytes(SIZE)


def test_the_rate_limit_is_for_all_connections_together(server: FaultyServer) -> None:
    urls = [server.serve(f"/limited/{n}", CONTENT) for n in range(2)]
    with driving(Options(limit_rate=SIZE)) as driver:
        began = time.monotonic()
        for url in urls:
            driver.engine.begin(driver.request(url, SIZE), MemorySink())
        driver.until_ended(2)
        seconds = time.monotonic() - began
    assert seconds > 1.0  # two files at the rate of one a second, less what was under way at the start


def test_small_files_use_the_whole_rate_and_no_more(server: FaultyServer) -> None:
    """Each ends long before it has had a share, and most of them wait for a connection."""
    small, count = CONTENT[:2000], 100
    url = server.serve("/limited/small", small)
    sinks = [MemorySink() for _ in range(count)]
    with driving(Options(limit_rate=100_000)) as driver:
        began = time.monotonic()
        for sink in sinks:
            driver.engine.begin(driver.request(url, len(small)), sink)
        driver.until_ended(count)
        seconds = time.monotonic() - began
    assert {bytes(sink.data) for sink in sinks} == {small}
    assert seconds > 1.5  # two seconds, less what may come at once


@pytest.mark.parametrize("mirrors", [1, 2])
def test_an_honest_mirror_does_not_look_silent_where_the_rate_is_low(
    home: Path, server: FaultyServer, mirrors: int
) -> None:
    with FaultyServer() as other:
        urls = [one.serve("/data.bin", CONTENT) for one in (server, other)][:mirrors]
        session = Session(
            Settings(
                store=str(home / "store"),
                progress=False,
                limit_rate=SIZE // 4,
                stall_timeout=1.0,
                first_byte_timeout=1.0,
            ),
            SilentReporter(),
        )
        began = time.monotonic()
        receipt = session.get(urls[0], sha256=sha256(CONTENT).hexdigest(), size=SIZE, mirrors=urls[1:])
        seconds = time.monotonic() - began
    assert Path(receipt).read_bytes() == CONTENT
    assert receipt.attempts == ()
    assert 3.6 < seconds < 4.6


def test_each_of_many_requests_has_its_turn(server: FaultyServer) -> None:
    """Connections are made and heads read while bytes are held back; then each body gets some."""
    url = server.serve("/turns", CONTENT)
    with driving(Options(limit_rate=200_000, connections=12)) as driver:
        for _ in range(12):
            driver.engine.begin(driver.request(url, SIZE), MemorySink())
        events, until = [], time.monotonic() + 1.0
        while time.monotonic() < until:
            events += driver.engine.poll(0.1)
    counts = Counter(event.id for event in events if isinstance(event, Received))
    assert len(counts) == 12
    assert min(counts.values()) > 3


def test_a_low_rate_is_shared_by_few_connections(home: Path) -> None:
    for rate, most in ((1, 1), (LEAST_RATE, 1), (3 * LEAST_RATE, 3), (1 << 30, 6)):
        limits = limits_of(Session(Settings(store=str(home), limit_rate=rate)))
        assert limits.connections == min(limits.many, limits.streams, 6) == most
    own = limits_of(Session(Settings(store=str(home), limit_rate=1, connections=4)))
    assert own.connections == own.many == 4
