"""The lean start: pycurl without its asyncio part, msgspec without its schemas, until somebody uses them."""

import platform
import subprocess
import sys

import pytest

pytest.importorskip("pycurl.async_multi", reason="this pycurl is one module")


def run(program: str) -> str:
    lean = "from surefetch.cli.lean import leave_out_parts; leave_out_parts(); import sys, pycurl\n"
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
        "from surefetch.cli.lean import leave_out_parts; leave_out_parts(); import pycurl.async_multi\n"
    )
    program += "print(before is pycurl.AsyncCurlMulti is pycurl.async_multi.AsyncCurlMulti)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True"


def test_schemas_are_not_loaded_until_one_is_made() -> None:
    loaded = "print(sorted({'textwrap', 'inspect'} & set(sys.modules)))"
    assert run(f"import msgspec\n{loaded}") == "[]"
    made = "import msgspec; print(msgspec.json.schema(int), msgspec.json.schema_components([int])[0][0])"
    assert run(made) == "{'type': 'integer'} {'type': 'integer'}"


def test_backports_can_be_imported_afterwards() -> None:
    pytest.importorskip("typing_extensions")
    print_name = "import typing_extensions; print(typing_extensions.__name__)"
    assert run(f"assert 'typing_extensions' not in sys.modules; {print_name}") == "typing_extensions"


def test_a_library_that_looks_into_types_gets_the_real_ones() -> None:
    program = "import msgspec; kind = msgspec.inspect.type_info(int)\n"
    program += (
        "import msgspec.inspect as again; print(type(kind) is again.IntType is msgspec.inspect.IntType)"
    )
    assert run(program) == "True"


def test_the_system_is_named_without_the_module_for_it() -> None:
    loaded = "print('platform' in sys.modules)"
    assert run(f"import uuid, msgspec\n{loaded}") == "False"
    same = (
        "import uuid, platform; print(uuid.platform.system() == platform.system(), platform.machine() != '')"
    )
    assert run(same) == "True True"
    assert run("import uuid; print(uuid.platform.python_version())") == platform.python_version()
