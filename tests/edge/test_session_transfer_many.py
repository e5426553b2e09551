"""Whole gets of many files, by several processes, over real servers: few connections, nothing asked twice."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefetch.catalog.write import write_catalog
from surefetch.errors import FetchError
from surefetch.model import Artifact, Dataset
from surefetch.receipts import Receipt
from surefetch.reporters import SilentReporter
from surefetch.session.copying import copy_local
from surefetch.session.facade import Session
from surefetch.settings import Settings
from tests.fakes.faulty_server import FaultyServer, Script, page
from tests.fakes.servers import TestAuthority, nginx
from tests.fakes.slow_link import SlowLink

MIB = 1 << 20
DATA = random.Random(4).randbytes(5 * MIB)
FILES = {f"f{number:04}.bin": random.Random(number).randbytes(4 << 10) for number in range(1000)}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def catalog(folder: Path, files: dict[str, bytes], *origins: str) -> Path:
    artifacts = tuple(
        Artifact(
            name=name,
            form="files",
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            urls=tuple(f"{origin}/{name}" for origin in origins),
        )
        for name, data in files.items()
    )
    path = folder / "many.toml"
    path.write_text(write_catalog(Dataset(name="many", version="1", artifacts=artifacts)), encoding="utf-8")
    return path


def session(home: Path, described: Path, *mirrors: str) -> Session:
    settings = Settings(store=str(home / "store"), progress=False, catalogs=(str(described),), mirror=mirrors)
    return Session(settings, SilentReporter())


# --- many files ---------------------------------------------------------------------------------------------


def test_a_thousand_small_files_come_over_few_connections(home: Path, server: FaultyServer) -> None:
    for name, data in FILES.items():
        server.serve(f"/{name}", data)
    receipt = session(home, catalog(home, FILES, server.origin), server.origin).get("many")
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == FILES
    assert all(file.proof == "bytes" for file in receipt.files)
    assert list((home / "store" / "parts-v1").glob("*.view")) == []  # the folder was made in one of these
    assert server.connections <= 30  # 16, and those of requests that were raced on a busy machine
    assert len(FILES) <= len(server.seen) <= len(FILES) + 20


def test_a_get_of_many_files_that_fails_leaves_no_folder_half_made(home: Path, server: FaultyServer) -> None:
    files = dict(list(FILES.items())[:100])
    for name, data in files.items():
        server.serve(f"/{name}", data)
    server.serve("/f0050.bin", b"", Script(status=404))
    with pytest.raises(FetchError):
        session(home, catalog(home, files, server.origin)).get("many")
    assert list((home / "store").rglob("*.view")) == list((home / "store").rglob("f00*.bin")) == []
    server.serve("/f0050.bin", files["f0050.bin"])
    receipt = session(home, catalog(home, files, server.origin)).get("many")
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == files


@pytest.mark.parametrize("status", [500, 503])
def test_a_host_that_fails_some_requests_by_chance_gives_all_files(
    home: Path, server: FaultyServer, status: int
) -> None:
    """Two files fail three times, as some do where every eighth request fails: no file is to blame."""
    files = dict(list(FILES.items())[:200])
    for number, (name, data) in enumerate(files.items()):
        failures = 3 if number in (50, 150) else int(number % 8 == 3)
        server.serve(f"/{name}", data, *[Script(status=status)] * failures, Script())
    receipt = session(home, catalog(home, files, server.origin), server.origin).get("many")
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == files
    asked = [target for target in server.targets() if target.removeprefix("/") in files]  # a store has others
    assert 200 + 2 * 3 + 25 <= len(asked) <= 200 + 2 * 3 + 25 + 10


@pytest.mark.skipif(sys.platform == "win32", reason="what a process may have open is limited by ulimit here")
def test_files_come_where_few_may_be_open(home: Path, server: FaultyServer) -> None:
    """And where a host has none of them: a file is open for each only while it is asked for."""
    large = {f"large{number}.bin": random.Random(number).randbytes(300 << 10) for number in range(80)}
    files = {**large, **dict(list(FILES.items())[:300])}
    for name, data in files.items():
        server.serve(f"/{name}", data)
    described = catalog(home, files)
    words = (sys.executable, "-m", "surefetch", "get", "many", "--catalog", str(described))
    words += ("--mirror", f"{server.origin}/none/", "--mirror", f"{server.origin}/", "--output", "out/")
    done = subprocess.run(
        ["/bin/bash", "-c", 'ulimit -n 64; exec "$@"', "-", *words],
        capture_output=True, text=True, timeout=120, check=False, cwd=home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {name: (home / "out" / name).read_bytes() for name in files} == files


def test_what_a_worker_did_not_expect_is_raised_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object) -> None:
        raise MemoryError("no room for a copy")

    monkeypatch.setattr("surefetch.session.copying.copy_local", copy)
    (home / "f.bin").write_bytes(DATA)
    with pytest.raises(MemoryError, match="no room for a copy"):
        session(home, catalog(home, {"f.bin": DATA})).get("many", local=[home / "f.bin"])


def test_a_file_on_a_slow_disk_is_copied_after_the_network_was_needed(
    home: Path, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*words: Any) -> Any:
        time.sleep(1.0)
        return copy_local(*words)

    monkeypatch.setattr("surefetch.session.copying.copy_local", slowly)
    files = {"here.bin": DATA, "there.bin": FILES["f0000.bin"]}
    (home / "here.bin").write_bytes(DATA)
    server.serve("/there.bin", files["there.bin"])
    described = catalog(home, files, server.origin)
    receipt = session(home, described, server.origin).get("many", local=[home / "here.bin"])
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == files


def over_a_link(
    home: Path, files: dict[str, bytes], rate: float, seconds: float, breaks_after: float = math.inf
) -> tuple[Receipt, SlowLink]:
    """Get files from nginx over HTTP/2 and a slow relay; nobody is waited for longer than so many seconds."""
    authority = TestAuthority(home / "authority")
    with nginx(home / "nginx", authority.leaf("localhost")) as web:
        for name, data in files.items():
            (web.root / name).write_bytes(data)
        with SlowLink(int(web.h2.rpartition(":")[2]), rate, breaks_after) as link:
            described = catalog(home, files, f"https://localhost:{link.port}")
            settings = Settings(
                store=str(home / "store"), progress=False, catalogs=(str(described),),
                ca_bundle=str(authority.pem), first_byte_timeout=seconds, stall_timeout=seconds,
            )  # fmt: skip
            return Session(settings, SilentReporter()).get("many"), link


def test_small_files_over_a_slow_shared_connection_get_more_of_them(home: Path) -> None:
    """All wait for all on it, for longer than one alone would be waited for: that is no silence."""
    files = {f"f{number:02}.bin": random.Random(number).randbytes(12_000) for number in range(100)}
    receipt, link = over_a_link(home, files, 300e3, 0.9)
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == files
    assert [attempt for file in receipt.files for attempt in file.attempts] == []
    assert 2 <= link.connections <= 16


def test_a_shared_connection_that_broke_unseen_is_not_used_again(home: Path) -> None:
    files = {f"f{number:03}.bin": random.Random(number).randbytes(4096) for number in range(150)}
    receipt, link = over_a_link(home, files, 1e6, 1.5, breaks_after=250_000)
    assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == files
    assert link.connections >= 2


@pytest.mark.parametrize("knows_size", [True, False])
def test_an_empty_file_is_proven_without_asking_anybody(home: Path, knows_size: bool) -> None:
    empty = Artifact(
        name="empty.bin",
        form="files",
        size=0 if knows_size else None,
        max_size=None if knows_size else 100,
        md5=hashlib.md5(b"").hexdigest(),
        urls=("http://127.0.0.1:9/empty.bin",),
    )
    path = home / "empty.toml"
    path.write_text(write_catalog(Dataset(name="many", version="1", artifacts=(empty,))), encoding="utf-8")
    receipt = session(home, path).get("many")
    assert Path(receipt.files[0].path).read_bytes() == b""


def test_missing_files_fail_with_all_attempts_told_and_the_others_stay(
    home: Path, server: FaultyServer
) -> None:
    files = dict(list(FILES.items())[:200])
    gone = list(files)[50:53]
    for name, data in files.items():
        server.serve(f"/{name}", data, *([page("not found", 404)] if name in gone else []))
    described = catalog(home, files, server.origin)
    with pytest.raises(FetchError) as caught:
        session(home, described, server.origin).get("many")
    told = {attempt.artifact for attempt in caught.value.attempts}
    assert told == set(gone)
    assert {attempt.cause for attempt in caught.value.attempts} == {"http.not-found"}
    server.seen.clear()
    for name in gone:
        server.serve(f"/{name}", files[name])
    session(home, described, server.origin).get("many")
    assert sorted(server.targets()) == sorted(f"/{name}" for name in gone)


# --- several processes --------------------------------------------------------------------------------------


def start(home: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    variables |= {"SUREFETCH_STORE": str(home / "store"), "SUREFETCH_CONNECTIONS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "surefetch", "get", *words],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def named(server: FaultyServer, *more: FaultyServer) -> list[str]:
    mirrors = [word for other in more for word in ("--mirror", other.origin + "/data.bin")]
    digest = hashlib.sha256(DATA).hexdigest()
    return [server.origin + "/data.bin", *mirrors, "--sha256", digest, "--size", str(len(DATA)), "--json"]


def test_after_a_kill_the_next_get_goes_on_from_other_mirrors(home: Path, server: FaultyServer) -> None:
    server.serve("/data.bin", DATA, Script(drip=(64 << 10, 0.01), stall_after=3 * MIB))
    first = start(home, *named(server), SUREFETCH_STALL_TIMEOUT="2")
    journals = home / "store"
    limit = time.monotonic() + 20
    while time.monotonic() < limit and not _received(journals) > MIB:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=20)
    with FaultyServer() as other:
        other.serve("/data.bin", DATA)
        server.seen.clear()
        second = start(home, *named(other))
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        ranges = [seen.headers.get("range", "") for seen in other.seen]
    result = json.loads(out)
    assert 0 < result["fetched"] < len(DATA)
    assert all(text.startswith("bytes=") and not text.startswith("bytes=0-") for text in ranges)


def test_after_a_kill_only_what_is_missing_is_asked_for_where_no_size_was_given(
    home: Path, server: FaultyServer
) -> None:
    words = [word for word in named(server) if word not in ("--size", str(len(DATA)))]
    server.serve("/data.bin", DATA, *[Script(drip=(32 << 10, 0.05))] * 20)
    first = start(home, *words, SUREFETCH_CONNECTIONS="6")
    limit = time.monotonic() + 20
    while time.monotonic() < limit and not _received(home / "store") > 3 * MIB:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=20)
    kept = _received(home / "store")
    assert 3 * MIB < kept < len(DATA)
    server.serve("/data.bin", DATA)
    server.seen.clear()
    second = start(home, *words, SUREFETCH_CONNECTIONS="6")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    bounds = [seen.headers.get("range", "").removeprefix("bytes=").split("-") for seen in server.seen]
    assert all(len(bound) == 2 and bound[1] for bound in bounds), bounds
    missing = len(DATA) - kept
    assert missing <= sum(int(stop) + 1 - int(start) for start, stop in bounds) <= 1.5 * missing + MIB


def _received(store: Path) -> int:
    """Bytes that the journals of unfinished parts tell."""
    counts = [0]
    for path in store.rglob("*.json"):
        try:
            received = json.loads(path.read_bytes()).get("received", [])
        except (ValueError, OSError):
            continue
        counts.append(sum(stop - start for start, stop in received))
    return max(counts)


def test_a_resume_is_bound_to_the_validator(home: Path, server: FaultyServer) -> None:
    server.serve("/data.bin", DATA, Script(cut_after=2 * MIB, etag='"v1"'), Script(status=404, body=b"gone"))
    first = start(home, *named(server), SUREFETCH_DEADLINE="2")
    first.communicate(timeout=30)
    assert first.returncode != 0
    server.serve("/data.bin", DATA, Script(etag='"v1"'))
    server.seen.clear()
    second = start(home, *named(server))
    _, err = second.communicate(timeout=30)
    assert second.returncode == 0, err
    assert [seen.headers.get("if-range") for seen in server.seen] == ['"v1"']
    assert server.seen[0].headers["range"] == f"bytes={2 * MIB}-{len(DATA) - 1}"


def test_two_processes_at_once_both_end_with_the_file(home: Path, server: FaultyServer) -> None:
    server.serve("/data.bin", DATA, Script(drip=(256 << 10, 0.02)))
    both = [start(home, *named(server)) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert Path(json.loads(out)["path"]).read_bytes() == DATA
    assert not list((home / "store").rglob("*.part"))


# --- a real server ------------------------------------------------------------------------------------------


def test_two_throttled_hosts_of_nginx_share_the_file(home: Path, tmp_path: Path) -> None:
    with nginx(tmp_path / "one", rate=4 * MIB) as one, nginx(tmp_path / "two", rate=4 * MIB) as two:
        for host in (one, two):
            (host.root / "data.bin").write_bytes(DATA)
        settings = Settings(store=str(home / "store"), progress=False, connections=1)
        began = time.monotonic()
        receipt = Session(settings, SilentReporter()).get(
            one.throttled + "/data.bin",
            sha256=hashlib.sha256(DATA).hexdigest(),
            size=len(DATA),
            mirrors=[two.throttled + "/data.bin"],
        )
        assert Path(receipt).read_bytes() == DATA
        assert time.monotonic() - began < 20


def test_a_file_that_was_replaced_between_two_answers_is_taken_whole(
    home: Path, server: FaultyServer
) -> None:
    data = FILES["f0000.bin"]
    cut = Script(cut_after=408)
    server.serve("/f.bin", data, cut, Script(takes_ranges=False), Script(etag='"v2"'))
    with FaultyServer() as other:
        other.serve("/f.bin", data, Script(silence=True))
        described = catalog(home, {"f.bin": data})
        named = [f"{one.origin}/f.bin" for one in (server, other)]
        receipt = session(home, described).get("many", mirrors=named)
    assert Path(receipt.files[0].path).read_bytes() == data


@pytest.mark.parametrize("status", [403, 444, 500, 503])  # 444: it hangs up
def test_nginx_that_takes_two_connections_gives_all_over_them(
    home: Path, tmp_path: Path, status: int
) -> None:
    more = f"limit_conn_zone $binary_remote_addr zone=one:1m; limit_conn one 2; limit_conn_status {status};"
    some = dict(list(FILES.items())[:60])
    with nginx(tmp_path / "nginx", rate=MIB, more=more) as web:
        for name, data in {**some, "data.bin": DATA}.items():
            (web.root / name).write_bytes(data)
        receipt = session(home, catalog(home, {"data.bin": DATA})).get("many", mirrors=[web.throttled + "/"])
        assert Path(receipt.files[0].path).read_bytes() == DATA
        receipt = session(home, catalog(home, some)).get("many", mirrors=[web.plain + "/"])
        assert {file.name: Path(file.path).read_bytes() for file in receipt.files} == some
