"""`surefetch config`: each value and what decided it."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefetch.settings import parse_value
from tests.conftest import Run


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.split()[0] == name)


def test_show_tells_what_decided_each_value(surefetch: Run) -> None:
    surefetch("config", "set", "jobs", "3")
    shown = surefetch("config", "show", SUREFETCH_STORE="/data/sf").stdout
    assert "variable SUREFETCH_STORE" in row(shown, "store")
    assert "file " in row(shown, "jobs")
    assert row(shown, "jobs").split()[1] == "3"
    assert "default" in row(shown, "proxy")


def test_set_and_unset_leave_the_rest_of_the_file(surefetch: Run) -> None:
    path = Path(surefetch("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text('# mine\njobs = 2\n\n[rewrite]\n"https://a/" = "https://b/"\n', encoding="utf-8")
    assert surefetch("config", "set", "contact", "ann@example.org").returncode == 0
    assert surefetch("config", "unset", "jobs").returncode == 0
    text = path.read_text(encoding="utf-8")
    assert "# mine" in text
    assert "jobs" not in text
    assert 'contact = "ann@example.org"' in text
    assert text.index("contact") < text.index("[rewrite]")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("nonsense", "1", "there is no setting `nonsense`"),
        ("jobs", "many", "must be a whole number, as `8`, `500k` or `2M`"),
        ("offline", "maybe", "must be 1 or 0"),
        ("jobs", "-1", "may not be negative"),
        ("deadline", "nan", "must be a finite number"),
        ("connect_timeout", "inf", "must be a finite number"),
        ("deadline", "-inf", "may not be negative"),
        ("limit_rate", "infk", "must be a whole number"),
        ("limit_rate", "1.5", "must be a whole number"),
        ("limit_rate", "2Mbit", "must be a whole number"),
        ("deadline", "soon", "must be a number"),
        ("jobs", "0", "must be at least 1"),
        ("stall_timeout", "0", "must be more than 0"),
        ("connect_timeout", "1e300", "must be more than 0 and at most 1,000,000 seconds"),
        ("mirror", "http://[::1/", "has an address that cannot be read"),
        ("mirror", "ftp://lab.example/", "has an address that cannot be read"),
        ("mirror", "/data/mirror", "has an address that cannot be read"),
        ("rewrite", "https://a.example/=http://h:99999/", "has an address that cannot be read"),
        ("proxy", "htp://proxy.corp:8080", "`htp` is no proxy's scheme"),
        ("proxy", "http://", "names the proxy `http://`, which cannot be read"),
        ("proxy", "http://ann:hush@h:99999", "names the proxy `http://***@h:99999`, which cannot be read"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(surefetch: Run, name: str, value: str, says: str) -> None:
    result = surefetch("config", "set", "--", name, value)
    assert result.returncode == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500k", 500_000),
        ("2M", 2_000_000),
        ("1.5 MB", 1_500_000),
        ("2MiB", 2 << 20),
        ("500 kB/s", 500_000),
        ("1G", 10**9),
        ("7", 7),
        ("99999999999999999999", 99999999999999999999),
    ],
)
def test_bytes_may_be_written_as_people_do(text: str, number: int) -> None:
    assert parse_value("limit_rate", text, "a test") == number


def test_set_says_when_a_variable_still_decides(surefetch: Run) -> None:
    result = surefetch("config", "set", "jobs", "3", SUREFETCH_JOBS="5")
    assert "variable SUREFETCH_JOBS still decides" in result.stderr


def test_no_password_of_an_address_is_shown(surefetch: Run) -> None:
    secret = "hunter2-secret"
    address = f"http://ann:{secret}@proxy.example:8080"
    said = surefetch("config", "set", "proxy", address)
    variables = {
        "SUREFETCH_MIRROR": address,
        "SUREFETCH_REWRITE": f"https://a.example/={address}/",
    }
    shown = surefetch("config", "show", **variables)
    as_json = surefetch("config", "show", "--json", **variables)
    wrong = surefetch("config", "show", SUREFETCH_REWRITE=address)
    assert wrong.returncode == 2 and "PREFIX=PREFIX" in wrong.stderr
    for result in (said, shown, as_json, wrong):
        assert secret not in result.stdout + result.stderr
    assert row(shown.stdout, "proxy").split()[1] == "http://***@proxy.example:8080"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("SUREFETCH_OFLINE", "SUREFETCH_OFFLINE"), ("SUREFETCH_CACHE_DIR", ""), ("SUREFETCH_DEBUG", "")],
)
def test_a_variable_that_nothing_reads_is_named_if_it_looks_misspelt(
    surefetch: Run, variable: str, meant: str
) -> None:
    said = surefetch("config", "show", **{variable: "1"}).stderr
    assert said == (f"note: variable {variable} is read by nobody: is {meant} meant?\n" if meant else "")


def test_a_broken_settings_file_is_named(surefetch: Run) -> None:
    path = Path(surefetch("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text("jobs = [\n", encoding="utf-8")
    result = surefetch("config", "show")
    assert result.returncode == 2
    assert str(path) in result.stderr


def test_other_tools_offline_switch_us_off_but_never_on(surefetch: Run) -> None:
    shown = surefetch("config", "show", HF_HUB_OFFLINE="1", SUREFETCH_OFFLINE="0").stdout
    assert "variable HF_HUB_OFFLINE" in row(shown, "offline")
    assert row(surefetch("config", "show", UV_OFFLINE="0").stdout, "offline").split()[1] == "no"


def test_a_time_that_is_no_number_is_refused_wherever_it_stands(surefetch: Run) -> None:
    get = ("get", "mnist", "--offline")
    path = Path(surefetch("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    for value in ("nan", "inf"):
        path.unlink(missing_ok=True)
        by_argument = surefetch(*get, "--deadline", value)
        by_variable = surefetch(*get, SUREFETCH_DEADLINE=value)
        path.write_text(f"deadline = {value}\n", encoding="utf-8")
        by_file = surefetch(*get)
        for result in (by_argument, by_variable, by_file):
            assert result.returncode == 2 and "must be a finite number" in result.stderr, result.stderr


@pytest.mark.parametrize("value", ["direct", "http://proxy.corp:8080", "socks5h://ann:hush@[::1]:1080", ""])
def test_a_proxy_that_can_be_used_is_taken_without_a_note(surefetch: Run, value: str) -> None:
    result = surefetch("config", "set", "proxy", value)
    assert result.returncode == 0
    assert "note" not in result.stderr


def test_what_is_meant_by_a_proxy_without_a_scheme_is_said_at_once(surefetch: Run) -> None:
    result = surefetch("config", "set", "proxy", "proxy.corp:8080")
    assert "note: `proxy.corp:8080` has no scheme: taken as http://" in result.stderr


def test_a_place_is_meant_from_where_the_user_stands(surefetch: Run, home: Path) -> None:
    surefetch("config", "set", "store", "my/store")
    assert row(surefetch("config", "show").stdout, "store").split()[1] == str(home / "my" / "store")
    result = surefetch("config", "set", "ca_bundle", "company.pem")
    assert f"note: nothing is at `{home / 'company.pem'}` yet" in result.stderr
    (home / "company.pem").touch()
    assert "note" not in surefetch("config", "set", "ca_bundle", "~/company.pem").stderr
