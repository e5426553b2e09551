"""A program runs unchanged while every original host is dead; clients and child processes are real."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from surefetch.errors import UsageError
from surefetch.session.run import deafness, resolve, run, with_hook
from tests.fakes.supplier import KERAS_URL, PICKLE_URL, SmallSupplier

HOOK = Path(__file__).parents[2] / "src" / "surefetch" / "hook"
DEAD = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
URL = KERAS_URL
Program = Callable[..., tuple[int, str, str, list[str], SmallSupplier]]


@pytest.fixture
def program(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Program:
    """Run a program's text under the hook: code, output, errors, lines said, supplier."""

    def start(text: str, *switches: str, **environ: str) -> tuple[int, str, str, list[str], SmallSupplier]:
        supplier = SmallSupplier(tmp_path / "store")
        script = tmp_path / "program.py"
        names = f"URL = {URL!r}\nCOPY = {str(tmp_path / 'copy')!r}\n"
        script.write_text(names + textwrap.dedent(text), encoding="utf-8")
        said: list[str] = []
        code = run(
            supplier,
            [sys.executable, *switches, str(script)],
            environ={**os.environ, **DEAD, **environ},
            say=said.append,
        )
        output, errors = capfd.readouterr()
        return code, output, errors, said, supplier

    return start


CLIENTS = {
    "urlopen": "import urllib.request\nprint(len(urllib.request.urlopen(URL).read()))",
    "urlretrieve": """
        from urllib.request import urlretrieve
        sizes = []
        path, headers = urlretrieve(URL, COPY, lambda block, size, total: sizes.append(total))
        assert set(sizes) == {int(headers["Content-Length"])}
        print(len(open(path, "rb").read()))
    """,
    "opener": """
        import urllib.request
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": "http://127.0.0.1:9"}))
        print(len(opener.open(urllib.request.Request(URL, headers={"User-Agent": "me"})).read()))
    """,
    "requests": "import requests\nprint(len(requests.get(URL).content))",
    "requests-stream": """
        import requests
        proxies = {"https": "socks9://nowhere:1"}
        answer = requests.get(URL, stream=True, proxies=proxies, verify="/no/such/file")
        assert answer.url == URL and answer.status_code == 200
        print(sum(map(len, answer.iter_content(1000))))
    """,
    "requests-raw": "import requests\nprint(len(requests.get(URL, stream=True).raw.read()))",
    "requests-range": """
        import requests
        part = requests.get(URL, headers={"Range": "bytes=0-99"})
        assert part.status_code == 206 and len(part.content) == 100
        print(requests.head(URL).headers["Content-Length"])
    """,
    "urllib3": "import urllib3\nprint(len(urllib3.PoolManager().request('GET', URL).data))",
    "httpx": """
        import httpx
        answer = httpx.get(URL)
        assert str(answer.url) == URL
        print(len(answer.content))
    """,
    "httpx-stream": """
        import httpx
        with httpx.Client(proxy="http://127.0.0.1:9") as client, client.stream("GET", URL) as answer:
            print(sum(map(len, answer.iter_bytes())))
    """,
    "httpx-async": """
        import asyncio, httpx
        async def load():
            async with httpx.AsyncClient() as client:
                answers = await asyncio.gather(*(client.get(URL) for _ in range(4)))
            return {len(answer.content) for answer in answers}
        print(*asyncio.run(load()))
    """,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_the_proven_bytes(program: Program, client: str, tmp_path: Path) -> None:
    code, output, errors, said, supplier = program(CLIENTS[client])
    size = (supplier.folder / "mnist.npz").stat().st_size
    assert (code, output.strip(), errors) == (0, str(size), "")
    assert said == ["armed: downloads of known files are answered with proven bytes"]


def test_threads_and_child_processes_are_answered_too(program: Program) -> None:
    code, output, errors, said, _ = program(
        """
        import subprocess, sys, multiprocessing
        from concurrent.futures import ThreadPoolExecutor
        from urllib.request import urlopen

        def size(url):
            return len(urlopen(url).read())

        if __name__ == "__main__":
            with ThreadPoolExecutor(8) as pool:
                sizes = set(pool.map(size, [URL] * 16))
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    sizes |= set(pool.map(size, [URL] * 4))
            child = f"from urllib.request import urlopen; print(len(urlopen({URL!r}).read()))"
            words = [sys.executable, "-c", child]
            sizes.add(int(subprocess.run(words, capture_output=True, check=True).stdout))
            print(len(sizes))
        """
    )
    assert (code, output.strip(), errors) == (0, "1", "")
    assert len(said) == 1


def test_an_answer_that_is_equal_by_content_is_said_once(program: Program) -> None:
    code, output, _, said, _ = program(
        f"""
        import requests
        for _ in range(3):
            body = requests.get({PICKLE_URL!r}, stream=True, proxies={{"https": "http://127.0.0.1:9"}}).content
        import gzip
        print(gzip.decompress(body).decode())
        """
    )
    assert (code, output.strip()) == (0, "equal by content")
    assert said[1:] == ["`mnist.pkl.gz` is equal to the published file by content, not byte for byte"]


def test_an_unknown_url_goes_out_as_always_and_its_failure_is_explained(program: Program) -> None:
    code, _, errors, _, supplier = program("import requests\nrequests.get('https://dead.example/x')")
    assert code == 1
    assert errors.rstrip().endswith("surefetch explains: the host is dead")
    assert errors.index("ProxyError") < errors.index("surefetch explains")
    assert len(supplier.explained) == 1 and supplier.asked == []


def test_an_error_in_a_thread_is_explained_too(program: Program) -> None:
    _, _, errors, _, _ = program(
        """
        import threading
        def work():
            raise OSError("dead.example does not answer")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """
    )
    assert errors.count("surefetch explains") == 1


def test_an_error_is_explained_although_another_hook_replaced_ours(program: Program) -> None:
    _, _, errors, _, supplier = program(
        """
        import sys
        sys.excepthook = lambda *arguments: print("pretty", file=sys.stderr)
        raise OSError("dead.example does not answer")
        """
    )
    assert errors == "pretty\nsurefetch explains: the host is dead\n"
    assert len(supplier.explained) == 1


def test_ctrl_c_and_exit_are_no_errors_to_explain(program: Program) -> None:
    assert program("raise SystemExit(7)")[0] == 7
    code, _, _, _, supplier = program("raise KeyboardInterrupt")
    assert code != 0 and supplier.explained == []


def test_a_file_that_cannot_be_had_is_asked_of_its_host_after_all(tmp_path: Path) -> None:
    supplier = SmallSupplier(tmp_path, without=["mnist.npz"])
    said: list[str] = []
    words = [sys.executable, "-c", f"from urllib.request import urlopen; urlopen({URL!r})"]
    environ = {**os.environ, **DEAD, "PYTHONWARNINGS": "ignore"}
    assert run(supplier, words, environ=environ, say=said.append) == 1
    assert "cannot be had" in said[1]


def test_a_sitecustomize_that_was_there_still_runs(program: Program, tmp_path: Path) -> None:
    other = tmp_path / "site"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins\nbuiltins.mark = __file__\n", encoding="utf-8")
    code, output, _, said, _ = program(
        """
        import sys, sitecustomize
        print(mark == sitecustomize.__file__, any("boot" in entry for entry in sys.path))
        """,
        PYTHONPATH=str(other),
    )
    assert (code, output.strip()) == (0, "True False")
    assert said[0].startswith("armed")


def test_the_program_sees_no_other_change(program: Program, tmp_path: Path) -> None:
    _, hooked, _, _, _ = program(
        """
        import json, os, sys
        environ = sorted(set(os.environ) - {"SUREFETCH_HOOK", "PYTHONPATH"})
        print(json.dumps([sys.path, environ, sys.argv, sys.flags.isolated]))
        """
    )
    words = [sys.executable, str(tmp_path / "program.py")]
    environ = {name: value for name, value in {**os.environ, **DEAD}.items() if name != "PYTHONPATH"}
    plain = subprocess.run(words, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert hooked == plain.stdout


@pytest.mark.parametrize("switch", ["-I", "-E", "-S", "-IB"])
def test_a_python_that_ignores_the_hook_is_said(program: Program, switch: str) -> None:
    code, output, _, said, _ = program("print('ran')", switch)
    assert (code, output.strip()) == (0, "ran")
    assert said == [f"`{switch}` keeps Python from loading the hook, so all downloads went out as always"]


def test_a_clean_environment_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    words = ["env", "-i", sys.executable, "-c", "pass"]
    assert run(SmallSupplier(tmp_path), words, environ=os.environ, say=said.append) == 0
    assert "a clean environment" in said[0]


@pytest.mark.parametrize(
    "call",
    [
        "[sys.executable, '-I', '-c', 'pass']",
        "[sys.executable, '-c', 'pass'], env={}",
        "[sys.executable, '-c', 'pass'], env={**os.environ, 'PYTHONPATH': ''}",
    ],
)
def test_a_child_that_will_not_inherit_the_hook_is_said(program: Program, call: str) -> None:
    code, _, errors, _, _ = program(
        f"import os, subprocess, sys\nfor _ in range(2):\n    subprocess.run({call})"
    )
    assert code == 0
    assert errors.count("its downloads go out as always") == 1


def test_a_dead_parent_is_said_once_and_the_program_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "gone.json"
    environ = with_hook({**os.environ, **DEAD}, place)
    words = [sys.executable, "-c", "print('ran')"]
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.strip() == "ran"
    assert ended.stderr.count("has ended") == 1


def test_a_parent_that_dies_meanwhile_is_said_once(program: Program) -> None:
    code, _, errors, _, _ = program(
        """
        import sys
        from urllib.request import urlopen
        from urllib.error import URLError
        urlopen(URL).read()
        sys._surefetch_agent._address = ("127.0.0.1", 9)
        for _ in range(3):
            try:
                urlopen(URL)
            except URLError:
                pass
        """
    )
    assert code == 0
    assert errors.count("has ended") == 1


def test_exit_codes_and_signals_are_the_programs(program: Program) -> None:
    assert program("import os; os._exit(3)")[0] == 3
    assert program("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")[0] == 128 + 15


@pytest.mark.skipif(sys.platform == "win32", reason="there a terminal tells all")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_surefetch_alone_is_passed_on(tmp_path: Path, name: str) -> None:
    text = """
        import signal, sys, time
        signal.signal(signal.{name}, lambda number, frame: sys.exit(7))
        print("up", flush=True)
        time.sleep(20)
    """
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(text.format(name=name)), encoding="utf-8")
    number = getattr(signal, name)
    process = subprocess.Popen(
        [sys.executable, "-m", "surefetch", "run", sys.executable, str(script)],
        stdout=subprocess.PIPE,
        env={**os.environ, "SUREFETCH_STORE": str(tmp_path / "store")},
        start_new_session=True,  # no terminal
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # `nohup` and `&` have it ignored
    )
    with process:
        assert process.stdout and process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(10) == 7


def test_a_script_gets_the_users_python_and_a_command_stays_itself(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.touch()
    assert resolve([str(script), "--fast"], {}, sys.executable) == [sys.executable, str(script), "--fast"]
    assert resolve(["-m", "pytest", "-q"], {}, sys.executable) == [sys.executable, "-m", "pytest", "-q"]
    assert resolve(["make", "train"], {}) == ["make", "train"]
    with pytest.raises(UsageError, match="nothing to run"):
        resolve([], {})


def test_a_command_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`no-such-program` cannot be started"):
        run(SmallSupplier(tmp_path), ["no-such-program"], environ=os.environ, say=lambda line: None)


def test_deafness_is_told_by_its_reason() -> None:
    assert "`-I`" in deafness(["python3.12", "-I", "x.py"])
    assert "clean environment" in deafness(["python", "x.py", "-I"]) or "`-I`" in deafness(
        ["python", "x.py", "-I"]
    )
    assert "no Python" in deafness(["make"])


@pytest.mark.parametrize("path", sorted(HOOK.glob("*/*.py")), ids=lambda path: path.name)
def test_the_hook_is_written_for_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_arming_costs_no_heavy_module(program: Program) -> None:
    heavy = (
        "{'urllib.request', 'http.client', 'email', 'ssl', 'asyncio', 'typing', 'traceback', 'subprocess'}"
    )
    _, output, _, _, _ = program(f"import sys\nprint(sorted({heavy} & set(sys.modules)))")
    _, bare, _, _, _ = program(f"import sys\nprint(sorted({heavy} & set(sys.modules)))", "-S")
    assert output == bare
