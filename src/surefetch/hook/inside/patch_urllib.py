"""urllib: answered where every opener passes, so names bound at import (`urlopen`, `urlretrieve`) are too."""

from __future__ import annotations

import functools
import socket

TYPE_CHECKING = False  # as typing has it, whose import would cost every start of Python
if TYPE_CHECKING:
    from typing import Any


def apply(module: Any, agent: Any) -> None:
    """Patch `OpenerDirector.open` of `urllib.request`.

    Raises:
        AttributeError: The module has no such method.
    """
    original = module.OpenerDirector.open
    if hasattr(original, "surefetch"):
        return

    default = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined] # what urllib itself has there

    @functools.wraps(original)
    def patched(self: Any, fullurl: Any, data: Any = None, timeout: Any = default) -> Any:
        request = fullurl if hasattr(fullurl, "get_method") else None
        url = request.full_url if request is not None else fullurl
        method = request.get_method() if request is not None else "GET"
        has_data = data is not None or (request is not None and request.data is not None)
        is_ours = isinstance(url, str) and not has_data and method in ("GET", "HEAD")
        target = agent.target(url.partition("#")[0], method) if is_ours else None
        if target is None:
            return original(self, fullurl, data, timeout)
        headers = agent.kept(request.header_items() if request is not None else ())
        direct = module.build_opener(module.ProxyHandler({}))
        response = original(direct, module.Request(target, headers=headers, method=method), None, timeout)
        response.url = url
        return response

    patched.surefetch = True  # type: ignore[attr-defined] # the mark by which a second arming knows
    module.OpenerDirector.open = patched
