"""requests: a known URL needs neither its proxy nor its CA file; the bytes come through urllib3's pool."""

from __future__ import annotations

import functools

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from typing import Any


def apply(module: Any, agent: Any) -> None:
    """Patch `HTTPAdapter.send` of `requests.adapters`.

    Raises:
        AttributeError: The module has no such method.
    """
    original = module.HTTPAdapter.send
    if hasattr(original, "surefetch"):
        return

    @functools.wraps(original)
    def patched(
        self: Any,
        request: Any,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Any:
        body = request.body if isinstance(request.body, bytes) else None
        is_ours = request.body is None or body is not None
        if is_ours and agent.target(request.url.partition("#")[0], request.method, body) is not None:
            verify, cert, proxies = True, None, {}  # a proxy or CA file that cannot be used is no matter here
        return original(self, request, stream, timeout, verify, cert, proxies)

    patched.surefetch = True  # type: ignore[attr-defined] # the mark by which a second arming knows
    module.HTTPAdapter.send = patched
