"""The network log: every exchange, in HAR's form, bounded and without secrets."""

import json
from pathlib import Path

import pytest

from surefetch.transfer.har import NetworkLog
from surefetch.transfer.options import Options
from tests.fakes.driver import Driver, driving
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect

CONTENT = b"0123456789" * 1000


@pytest.fixture
def entries(tmp_path: Path) -> list[dict[str, object]]:
    with (
        FaultyServer() as server,
        driving(Options(keep_exchanges=True), user_agent="surefetch/9.1 (x)") as driver,
    ):
        server.serve("/good", CONTENT)
        server.serve("/go", b"", redirect("/good?token=geheim"))
        server.serve("/page", CONTENT, page("Sign in"))
        server.serve("/none", CONTENT, Script(status=404, headers=(("Set-Cookie", "s=geheim"),)))
        for path in ("/good", "/go", "/page", "/none"):
            driver.fetch(server.origin.replace("//", "//ann:geheim@") + path, len(CONTENT))
        driver.fetch("http://127.0.0.1:1/closed", len(CONTENT))
        return written(driver, tmp_path / "log.har")


def written(driver: Driver, path: Path) -> list[dict[str, object]]:
    assert driver.engine.log is not None
    driver.engine.log.write(path)
    text = path.read_text(encoding="utf-8")
    assert "geheim" not in text
    assert path.stat().st_mode & 0o077 == 0
    document = json.loads(text)
    assert document["log"]["version"] == "1.2"
    assert document["log"]["creator"] == {"name": "surefetch", "version": "9.1"}
    return list(document["log"]["entries"])


def test_every_hop_is_an_entry(entries: list) -> None:
    assert [entry["response"]["status"] for entry in entries] == [200, 302, 200, 200, 404, 0]
    assert [entry["request"]["url"].rpartition("/")[2] for entry in entries] == [
        "good", "go", "good?token=***", "page", "none", "closed",
    ]  # fmt: skip
    assert entries[1]["response"]["redirectURL"] == "/good?token=***"


def test_times_are_those_of_the_phases(entries: list) -> None:
    for entry in entries:
        parts = [value for name, value in entry["timings"].items() if value > 0 and name != "ssl"]
        assert entry["time"] == pytest.approx(sum(parts))
    assert entries[0]["timings"]["wait"] > 0
    assert entries[-1]["timings"]["wait"] == -1
    assert entries[-1]["_error"].startswith("7:")
    assert entries[0]["serverIPAddress"] == "127.0.0.1"


def test_what_came_instead_is_quoted(entries: list) -> None:
    assert "Sign in" in entries[3]["response"]["content"]["text"]
    assert "text" not in entries[0]["response"]["content"]


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = NetworkLog("surefetch/9", max_entries=4)
    with FaultyServer() as server, driving() as driver:
        driver.engine.log = log
        for number in range(10):
            driver.fetch(server.serve(f"/{number}", CONTENT), len(CONTENT))
    document = log.document()["log"]
    kept = [entry["request"]["url"][-1] for entry in document["entries"]]
    assert kept == ["0", "1", "8", "9"]
    assert "6 exchanges" in document["comment"]
