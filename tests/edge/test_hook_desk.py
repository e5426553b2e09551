"""The desk answers as a real server of files would; every client here is a real one, on loopback."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from surefetch.session.desk import Answer, Clerk, Desk, Hello, parse_range

DATA = bytes(range(256)) * 8
DIGEST = hashlib.sha256(DATA).hexdigest()


class OneFile(Clerk):
    """Knows one URL with a file and one with a page."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "file"
        self.path.write_bytes(DATA)
        packed = folder / "file.gz"
        packed.write_bytes(gzip.compress(DATA))
        self.answers = {
            "https://host.example/file": Answer(path=str(self.path), digest=DIGEST),
            "https://host.example/text": Answer(path=str(self.path), packed=str(packed), digest=DIGEST),
            "https://host.example/page": Answer(body=b"{}", status=404, headers={"X-Error-Code": "Gone"}),
        }
        self.greeted: list[Hello] = []

    def hosts(self) -> list[str]:
        return ["host.example"]

    def answer(self, url: str, method: str, body: str, python: str) -> Answer | None:
        return self.answers.get(url)

    def greet(self, hello: Hello) -> None:
        self.greeted.append(hello)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(OneFile(tmp_path)) as desk:
        yield desk


def connection(desk: Desk) -> tuple[http.client.HTTPConnection, dict[str, Any]]:
    host, port, token, *hosts = desk.place.read_text(encoding="utf-8").split("\n")
    return http.client.HTTPConnection(host, int(port), timeout=10), {"token": token, "hosts": hosts}


def post(desk: Desk, verb: str, content: object, token: str | None = None) -> tuple[int, Any]:
    client, facts = connection(desk)
    client.request("POST", f"/{verb}", json.dumps(content), {"X-Surefetch-Token": token or facts["token"]})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer.status, json.loads(body) if answer.status == 200 else None


def fetch(desk: Desk, name: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    _, told = post(desk, "ask", {"url": f"https://host.example/{name}", "method": method})
    path = "/" + told["target"].split("/", 3)[3]
    client, _ = connection(desk)
    client.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = client.getresponse()
    result = answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    client.close()
    return result


def test_a_known_url_gives_the_file_with_its_length_and_a_strong_validator(desk: Desk) -> None:
    status, headers, body = fetch(desk, "file")
    assert (status, body) == (200, DATA)
    assert (headers["content-length"], headers["etag"]) == (str(len(DATA)), f'"{DIGEST}"')
    assert headers["accept-ranges"] == "bytes" and "last-modified" in headers


def test_head_has_the_headers_alone(desk: Desk) -> None:
    status, headers, body = fetch(desk, "file", "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(DATA)), b"")


@pytest.mark.parametrize(
    ("wanted", "status", "part", "told"),
    [
        ("bytes=0-9", 206, DATA[:10], "bytes 0-9/2048"),
        ("bytes=2040-", 206, DATA[2040:], "bytes 2040-2047/2048"),
        ("bytes=-5", 206, DATA[-5:], "bytes 2043-2047/2048"),
        ("bytes=2000-9999", 206, DATA[2000:], "bytes 2000-2047/2048"),
        ("bytes=0-", 200, DATA, None),
        ("bytes=0-1,5-6", 200, DATA, None),
        ("lines=0-1", 200, DATA, None),
        ("bytes=9-3", 200, DATA, None),
        ("bytes=2048-", 416, b"", "bytes */2048"),
    ],
)
def test_ranges_are_answered_as_the_rfc_says(
    desk: Desk, wanted: str, status: int, part: bytes, told: str | None
) -> None:
    actual, headers, body = fetch(desk, "file", Range=wanted)
    assert (actual, body, headers.get("content-range")) == (status, part, told)


def test_a_range_of_an_older_file_gives_the_whole_one(desk: Desk) -> None:
    assert fetch(desk, "file", Range="bytes=5-", If_Range='"older"')[0] == 200
    assert fetch(desk, "file", Range="bytes=5-", If_Range=f'"{DIGEST}"')[0] == 206


def test_who_has_the_file_is_told_so(desk: Desk) -> None:
    assert fetch(desk, "file", If_None_Match=f'"{DIGEST}"')[::2] == (304, b"")


def test_who_takes_gzip_gets_the_packed_file(desk: Desk) -> None:
    _, headers, body = fetch(desk, "text", Accept_Encoding="gzip, deflate")
    assert headers["content-encoding"] == "gzip" and gzip.decompress(body) == DATA
    assert headers["etag"] != f'"{DIGEST}"'
    _, headers, body = fetch(desk, "text")
    assert "content-encoding" not in headers and body == DATA


def test_a_page_has_its_own_status_and_headers(desk: Desk) -> None:
    status, headers, body = fetch(desk, "page")
    assert (status, headers["x-error-code"], body) == (404, "Gone", b"{}")


def test_an_unknown_url_is_not_answered(desk: Desk) -> None:
    assert post(desk, "ask", {"url": "https://host.example/other", "method": "GET"}) == (
        200,
        {"target": None},
    )


def test_without_the_token_nothing_is_told(desk: Desk) -> None:
    assert post(desk, "ask", {"url": "https://host.example/file", "method": "GET"}, token="guess")[0] == 404
    client, _ = connection(desk)
    client.request("GET", "/0123456789abcdef/file")
    assert client.getresponse().status == 404
    client.close()


@pytest.mark.parametrize("content", [{}, [], {"url": 1}])
def test_a_question_that_is_none_is_refused(desk: Desk, content: object) -> None:
    assert post(desk, "ask", content)[0] == 400
    assert post(desk, "nonsense", {})[0] == 400


def test_only_this_user_can_read_where_the_desk_is(desk: Desk) -> None:
    assert desk.place.stat().st_mode & 0o077 == 0
    assert desk.place.parent.stat().st_mode & 0o077 == 0


def test_a_closed_desk_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(OneFile(tmp_path))
    desk.open()
    place = desk.place
    desk.close()
    assert not place.parent.exists()


@pytest.mark.parametrize("size", [0, 1, 10])
def test_no_range_ever_leaves_the_file(size: int) -> None:
    for text in (
        "bytes=0-0",
        "bytes=-0",
        "bytes=-1",
        "bytes=5-",
        "bytes=-99",
        "bytes=",
        "bytes=a-b",
        "",
        None,
    ):
        part = parse_range(text, size)
        assert part is None or 0 <= part[0] <= part[1] <= size
