"""Local means zero packets: what is here is loaded in a namespace without any interface."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Site, site  # noqa: F401 - a fixture
from tests.cli.test_get import named
from tests.conftest import Run

pytestmark = pytest.mark.privileged


def isolated(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command without network: not even loopback is up. Any socket call but local ones is fatal."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux to make network namespaces")  # the test is about the kernel's word
    return subprocess.run(
        ["unshare", "-n", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )


def test_a_second_get_and_load_need_no_network(surefetch: Run, site: Site) -> None:  # noqa: F811 - the fixture
    first = surefetch("get", "tiny", "--quiet", *named(site))
    again = isolated(sys.executable, "-m", "surefetch", "get", "tiny", "--quiet", *named(site))
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    code = "import surefetch as sf; print(sf.load('tiny')['train']['image'].shape)"
    loaded = isolated(sys.executable, "-c", code)
    assert loaded.stdout.strip() == "(5, 4, 4)", loaded.stderr


def test_a_second_get_opens_no_socket_at_all(surefetch: Run, site: Site, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    surefetch("get", "tiny", "--quiet", *named(site))
    code = (
        "import sys, socket\n"
        "def fail(event, args):\n"
        "    if event.startswith('socket.'): raise SystemExit(f'socket used: {event} {args}')\n"
        "sys.addaudithook(fail)\n"
        "import surefetch as sf\n"
        f"sf.Session.from_environment({{'catalogs': ({str(site.catalog)!r},)}}).get('tiny')\n"
        "sf.load('tiny')\n"
        "print('pycurl' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False", "the transfer engine was not even imported"
