"""`surefetch doctor`, whole commands: all well, some hosts gone, poisoned caches, reports without secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefetch.session.user_catalogs import own_folder
from tests.cli.conftest import Site, sha256
from tests.cli.test_schemas import check
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page
from tests.fakes.ports import free_port, listener
from tests.fakes.servers import TestAuthority

PASSWORD, TOKEN = "hunter2-secret", "tok-1234567890abcdef"


def of(site: Site) -> tuple[str, ...]:
    """Ask about the dataset by the user's own catalog: its hosts may be in a private network."""
    folder = Path(own_folder(os.environ))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_bytes(site.catalog.read_bytes())
    return "doctor", "tiny"


def test_all_well_is_at_most_twelve_lines(surefetch: Run, site: Site) -> None:
    result = surefetch(*of(site))
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    assert lines[0] == "ok  all is well" and len(lines) <= 12
    assert any(line.startswith("ok  hosts: 1 of 1 host of it answers") for line in lines)
    assert any(line.startswith("ok  proxy: none (nothing set)") for line in lines)
    assert not any(line.startswith("->") for line in lines)


def test_a_url_is_looked_at_and_what_decided_its_proxy_is_said(surefetch: Run, site: Site) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    result = surefetch("doctor", site.url("images.gz"), http_proxy=dead)
    assert result.returncode == 21
    assert result.stdout.splitlines()[0].endswith("[proxy.unreachable]")
    assert f"proxy: {dead} (variable http_proxy)" in result.stdout
    assert (
        result.stdout.splitlines()[-1].startswith("->  start the proxy")
        and "unset http_proxy" in result.stdout
    )


@pytest.mark.parametrize(
    ("scheme", "cause", "said"),
    [
        ("https", "proxy.scheme", "gives a TLS handshake no answer"),
        ("http", "proxy.unreachable", "opened no tunnel in time"),
    ],
)
def test_where_a_silent_proxy_hangs_is_told_within_doctors_time(
    surefetch: Run, scheme: str, cause: str, said: str
) -> None:
    with listener() as silent:
        proxy = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        result = surefetch("doctor", "https://data.example/a.gz", "--seconds", "2", https_proxy=proxy)
    assert result.returncode == 21
    assert said in result.stdout.splitlines()[0] and f"[{cause}]" in result.stdout.splitlines()[0]


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_read_is_mended_where_it_stands(
    surefetch: Run, site: Site, variable: str
) -> None:
    result = surefetch("doctor", site.url("images.gz"), **{variable: "http://:3128"})
    assert result.returncode == 21
    assert f"proxy: one that cannot be read (variable {variable})" in result.stdout
    assert f"export {variable}=" in result.stdout.splitlines()[-1]
    assert "would go" not in result.stdout


def test_a_setting_that_other_programs_do_not_see_is_told_with_the_line_to_set(
    surefetch: Run, site: Site
) -> None:
    with FaultyServer() as proxy:
        url = site.url("images.gz")
        proxy.serve(url, site.files["images.gz"])
        result = surefetch("doctor", url, SUREFETCH_PROXY=proxy.origin)
    assert result.returncode == 0, result.stdout
    assert f"ok  proxy: {proxy.origin} (setting proxy)" in result.stdout
    for client in ("requests", "urllib", "curl", "Keras", "Hugging Face"):
        assert f"{client} would go directly, not through {proxy.origin}: export http_proxy=" in result.stdout


def test_whom_tls_trusts_is_one_line_that_names_what_decided(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    pem = str(TestAuthority(tmp_path / "authority").pem)
    by_pip = surefetch(*of(site), PIP_CERT=pem).stdout
    assert f"{pem} (pip's cert)" in by_pip and "setting ca_bundle" not in by_pip
    by_setting = surefetch(*of(site), SUREFETCH_CA_BUNDLE=pem, SSL_CERT_FILE=pem, PIP_CERT=pem).stdout
    (line,) = [line for line in by_setting.splitlines() if line.startswith("ok  trust:")]
    assert f"{pem} (setting ca_bundle, variable SSL_CERT_FILE)" in line and line.count(pem) == 1


def test_hosts_that_fail_alike_are_one_line(surefetch: Run, site: Site) -> None:
    text = site.catalog.read_text(encoding="utf-8")
    hosts = [f"127.0.0.{n}" for n in range(2, 8)]
    urls = ", ".join(f'"http://{host}:{site.server.port}/images.gz"' for host in hosts)
    here = f'urls = ["{site.url("images.gz")}"'
    site.catalog.write_text(text.replace(here, f"{here}, {urls}"), encoding="utf-8")
    result = surefetch(*of(site))
    alike = [line for line in result.stdout.splitlines() if "connect.refused" in line]
    assert result.returncode == 0, result.stdout
    assert len(alike) == 1 and "5 hosts: " in alike[0] and "127.0.0.2, 127.0.0.3, …" in alike[0]


def test_offline_asks_nobody(surefetch: Run, site: Site) -> None:
    result = surefetch(*of(site), HF_HUB_OFFLINE="1")
    assert result.returncode == 21 and "HF_HUB_OFFLINE" in result.stdout
    assert site.server.targets() == []


def poisoned(home: Path, site: Site) -> Path:
    """A login page where Keras keeps a file."""
    path = home / ".keras" / "datasets" / "images.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(page("Sign in to Acme").body or b"")
    return path


def test_a_page_in_another_tools_cache_is_found_and_left_alone(
    surefetch: Run, site: Site, home: Path
) -> None:
    path = poisoned(home, site)
    before = path.read_bytes()
    result = surefetch(*of(site))
    lines = result.stdout.splitlines()
    assert result.returncode == 21
    assert (
        str(path) in lines[0]
        and "[local.foreign-cache-corrupt]" in lines[0]
        and "Sign in to Acme" in lines[0]
    )
    assert lines[-1].startswith("->") and "doctor tiny --repair" in lines[-1]
    assert path.read_bytes() == before


def test_repair_replaces_it_by_proven_bytes_and_advises_nothing_more(
    surefetch: Run, site: Site, home: Path
) -> None:
    path = poisoned(home, site)
    before = path.read_bytes()
    result = surefetch(*of(site), "--repair")
    assert result.returncode == 20, result.stdout + result.stderr
    assert path.read_bytes() == site.files["images.gz"]
    assert [old.read_bytes() for old in path.parent.iterdir() if old != path] == [before]
    assert "--repair" not in result.stdout and "->" not in result.stdout
    assert f"mended: {path}" in result.stdout
    assert surefetch(*of(site)).returncode == 0


def test_what_cannot_be_repaired_is_told_and_stays(surefetch: Run, site: Site, home: Path) -> None:
    path = poisoned(home, site)
    site.script("images.gz", Script(status=404))
    result = surefetch(*of(site), "--repair")
    assert result.returncode == 21
    assert "not mended" in result.stdout and path.exists()
    assert "--repair`" not in result.stdout.splitlines()[-1], "the same again would not help"


def secrets(site: Site) -> dict[str, str]:
    dead = f"http://ann:{PASSWORD}@127.0.0.1:{free_port()}"
    index = f"http://bob:{PASSWORD}@127.0.0.1:{site.server.port}/simple"
    return {"http_proxy": dead, "PIP_INDEX_URL": index, "PIP_NO_INDEX": ""}


def test_a_report_for_the_help_desk_has_no_secrets(surefetch: Run, site: Site, tmp_path: Path) -> None:
    url = f"http://carol:{PASSWORD}@127.0.0.1:{site.server.port}/images.gz?token={TOKEN}"
    report = tmp_path / "report.md"
    result = surefetch("doctor", url, "--report", str(report), "--json", **secrets(site))
    text = report.read_text(encoding="utf-8")
    assert result.returncode == 21, result.stdout + result.stderr
    assert text.startswith("# Network report") and "## What is asked for" in text
    assert f"127.0.0.1, port {site.server.port}" in text and "variable http_proxy" in text
    for output in (text, result.stdout, result.stderr):
        assert PASSWORD not in output and TOKEN not in output


@pytest.mark.parametrize("is_broken", [False, True])
def test_json_tells_everything(surefetch: Run, site: Site, home: Path, *, is_broken: bool) -> None:
    if is_broken:
        poisoned(home, site)
    result = surefetch(*of(site), "--json")
    content = check(result.stdout, "doctor")
    assert content["exit"] == result.returncode == (21 if is_broken else 0)
    (host,) = content["facts"]["hosts"]
    assert host["answers"] and host["seen"]["status"] in (200, 206) and "first_bytes" not in host["seen"]
    assert bool(content["facts"]["files"]) == is_broken


@pytest.mark.network
def test_a_poisoned_file_of_keras_is_mended_from_the_package_index(
    surefetch: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the user's own index as the only way out, as on many closed networks."""
    monkeypatch.delenv("PIP_NO_INDEX")
    path = home / ".keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(page("Log in to the library's proxy").body or b"")
    result = surefetch("doctor", "mnist", "--repair", timeout=300)
    assert result.returncode == 20, result.stdout + result.stderr
    assert sha256(path.read_bytes()) == "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def test_a_variable_that_names_no_store_of_authorities_is_told_beside_the_one_that_is_used(
    surefetch: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/company.pem")
    result = surefetch("doctor", "http://127.0.0.1:9/x")
    assert "SSL_CERT_FILE names `/no/such/company.pem`, which does not exist" in result.stdout
