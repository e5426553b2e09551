"""`import surefetch.auto`: a process arms itself, after its imports and after a download has failed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DATA = b"some proven bytes\n" * 100
URL = "https://files.example/demo/points.bin"
CATALOG = f"""
name = "demo-points"
version = "1"
title = "Points for a test"

[[artifact]]
form = "files"
name = "points.bin"
size = {len(DATA)}
sha256 = "{hashlib.sha256(DATA).hexdigest()}"
urls = ["{URL}"]
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose store has the file, whose catalog knows the URL, and which has no way out."""
    (tmp_path / "points.bin").write_bytes(DATA)
    catalog = tmp_path / "demo.toml"
    catalog.write_text(CATALOG, encoding="utf-8")
    environ = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(tmp_path),
        "SUREFETCH_STORE": str(tmp_path / "store"),
        "SUREFETCH_CATALOGS": str(catalog),
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    words = [sys.executable, "-m", "surefetch", "get", "demo-points", "--from", str(tmp_path / "points.bin")]
    got = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, got.stderr
    return environ


def run(text: str, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "program.py"
    script.write_text(f"URL = {URL!r}\n" + textwrap.dedent(text), encoding="utf-8")
    words = [sys.executable, str(script)]
    return subprocess.run(words, env=environ, cwd=folder, capture_output=True, text=True, timeout=60)


def test_it_helps_after_imports_and_a_failure(environ: dict[str, str], tmp_path: Path) -> None:
    ran = run(
        """
        import requests, httpx
        from urllib.request import urlopen, urlretrieve
        session, client = requests.Session(), httpx.Client()
        failures = 0
        for load in (urlopen, session.get, client.get):
            try:
                load(URL)
            except Exception:
                failures += 1
        import surefetch.auto
        sizes = {len(urlopen(URL).read()), len(session.get(URL).content), len(client.get(URL).content)}
        surefetch.auto.disarm()
        try:
            urlopen(URL)
        except OSError:
            failures += 1
        surefetch.auto.arm()
        sizes.add(len(urlopen(URL).read()))
        print(failures, sizes)
        """,
        environ,
        tmp_path,
    )
    assert ran.stdout.strip() == f"4 {{{len(DATA)}}}", ran.stderr


def test_forked_workers_are_answered_by_their_parent(environ: dict[str, str], tmp_path: Path) -> None:
    ran = run(
        """
        import multiprocessing
        from urllib.request import urlopen
        import surefetch.auto

        def size(url):
            return len(urlopen(url).read())

        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(set(pool.map(size, [URL] * 6)))
        """,
        environ,
        tmp_path,
    )
    assert ran.stdout.strip() == f"{{{len(DATA)}}}", ran.stderr


def test_a_program_that_was_armed_by_its_parent_stays_so(environ: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        f"import surefetch.auto\nfrom urllib.request import urlopen\nprint(len(urlopen({URL!r}).read()))\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "surefetch", "run", "--python", sys.executable, str(script)]
    ran = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == str(len(DATA))
    assert ran.stderr.count("armed") == 1


def test_a_notebooks_cells_are_explained(environ: dict[str, str], tmp_path: Path) -> None:
    """The events of a kernel, without one: what IPython calls, in its order."""
    ran = run(
        """
        import types

        class Events:
            def __init__(self):
                self.calls = {}

            def register(self, name, function):
                self.calls[name] = function

            def unregister(self, name, function):
                assert self.calls.pop(name) is function

        import surefetch.auto as extension
        shell = types.SimpleNamespace(events=Events())
        extension.load_ipython_extension(shell)
        extension.load_ipython_extension(shell)
        from urllib.request import urlopen
        try:
            urlopen("https://unknown.example/x")
        except OSError as error:
            shell.events.calls["post_run_cell"](types.SimpleNamespace(error_in_exec=error))
        shell.events.calls["post_run_cell"](types.SimpleNamespace(error_in_exec=None))
        extension.unload_ipython_extension(shell)
        print(shell.events.calls)
        """,
        environ,
        tmp_path,
    )
    assert ran.stdout.strip() == "{}", ran.stderr
    assert "(connect.refused)" in ran.stderr
