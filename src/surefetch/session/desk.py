"""The desk: a tiny loopback server that the hook asks, and from which known files are served.

HTTP as RFC 9110 and 9112 have it, as far as clients of plain files use it: GET, HEAD, single ranges,
validators.
"""

from __future__ import annotations

import hmac
import json
import secrets
import shutil
import tempfile
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from surefetch.model import Struct

_BLOCK_BYTES = 1 << 20
_BODY_BYTES = 1 << 22  # of a question


class Answer(Struct, frozen=True, kw_only=True):
    """What a known URL gives: a file of proven bytes, or a small page."""

    path: str = ""  # of the file
    packed: str = ""  # path of the same, gzip'd, for clients that take that
    body: bytes = b""  # of the page
    status: int = 200
    digest: str = ""  # SHA-256 of the bytes; the strong validator
    media_type: str = "application/octet-stream"
    headers: dict[str, str] = {}


class Hello(Struct, frozen=True, kw_only=True):
    """A process said that it is armed."""

    pid: int
    python: str  # its executable
    version: str


class Clerk:
    """What the desk asks in turn. The default answers nothing."""

    def hosts(self) -> list[str]:
        """Host names of all URLs that may be answered."""
        return []

    def answer(self, url: str, method: str, body: str, python: str) -> Answer | None:
        """Return what a URL gives, None if it is to go out as always."""
        return None

    def explain(self, text: str) -> str:
        """Return what to print below a traceback."""
        return ""

    def greet(self, hello: Hello) -> None:
        """Take notice of an armed process."""


class Desk:
    """Serves on a loopback port until it is closed. Mutable: remembers its answers."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._token = secrets.token_hex(16)
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="surefetch-"))  # 0700
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Desk:
        self.open()
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    @property
    def place(self) -> Path:
        """The file that tells the hook where the desk is; only this user can read it."""
        return self._folder / "desk"

    def open(self) -> None:
        """Begin to serve."""
        host, port = self._server.server_address[:2]
        lines = [str(host), str(port), self._token, *sorted(self._clerk.hosts())]
        self.place.touch(mode=0o600)
        self.place.write_text("\n".join(lines), encoding="utf-8")
        self._thread.start()

    def close(self) -> None:
        """Stop serving; what is being sent may end."""
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def is_token(self, token: str) -> bool:
        """Whether a question comes from our own hook."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode("ascii"))

    def handle(self, verb: str, content: bytes) -> dict[str, Any]:
        """Answer one question of the hook: JSON, or for `hello` lines, which cost it no import.

        Raises:
            KeyError, TypeError, ValueError: It is not a question of the hook.
        """
        verbs = {"hello": self._hello, "ask": self._ask, "explain": self._explain}
        return verbs[verb](content)

    def find(self, key: str) -> Answer | None:
        """Return an answer that was promised under this key."""
        return self._answers.get(key)

    def _hello(self, content: bytes) -> dict[str, Any]:
        pid, version, python = content.decode("utf-8", "surrogateescape").split("\n", 2)
        self._clerk.greet(Hello(pid=int(pid), python=python, version=version))
        return {}

    def _ask(self, content: bytes) -> dict[str, Any]:
        question = json.loads(content)
        url, method = str(question["url"]), str(question["method"])
        # One at a time: several threads of a program often want files of one dataset at once.
        with self._lock:
            answer = self._clerk.answer(
                url, method, str(question.get("body", "")), str(question.get("python", ""))
            )
        if answer is None:
            return {"target": None}
        key = secrets.token_hex(16)
        self._answers[key] = answer
        host, port = self._server.server_address[:2]
        return {"target": f"http://{host!s}:{port}/{key}/{_file_name(url)}"}

    def _explain(self, content: bytes) -> dict[str, Any]:
        with self._lock:
            return {"text": self._clerk.explain(str(json.loads(content)["text"]))}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, desk: Desk) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.desk = desk

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that leaves early is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    """One connection: a question of the hook, or a client that was sent here."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "surefetch", ""
    server: _Server

    def do_GET(self) -> None:
        """Serve a promised answer."""
        self._serve()

    def do_HEAD(self) -> None:
        """Serve a promised answer's headers."""
        self._serve()

    def do_POST(self) -> None:
        """Answer the hook, or a client's own POST to a page."""
        threading.current_thread().surefetch_inside = True  # type: ignore[attr-defined] # the hook looks for it
        length = min(int(self.headers.get("Content-Length") or 0), _BODY_BYTES)
        content = self.rfile.read(length)
        if self.server.desk.is_token(self.headers.get("X-Surefetch-Token", "")):
            self._reply(content)
        else:
            self._serve()

    def _reply(self, content: bytes) -> None:
        try:
            given = self.server.desk.handle(self.path.strip("/"), content)
        except (KeyError, TypeError, ValueError):
            self.send_error(400)
            return
        self._send_page(Answer(body=json.dumps(given).encode("utf-8"), media_type="application/json"))

    def _serve(self) -> None:
        answer = self.server.desk.find(self.path.strip("/").partition("/")[0])
        if answer is None:
            self.send_error(404)
        elif answer.packed and self._takes_gzip():
            headers = answer.headers | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
            self._send_file(
                replace(answer, path=answer.packed, headers=headers, digest=f"{answer.digest}-gzip")
            )
        elif answer.path:
            self._send_file(answer)
        else:
            self._send_page(answer)

    def _takes_gzip(self) -> bool:
        return "gzip" in self.headers.get("Accept-Encoding", "") and "Range" not in self.headers

    def _send_page(self, answer: Answer) -> None:
        headers = {"Content-Length": str(len(answer.body)), "Content-Type": answer.media_type}
        self._head(answer.status, headers | answer.headers)
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_file(self, answer: Answer) -> None:
        headers, size = _file_headers(answer)
        if headers["ETag"] in self.headers.get("If-None-Match", ""):
            self._head(304, headers)
            return
        may_be_partial = self.headers.get("If-Range", headers["ETag"]) == headers["ETag"]  # RFC 9110, 13.1.5
        wanted = self.headers.get("Range") if may_be_partial else None
        part = parse_range(wanted, size)
        if part is None:
            self._head(416, headers | {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        start, stop = part
        headers["Content-Length"] = str(stop - start)
        if part != (0, size):
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self._head(200 if part == (0, size) else 206, headers)
        if self.command != "HEAD":
            self._send_bytes(Path(answer.path), start, stop)

    def _send_bytes(self, path: Path, start: int, stop: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            while start < stop and (block := file.read(min(_BLOCK_BYTES, stop - start))):
                self.wfile.write(block)
                start += len(block)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")  # clients then keep no connection to look after
        self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class' own word
        """Log nothing."""


def _file_headers(answer: Answer) -> tuple[dict[str, str], int]:
    status = Path(answer.path).stat()
    validator = answer.digest or f"{status.st_mtime_ns:x}-{status.st_size:x}"
    headers = {
        "Content-Type": answer.media_type,
        "Accept-Ranges": "bytes",
        "ETag": f'"{validator}"',
        "Last-Modified": formatdate(status.st_mtime, usegmt=True),
    }
    return headers | answer.headers, status.st_size


def parse_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header (RFC 9110, 14.1.2).

    Args:
        text: The header; None, another unit and several ranges count as the whole file.
        size: The file's bytes.

    Returns:
        Half-open (start, stop), or None if no byte of it exists (416).
    """
    unit, _, wanted = (text or "").partition("=")
    first, dash, last = wanted.strip().partition("-")
    is_number = all(not number or number.isdecimal() for number in (first, last))
    if unit.strip().lower() != "bytes" or not dash or not is_number or not (first or last):
        return 0, size
    if not first:
        return (max(0, size - int(last)), size) if int(last) else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return 0, size
    return (start, stop) if start < size else None


def _file_name(url: str) -> str:
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isalnum() or letter in "-_.")[:100] or "file"
