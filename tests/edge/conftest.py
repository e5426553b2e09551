"""What tests of the engine share: a server that can do everything wrong, and one who drives the engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.driver import Driver, driving
from tests.fakes.faulty_server import FaultyServer


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    """One server for all tests of a module."""
    with FaultyServer() as server:
        yield server


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine with the usual options."""
    with driving() as driver:
        yield driver
