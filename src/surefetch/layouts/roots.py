"""Which `root` a program gives to torchvision's datasets: read from its source, which is never run."""

from __future__ import annotations

import ast
import json
import warnings


def roots_in(source: str, class_names: frozenset[str]) -> list[str]:
    """Return the literal roots with which a Python program makes datasets, in order, each once.

    Args:
        source: The program's text; one that cannot be parsed has none.
        class_names: Classes to look for, e.g. `MNIST`.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # invalid escapes in a stranger's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in class_names
    )
    roots = (_root(call) for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)))
    return list(dict.fromkeys(root for root in roots if root))


def notebook_source(text: str) -> str:
    """Return the code of a notebook's cells, without magics and shell lines; "" if it is no notebook."""
    try:
        cells = json.loads(text)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError):
        return ""
    lines = "\n".join(code).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!", "?")))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _root(call: ast.Call) -> str:
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "root"), None)
    if given is None and call.args:
        given = call.args[0]
    if isinstance(given, ast.Call) and _name(given.func) in ("Path", "expanduser") and given.args:
        given = given.args[0]
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else ""
