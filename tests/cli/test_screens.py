"""First touch, lists and the store: what people see."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from surefetch.cli import _system_limit
from tests.cli.conftest import Site
from tests.cli.test_get import named
from tests.conftest import Run

NOTES = b"nobody's catalog knows this"


def test_alone_it_prints_at_most_twelve_lines(surefetch: Run, site: Site) -> None:
    first = surefetch()
    assert first.returncode == 0
    assert len(first.stdout.splitlines()) <= 12
    assert "Nothing is here yet" in first.stdout
    surefetch("get", "tiny", "--quiet", *named(site))
    assert "Here: tiny" in surefetch().stdout


def test_hints_are_written_in_the_form_it_was_called_in(surefetch: Run) -> None:
    result = surefetch("get", "minst")
    assert "python -m surefetch list" in result.stderr


def test_list_marks_what_is_here(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", "--quiet", *named(site))
    result = surefetch("list", "--catalog", str(site.catalog))
    rows = {line[1:].split()[0]: line for line in result.stdout.splitlines()}
    assert rows["tiny"].startswith("●")
    assert rows["mnist"].startswith(" ")
    assert "MNIST handwritten digits" in rows["mnist"]


def test_list_searches_names_titles_and_tasks(surefetch: Run) -> None:
    result = surefetch("list", "--search", "fashion")
    assert [line[1:].split()[0] for line in result.stdout.splitlines()] == ["fashion-mnist"]
    nothing = surefetch("list", "--search", "zzz")
    assert "no dataset matches `zzz`" in nothing.stderr


def test_info_tells_licence_digests_and_sources(surefetch: Run) -> None:
    text = surefetch("info", "mnist").stdout
    assert "CC-BY-SA-3.0" in text
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in text
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz" in text
    assert surefetch("info", "mnist", "--bibtex").stdout.lstrip().startswith("@article{")


def test_verify_names_any_known_file_by_its_digest(surefetch: Run, site: Site, tmp_path: Path) -> None:
    stray = tmp_path / "whatever.bin"
    stray.write_bytes(site.files["images.gz"])
    result = surefetch("verify", str(stray), "--catalog", str(site.catalog))
    assert result.returncode == 0
    assert "tiny: images.gz" in result.stdout


def test_verify_moves_damaged_files_of_the_store_aside(surefetch: Run, site: Site) -> None:
    folder = Path(surefetch("get", "tiny", "--quiet", *named(site)).stdout.strip())
    blob = next(
        path
        for path in folder.parents[2].joinpath("blobs-v1").rglob("*")
        if path.is_file() and _holds(path, site)
    )
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    result = surefetch("verify")
    assert result.returncode == 10
    assert "damaged" in result.stdout
    assert not (folder / "images.gz").exists(), "its link in the readable folder is the same damaged file"
    assert surefetch("get", "tiny", "--quiet", *named(site)).returncode == 0
    assert surefetch("verify").returncode == 0


def _holds(path: Path, site: Site) -> bool:
    return path.read_bytes() == site.files["images.gz"]


def test_cache_list_rm_and_dir(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", "--quiet", *named(site))
    folder = surefetch("cache", "dir").stdout.strip()
    assert "tiny 1" in surefetch("cache", "list").stdout
    assert surefetch("cache", "rm", "tiny").returncode == 0
    assert "tiny 1" not in surefetch("cache", "list").stdout
    surefetch("get", "tiny", "--quiet", *named(site))
    assert surefetch("cache", "rm", "--all").returncode == 0
    assert not Path(folder).exists()


def test_cache_rm_all_refuses_a_folder_that_holds_something_else(surefetch: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    result = surefetch("cache", "rm", "--all", "--store", str(tmp_path))
    assert result.returncode == 11
    assert (tmp_path / "thesis.tex").exists()


def test_a_store_on_a_full_disk_is_said_before_the_first_byte(surefetch: Run, site: Site) -> None:
    big = site.catalog.read_text(encoding="utf-8").replace("size = ", "size = 1000000000000", 1)
    site.catalog.write_text(big, encoding="utf-8")
    result = surefetch("get", "tiny", *named(site))
    assert result.returncode == 11
    assert "free" in result.stderr
    assert "SUREFETCH_STORE=" in result.stderr
    assert site.server.targets() == []


@pytest.mark.parametrize("command", ["get", "list", "info", "verify", "cache", "config"])
def test_every_command_has_one_sentence_and_one_example(surefetch: Run, command: str) -> None:
    text = surefetch(command, "--help").stdout
    assert f"Example: surefetch {command}" in text


def test_text_survives_a_console_that_has_no_unicode(surefetch: Run) -> None:
    result = surefetch("list", PYTHONIOENCODING="cp1252:strict")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("given", [None, "", "/x", "/x/", "relative"])
def test_the_default_folders_are_those_of_the_platform(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    import platformdirs

    from surefetch import paths

    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
        if given is not None:
            monkeypatch.setenv(name, given)
    if given != "relative":  # to be ignored: the XDG base directory specification
        assert paths.default_store(os.environ) == platformdirs.user_cache_dir("surefetch", appauthor=False)
        assert paths.config_folder(os.environ) == platformdirs.user_config_dir("surefetch", appauthor=False)
    elif sys.platform == "linux":
        assert paths.default_store(os.environ) == f"{home}/.cache/surefetch"


@pytest.mark.skipif(sys.platform == "win32", reason="users have numbers elsewhere")
def test_a_user_without_home_and_name_can_fetch(site: Site, home: Path) -> None:
    """As a container has it that runs with a number: nothing is kept in a folder called `~`."""
    code = (
        "import pwd, sys; pwd.getpwuid = lambda number: {}[number]; from surefetch import paths;"
        "assert paths.default_store({}).startswith('/');"
        "from surefetch.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    words = ("get", "tiny", *named(site), "--store", "store")
    environ = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, timeout=60, check=False, cwd=home, env=environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (home / "~").exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
        OSError(errno.EMFILE, "Too many open files"),
    ],
    ids=repr,
)
def test_what_the_system_refuses_is_no_bug(error: Exception) -> None:
    limit = _system_limit(error)
    assert limit is not None and (limit.code, limit.exit_code) == ("local.limit", 11)
    assert "ulimit" in limit.action
    wrapped = RuntimeError("something else")
    wrapped.__cause__ = error
    assert _system_limit(wrapped) is not None
    assert _system_limit(RuntimeError("something else")) is None
    sandbox = _system_limit(RuntimeError("initializing curl-multi failed"))
    assert sandbox is not None and "eventfd" in sandbox.message


@pytest.mark.skipif(os.name == "nt", reason="the shell closes the streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"), [("get minst", 3), ("list", 0), ("explain", 2), ("show minst", 3), ("get tiny", 0)]
)
def test_closed_streams_change_nothing_else(
    home: Path, site: Site, closed: str, words: str, code: int
) -> None:
    places = " ".join(named(site) if words == "get tiny" else [])
    command = f'"{sys.executable}" -m surefetch {words} {places} {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=home, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert b"surefetch itself failed" not in done.stderr


def test_colours_that_are_forced_are_shown_in_a_pipe(surefetch: Run) -> None:
    assert surefetch("get", "minst", FORCE_COLOR="1", NO_COLOR="").stderr.startswith("\x1b[31merror\x1b[0m: ")
    assert surefetch("get", "minst", FORCE_COLOR="1", NO_COLOR="1").stderr.startswith("error: ")


def without_reader(home: Path, words: list[str], stream: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command one of whose streams goes into a pipe that nobody reads; the other is kept."""
    read, write = os.pipe()
    os.close(read)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: write}
    command = [sys.executable, "-m", "surefetch", *words]
    try:
        return subprocess.run(command, cwd=home, timeout=60, check=False, **streams)  # type: ignore[call-overload,no-any-return] # by name
    finally:
        os.close(write)


@pytest.mark.parametrize(
    ("words", "code"),
    [("list", 0), ("get tiny", 0), ("get minst", 3), ("get minst --json", 3), ("get --json", 2)],
)
def test_results_that_nobody_reads_are_no_error(home: Path, site: Site, words: str, code: int) -> None:
    places = named(site) if words == "get tiny" else ()
    done = without_reader(home, [*words.split(), *places], "stdout")
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr and b"surefetch itself failed" not in done.stderr


@pytest.mark.parametrize(("words", "code"), [("list", 0), ("get tiny", 0), ("get minst", 3), ("get", 2)])
def test_messages_that_nobody_reads_change_nothing_else(
    home: Path, site: Site, words: str, code: int
) -> None:
    places = named(site) if words == "get tiny" else ()
    done = without_reader(home, [*words.split(), *places], "stderr")
    assert done.returncode == code
    assert bool(done.stdout.strip()) == (code == 0), "the result is printed all the same"


def test_a_file_of_the_store_is_held_against_what_it_was(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/notes.bin", NOTES)
    path = Path(surefetch("get", url, "--sha256", hashlib.sha256(NOTES).hexdigest()).stdout.strip())
    right = surefetch("verify", str(path))
    assert right.returncode == 0 and right.stdout.startswith("right"), right.stdout
    path.chmod(0o644)
    path.write_bytes(NOTES.upper())
    damaged = surefetch("verify", str(path))
    assert damaged.returncode == 10 and damaged.stdout.startswith("damaged"), damaged.stdout
    assert "changed after it was proven" in damaged.stdout


@pytest.mark.parametrize("name", ["a[/b].gz", "[bold]b.gz", "long-" * 40 + "b.gz"])
def test_a_bar_shows_the_end_of_any_address_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from io import StringIO

    from surefetch.reporters import TerminalReporter

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    reporter = TerminalReporter(stream)
    reporter.begin(f"http://127.0.0.1:8000/{name}", 20_000_000)
    time.sleep(0.35)  # what is over at once draws no bar
    for done in (1_000_000, 19_999_999):
        reporter.progress(done, 20_000_000, "127.0.0.1:8000")
        time.sleep(0.15)
    reporter.end()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert name[-20:] in text
    assert "20.0/20.0 MB" in text


def test_a_group_without_a_command_shows_its_help_and_calls_it_no_error(surefetch: Run) -> None:
    result = surefetch("cache")
    assert "Commands:" in result.stderr + result.stdout
    assert "error" not in result.stderr
