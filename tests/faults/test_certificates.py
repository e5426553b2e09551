"""Faults of TLS, produced for real with an authority of our own: verification is never switched off."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, redirect
from tests.fakes.servers import Leaf, TestAuthority
from tests.faults.kit import BIG, Told, any_file, failed

HOST = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path / "authority")


def over_tls(
    run: Run, leaf: Leaf, *, trusts: Path | None = None, newest: ssl.TLSVersion | None = None
) -> Told:
    """Fail to get a file from a server that has this certificate."""
    with FaultyServer(tls=leaf.context(newest)) as server:
        url = server.serve("/big.bin", BIG)
        return failed(run, *any_file(url), **({"SUREFETCH_CA_BUNDLE": str(trusts)} if trusts else {}))


LEAVES: dict[str, tuple[Callable[[TestAuthority], Leaf], str, str, str, str]] = {
    "expired": (lambda ca: ca.leaf(HOST, expired=True), "tls.expired", "mirror", "valid until", "date"),
    "not yet": (lambda ca: ca.leaf(HOST, not_yet=True), "tls.not-yet-valid", "you", "valid from", "clock"),
    "another name": (lambda ca: ca.leaf("other.test"), "tls.hostname", "mirror", "other.test", "mirror"),
    "only itself": (lambda ca: ca.self_signed(HOST), "tls.self-signed", "mirror", HOST, "ca_bundle"),
}


@pytest.mark.parametrize("row", LEAVES.values(), ids=LEAVES.keys())
def test_each_fault_of_a_certificate_has_its_cause(
    surefetch: Run,
    authority: TestAuthority,
    row: tuple[Callable[[TestAuthority], Leaf], str, str, str, str],
) -> None:
    make, cause, fault, evidence, word = row
    error = over_tls(surefetch, make(authority), trusts=authority.pem)
    assert (error.cause, error.fault, error.exit) == (cause, fault, 6), error
    assert evidence in error.message and word in error.hint, error.screen


def test_an_authority_that_nobody_knows_is_named(surefetch: Run, authority: TestAuthority) -> None:
    error = over_tls(surefetch, authority.leaf(HOST))
    assert (error.cause, error.fault, error.exit) == ("tls.unknown-issuer", "network", 6), error
    assert "surefetch test authority" in error.message and "ca_bundle" in error.hint


def test_a_server_that_forgets_an_intermediate_is_named(surefetch: Run, tmp_path: Path) -> None:
    """One certificate alone, signed by what is known as a public authority's intermediate."""
    intermediate = TestAuthority(tmp_path / "intermediate", "DigiCert Inc TLS RSA SHA256 2020 CA1")
    error = over_tls(surefetch, intermediate.leaf(HOST))
    assert (error.cause, error.fault, error.exit) == ("tls.incomplete-chain", "mirror", 6), error
    assert "intermediate" in error.hint


def test_a_company_that_inspects_tls_is_recognised_by_its_issuer(surefetch: Run, tmp_path: Path) -> None:
    inspector = TestAuthority(tmp_path / "inspector", "Zscaler Inc.")
    error = over_tls(surefetch, inspector.leaf(HOST))
    assert (error.cause, error.fault, error.exit) == ("tls.intercepted", "network", 6), error
    assert "Zscaler" in error.message and "IT" in error.hint


def test_one_unknown_issuer_at_several_hosts_is_an_inspection(
    surefetch: Run, authority: TestAuthority
) -> None:
    leaf = authority.leaf("127.0.0.1", "127.0.0.2")
    with FaultyServer(tls=leaf.context()) as one, FaultyServer("127.0.0.2", tls=leaf.context()) as two:
        urls = one.serve("/big.bin", BIG), two.serve("/big.bin", BIG)
        error = failed(surefetch, "get", *urls, *any_file("")[2:])
    assert (error.cause, error.fault, error.exit) == ("tls.intercepted", "network", 6), error


def test_a_clock_that_makes_several_certificates_old_is_named(
    surefetch: Run, authority: TestAuthority
) -> None:
    """Certificates that are out of date at two hosts at once are what a wrong clock looks like."""
    leaf = authority.leaf("127.0.0.1", "127.0.0.2", expired=True)
    with FaultyServer(tls=leaf.context()) as one, FaultyServer("127.0.0.2", tls=leaf.context()) as two:
        urls = one.serve("/big.bin", BIG), two.serve("/big.bin", BIG)
        words = ("get", *urls, *any_file("")[2:])
        error = failed(surefetch, *words, SUREFETCH_CA_BUNDLE=str(authority.pem))
    assert (error.cause, error.fault, error.exit) == ("local.clock", "you", 6), error


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")  # that is what it tests
def test_a_server_of_old_protocols_only_is_named(surefetch: Run, authority: TestAuthority) -> None:
    leaf = authority.leaf(HOST)
    context = leaf.context(ssl.TLSVersion.TLSv1_1)
    with FaultyServer(tls=context) as server:
        url = server.serve("/big.bin", BIG)
        error = failed(surefetch, *any_file(url), SUREFETCH_CA_BUNDLE=str(authority.pem))
    assert (error.cause, error.fault, error.exit) == ("tls.protocol", "mirror", 6), error


def test_a_client_certificate_that_is_wanted_is_spoken_of(surefetch: Run, authority: TestAuthority) -> None:
    context = authority.leaf(HOST).context(ssl.TLSVersion.TLSv1_2)  # over 1.3 a reset may overtake the alert
    context.verify_mode = ssl.CERT_REQUIRED
    with FaultyServer(tls=context) as server:
        words = any_file(server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, SUREFETCH_CA_BUNDLE=str(authority.pem))
    assert error.cause == "tls.protocol" and "wants a client certificate" in error.hint


def test_a_port_that_does_not_speak_tls_is_named(surefetch: Run) -> None:
    with FaultyServer() as server:
        error = failed(surefetch, *any_file(f"https://127.0.0.1:{server.port}/big.bin"))
    assert (error.cause, error.fault, error.exit) == ("tls.not-tls", "network", 6), error


def test_http_on_a_tls_port_is_named(surefetch: Run, authority: TestAuthority, tmp_path: Path) -> None:
    from tests.fakes.servers import nginx

    with nginx(tmp_path / "nginx", authority.leaf("localhost", HOST)) as server:
        error = failed(
            surefetch, *any_file(server.h1.replace("https://localhost", "http://127.0.0.1") + "/x")
        )
    assert (error.cause, error.fault, error.exit) == ("http.tls-port", "you", 2), error
    assert "https://" in error.hint


def test_a_redirect_to_plain_http_is_refused(surefetch: Run, authority: TestAuthority) -> None:
    with FaultyServer() as plain, FaultyServer(tls=authority.leaf(HOST).context()) as server:
        url = server.serve("/big.bin", b"", redirect(plain.serve("/big.bin", BIG)))
        error = failed(surefetch, *any_file(url), SUREFETCH_CA_BUNDLE=str(authority.pem))
        assert plain.targets() == []
    assert (error.cause, error.fault, error.exit) == ("http.downgrade", "mirror", 13), error


def test_a_bundle_without_certificates_is_told_before_anything_is_asked(
    surefetch: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("no certificate here\n", encoding="utf-8")
    with FaultyServer() as server:
        words = any_file(server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, SUREFETCH_CA_BUNDLE=str(tmp_path / "empty.pem"))
        assert server.targets() == []
    assert (error.cause, error.fault, error.exit) == ("tls.no-trust-store", "you", 6), error
    assert "ca_bundle" in error.hint


def missing(path: Path) -> None:
    """Make nothing."""


def folder(path: Path) -> None:
    """Make a folder without certificates."""
    path.mkdir()


def empty(path: Path) -> None:
    """Make a file of nothing."""
    path.touch()


def broken(path: Path) -> None:
    """Make a file that only begins as a certificate does."""
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="utf-8")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("make", [missing, folder, empty, broken])
def test_a_variable_that_names_no_authorities_is_told_when_nobody_is_trusted(
    surefetch: Run, authority: TestAuthority, tmp_path: Path, variable: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "company.pem"
    make(path)
    with FaultyServer(tls=authority.leaf(HOST).context()) as server:
        error = failed(surefetch, *any_file(server.serve("/big.bin", BIG)), **{variable: str(path)})
    assert (error.cause, error.fault, error.exit) == ("tls.no-trust-store", "you", 6), error
    assert f"variable {variable} names `{path}`" in error.message and f"unset {variable}" in error.hint


def test_doctor_names_the_variable_that_names_no_authorities(
    surefetch: Run, authority: TestAuthority, tmp_path: Path
) -> None:
    with FaultyServer(tls=authority.leaf(HOST).context()) as server:
        url = server.serve("/big.bin", BIG)
        done = surefetch("doctor", url, SSL_CERT_FILE=str(tmp_path / "gone.pem"))
    assert done.returncode == 21 and "[tls.no-trust-store]" in done.stdout
    assert done.stdout.rstrip().endswith("`unset SSL_CERT_FILE`"), done.stdout


def test_an_intermediate_of_a_company_that_is_not_sent_is_known_by_its_address(
    surefetch: Run, authority: TestAuthority
) -> None:
    """The certificate says where its issuer's can be had: so the issuer is one that the server forgot."""
    leaf = authority.beneath_forgotten(HOST, issuer="Acme Authority", at="http://pki.example/acme.crt")
    error = over_tls(surefetch, leaf, trusts=authority.pem)
    assert (error.cause, error.fault, error.exit) == ("tls.incomplete-chain", "mirror", 6), error
    assert "http://pki.example/acme.crt" in error.message and "company's own" in error.hint


def test_the_file_that_was_trusted_may_be_copied(
    surefetch: Run, authority: TestAuthority, tmp_path: Path
) -> None:
    """The cure that the hint names works: with the authority's file the same command succeeds."""
    shutil.copy(authority.pem, tmp_path / "company.pem")
    with FaultyServer(tls=authority.leaf(HOST).context()) as server:
        words = any_file(server.serve("/big.bin", BIG))
        assert failed(surefetch, *words).cause == "tls.unknown-issuer"
        result = surefetch(*words, SUREFETCH_CA_BUNDLE=str(tmp_path / "company.pem"))
    assert result.returncode == 0, result.stderr
