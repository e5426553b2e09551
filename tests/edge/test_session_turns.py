"""Several processes that want the same files of the same store: one of them fetches."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.errors import FetchError
from surefetch.reporters import SilentReporter
from surefetch.session import turns
from surefetch.session.facade import Session
from surefetch.settings import Settings
from surefetch.store import Store
from surefetch.store.lead import Lead
from tests.fakes.faulty_server import FaultyServer, Script

DATA = random.Random(3).randbytes(3 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()
SLOW = Script(drip=(16384, 0.008))

#: Leads where the first argument says, says so, and holds the lead.
HOLD = """
import sys, time
from pathlib import Path
from surefetch.store.lead import Lead
lead = Lead(Path(sys.argv[1]))
print(lead.take(), flush=True)
time.sleep(60)
"""


class Lines(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def get(store: Path, url: str, lines: Lines | None = None, **settings: float) -> Path:
    options = Settings(store=str(store), progress=False, **settings)  # type: ignore[arg-type]
    return Path(Session(options, lines or Lines()).get(url, sha256=SHA256))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def test_of_five_who_want_the_same_one_fetches(home: Path, server: FaultyServer) -> None:
    url, fetched, found = server.serve("/f.bin", DATA, *[SLOW] * 20), [], []

    def want() -> None:
        session = Session(Settings(store=str(home / "store"), progress=False), Lines())
        receipt = session.get(url, sha256=SHA256)
        fetched.append(receipt.fetched)
        found.append(Path(receipt).read_bytes())

    threads = [threading.Thread(target=want) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DATA] * 5
    assert sorted(fetched) == [0, 0, 0, 0, len(DATA)]
    assert list((home / "store" / "parts-v1").iterdir()) == []


def test_who_leads_when_it_is_here_already_fetches_nothing(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, take = server.serve("/f.bin", DATA), Lead.take

    def late(lead: Lead) -> bool:
        monkeypatch.setattr(Lead, "take", take)
        get(home / "store", url)  # another one is done between the first look and the turn
        server.seen.clear()
        return lead.take()

    monkeypatch.setattr(Lead, "take", late)
    assert get(home / "store", url).read_bytes() == DATA
    assert server.seen == []


def test_who_waits_says_for_what(home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TELL", 0.0)
    url, lines = server.serve("/f.bin", DATA, *[SLOW] * 20), Lines()
    first = threading.Thread(target=get, args=(home / "store", url, lines))
    first.start()
    while not list(home.glob("store/parts-v1/*.lock")):
        time.sleep(0.001)
    assert get(home / "store", url, lines).read_bytes() == DATA
    first.join()
    assert lines.said == [f"another process gets `{url}` already: waiting for it"]


def test_who_leads_and_gives_no_sign_of_life_is_waited_for_no_longer(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "QUIET", 0.3)
    monkeypatch.setattr(turns, "_key", lambda *_: "x")
    url, store = server.serve("/f.bin", DATA), Store(home / "store")
    store.room(0, "x")
    silent = store.lead("x")
    assert silent.take()
    assert get(home / "store", url).read_bytes() == DATA
    silent.release(is_over=True)


def test_who_was_stopped_together_with_who_leads_goes_on_waiting(
    home: Path, server: FaultyServer, tmp_path: Path
) -> None:
    """As all processes of a container are that is paused: each of them fetched then."""
    url = server.serve("/f.bin", DATA, *[Script(drip=(2048, 0.02))] * 40)
    code = (
        "import sys; from surefetch.session import turns; turns.QUIET = 3.0;"
        "from surefetch.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    words = ["get", url, "--sha256", SHA256, "--store", str(home / "store"), "--json"]
    command = [sys.executable, "-c", code, *words]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) for _ in range(2)]
    time.sleep(1.2)
    assert [process.poll() for process in processes] == [None, None]
    for number, seconds in ((signal.SIGSTOP, 5.0), (signal.SIGCONT, 0.0)):
        for process in processes:
            process.send_signal(number)
        time.sleep(seconds)
    told = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(one["fetched"] for one in told) == [0, len(DATA)]


def test_the_lead_of_a_process_that_died_goes_to_the_next(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_key", lambda *_: "x")
    url, store = server.serve("/f.bin", DATA), Store(home / "store")
    store.room(0, "x")
    path = store.lead("x")._path
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"True"
        assert not store.lead("x").take()
        threading.Timer(0.3, process.kill).start()
        assert get(home / "store", url).read_bytes() == DATA
    assert not path.exists()


def test_a_deadline_holds_for_who_waits(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_key", lambda *_: "x")
    url, store = server.serve("/f.bin", DATA, *[Script(delay=30)] * 9), Store(home / "store")
    store.room(0, "x")
    lead = store.lead("x")
    assert lead.take()
    began = time.monotonic()
    with pytest.raises(FetchError) as caught:
        get(home / "store", url, deadline=0.5)
    assert caught.value.code == "transfer.deadline"
    assert "of waiting for another process" in caught.value.message
    assert time.monotonic() - began < 3
    lead.release(is_over=True)


def test_a_failure_of_who_leads_keeps_nobody_from_trying(home: Path, server: FaultyServer) -> None:
    url = server.serve("/f.bin", b"", *[Script(status=404, delay=0.2)] * 20)
    ends = []

    def want() -> None:
        try:
            get(home / "store", url)
        except FetchError as error:
            ends.append(error.code)

    threads = [threading.Thread(target=want) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == ["http.not-found"] * 4
    assert time.monotonic() - began < 8


def test_where_the_lead_cannot_be_written_everybody_leads(home: Path, server: FaultyServer) -> None:
    url, store = server.serve("/f.bin", DATA), Store(home / "store")
    store.room(0, "x")
    lead = store.lead("x")
    lead._path.mkdir()
    assert lead.take()
    lead.live()
    lead.release(is_over=True)
    assert get(home / "store", url).read_bytes() == DATA


def test_a_lead_is_given_on_by_who_is_interrupted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.room(0, "x")
    first, second = store.lead("x"), store.lead("x")
    assert first.take() and not second.take()
    seen = second.sign()
    first.release(is_over=False)
    assert second.sign() == seen  # whoever waits goes on waiting, for one who takes it
    assert second.take()
    second.release(is_over=True)
    assert second.sign() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_does_not_hold_a_lead_that_was_given_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.room(0, "x")
    first, second = store.lead("x"), store.lead("x")
    assert first.take()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[first._descriptor]
    ) as heir:
        first.release(is_over=False)
        assert second.take()
        heir.kill()
    second.release(is_over=True)


def test_a_later_lead_is_told_from_an_earlier_one(tmp_path: Path) -> None:
    store, signs = Store(tmp_path), set()
    store.room(0, "x")
    for _ in range(5):  # file systems give the same number to the next file
        lead = store.lead("x")
        assert lead.take()
        sign = lead.sign()
        assert sign is not None
        signs.add(sign.file)
        lead.release(is_over=True)
    assert len(signs) == 5


def test_who_leads_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefetch.store.lead.BEAT_SECONDS", 0.01)
    store = Store(tmp_path)
    store.room(0, "x")
    lead = store.lead("x")
    assert lead.take()
    lead.live()
    signs = set()
    until = time.monotonic() + 10
    while len(signs) < 3 and time.monotonic() < until:
        signs.add(lead.sign())
        time.sleep(0.01)
    lead.release(is_over=True)
    assert len(signs) >= 3


def test_a_lead_that_is_seen_before_it_is_written_is_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.room(0, "x")
    lead = store.lead("x")
    lead._path.touch()
    early = lead.sign()
    assert lead.take()
    late = lead.sign()
    assert late is not None and late.is_of(early) and late != early
    lead.release(is_over=True)
