"""Addresses as people write them, from the command line to the server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefetch.catalog import Catalog, write_catalog
from surefetch.catalog.metalink import write_metalink
from surefetch.model import Artifact, Dataset
from surefetch.reporters import SilentReporter
from surefetch.session.facade import Session
from surefetch.session.user_catalogs import own_hosts
from surefetch.settings import Settings
from surefetch.transfer.credentials import basic
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect
from tests.faults.kit import Told, failed

DATA = bytes(range(256)) * 40
FILE = ("--sha256", hashlib.sha256(DATA).hexdigest(), "--size", str(len(DATA)))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/dane/żółć.bin", "/dane/%C5%BC%C3%B3%C5%82%C4%87.bin"),
        ("/a b.bin", "/a%20b.bin"),
        ("/get.php?file=文 1.bin", "/get.php?file=%E6%96%87%201.bin"),
        ("/a%2Fb%20c.bin", "/a%2Fb%20c.bin"),
    ],
)
def test_an_address_with_letters_of_any_script_is_asked_for(
    surefetch: Run, server: FaultyServer, written: str, sent: str
) -> None:
    server.serve(sent, DATA)
    result = surefetch("get", server.origin + written, *FILE)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == DATA
    assert server.targets()[-1] == sent


def test_a_mirror_and_a_folder_may_have_letters_of_any_script(surefetch: Run, server: FaultyServer) -> None:
    server.serve("/%C5%BC/x.bin", DATA)
    result = surefetch("get", f"{server.origin}/gone/x.bin", f"{server.origin}/ż/", *FILE)
    assert result.returncode == 0, result.stderr
    assert "/%C5%BC/x.bin" in server.targets()


@pytest.mark.parametrize("path", ["/files/5/download/", "/?id=5", "/"])
def test_an_address_that_ends_in_a_slash_is_asked_for_as_it_stands(
    surefetch: Run, server: FaultyServer, path: str
) -> None:
    server.serve(path, DATA)
    result = surefetch("get", server.origin + path, *FILE)
    assert result.returncode == 0, result.stderr
    assert server.targets()[-1] == path


def told_of(surefetch: Run, url: str) -> Told:
    return failed(surefetch, "get", url, *FILE)


@contextmanager
def two_machines(here: FaultyServer) -> Iterator[FaultyServer]:
    """`localhost` is ::1 and 127.0.0.1: another server at the other address, and at the same port."""
    try:
        other = FaultyServer(host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with other:
        other.go_away()
        other.port = here.port
        other.come_back()
        yield other


@pytest.mark.parametrize("bad", [Script(status=404), Script(status=403), Script(flip=5), page("Hello")])
def test_what_one_machine_of_a_name_has_not_comes_from_another(
    surefetch: Run, server: FaultyServer, bad: Script
) -> None:
    with two_machines(server) as other:
        for first, second in ((server, other), (other, server)):
            first.serve("/x.bin", DATA, bad)
            second.serve("/x.bin", DATA)
            result = surefetch("get", f"http://localhost:{server.port}/x.bin", *FILE)
            assert result.returncode == 0, result.stderr
            surefetch("cache", "rm", "--all")


def test_the_only_machine_of_a_name_is_asked_once_for_what_it_has_not(
    surefetch: Run, server: FaultyServer
) -> None:
    result = surefetch("get", f"{server.origin}/nowhere.bin", "--sha256", "0" * 64)
    assert result.returncode == 3
    assert server.targets().count("/nowhere.bin") == 1


def test_a_host_that_is_no_name_in_any_script_is_told_before_any_request(surefetch: Run) -> None:
    error = told_of(surefetch, f"http://{'ü' * 80}.example/x.bin")
    assert error.exit == 2 and "can be no host's name" in error.message
    assert not error.attempts


def test_no_redirect_is_told_where_there_was_none(surefetch: Run, server: FaultyServer) -> None:
    direct = told_of(surefetch, f"{server.origin}/gone.bin")
    led = told_of(surefetch, server.serve("/moved", b"", redirect("ftp://127.0.0.1/x.bin")))
    assert direct.cause == "http.not-found"
    assert led.cause == "http.redirect-dead" and "ftp://127.0.0.1/x.bin" in led.message


@pytest.mark.parametrize("url", ["http://[::1/x.bin", "http://ann:pw@[::1/x.bin", "http://127.0.0.1:99999/x"])
def test_an_address_that_cannot_be_read_is_told(surefetch: Run, url: str) -> None:
    for words in (("get", url, *FILE), ("get", "mnist", "--mirror", url), ("doctor", url)):
        result = surefetch(*words)
        assert result.returncode == 2, result.stderr
        assert "cannot be read" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("location", ["http://[::1/x.bin", "http://a:b@[::1/x", "http://h:99999/", "//[/"])
def test_a_redirect_to_what_cannot_be_read_is_told(
    surefetch: Run, server: FaultyServer, home: Path, location: str
) -> None:
    url = server.serve("/broken", b"", redirect(location))
    error = failed(surefetch, "get", url, *FILE, "--trace", str(home / "log.har"))
    assert error.cause == "http.redirect-dead", error
    assert surefetch("doctor", url).returncode in (20, 21, 22)


SHUT = Script(status=401, headers=(("WWW-Authenticate", "Basic realm=x"),))
WORD = "p:@geheim"


def shown(server: FaultyServer) -> str:
    return server.seen[-1].headers.get("authorization", "")


def with_userinfo(url: str) -> str:
    return url.replace("://", "://ann:p%3A%40geheim@")


def test_name_and_password_of_an_address_are_shown_to_its_host(
    surefetch: Run, server: FaultyServer, home: Path
) -> None:
    url = with_userinfo(server.serve("/own.bin", DATA))
    result = surefetch("get", url, *FILE, "-v", "--trace", str(home / "log.har"))
    assert result.returncode == 0, result.stderr
    assert shown(server) == basic("ann", WORD).partition(": ")[2]
    told = result.stdout + result.stderr + "".join(map(_text, home.rglob("*")))
    assert "geheim" not in told


def test_a_mirror_of_the_settings_is_shown_its_own(surefetch: Run, server: FaultyServer) -> None:
    digest = FILE[1]
    server.serve(f"/blobs-v1/sha256/{digest[:2]}/{digest}", DATA)
    mirror = with_userinfo(server.origin)
    result = surefetch("get", server.serve("/shut.bin", DATA, SHUT), *FILE, SUREFETCH_MIRROR=mirror)
    assert result.returncode == 0, result.stderr
    assert shown(server) == basic("ann", WORD).partition(": ")[2]


def test_a_password_that_is_not_taken_is_told_as_such(surefetch: Run, server: FaultyServer) -> None:
    error = failed(surefetch, "get", with_userinfo(server.serve("/no.bin", b"", SHUT)), *FILE)
    assert error.cause == "http.unauthorized" and "geheim" not in error.screen
    assert "does not take the login" in error.message and "correct the name and password" in error.hint


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1") if path.is_file() else path.name


def test_a_host_that_fails_behind_a_redirect_is_named(surefetch: Run, server: FaultyServer) -> None:
    with FaultyServer(host="127.0.0.2") as other:
        failing = server.serve("/to500", b"", redirect(other.serve("/x", b"", Script(status=500))))
        silent = server.serve("/tohang", b"", redirect(other.serve("/y", b"", Script(silence=True))))
        place = other.origin.partition("//")[2]
        quick = {"SUREFETCH_FIRST_BYTE_TIMEOUT": "1", "SUREFETCH_STALL_TIMEOUT": "1"}
        for url in (failing, silent):
            error = failed(surefetch, "get", url, *FILE, **quick)
            assert f"it leads on to `{place}`" in error.message, error


def test_a_dead_port_behind_a_redirect_is_named(surefetch: Run, server: FaultyServer) -> None:
    error = failed(surefetch, "get", server.serve("/to9", b"", redirect("http://127.0.0.1:9/x")), *FILE)
    assert error.cause == "http.redirect-dead" and "`http://127.0.0.1:9/x`" in error.message


# --- hosts that the user's files name -----------------------------------------------------------------------


def written(folder: Path, dataset: Dataset, *, is_metalink: bool) -> Path:
    path = folder / ("mine.meta4" if is_metalink else "mine.toml")
    text = write_metalink(dataset, dataset.artifacts, "a test") if is_metalink else write_catalog(dataset)
    path.write_text(text, encoding="utf-8")
    return path


def one_file(name: str, data: bytes, *urls: str) -> Dataset:
    digest = hashlib.sha256(data).hexdigest()
    artifact = Artifact(name="x.bin", form="files", size=len(data), sha256=digest, urls=urls)
    return Dataset(name=name, version="1", artifacts=(artifact,))


def test_a_catalog_that_the_user_names_may_lead_to_private_hosts(
    surefetch: Run, server: FaultyServer, tmp_path: Path
) -> None:
    dataset = one_file("mine", DATA, server.serve("/x.bin", DATA))
    result = surefetch("get", "mine", "--catalog", str(written(tmp_path, dataset, is_metalink=False)))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip(), "x.bin").read_bytes() == DATA


def test_a_metalink_that_the_user_names_may_lead_to_private_hosts(
    surefetch: Run, server: FaultyServer, tmp_path: Path
) -> None:
    dataset = one_file("mine", DATA, server.serve("/x.bin", DATA))
    result = surefetch("get", str(written(tmp_path, dataset, is_metalink=True)))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == DATA


def test_a_catalog_names_the_hosts_that_it_adds_to_a_built_in_dataset(tmp_path: Path) -> None:
    known = Catalog().find("mnist").artifact("t10k-labels-idx1-ubyte.gz")
    urls = ("http://10.1.2.3/labels.gz", "http://files.corp.example/x.gz", "http://169.254.169.254/latest")
    artifact = Artifact(name="labels.gz", form="own", size=known.size, sha256=known.sha256, urls=urls)
    path = written(tmp_path, Dataset(name="mnist", version="1", artifacts=(artifact,)), is_metalink=False)
    session = Session(Settings(catalogs=(str(path),)), SilentReporter())
    assert own_hosts(session, [session.catalog.find("mnist")]) == {"10.1.2.3", "files.corp.example"}
