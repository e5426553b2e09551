"""Every `--json` output fits its schema in docs/schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.conftest import Site
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import Script

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"


def check(text: str, schema: str) -> dict[str, Any]:
    """Validate one JSON object against a schema; return it."""
    content: dict[str, Any] = json.loads(text)
    rules = json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rules)
    jsonschema.validate(content, rules)
    return content


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (("get", "tiny"), "get"),
        (("get", "tiny", "--dry-run"), "dry-run"),
        (("list",), "list"),
        (("info", "tiny"), "info"),
        (("show", "tiny"), "show"),
        (("verify", "tiny"), "verify"),
        (("verify",), "verify"),
        (("cache", "list"), "cache"),
        (("config", "show"), "config"),
        (("explain", "ssl.SSLCertVerificationError: certificate has expired"), "explain"),
        (("catalog", "check"), "catalog-check"),
        (("catalog", "list"), "catalog-list"),
    ],
)
def test_json_output_fits_its_schema(surefetch: Run, site: Site, words: tuple[str, ...], schema: str) -> None:
    surefetch("get", "tiny", "--quiet", *named(site))
    more: tuple[str, ...] = {"get": named(site), "config": (), "cache": (), "catalog": (), "explain": ()}.get(
        words[0], ("--catalog", str(site.catalog))
    )
    result = surefetch(*words, "--json", *more)
    assert result.returncode == 0, result.stderr
    assert check(result.stdout, schema)["ok"] is True


def test_what_doctor_finds_fits_its_schema(surefetch: Run, site: Site) -> None:
    result = surefetch("doctor", "tiny", "--offline", "--json", "--catalog", str(site.catalog))
    assert result.returncode == 21, result.stderr
    assert check(result.stdout, "doctor")["findings"][0]["cause"] == "usage.offline"


def test_a_new_catalog_entry_fits_its_schema(surefetch: Run, site: Site) -> None:
    result = surefetch("catalog", "add", site.url("images.gz"), "--name", "my-data", "--json")
    assert result.returncode == 0, result.stdout
    assert check(result.stdout, "catalog-entry")["path"].endswith("my-data.toml")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("get", "minst"), 3),
        (("get", "https://data.example/x.bin"), 2),
        (("get", "ftp://data.example/x.bin"), 2),
        (("get", "--nonsense"), 2),
        (("get",), 2),
        (("info", "nothing-of-this-name"), 3),
        (("verify", "/no/such/file.gz"), 11),
        (("cache", "rm", "mnist"), 2),
        (("catalog", "add", "https://data.example/x.bin", "--name", "mnist"), 2),
        (("catalog", "import", "no-such-file", "--name", "x"), 2),
        (("catalog", "check", "--ask-mirrors", "--offline"), 12),
    ],
)
def test_errors_fit_the_schema_of_errors(surefetch: Run, words: tuple[str, ...], code: int) -> None:
    result = surefetch(*words, "--json")
    assert result.returncode == code, result.stdout + result.stderr
    assert check(result.stdout, "error")["ok"] is False


def test_a_failed_get_fits_the_schema_of_errors(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=403))
    result = surefetch("get", "tiny", "--json", *named(site))
    error = check(result.stdout, "error")["error"]
    assert error["cause"] == "http.forbidden"
    assert error["attempts"]


def test_every_schema_is_for_something() -> None:
    names = {path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.json")}
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{name}"' in text for name in names - {"catalog"})
