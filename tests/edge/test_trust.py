"""Whom TLS trusts, and what a certificate that is wrong is called."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.errors import SettingError
from surefetch.events import Failed, Failure, Finished
from surefetch.transfer.trust import Trust, find_trust, unusable
from tests.conftest import Run
from tests.fakes.driver import driving, ending
from tests.fakes.faulty_server import FaultyServer, redirect
from tests.fakes.servers import Leaf, TestAuthority

CONTENT = b"0123456789" * 100
SIZE = len(CONTENT)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("stranger"), "ACME inspection")


@pytest.fixture
def trust(authority: TestAuthority) -> Iterator[Trust]:
    with Trust(system=str(authority.pem)) as trust:
        yield trust


def fetch(
    leaf: Leaf, trust: Trust, host: str = "localhost", newest: ssl.TLSVersion | None = None
) -> Finished | Failed:
    with FaultyServer(tls=leaf.context(newest)) as server, driving(trust=trust) as driver:
        server.serve("/x", CONTENT)
        events, _ = driver.fetch(f"https://{host}:{server.port}/x", SIZE)
        end = ending(events)
        assert isinstance(end, Finished | Failed)
        return end


def cause(end: Finished | Failed) -> str:
    assert isinstance(end, Failed), end
    assert end.failure is Failure.TLS
    return end.cause


def test_a_good_certificate_is_good(authority: TestAuthority, trust: Trust) -> None:
    assert isinstance(fetch(authority.leaf("localhost"), trust), Finished)
    assert isinstance(fetch(authority.leaf("127.0.0.1"), trust, "127.0.0.1"), Finished)
    assert isinstance(fetch(authority.beneath_intermediate("localhost"), trust), Finished)


def test_an_expired_certificate(authority: TestAuthority, trust: Trust) -> None:
    assert cause(fetch(authority.leaf("localhost", expired=True), trust)) == "tls.expired"


def test_a_certificate_of_the_future(authority: TestAuthority, trust: Trust) -> None:
    assert cause(fetch(authority.leaf("localhost", not_yet=True), trust)) == "tls.not-yet-valid"


def test_a_certificate_for_another_name(authority: TestAuthority, trust: Trust) -> None:
    assert cause(fetch(authority.leaf("example.org"), trust)) == "tls.hostname"
    assert cause(fetch(authority.leaf("localhost"), trust, "127.0.0.1")) == "tls.hostname"


def test_a_self_signed_certificate(authority: TestAuthority, trust: Trust) -> None:
    assert cause(fetch(authority.self_signed("localhost"), trust)) == "tls.self-signed"


def test_an_authority_that_nobody_knows(stranger: TestAuthority, trust: Trust) -> None:
    assert cause(fetch(stranger.leaf("localhost"), trust)) == "tls.unknown-issuer"


def test_a_forgotten_intermediate(authority: TestAuthority, trust: Trust) -> None:
    end = fetch(authority.beneath_intermediate("localhost", complete=False), trust)
    assert cause(end) in ("tls.unknown-issuer", "tls.incomplete-chain")


def test_an_old_protocol(authority: TestAuthority, trust: Trust) -> None:
    with pytest.warns(DeprecationWarning):
        end = fetch(authority.leaf("localhost"), trust, newest=ssl.TLSVersion.TLSv1)
    assert cause(end) == "tls.protocol"


def test_the_chain_is_observed_even_when_it_is_refused(stranger: TestAuthority, trust: Trust) -> None:
    leaf = stranger.leaf("localhost", "127.0.0.1", expired=True)
    with FaultyServer(tls=leaf.context()) as server, driving(trust=trust) as driver:
        end = ending(driver.fetch(f"https://localhost:{server.port}/x", SIZE)[0])
        seen = driver.engine.observation(end.id)
    assert seen is not None
    assert seen.tls_verify_result
    assert "ACME inspection" in seen.chain[0].issuer
    assert seen.chain[0].not_after is not None
    assert seen.now is not None
    assert seen.chain[0].not_after < seen.now
    assert {"localhost", "127.0.0.1"} <= set(seen.chain[0].san)


def test_a_port_that_does_not_speak_tls(trust: Trust) -> None:
    with FaultyServer() as plain, driving(trust=trust) as driver:
        end = ending(driver.fetch(f"https://127.0.0.1:{plain.port}/x", SIZE)[0])
    assert cause(end) == "tls.not-tls"


def test_a_handshake_that_is_cut(trust: Trust) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, driving(trust=trust) as driver:
        import threading

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(10)
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        end = ending(driver.fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/x", SIZE)[0])
        thread.join(5)
    assert (end.failure, end.cause) == (Failure.CUT, "connect.reset")


def test_https_does_not_lead_to_http(authority: TestAuthority, trust: Trust) -> None:
    with (
        FaultyServer(tls=authority.leaf("localhost").context()) as server,
        FaultyServer() as plain,
        driving(trust=trust) as driver,
    ):
        plain.serve("/x", CONTENT)
        server.serve("/x", b"", redirect(f"http://localhost:{plain.port}/x"))
        end = ending(driver.fetch(f"https://localhost:{server.port}/x", SIZE)[0])
        assert (end.failure, end.cause) == (Failure.POLICY, "http.downgrade")
        assert plain.connections == 0


# --- where authorities come from ----------------------------------------------------------------------------


def test_a_company_authority_is_added_to_the_system(
    authority: TestAuthority, stranger: TestAuthority
) -> None:
    with Trust(system=str(authority.pem), added=((str(stranger.pem), "setting ca_bundle"),)) as trust:
        for one in (authority, stranger):
            assert isinstance(fetch(one.leaf("localhost"), trust), Finished)
        assert "setting ca_bundle" in trust.describe()
        joined = trust.file()
        assert joined is not None
        assert Path(joined).exists()
    assert not Path(joined).exists()


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_usual_variables_add_authorities(authority: TestAuthority, variable: str) -> None:
    with find_trust({variable: str(authority.pem)}, platform="linux") as trust:
        assert f"variable {variable}" in trust.describe()
        assert isinstance(fetch(authority.leaf("localhost"), trust), Finished)


def test_a_scheme_in_capitals_is_trusted_alike(
    surefetch: Run, authority: TestAuthority, tmp_path: Path
) -> None:
    with FaultyServer(tls=authority.leaf("127.0.0.1").context()) as server:
        url = server.serve("/x", CONTENT).replace("https", "Https")
        words = ("get", url, "--sha256", hashlib.sha256(CONTENT).hexdigest())
        result = surefetch(*words, SUREFETCH_CA_BUNDLE=str(authority.pem))
    assert result.returncode == 0, result.stderr


def test_the_first_variable_counts(authority: TestAuthority, stranger: TestAuthority) -> None:
    environ = {"CURL_CA_BUNDLE": str(stranger.pem), "SSL_CERT_FILE": str(authority.pem)}
    with find_trust(environ, platform="linux") as trust:
        assert [name for _, name in trust.added] == ["variable SSL_CERT_FILE"]


def test_a_folder_of_authorities(authority: TestAuthority, tmp_path: Path) -> None:
    (tmp_path / "0a1b2c3d.0").write_bytes(authority.pem.read_bytes())
    (tmp_path / "README").write_text("no certificate")
    with find_trust({"SSL_CERT_DIR": str(tmp_path)}, platform="linux") as trust:
        assert isinstance(fetch(authority.leaf("localhost"), trust), Finished)


def test_a_variable_that_names_nothing_is_passed_over(tmp_path: Path) -> None:
    environ = {
        "SSL_CERT_FILE": str(tmp_path / "gone.pem"),
        "REQUESTS_CA_BUNDLE": "",
        "CURL_CA_BUNDLE": str(tmp_path),
    }
    with find_trust(environ, platform="linux") as trust:
        assert trust.added == ()


def test_a_broken_file_of_a_folder_of_authorities_is_named(authority: TestAuthority, tmp_path: Path) -> None:
    (tmp_path / "README").write_text("authorities", encoding="utf-8")
    (tmp_path / "good.pem").write_bytes(authority.pem.read_bytes())
    environ = {"SSL_CERT_DIR": f"/nowhere:{tmp_path}:/etc/ssl/certs"}
    assert unusable(environ) == ""
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n", encoding="utf-8")
    assert unusable(environ).startswith(f"variable SSL_CERT_DIR names `{broken}`, which holds a certificate")


def test_a_setting_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        find_trust({}, str(tmp_path / "gone.pem"))
    assert caught.value.code == "tls.no-trust-store"


def test_macos_and_windows_ask_their_own_store(authority: TestAuthority) -> None:
    for platform in ("darwin", "win32"):
        trust = find_trust({}, platform=platform)
        assert trust.uses_native
        assert trust.file() is None
        assert "own store" in trust.describe()


def test_without_authorities_https_fails_and_http_works(server: FaultyServer) -> None:
    trust = Trust(system=None, problem="no file of authorities anywhere")
    with driving(trust=trust) as driver:
        end = ending(driver.fetch("https://localhost:1/x", SIZE)[0])
        assert (end.failure, end.cause) == (Failure.TLS, "tls.no-trust-store")
        assert isinstance(ending(driver.fetch(server.serve("/x", CONTENT), SIZE)[0]), Finished)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server
