"""The examples of docs/loading.md run in their order, and what stands behind them is what they give."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import surefetch as sf
from surefetch.dataset import Handle
from surefetch.session import show as show_module

PAGE = Path(__file__).parents[2] / "docs" / "loading.md"
BLOCK = re.compile(r"^```python *(?P<mark>[\w-]*)\n(?P<body>.*?)^```$", re.M | re.S)
SHAPES = {
    "train/label": [60000],
    "train/image": [60000, 28, 28],
    "test/label": [10000],
    "test/image": [10000, 28, 28],
}


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something of MNIST's shape where `load` looks: files with holes, which are zeros."""

    def record(name: str) -> dict[str, Any]:
        path, size = tmp_path / name.replace("/", "-"), 1
        for length in SHAPES[name]:
            size *= length
        with path.open("wb") as file:
            file.truncate(size)
        return {"dtype": "uint8", "shape": SHAPES[name], "sha256": name, "path": str(path)}

    tensors = {name: record(name) for name in SHAPES}
    classes = [str(number) for number in range(10)]
    handle = Handle({"dataset": "mnist", "version": "1", "classes": classes, "tensors": tensors})
    monkeypatch.setattr(sf, "load", lambda name: handle, raising=False)
    monkeypatch.setattr(show_module, "load", lambda name, session=None: handle)
    monkeypatch.chdir(tmp_path)


def test_every_example_gives_what_it_says(mnist: None) -> None:
    space: dict[str, Any] = {}
    bodies = [
        found["body"] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")) if not found["mark"]
    ]
    checked = sum(run(body, space) for body in bodies)
    assert len(bodies) == 4 and checked == 10


def run(body: str, space: dict[str, Any]) -> int:
    """Run a block; compare each expression with the comment behind it. Return how many were compared."""
    lines, checked = body.splitlines(), 0
    for statement in ast.parse(body).body:
        _, _, said = lines[(statement.end_lineno or 1) - 1].partition("  # ")
        if isinstance(statement, ast.Expr) and said:
            value = eval(compile(ast.Expression(statement.value), PAGE.name, "eval"), space)
            assert repr(value) == said
            checked += 1
        else:
            exec(compile(ast.Module([statement], []), PAGE.name, "exec"), space)
    return checked
