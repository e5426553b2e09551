"""The agent in the user's process: asks the parent, patches the clients that are or will be imported.

Standard library only, Python 3.8 and newer. The parts are loaded by path, never through `sys.path`.
"""

from __future__ import annotations

import _socket  # `socket` itself would cost every start of Python 5 ms
import os
import sys
import threading
from importlib.machinery import SourceFileLoader

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
#: Module of a client library -> the part that patches it.
_PATCHES = {
    "urllib.request": "patch_urllib",
    "urllib3.connectionpool": "patch_urllib3",
    "requests.adapters": "patch_requests",
    "httpx._transports.default": "patch_httpx",
    "httpx2._transports.default": "patch_httpx",
}
#: Request headers that mean something to a server of plain files. No other is passed on: no secret leaves.
_KEPT = (
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "accept",
    "accept-encoding",
    "content-type",
)
_CONNECT_SECONDS, _EXPLAIN_SECONDS = 10.0, 30.0
_BLOCK_BYTES = 1 << 16
_EXPLAIN_CHARACTERS = 200_000


def arm(place: str) -> Agent | None:
    """Arm this process once; an agent whose parent lives is kept, one whose parent is gone moves to the new.

    Args:
        place: The file in which the parent wrote address, token and the hosts it knows.

    Returns:
        The agent, or None if the parent is gone.
    """
    agent: Agent | None = getattr(sys, "_surefetch_agent", None)
    if agent is not None and agent.is_alive():
        return agent
    try:
        agent = _greeted(agent, place)
    except (OSError, ValueError, KeyError):
        _say("`surefetch run` has ended, so downloads of this process go out as always")
        return None
    if getattr(sys, "_surefetch_agent", None) is None:
        sys._surefetch_agent = agent  # type: ignore[attr-defined] # one agent per process, whoever arms
        _patch(agent)
        _load("watch").watch(agent)
    return agent


def _greeted(agent: Agent | None, place: str) -> Agent:
    """Read where the parent listens, into the agent that is here already if there is one, and say hello."""
    if agent is None:
        agent = Agent(place)
    else:
        agent.move(place)
    agent.greet()
    return agent


class Agent:
    """The way to the parent. Holds no open socket, so that forks and threads may share it."""

    def __init__(self, place: str) -> None:
        self.move(place)

    def move(self, place: str) -> None:
        """Ask the parent that `place` names from now on."""
        with open(place, encoding="utf-8") as file:
            host, port, token, *hosts = file.read().split("\n")
        # As text the host would cost the import of `encodings.idna`.
        self._address = (host.encode("ascii"), int(port))
        self._token = token
        self._hosts = frozenset(hosts)
        self._is_dead = False

    def greet(self) -> None:
        """Tell the parent that this process is armed."""
        version = ".".join(map(str, sys.version_info[:3]))
        body = f"{os.getpid()}\n{version}\n{sys.executable}"
        self._exchange("hello", body.encode("utf-8", "surrogateescape"))

    def rest(self) -> None:
        """Ask nothing any more: downloads go out as always."""
        self._is_dead = True

    def is_alive(self) -> bool:
        """Whether the parent still answers."""
        try:
            self.greet()
        except (OSError, ValueError):
            return False
        return not self._is_dead

    def target(self, url: str, method: str = "GET", body: bytes | None = None) -> str | None:
        """Ask the parent for a URL's stand-in.

        Returns:
            A loopback URL that serves proven bytes, or None: the request goes out as always.
        """
        if self._is_dead or _host(url) not in self._hosts:
            return None
        if getattr(threading.current_thread(), "surefetch_inside", False):
            return None  # surefetch's own requests
        question = {"url": url, "method": method, "python": sys.executable}
        if body:
            question["body"] = body.decode("utf-8", "replace")
        try:
            target: str | None = self.post("ask", question).get("target")
            return target
        except (OSError, ValueError):
            self._is_dead = True
            _say("`surefetch run` has ended, so downloads go out as always")
            return None

    def explain(self, text: str) -> None:
        """Print what the parent has to say to a traceback, if anything."""
        if self._is_dead:
            return
        try:
            answer = self.post("explain", {"text": text[-_EXPLAIN_CHARACTERS:]}, _EXPLAIN_SECONDS)
        except (OSError, ValueError):
            return  # the traceback itself is printed already
        if answer.get("text"):
            sys.stderr.write(answer["text"].rstrip("\n") + "\n")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """Print one line for the user."""
        _say(text)

    def kept(self, headers: Any) -> dict[str, str]:
        """Return the request headers that a server of plain files needs."""
        pairs = headers.items() if hasattr(headers, "items") else headers or ()
        return {_text(name): _text(value) for name, value in pairs if _text(name).lower() in _KEPT}

    def post(self, verb: str, content: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
        """Ask the parent one thing.

        Raises:
            OSError: The parent is gone.
            ValueError: The answer is not one of ours.
        """
        import json  # 3 ms that only a program with a known download pays

        answer = json.loads(self._exchange(verb, json.dumps(content).encode("utf-8"), seconds))
        return answer if isinstance(answer, dict) else {}

    def _exchange(self, verb: str, body: bytes, seconds: float | None = None) -> bytes:
        """Send one request, read its answer: HTTP/1.0 by hand, as `http.client` would cost 20 ms."""
        head = f"POST /{verb} HTTP/1.0\r\nX-Surefetch-Token: {self._token}\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_SECONDS)
            connection.connect(self._address)
            connection.settimeout(seconds)  # None: the parent may be fetching the file just now
            connection.sendall(head.encode("ascii") + body)
            answer = b"".join(iter(lambda: connection.recv(_BLOCK_BYTES), b""))
        finally:
            connection.close()
        status, separator, payload = answer.partition(b"\r\n\r\n")
        if not separator or b" 200 " not in status[:16]:
            raise ValueError("no answer of the desk")
        return payload


class _Finder:
    """Patches a client library right after it has been imported."""

    def __init__(self, agent: Agent, names: Iterable[str]) -> None:
        self._agent = agent
        self._waiting = dict.fromkeys(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find the module as always, and wrap its loader."""
        if name not in self._waiting:
            return None
        del self._waiting[name]
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, lambda module: _apply(name, module, self._agent))
                return spec
        return None


class _Loader:
    """A loader that puts the original back, lets it work, and patches what it made."""

    def __init__(self, original: Any, after: Callable[[Any], None]) -> None:
        self._original = original
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def create_module(self, spec: Any) -> Any:
        """Create the module as the original does."""
        return self._original.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run the module, then patch it."""
        module.__spec__.loader = self._original
        module.__loader__ = self._original
        self._original.exec_module(module)
        self._after(module)


def _patch(agent: Agent) -> None:
    """Patch what is imported already, and wait for the rest."""
    later = []
    for name in _PATCHES:
        module = sys.modules.get(name)
        if module is None:
            later.append(name)
        else:
            _apply(name, module, agent)
    sys.meta_path.insert(0, _Finder(agent, later))


def _apply(name: str, module: Any, agent: Agent) -> None:
    try:
        _load(_PATCHES[name]).apply(module, agent)
    except AttributeError as error:  # a version of the library that we do not know
        _say(f"this version of `{name}` is not known to surefetch; its downloads go out as always ({error})")


def _load(name: str) -> Any:
    module = type(sys)(f"_surefetch_{name}")
    module.__file__ = os.path.join(_HERE, f"{name}.py")
    SourceFileLoader(module.__name__, module.__file__).exec_module(module)
    return module


def _host(url: str) -> str:
    """Return a URL's host name in lower case; "" where there is none."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return ""
    for end in "/?#":
        rest = rest.partition(end)[0]
    return rest.rpartition("@")[2].partition(":")[0].lower()


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _say(text: str) -> None:
    if sys.stderr is not None:  # pythonw has none
        sys.stderr.write(f"surefetch: {text}\n")
        sys.stderr.flush()
