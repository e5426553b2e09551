"""Imports point down only: reads the table of docs/architecture.md and every module of the package."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "surefetch"
LAYERS = ["words", "decisions", "edges", "session", "doors"]


def table() -> dict[str, tuple[str, set[str], set[str]]]:
    """room -> (layer, rooms it may import, third-party packages at the top of a module)."""
    rows = {}
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0] in LAYERS:
            names = [{name.strip() for name in cell.split(",") if name.strip()} for cell in cells[2:]]
            rows[cells[1]] = (cells[0], names[0], names[1])
    return rows


def modules() -> list[tuple[str, Path]]:
    """(room, file) of every module."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        found.append((relative.parts[0].removesuffix(".py"), path))
    return found


def imports(tree: ast.AST, *, top_only: bool) -> set[str]:
    """Dotted names that a module imports; `top_only`: not inside functions, nor for type checkers only."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return names


def test_every_room_stands_in_the_table() -> None:
    assert {room for room, _ in modules()} <= set(table())


def test_imports_point_down_only() -> None:
    rows, wrong = table(), []
    words = {room for room, (layer, _, _) in rows.items() if layer == "words"}
    for room, path in modules():
        allowed = rows[room][1] | words | {room}
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), top_only=False):
            parts = name.split(".")
            if parts[0] != "surefetch" or len(parts) < 2 or parts[1].startswith("__version"):
                continue
            if parts[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_third_party_packages_are_imported_where_the_table_says() -> None:
    rows, wrong = table(), []
    for room, path in modules():
        allowed = rows[room][2] | {"surefetch"} | set(sys.stdlib_module_names)
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), top_only=True):
            if name.split(".")[0] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name} at its top")
    assert wrong == []


def test_the_hook_is_standard_library_only() -> None:
    for room, path in modules():
        if room == "hook":
            names = imports(ast.parse(path.read_text(encoding="utf-8")), top_only=False)
            foreign = {n for n in names if n.split(".")[0] not in sys.stdlib_module_names}
            assert {n for n in foreign if not n.startswith("surefetch.hook")} == set(), path


def test_words_and_decisions_open_nothing() -> None:
    """No sockets, no processes, no files below the edges (reading the package's own data apart)."""
    closed = {"socket", "subprocess", "pycurl", "urllib.request", "http.client", "ssl", "shutil", "tempfile"}
    wrong = []
    for room, path in modules():
        if table()[room][0] in LAYERS[:2]:
            names = imports(ast.parse(path.read_text(encoding="utf-8")), top_only=False)
            wrong += [
                f"{path.relative_to(ROOT)}: {n}"
                for n in names
                if n in closed or n.rpartition(".")[0] in closed
            ]
    assert wrong == []
