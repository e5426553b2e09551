"""urllib3: answered in the connection pool, where requests, pip, botocore and others pass too."""

from __future__ import annotations

import functools

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from typing import Any


def apply(module: Any, agent: Any) -> None:
    """Patch `HTTPConnectionPool.urlopen` of `urllib3.connectionpool`.

    Raises:
        AttributeError: The module has no such method.
    """
    original = module.HTTPConnectionPool.urlopen
    if hasattr(original, "surefetch"):
        return

    @functools.wraps(original)
    def patched(
        self: Any,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *arguments: Any,
        **keywords: Any,
    ) -> Any:
        full = _absolute(self, url)
        target = agent.target(full, method.upper(), body) if body is None or isinstance(body, bytes) else None
        if target is None:
            return original(self, method, url, body, headers, *arguments, **keywords)
        kept = agent.kept(headers if headers is not None else self.headers)
        host, _, path = target[len("http://") :].partition("/")
        name, _, port = host.partition(":")
        keywords.pop("assert_same_host", None)
        with_pool = module.HTTPConnectionPool(name, int(port))
        response = original(with_pool, method, "/" + path, body, kept, *arguments, **keywords)
        if hasattr(response, "_request_url"):
            response._request_url = url
        return response

    patched.surefetch = True  # type: ignore[attr-defined] # the mark by which a second arming knows
    module.HTTPConnectionPool.urlopen = patched


def _absolute(pool: Any, url: str) -> str:
    """Return the whole URL; a pool of a forwarding proxy gets one, every other pool gets a path."""
    if not url.startswith("/"):
        return url.partition("#")[0]
    port = f":{pool.port}" if pool.port and pool.port not in (80, 443) else ""
    return f"{pool.scheme}://{pool.host}{port}" + url.partition("#")[0]
