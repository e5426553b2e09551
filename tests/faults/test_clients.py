"""Faults that other programs meet, produced by those programs: what they print, `explain` reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script
from tests.fakes.servers import TestAuthority, program


def printed(*command: str | Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a program and return what it printed to stderr."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(variables or {})}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr, done.stdout
    return done.stderr


def python(code: str, **variables: str) -> str:
    """Run a program in Python and return its traceback."""
    return printed(sys.executable, "-c", code, variables=variables)


def explained(surefetch: Run, folder: Path, text: str) -> dict[str, Any]:
    """Hand a text to `explain`."""
    (folder / "printed.txt").write_text(text, encoding="utf-8")
    done = surefetch("explain", str(folder / "printed.txt"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr + text
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_curl_that_cannot_go_on_from_a_partial_file_is_explained(surefetch: Run, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(bytes(1000))
    with FaultyServer() as server:
        refuses = Script(status=416, headers=(("Content-Range", "bytes */1000"),), body=b"")
        url = server.serve("/x.bin", bytes(1000), refuses)
        text = printed(program("curl"), "-fsSC", "-", "-o", tmp_path / "part", url)
    told = explained(surefetch, tmp_path, text)
    assert (told["cause"], told["fault"]) == ("http.range", "mirror"), told
    assert "delete the partial file" in told["action"]


def test_a_variable_that_breaks_every_tls_connection_is_explained(surefetch: Run, tmp_path: Path) -> None:
    """Python opens the file that SSLKEYLOGFILE names before it connects anywhere."""
    code = "import urllib.request; urllib.request.urlopen('https://127.0.0.1:9/x')"
    text = python(code, SSLKEYLOGFILE=str(tmp_path / "aswMonFltProxy" / "keys"))
    told = explained(surefetch, tmp_path, text)
    assert (told["cause"], told["fault"]) == ("client.environment", "you"), told


def test_a_library_that_lacks_its_part_for_socks_is_explained(surefetch: Run, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "socks.py").write_text("raise ImportError('socks')\n", encoding="utf-8")
    code = "import requests; requests.get('http://127.0.0.1:9/x', proxies={'http': 'socks5h://127.0.0.1:9'})"
    told = explained(surefetch, tmp_path, python(code, PYTHONPATH=str(tmp_path / "shadow")))
    assert (told["cause"], told["fault"]) == ("client.missing-dependency", "you"), told
    assert "requests[socks]" in told["action"]


def test_a_lock_that_somebody_holds_is_explained(surefetch: Run, tmp_path: Path) -> None:
    pytest.importorskip("filelock")
    code = (
        "import sys, filelock; held = filelock.FileLock(sys.argv[1]); held.acquire()\n"
        "filelock.FileLock(sys.argv[1], is_singleton=False).acquire(timeout=0.1)"
    )
    text = printed(sys.executable, "-c", code, tmp_path / "mnist.lock")
    told = explained(surefetch, tmp_path, text)
    assert (told["cause"], told["fault"]) == ("client.stale-lock", "you"), told


def test_a_library_too_old_for_its_data_is_explained(surefetch: Run, tmp_path: Path) -> None:
    code = (
        "import sys, numpy; numpy.save(sys.argv[1], numpy.array([None], dtype=object))\n"
        "numpy.load(sys.argv[1])"
    )
    told = explained(surefetch, tmp_path, printed(sys.executable, "-c", code, tmp_path / "objects.npy"))
    assert (told["cause"], told["fault"]) == ("client.version", "you"), told


def test_a_program_that_switches_verification_off_is_told_so(surefetch: Run, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    leaf = TestAuthority(tmp_path / "authority").leaf("127.0.0.1")
    with FaultyServer(tls=leaf.context()) as server:
        url = server.serve("/x.bin", b"x")
        text = python(f"import requests; requests.get({url!r}, verify=False)")
    told = explained(surefetch, tmp_path, text)
    assert (told["cause"], told["fault"]) == ("client.verification-off", "you"), told


def test_python_that_is_not_there_is_told(surefetch: Run, tmp_path: Path) -> None:
    done = surefetch("install", "mnist", "--python", str(tmp_path / "gone"), "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["cause"], error["fault"], done.returncode) == ("usage.no-python", "you", 2), error
    assert "path of a Python" in error["hint"]


def test_a_python_without_any_framework_is_told(surefetch: Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=120)
    here = "Scripts" if sys.platform == "win32" else "bin"
    path = shutil.which("python", path=str(bare / here))
    assert path
    done = surefetch("install", "mnist", "--python", path, "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["cause"], error["fault"], done.returncode) == ("usage.no-framework", "you", 2), error
    assert "get mnist" in error["hint"]


def test_a_bug_of_ours_is_called_so(surefetch: Run, tmp_path: Path) -> None:
    """A part of ours that breaks in a way nobody foresaw."""
    (tmp_path / "pycurl.py").write_text("raise RuntimeError('a broken build')\n", encoding="utf-8")
    done = surefetch("get", "mnist", "--json", PYTHONPATH=str(tmp_path))
    error = json.loads(done.stdout)["error"]
    assert (error["cause"], error["fault"], done.returncode) == ("usage.no-cause", "owner", 1), error
    assert "a broken build" in error["message"] and "report" in error["hint"]
