"""The documents tell the truth: commands, options, code, links, causes, exit codes and settings exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from surefetch.causes import table
from surefetch.cli.program import program
from surefetch.session.checking import SOME_FAILED
from surefetch.session.verify import DAMAGED
from surefetch.settings import Settings, names
from tests.cli.conftest import Site, site
from tests.cli.test_get import named
from tests.conftest import Run

__all__ = ["site"]  # the fixture, so that pytest finds it here

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^(?P<mark><!-- test: run -->\n)?```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`(surefetch [^`]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
#: Where a command ends in a line of a shell.
SHELL_ENDS = {"|", ">", ">>", "&&", ";", "<"}


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[tuple[str, bool]]:
    """(content, whether it is marked to be run) of each fenced block of a kind."""
    return [(found["body"], bool(found["mark"])) for found in FENCE.finditer(text) if found["kind"] == kind]


# --- commands ---------------------------------------------------------------------------------------------


def command_lines(text: str) -> Iterator[str]:
    """Every surefetch command of a page: behind a prompt, and in the running text."""
    for body, _ in blocks(text, "console"):
        lines = body.replace("\\\n", " ").splitlines()
        yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ surefetch"))
    yield from INLINE.findall(FENCE.sub("", text))


def words_of(line: str) -> list[str]:
    """The words behind `surefetch`, up to a pipe, a redirection or a comment."""
    words = shlex.split(line.replace("…", ""), comments=True)[1:]
    end = next((index for index, word in enumerate(words) if word in SHELL_ENDS), len(words))
    return words[:end]


def complaint(words: list[str]) -> str:
    """What is wrong with a command, by the program's own tree of commands; "" if nothing is."""
    command: click.Command = program
    context = click.Context(program)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            # `surefetch mnist` means get; anything below a group has to be a verb of it
            return "" if command is program and _is_dataset(words[0]) else f"there is no `{words[0]}`"
        command, context, words = found, click.Context(found, parent=context), words[1:]
    if _passes_on(command):  # what follows belongs to the program that is run
        words = []
    known = {name for parameter in command.get_params(context) for name in parameter.opts}
    known |= {"-h", "--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
    return " ".join(sorted(f"no option `{name}`" for name in given - known))


def _passes_on(command: click.Command) -> bool:
    return bool(command.context_settings.get("ignore_unknown_options"))


def _is_dataset(word: str) -> bool:
    from surefetch.catalogs import builtin_names

    return word.lower() in builtin_names()


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_command_exists_with_its_options(path: Path) -> None:
    wrong = {line: said for line in command_lines(read(path)) if (said := complaint(words_of(line)))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("surefetch fetch mnist", "there is no `fetch`"),
        ("surefetch get mnist --nonsense", "no option `--nonsense`"),
        ("surefetch cache empty", "there is no `empty`"),
        ("surefetch get mnist -x | less -R", "no option `-x`"),
        ("surefetch mnist", ""),
        ("surefetch get mnist --as=npz > path.txt  # --nonsense", ""),
        ("surefetch catalog add URL… --name NAME", ""),
    ],
)
def test_commands_are_really_looked_at(line: str, says: str) -> None:
    assert complaint(words_of(line)) == says


def test_every_hint_of_a_cause_names_a_command_that_exists() -> None:
    texts = [text for row in table().values() for text in _texts(row.next)]
    lines = [line for text in texts for line in re.findall(r"`\{surefetch\} ([^`]+)`", text)]
    assert len(lines) > 10
    wrong = {line: said for line in lines if (said := complaint(words_of(f"surefetch {line}")))}
    assert wrong == {}


def _texts(actions: Any) -> list[str]:
    return [actions] if isinstance(actions, str) else list(actions.values())


# --- python -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_python_block_compiles(path: Path) -> None:
    for number, (body, _) in enumerate(blocks(read(path), "python"), 1):
        code = re.sub(r"^[%!].*$", "", body, flags=re.M)  # a notebook's magics
        compile(code, f"{path.name}, block {number}", "exec")


def run_marked(text: str, name: str) -> int:
    """Run the marked Python blocks of a page in their order, in one namespace; return how many there were."""
    space: dict[str, object] = {"__name__": name}
    marked = [body for body, is_marked in blocks(text, "python") if is_marked]
    for number, body in enumerate(marked, 1):
        exec(compile(body, f"{name}, marked block {number}", "exec"), space)
    return len(marked)


@pytest.fixture
def offline_data(surefetch: Run, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What marked blocks may use: the dataset `tiny`, which is here, and its `tiny.meta4` in the folder."""
    folder = site.folder / "work"
    folder.mkdir()
    text = surefetch("info", "tiny", "--metalink", "--catalog", str(site.catalog)).stdout
    (folder / "tiny.meta4").write_text(text, encoding="utf-8")
    assert surefetch("get", "tiny", "--quiet", *named(site)).returncode == 0
    monkeypatch.setenv("SUREFETCH_CATALOG", str(site.catalog))
    monkeypatch.setenv("SUREFETCH_OFFLINE", "1")
    monkeypatch.chdir(folder)


def test_every_marked_python_block_runs(offline_data: None) -> None:
    counts = {page_id(path): run_marked(read(path), path.name) for path in PAGES}
    assert counts["docs/metalink.md"] == 1


def test_marked_blocks_are_really_run_and_in_one_namespace(offline_data: None) -> None:
    block = "<!-- test: run -->\n```python\n{}\n```\n"
    text = block.format("x = 1") + "```python\nx = 5\n```\n" + block.format("assert x == 1\nx = 2")
    assert run_marked(text, "page") == 2
    with pytest.raises(ZeroDivisionError):
        run_marked(block.format("1 / 0"), "page")


# --- links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", read(path))):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(read(file))):
            broken.append(target)
    assert broken == []


def anchors(text: str) -> set[str]:
    """The anchors that hosts make of headings: lower case, without punctuation, `-` for spaces."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- causes and exit codes --------------------------------------------------------------------------------


def test_every_cause_has_a_page_and_every_page_a_cause() -> None:
    pages = ROOT / "src" / "surefetch" / "diagnose" / "pages"
    assert {path.stem for path in pages.glob("*.md")} == set(table())


def test_every_exit_code_stands_in_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \| \S.* \|$", read(DOCS / "exit-codes.md"), re.M)
    documented = {int(row) for row in rows}
    assert len(documented) == len(rows), "each once"
    assert {row.exit for row in table().values()} | {0, 1, 2, DAMAGED, SOME_FAILED} <= documented


# --- settings ---------------------------------------------------------------------------------------------


def settings_rows() -> dict[str, list[str]]:
    """Setting -> the other cells of its row in docs/settings.md."""
    lines = [line for line in read(DOCS / "settings.md").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return {row[0].strip("` "): row[1:] for row in cells}


def shown(value: object) -> str:
    """A default as the page writes it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " ".join(value) or "-"
        case int() | float():
            return f"{value:g}"
    return str(value or "-")


def test_every_setting_is_described_with_variable_default_and_unit() -> None:
    rows = settings_rows()
    assert list(rows) == names()
    default = Settings()
    for name, (variable, value, unit, meaning) in rows.items():
        assert variable == f"`SUREFETCH_{name.upper()}`"
        assert value == shown(getattr(default, name)), name
        assert bool(unit) == (type(getattr(default, name)) in (int, float)), f"{name}: numbers have a unit"
        assert len(meaning) > 10


# --- what stands in no tracked file -----------------------------------------------------------------------

#: Put together here, so that this file does not name them.
HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"),
        ("deb", "debian", "org"), ("ftp", "debian", "org"), ("snapshot", "debian", "org"),
        ("security", "debian", "org"), ("archive", "ubuntu", "com"), ("crates", "io"), ("rubygems", "org"),
    ]
]  # fmt: skip
UNFINISHED = re.compile(
    r"\b(TODO|FIXME|XXX|raise NotImplementedError|not implemented|placeholder|for now)\b", re.I
)


def tracked() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return [
            path
            for path in ROOT.joinpath("src").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts(paths: list[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        data = path.read_bytes()
        if b"\0" not in data[:4096]:
            yield page_id(path), data.decode("utf-8", "replace")


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = [(name, host) for name, text in texts(tracked()) for host in HOSTS if host in text.lower()]
    assert found == []


def test_no_module_is_left_unfinished() -> None:
    modules = [path for path in tracked() if path.suffix == ".py" and (ROOT / "src") in path.parents]
    assert len(modules) > 50
    found = [(name, match[0]) for name, text in texts(modules) for match in UNFINISHED.finditer(text)]
    assert found == []


def test_no_environment_of_the_machine_reaches_these_tests(offline_data: None) -> None:
    assert os.environ["SUREFETCH_OFFLINE"] == "1"
    assert Path.cwd().joinpath("tiny.meta4").exists()
