"""The lean start: pycurl without its asyncio part until somebody uses it."""

import subprocess
import sys

import pytest

pytest.importorskip("pycurl.async_multi", reason="this pycurl is one module")


def run(program: str) -> str:
    lean = "from surefetch.cli.lean import leave_out_asyncio; leave_out_asyncio(); import sys, pycurl\n"
    command = [sys.executable, "-c", lean + program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_what_asyncio_needs_is_not_loaded() -> None:
    assert (
        run("print({'inspect', 'dataclasses', 'asyncio'} & set(sys.modules) or pycurl.Curl.__name__)")
        == "Curl"
    )


def test_the_part_loads_when_it_is_used() -> None:
    made = (
        "import asyncio\nasync def make(): return type(pycurl.AsyncCurlMulti())\nkind = asyncio.run(make())\n"
    )
    assert run(made + "print(kind.__module__, kind.__name__)") == "pycurl.async_multi AsyncCurlMulti"


def test_other_names_of_the_part_are_its_own() -> None:
    assert run("from pycurl.async_multi import CurlMulti; print(CurlMulti is pycurl.CurlMulti)") == "True"


def test_a_pycurl_that_is_loaded_is_left_alone() -> None:
    program = "import pycurl; before = pycurl.AsyncCurlMulti\n"
    program += (
        "from surefetch.cli.lean import leave_out_asyncio; leave_out_asyncio(); import pycurl.async_multi\n"
    )
    program += "print(before is pycurl.AsyncCurlMulti is pycurl.async_multi.AsyncCurlMulti)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True"
