"""An HTTP/1.1 server on loopback, made of raw sockets and threads, that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.ports import listener

_BACKLOG = 256
#: Seconds that a stalled answer is held open at most, should a test forget to close the server.
_HOLD = 60.0


@dataclass(frozen=True)
class Script:
    """How one request is answered. The defaults are those of an honest server that takes ranges."""

    status: int | None = None  # instead of 200 or 206
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # added, or instead of the server's own of that name
    body: bytes | None = None  # instead of the file
    # ranges
    takes_ranges: bool = True
    range_shift: int = 0  # sends, and owns up to sending, another stretch
    range_lie: int = 0  # sends another stretch than its Content-Range says
    content_range: str = ""  # says this
    calls_all: bool = False  # sends the part that is asked for as if it were the whole file
    most_bytes: int | None = None  # sends no more of a range at once, and says so
    etag: str = '"v1"'  # "" for none
    last_modified: str = ""
    # the body's fate
    cut_after: int | None = None  # closes the connection after so many bytes of the body
    reset_after: int | None = None  # likewise, with a TCP reset
    stall_after: int | None = None  # likewise, falls silent
    drip: tuple[int, float] | None = None  # bytes at once, seconds between them
    flip: int | None = None  # the byte at this offset of the file is another one
    append: bytes = b""
    chunked: bool = False
    has_length: bool = True
    encoding: str = ""  # "gzip": really encodes it and says so
    # before the answer
    silence: bool = False  # takes the request and never answers
    delay: float = 0.0  # seconds
    close_at_once: bool = False  # closes without an answer
    reset_at_once: bool = False
    raw: bytes | None = None  # sends exactly this and closes
    interim: bytes = b""  # sent before the answer, e.g. a 103
    header_bytes: int = 0  # of useless headers
    close: bool = False  # says and does `Connection: close`


HONEST = Script()


def redirect(location: str, status: int = 302, **more: Any) -> Script:
    """Answer with a redirect."""
    return Script(status=status, headers=(("Location", location),), body=b"moved\n", **more)


def page(title: str, status: int = 200) -> Script:
    """Answer with a web page."""
    text = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Script(status=status, headers=(("Content-Type", "text/html; charset=utf-8"),), body=text.encode())


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    connection: int  # number of the connection
    at: float  # time.monotonic()


@dataclass
class _File:
    content: bytes
    scripts: tuple[Script, ...]
    requests: int = 0

    def next_script(self) -> Script:
        script = self.scripts[min(self.requests, len(self.scripts) - 1)]
        self.requests += 1
        return script


@dataclass
class FaultyServer:
    """Serves files by path; a context manager. Thread-safe: requests are recorded in `seen`.

    `tls` is a server-side context; `greeting` is sent as soon as a connection stands, for a port that
    speaks something else.
    """

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    greeting: bytes = b""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = listener(self.host, _BACKLOG)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> FaultyServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.go_away()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(5)

    def go_away(self) -> None:
        """Break every connection off and accept none."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in list(self._sockets):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Accept connections again, at the same port."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        self._start(self._accept)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def serve(self, path: str, content: bytes, *scripts: Script) -> str:
        """Serve a file and return its URL; the nth request is answered by the nth script, the last stays.

        A path that is a whole URL is what is asked of a proxy: the server plays one.
        """
        self._files[path] = _File(content, scripts or (HONEST,))
        return path if "://" in path else self.origin + path

    def targets(self) -> list[str]:
        """Return the paths asked for, in order."""
        return [seen.target for seen in self.seen]

    # --- connections ----------------------------------------------------------------------------------------

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._talk, connection, self.connections)

    def _talk(self, plain: socket.socket, number: int) -> None:
        connection = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets.add(plain)
            if self.greeting:
                plain.sendall(self.greeting)
                plain.recv(1 << 16)  # what was not read would turn the end into a reset
                return
            if self.tls:
                connection = self.tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._sockets.add(connection)
            while not self._closing.is_set() and self._answer(connection, number):
                pass
        except (OSError, ValueError):
            pass  # the client has gone, or the test is over
        finally:
            with self._lock:
                self._sockets -= {plain, connection}
            for end in {connection, plain}:
                with contextlib.suppress(OSError):
                    end.close()

    # --- one exchange ---------------------------------------------------------------------------------------

    def _answer(self, connection: socket.socket, number: int) -> bool:
        """Answer one request; return whether the connection goes on."""
        request = _read_head(connection)
        if request.startswith(b"\x16\x03"):  # a TLS greeting on a plain port: what nginx does
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        if not request:
            return False
        method, target, headers = _parse(request)
        with self._lock:
            self.seen.append(Seen(method, target, headers, number, time.monotonic()))
            file = self._files.get(target.partition("?")[0]) or self._files.get(target)
            script = (
                file.next_script() if file else Script(status=404, reason="Not Found", body=b"no such file\n")
            )
        if script.delay:
            self._closing.wait(script.delay)
        if script.close_at_once or script.reset_at_once:
            return _end(connection, reset=script.reset_at_once)
        if script.silence:
            self._closing.wait(_HOLD)
            return False
        if script.raw is not None:
            connection.sendall(script.raw)
            return False
        head, body, goes_on = _compose(script, file.content if file else b"", headers)
        connection.sendall(script.interim + head)
        return self._send_body(connection, script, body) and goes_on

    def _send_body(self, connection: socket.socket, script: Script, body: bytes) -> bool:
        ends = [end for end in (script.cut_after, script.reset_after, script.stall_after) if end is not None]
        stop = min([*ends, len(body)])
        self._send(connection, body[:stop], script.drip)
        if not ends or (stop == len(body) and len(body) < min(ends)):
            return True
        if script.stall_after is not None:
            self._closing.wait(_HOLD)
        return _end(connection, reset=script.reset_after is not None)

    def _send(self, connection: socket.socket, data: bytes, drip: tuple[int, float] | None) -> None:
        if drip is None:
            connection.sendall(data)
            return
        size, pause = drip
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
            if self._closing.wait(pause):
                return


def _read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and not head.startswith(b"\x16\x03") and len(head) < 65536:
        data = connection.recv(65536)
        if not data:
            return b""
        head += data
    return head


def _parse(request: bytes) -> tuple[str, str, dict[str, str]]:
    lines = request.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    pairs = (line.partition(":") for line in lines[1:])
    return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _compose(script: Script, content: bytes, asked: dict[str, str]) -> tuple[bytes, bytes, bool]:
    """Return head, body as it goes over the wire, and whether the connection may go on."""
    whole = content if script.body is None else script.body
    if script.flip is not None:
        whole = whole[: script.flip] + bytes([whole[script.flip] ^ 1]) + whole[script.flip + 1 :]
    span = _span(script, len(whole), asked)
    status = script.status or (206 if span and not script.calls_all else 200)
    headers = {"Content-Type": "application/octet-stream", "Server": "faulty"}
    if script.takes_ranges:
        headers["Accept-Ranges"] = "bytes"
    if script.etag:
        headers["ETag"] = script.etag
    if script.last_modified:
        headers["Last-Modified"] = script.last_modified
    body = whole
    if span:
        start, stop = span[0] + script.range_shift, span[1] + script.range_shift
        stop = min(stop, start + (script.most_bytes or stop))
        body = whole[start + script.range_lie : stop + script.range_lie]
        headers["Content-Range"] = script.content_range or f"bytes {start}-{stop - 1}/{len(whole)}"
    body += script.append
    if script.encoding == "gzip":
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    if script.chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = _chunk(body)
    elif script.has_length:
        headers["Content-Length"] = str(len(body) - len(script.append))
    goes_on = (script.chunked or script.has_length) and not script.close and not script.append
    headers["Connection"] = "keep-alive" if goes_on else "close"
    headers.update({f"X-Useless-{n}": "x" * 1000 for n in range(script.header_bytes // 1000)})
    lines = [f"HTTP/1.1 {status} {script.reason or 'Status'}"]
    headers.update(dict(script.headers))
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), body, goes_on


def _span(script: Script, size: int, asked: dict[str, str]) -> tuple[int, int] | None:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("range", ""))
    if not found or not script.takes_ranges or script.status is not None or script.body is not None:
        return None
    condition = asked.get("if-range")
    if condition and condition not in (script.etag, script.last_modified):
        return None
    return int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)


def _chunk(body: bytes, size: int = 4096) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _end(connection: socket.socket, *, reset: bool) -> bool:
    if reset:  # SO_LINGER with zero seconds: close() sends RST
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def behind(script: Script, **changes: Any) -> Script:
    """Return a script with some of its fields changed."""
    return replace(script, **changes)
