"""What all tests share: a home of their own, and nothing of the machine's settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

#: Variables of the machine that would change what surefetch does.
PREFIXES = (
    "SUREFETCH_",
    "PIP_",
    "UV_",
    "HF_",
    "KERAS_",
    "TFDS_",
    "SCIKIT_LEARN_",
    "TORCH_",
    "XDG_",
    "KAGGLE",
)
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def pytest_configure() -> None:
    """Take Ctrl-C, even where a shell started this in the background: programs under test inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A busy machine is no bug: by default an example of more than 200 ms fails.
    hypothesis.settings.register_profile("busy", deadline=None)
    hypothesis.settings.load_profile("busy")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; variables that would decide anything are unset, and no package index is configured."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name.lower() in PROXIES or name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    yield folder


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def surefetch(home: Path) -> Run:
    """Runs a whole command in a process of its own: `surefetch("get", "mnist")`."""

    def run(*words: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "surefetch", *words],
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
            cwd=home,
        )

    return run
