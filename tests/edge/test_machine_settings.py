"""Package clients' settings are read as pip and uv read them, from a machine of temporary folders."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from surefetch.events import Answered, LookupFailed
from surefetch.machine import indexes, pip_default
from surefetch.machine.client_settings import Place, pip_files, read_pip, uv_files
from surefetch.machine.indexes import PackageSettings, index_credentials, read_package_settings
from surefetch.machine.lookups import Lookups
from surefetch.model import Dataset
from surefetch.sources.package import SETTINGS

PIP_MODULE = """
class PackageIndex: ...
PyPI = PackageIndex(
    "https://built-in.example/", file_storage_domain="files.example"
)
TestPyPI = PackageIndex("https://other.example/", file_storage_domain="x.example")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / ".config/pip").mkdir(parents=True)
    (folder / ".config/uv").mkdir()
    return folder


@pytest.fixture(autouse=True)
def no_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default of this machine's own pip reaches these tests, but where one asks for it."""
    monkeypatch.setattr(indexes, "pip_default", lambda environ: None)
    monkeypatch.setattr(indexes, "uv_default", lambda environ: None)


def place(home: Path, environ: Mapping[str, str] | None = None, **more: object) -> Place:
    root = home.parent / "root"
    values = {"platform": "linux", "root": root, "prefixes": (home.parent / "venv",), **more}
    return Place(environ={"HOME": str(home), **(environ or {})}, home=home, **values)  # type: ignore[arg-type] # they vary


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def urls(settings: PackageSettings) -> list[str]:
    return [index.url for index in settings.indexes]


# --- pip ----------------------------------------------------------------------------------------------------


def test_files_weigh_more_from_system_to_environment_and_variables_weigh_most(home: Path) -> None:
    write(
        home.parent / "root/etc/pip.conf", "[global]\nindex-url = https://system.example/simple\ncert=/s.pem"
    )
    write(
        home / ".config/pip/pip.conf",
        "[global]\nindex-url = https://user.example/simple\nproxy = u.example:1",
    )
    write(home.parent / "venv/pip.conf", "[global]\nindex-url = https://venv.example/simple\n")
    settings = read_package_settings(place(home))
    assert urls(settings) == ["https://venv.example/simple"]
    assert settings.cert and settings.cert.value == "/s.pem"
    assert settings.proxy and settings.proxy.decided_by == f"file {home / '.config/pip/pip.conf'}"
    named = read_package_settings(place(home, {"PIP_INDEX_URL": "https://variable.example/simple"}))
    assert [(index.url, index.decided_by) for index in named.indexes] == [
        ("https://variable.example/simple", "variable PIP_INDEX_URL")
    ]


def test_the_section_of_a_command_outweighs_global_wherever_it_stands(home: Path) -> None:
    write(home.parent / "root/etc/pip.conf", "[install]\nindex-url = https://install.example/simple\n")
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://global.example/simple\n")
    assert urls(read_package_settings(place(home))) == ["https://install.example/simple"]


def test_values_over_several_lines_are_lists_and_spellings_are_one(home: Path) -> None:
    write(
        home / ".config/pip/pip.conf",
        "[global]\nindex_url = https://a.example/s\nextra-index-url =\n    https://b.example/s\n"
        "    https://c.example/s\nfind-links = ~/wheels https://d.example/links\n"
        "trusted-host = b.example\n    c.example\n",
    )
    settings = read_package_settings(place(home))
    assert urls(settings) == [
        "https://a.example/s", "https://b.example/s", "https://c.example/s",
        f"file://{home}/wheels", "https://d.example/links",
    ]  # fmt: skip
    assert [index.kind for index in settings.indexes] == ["simple"] * 3 + ["find-links"] * 2
    assert [host.value for host in settings.trusted_hosts] == ["b.example", "c.example"]


def test_an_empty_variable_decides_nothing(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://a.example/s\n")
    assert urls(read_package_settings(place(home, {"PIP_INDEX_URL": ""}))) == ["https://a.example/s"]


def test_a_named_settings_file_takes_the_place_of_the_users(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://user.example/s\n")
    named = write(home / "named.conf", "[global]\nextra-index-url = https://named.example/s\n")
    assert urls(read_package_settings(place(home, {"PIP_CONFIG_FILE": str(named)}))) == [
        "https://named.example/s"
    ]


def test_the_null_device_switches_all_files_off(home: Path) -> None:
    write(home.parent / "root/etc/pip.conf", "[global]\nindex-url = https://system.example/simple\n")
    assert pip_files(place(home, {"PIP_CONFIG_FILE": "/dev/null"})) == []


def test_a_variable_inside_a_value_is_put_in_if_it_is_set(home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://${HOST}/${ABSENT}/s\n")
    assert read_pip(place(home, {"HOST": "a.example"}))["index-url"].value == "https://a.example/${ABSENT}/s"


def test_no_index_leaves_only_folders_and_links(home: Path) -> None:
    environ = {
        "PIP_NO_INDEX": "1",
        "PIP_INDEX_URL": "https://a.example/s",
        "PIP_FIND_LINKS": "/srv/wheels",
    }
    assert urls(read_package_settings(place(home, environ))) == ["file:///srv/wheels"]


def test_malformed_and_unreadable_files_are_passed_over(home: Path) -> None:
    write(home.parent / "root/etc/pip.conf", "index-url = https://no-section.example\n")
    (home / ".pip/pip.conf").mkdir(parents=True)
    (home / ".config/uv/uv.toml").write_bytes(b"index-url = \xff")
    write(
        home / ".config/pip/pip.conf",
        "[global]\nindex-url = https://a.example/s\nindex-url = https://b.example/s",
    )
    assert urls(read_package_settings(place(home))) == ["https://b.example/s"]


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        (
            "win32",
            {"APPDATA": "/r", "PROGRAMDATA": "/p"},
            ["/p/pip/pip.ini", "~/pip/pip.ini", "/r/pip/pip.ini"],
        ),
        (
            "darwin",
            {},
            ["/Library/Application Support/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf"],
        ),
        (
            "linux",
            {"XDG_CONFIG_DIRS": "/x:/y", "XDG_CONFIG_HOME": "/z"},
            ["/x/pip/pip.conf", "/y/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "/z/pip/pip.conf"],
        ),
    ],
)
def test_files_lie_where_each_platform_has_them(
    platform: str, environ: dict[str, str], expected: list[str]
) -> None:
    here = Place(environ=environ, home=Path("/home/ann"), platform=platform, root=Path("/"))
    assert [path.as_posix().replace("/home/ann", "~") for path in pip_files(here)] == expected


def test_the_older_folder_on_macos_is_used_when_it_exists(home: Path) -> None:
    (home / "Library/Application Support/pip").mkdir(parents=True)
    assert pip_files(place(home, platform="darwin"))[2].parent.parent.name == "Application Support"


# --- uv -----------------------------------------------------------------------------------------------------


def test_uv_settings_come_from_variables_then_the_user_then_the_system(home: Path) -> None:
    write(
        home / ".config/uv/uv.toml",
        'extra-index-url = ["https://extra.example/s"]\nfind-links = ["/srv/w"]\n'
        '[[index]]\nname = "lab"\nurl = "https://lab.example/s"\n'
        '[[index]]\nurl = "https://explicit.example/s"\nexplicit = true\n'
        '[[index]]\nurl = "https://default.example/s"\ndefault = true\n'
        '[[index]]\nurl = "https://flat.example/w"\nformat = "flat"\n',
    )
    write(home.parent / "root/etc/uv/uv.toml", 'index-url = "https://system.example/s"')
    settings = read_package_settings(place(home, {"UV_INDEX": "x=https://x.example/s https://y.example/s"}))
    assert [(index.url, index.kind) for index in settings.indexes] == [
        ("https://default.example/s", "simple"),
        ("https://x.example/s", "simple"),
        ("https://y.example/s", "simple"),
        ("https://lab.example/s", "simple"),
        ("https://flat.example/w", "find-links"),
        ("https://extra.example/s", "simple"),
        ("file:///srv/w", "find-links"),
    ]


def test_nothing_is_read_from_the_current_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "project/uv.toml", 'index-url = "https://project.example/s"')
    write(home / "project/pyproject.toml", '[tool.uv]\nindex-url = "https://project.example/s"')
    write(home / "project/pip.conf", "[global]\nindex-url = https://project.example/s\n")
    monkeypatch.chdir(home / "project")
    assert urls(read_package_settings(place(home))) == []


def test_uv_can_be_told_to_read_no_files_or_another(home: Path) -> None:
    other = write(home / "other.toml", '[pip]\nindex-url = "https://other.example/s"')
    assert uv_files(place(home, {"UV_NO_CONFIG": "1"})) == []
    assert urls(read_package_settings(place(home, {"UV_CONFIG_FILE": str(other)}))) == [
        "https://other.example/s"
    ]


def test_pips_index_goes_before_uvs_and_each_is_asked_once(home: Path) -> None:
    environ = {
        "PIP_INDEX_URL": "https://a.example/s/",
        "PIP_EXTRA_INDEX_URL": "https://b.example/s",
        "UV_DEFAULT_INDEX": "https://a.example/s",
        "UV_EXTRA_INDEX_URL": "https://c.example/s",
    }
    assert urls(read_package_settings(place(home, environ))) == [
        "https://a.example/s/", "https://b.example/s", "https://c.example/s",
    ]  # fmt: skip


# --- the default nobody configured --------------------------------------------------------------------------


def test_pips_own_default_is_read_and_not_imported(tmp_path: Path) -> None:
    write(tmp_path / "pip/_internal/models/index.py", PIP_MODULE + "raise SystemExit('imported')\n")
    setting = pip_default.from_folder(tmp_path / "pip")
    assert setting and setting.value == "https://built-in.example/simple"


def test_pips_default_is_found_in_a_bundled_wheel(tmp_path: Path) -> None:
    path = tmp_path / "pip-99-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("pip/_internal/models/index.py", PIP_MODULE)
    setting = pip_default.from_wheel(path)
    assert setting and setting.value == "https://built-in.example/simple"


def test_a_wheel_that_is_none_gives_no_default(tmp_path: Path) -> None:
    assert pip_default.from_wheel(write(tmp_path / "pip-1.whl", "no zip")) is None
    assert pip_default.from_wheel(tmp_path / "absent.whl") is None


def test_this_pythons_bundled_wheel_knows_a_default() -> None:
    """The real wheel of `ensurepip`, where the distribution has left it in."""
    for path in pip_default._wheels():
        setting = pip_default.from_wheel(path)
        assert setting and setting.value.startswith("https://") and setting.value.endswith("/simple")


def test_the_python_on_path_is_asked_where_its_pip_lies(tmp_path: Path) -> None:
    write(tmp_path / "site/pip/_internal/models/index.py", PIP_MODULE)
    program(tmp_path / "bin/python3", f"echo noise\necho {tmp_path}/site/pip")
    setting = pip_default._from_python_on_path({"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert setting and setting.value == "https://built-in.example/simple"


def test_uvs_default_is_read_from_its_help(tmp_path: Path) -> None:
    text = "--default-index <DEFAULT_INDEX>\n    The URL (by default: <https://uv.example/simple>).\n"
    program(tmp_path / "bin/uv", f"cat <<'END'\n{text}\nEND")
    setting = pip_default.uv_default({"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert setting and setting.value == "https://uv.example/simple"


def test_a_default_is_asked_first_unless_uv_names_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_in = pip_default.Setting(value="https://built-in.example/simple", decided_by="pip's default")
    monkeypatch.setattr(indexes, "pip_default", lambda environ: built_in)
    extra = {"PIP_EXTRA_INDEX_URL": "https://b.example/s"}
    assert urls(read_package_settings(place(home, extra))) == [built_in.value, "https://b.example/s"]
    uv = {"UV_DEFAULT_INDEX": "https://uv.example/s"}
    assert urls(read_package_settings(place(home, uv))) == ["https://uv.example/s", built_in.value]


def test_without_any_client_there_is_no_index(home: Path) -> None:
    lookups = Lookups(
        {"HOME": str(home), "PIP_CONFIG_FILE": "/dev/null"}, home, Dataset(name="x", version="1")
    )
    outcome = lookups.carry_out(SETTINGS)
    assert isinstance(outcome, LookupFailed)
    assert (outcome.cause, outcome.detail) == ("source.no-index", "neither pip nor uv was found")


def test_what_switched_the_indexes_off_is_said(home: Path) -> None:
    environ = {"HOME": str(home), "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "yes"}
    outcome = Lookups(environ, home, Dataset(name="x", version="1")).carry_out(SETTINGS)
    assert isinstance(outcome, LookupFailed)
    assert outcome.detail == "switched off by variable PIP_NO_INDEX"


# --- credentials --------------------------------------------------------------------------------------------


def test_credentials_are_split_off_and_show_nowhere(home: Path) -> None:
    environ = {
        "HOME": str(home),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "https://ann:s3cr%3Dt@a.example:8443/s",
        "PIP_PROXY": "http://ann:hunter2@p.example:3128",
    }
    lookups = Lookups(environ, home, Dataset(name="x", version="1"))
    outcome = lookups.carry_out(SETTINGS)
    assert isinstance(outcome, Answered)
    assert lookups.index_credentials() == {"https://a.example:8443": ("ann", "s3cr=t")}
    assert lookups.package_settings.proxy and "hunter2" in lookups.package_settings.proxy.value
    shown = f"{outcome!r} {lookups.package_settings!r}"
    assert "s3cr" not in shown
    assert "hunter2" not in shown


def test_the_variables_of_a_named_uv_index_are_its_credentials(home: Path) -> None:
    environ = {
        "UV_INDEX": "my-lab=https://lab.example/s",
        "UV_INDEX_MY_LAB_USERNAME": "ann",
        "UV_INDEX_MY_LAB_PASSWORD": "pw",
    }
    settings = read_package_settings(place(home, environ))
    assert index_credentials(settings, environ) == {"https://lab.example": ("ann", "pw")}


def test_the_keyrings_command_line_is_asked_when_it_is_configured(home: Path) -> None:
    script = '[ "$2" = https://a.example/s ] && [ "$3" = ann ] && echo from-keyring'
    program(home.parent / "bin/keyring", script)
    environ = {"PIP_INDEX_URL": "https://ann@a.example/s", "PATH": f"{home.parent}/bin:/usr/bin:/bin"}
    without = read_package_settings(place(home, environ))
    assert index_credentials(without, environ) == {"https://a.example": ("ann", "")}
    environ["PIP_KEYRING_PROVIDER"] = "subprocess"
    settings = read_package_settings(place(home, environ))
    assert index_credentials(settings, environ) == {"https://a.example": ("ann", "from-keyring")}


def program(path: Path, script: str) -> Path:
    write(path, f"#!/bin/sh\n{script}\n").chmod(0o755)
    return path
