"""`--trace` and `explain --last`: what happened on the network, without secrets."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Site, sha256
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import Script, redirect


def test_trace_writes_every_exchange_with_its_redirects(surefetch: Run, site: Site, tmp_path: Path) -> None:
    data = site.files["images.gz"]
    moved = site.server.serve("/moved.gz", b"", redirect(site.url("images.gz")))
    trace = tmp_path / "trace.har"
    result = surefetch("get", moved + "?token=s3cret", "--sha256", sha256(data), "--trace", str(trace))
    assert result.returncode == 0, result.stderr
    text = trace.read_text(encoding="utf-8")
    log = json.loads(text)["log"]
    assert log["version"] == "1.2"
    assert any(entry["request"]["url"].startswith(moved) for entry in log["entries"])
    assert "s3cret" not in text


def test_the_last_failure_can_be_explained_later(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=410))
    assert surefetch("get", "tiny", *named(site)).returncode == 3
    later = surefetch("explain", "--last", "--log")
    assert later.returncode == 0
    assert "http.gone" in later.stdout
    assert "410" in later.stdout.splitlines()[-1] or any("410" in line for line in later.stdout.splitlines())
    assert site.url("images.gz") in later.stdout


def test_a_last_transfer_that_went_well_is_said(surefetch: Run, site: Site) -> None:
    assert surefetch("explain", "--last").returncode == 2
    surefetch("get", "tiny", "--quiet", *named(site))
    assert "went well" in surefetch("explain", "--last").stdout


def test_explain_reads_a_file_stdin_and_says_when_it_does_not_know(surefetch: Run, tmp_path: Path) -> None:
    error = tmp_path / "error.txt"
    error.write_text(
        "urllib.error.URLError: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
        "certificate has expired (_ssl.c:1007)>\n",
        encoding="utf-8",
    )
    told = surefetch("explain", str(error), "--json")
    assert json.loads(told.stdout)["cause"] == "tls.expired"
    unknown = surefetch("explain", "KeyError: 'learning_rate'")
    assert unknown.returncode == 3
    assert "not an error of a download" in unknown.stdout


def test_explain_prints_the_whole_page_of_a_code(surefetch: Run) -> None:
    text = surefetch("explain", "proxy.auth-required").stdout
    assert text.startswith("# proxy.auth-required")
    assert "What to do now" in text


def test_a_log_that_cannot_be_written_is_told_before_anything_is_fetched(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    before = len(site.server.targets())
    for trace in (tmp_path, tmp_path / "missing" / "trace.har"):
        result = surefetch("get", "tiny", *named(site), "--trace", str(trace))
        assert result.returncode in (10, 11), result.stderr
        assert str(trace) in result.stderr and "name another file with `--trace`" in result.stderr
    assert len(site.server.targets()) == before
