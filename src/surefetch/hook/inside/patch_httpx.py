"""httpx and httpx2: answered in the transports, below clients, mounts and retries; both sync and async."""

from __future__ import annotations

import asyncio
import functools
import ssl

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from typing import Any


def apply(module: Any, agent: Any) -> None:
    """Patch `HTTPTransport` and `AsyncHTTPTransport` of `httpx._transports.default`.

    Raises:
        AttributeError: The module has no such classes or methods.
    """
    if not hasattr(module.HTTPTransport.handle_request, "surefetch"):
        _patch_sync(module, agent)
    if not hasattr(module.AsyncHTTPTransport.handle_async_request, "surefetch"):
        _patch_async(module, agent)


def _patch_sync(module: Any, agent: Any) -> None:
    original = module.HTTPTransport.handle_request

    @functools.wraps(original)
    def patched(self: Any, request: Any) -> Any:
        body = _body(request)
        target = agent.target(_url(request), request.method, body) if body is not None else None
        if target is None:
            return original(self, request)
        return original(module.HTTPTransport(**_plain()), _forwarded(agent, request, target, body))

    patched.surefetch = True  # type: ignore[attr-defined] # the mark by which a second arming knows
    module.HTTPTransport.handle_request = patched


def _patch_async(module: Any, agent: Any) -> None:
    original = module.AsyncHTTPTransport.handle_async_request

    @functools.wraps(original)
    async def patched(self: Any, request: Any) -> Any:
        body = _body(request)
        target = await _ask(agent, _url(request), request.method, body) if body is not None else None
        if target is None:
            return await original(self, request)
        transport = module.AsyncHTTPTransport(**_plain())
        return await original(transport, _forwarded(agent, request, target, body))

    patched.surefetch = True  # type: ignore[attr-defined] # the mark by which a second arming knows
    module.AsyncHTTPTransport.handle_async_request = patched


async def _ask(agent: Any, url: str, method: str, body: bytes) -> str | None:
    """Ask beside the event loop; under trio, where asyncio has no loop, ask in place."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        target: str | None = agent.target(url, method, body)
        return target
    return await loop.run_in_executor(None, agent.target, url, method, body)


def _forwarded(agent: Any, request: Any, target: str, body: bytes | None) -> Any:
    extensions = {name: value for name, value in request.extensions.items() if name == "timeout"}
    headers = agent.kept(request.headers)
    return type(request)(request.method, target, headers=headers, content=body or None, extensions=extensions)


def _plain() -> dict[str, Any]:
    """Options of a transport for loopback: no proxy, and a TLS context that reads no authorities."""
    return {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}


def _url(request: Any) -> str:
    return str(request.url).partition("#")[0]


def _body(request: Any) -> bytes | None:
    """Return the request's body if it is at hand, b"" if it has none, None if it would have to be read."""
    content = getattr(request, "_content", None)
    if isinstance(content, bytes):
        return content
    return b"" if request.method in ("GET", "HEAD") else None
