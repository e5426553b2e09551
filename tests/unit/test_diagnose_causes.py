"""The table of causes is complete, and each code has a page that ships and stands in the documents."""

import re
from pathlib import Path

import pytest

from surefetch.causes import PLAIN_WORDS, SHELLS, Cause, cause, table
from surefetch.diagnose.pages import FAULTS, index, page
from surefetch.diagnose.tables import markers
from surefetch.events import Failure

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "causes"
UNSAFE = re.compile(
    r"verify=False|--insecure|curl -k\b|--no-check-certificate|--trusted-host|as root and", re.I
)


@pytest.mark.parametrize("row", table().values(), ids=table().keys())
def test_each_row_says_all_that_a_user_needs(row: Cause) -> None:
    assert row.fault in FAULTS and row.failure in {failure.value for failure in Failure}
    assert row.evidence and row.does and row.next and row.sentence
    assert row.sentence[0].islower() and not row.sentence.endswith(".")
    assert isinstance(row.next, str) or set(row.next) == set(SHELLS)


@pytest.mark.parametrize("code", table())
def test_each_code_has_a_page_that_ships_and_stands_in_the_documents(code: str) -> None:
    text = page(code)
    assert (DOCS / f"{code}.md").read_text(encoding="utf-8") == text, "run python tools/causes/write_pages.py"
    assert text.startswith(f"# {code}\n") and "## What not to do\n\n" in text and "{" not in text


def test_the_index_lists_every_code() -> None:
    assert (DOCS / "index.md").read_text(encoding="utf-8") == index()
    assert all(f"[{code}]({code}.md)" in index() for code in table())


def test_links_between_pages_lead_somewhere() -> None:
    for code in table():
        for target in re.findall(r"\]\(([^)]+)\.md\)", page(code)):
            assert target in table(), code


def test_no_page_gives_unsafe_advice() -> None:
    for code in table():
        assert not UNSAFE.search(page(code)), code


def test_no_page_stands_for_a_code_that_is_gone() -> None:
    prose = ROOT / "src" / "surefetch" / "diagnose" / "pages"
    assert {path.stem for path in prose.glob("*.md")} == set(table())
    assert {path.stem for path in DOCS.glob("*.md")} == set(table()) | {"index"}


def test_every_marker_names_a_cause_of_the_table() -> None:
    assert {marker.cause for marker in markers()} <= set(table())


def test_an_action_is_written_for_the_shell_and_names_the_host() -> None:
    row = cause("tls.intercepted")
    assert "$env:SSL_CERT_FILE" in row.action("powershell")
    assert "export SSL_CERT_FILE" in row.action("posix")
    assert "ask IT to allow `data.example`" in cause("proxy.denied").action(host="data.example")
    assert "ask IT to allow the host" in cause("proxy.denied").action()
    assert "`python -m surefetch doctor" in cause("dns.unavailable").action(surefetch="python -m surefetch")
    assert not re.search(r"\{\w+\}", " ".join(row.action() for row in table().values())), PLAIN_WORDS
