"""Doctor's probes for real: servers, proxies, certificates and files on this machine, loopback only."""

import errno
import gzip
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from surefetch.diagnose.attempts import judge
from surefetch.diagnose.doctor import FINE, OWNERS, YOURS, examine
from surefetch.diagnose.facts import Report
from surefetch.diagnose.report import WELL_LINES, lines, markdown
from surefetch.events import Failure
from surefetch.model import Artifact
from surefetch.observation import Observation
from surefetch.probes.clients import CLIENTS, look_at_clients, variables_in_play
from surefetch.probes.dials import dial
from surefetch.probes.disk import StoreLook, look_at_files
from surefetch.probes.hosts import Target
from surefetch.probes.look import Asked, look
from surefetch.probes.race import Race
from surefetch.transfer.engine import Engine
from surefetch.transfer.options import Options
from surefetch.transfer.proxies import ProxyResolver
from surefetch.transfer.trust import find_trust
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect
from tests.fakes.ports import free_port
from tests.fakes.servers import TestAuthority

CONTENT = gzip.compress(os.urandom(1 << 20))
NAME = "train-images-idx3-ubyte.gz"
FILE = Artifact(name=NAME, form="idx", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


class _Nobody:
    def headers(self, url: str, asked_url: str = "") -> list[str]:
        return []


def _judge(seen: Observation) -> tuple[Failure, str, str]:
    judged = judge(seen)
    return judged.failure, judged.cause, judged.detail


def examined(
    folder: Path, *targets: Target, environ: dict[str, str] | None = None, ca_bundle: str = "", **asked: Any
) -> Report:
    """Look for real and judge."""
    environ = environ or {}
    proxies = ProxyResolver(environ)
    values = {"wanted": "mnist", "store": str(folder / "store"), "seconds": 3.0, "targets": targets, **asked}
    with (
        find_trust(environ, ca_bundle) as trust,
        Engine(
            Options(keep_exchanges=True), proxies=proxies, trust=trust, credentials=_Nobody(), judge=_judge
        ) as engine,
    ):
        is_online = not values.get("offline")
        return examine(
            look(Asked(**values), environ, engine=engine if is_online else None, proxies=proxies, trust=trust)
        )


def at(url: str, **more: Any) -> Target:
    return Target(url=url, artifact=FILE, may_be_private=True, **more)


def causes(report: Report) -> list[str]:
    return [finding.cause for finding in report.findings]


def test_good_hosts_are_well_measured_and_few_lines(tmp_path: Path) -> None:
    with FaultyServer() as server, FaultyServer() as other:
        targets = at(server.serve("/a.gz", CONTENT)), at(other.serve("/a.gz", CONTENT))
        index = Target(url=server.serve("/simple/x/", b"<html></html>"), role="index", may_be_private=True)
        report = examined(tmp_path, *targets, index)
    assert (report.exit, causes(report)) == (FINE, []), lines(report)
    first = report.facts.hosts[0]
    assert all(host.seen and host.seen.status in (200, 206) for host in report.facts.hosts)
    assert first.takes_ranges and first.sample_bytes >= 512 << 10
    assert [d.family for d in first.dials] == ["IPv4"] and first.dials[0].seconds is not None
    assert any(line.startswith("package index") for line in report.well)
    assert len(lines(report)) <= WELL_LINES


SCRIPTS = {
    "missing": (Script(status=404, body=b"no"), "http.not-found"),
    "gone": (Script(status=410, body=b"no"), "http.gone"),
    "limited": (Script(status=429, body=b"no"), "http.rate-limited"),
    "broken": (Script(status=500, body=b"no"), "http.server-error"),
    "portal": (page("Hotel Guest Wi-Fi: sign in to connect"), "body.captive-portal"),
    "page": (page("Moved"), "body.html"),
    "waf": (
        Script(status=202, headers=(("x-amzn-waf-action", "challenge"),), body=b""),
        "http.blocked-by-waf",
    ),
    "cut": (Script(close_at_once=True), "connect.reset"),
    "reset": (Script(reset_at_once=True), "connect.reset"),
    "silent": (Script(silence=True), "transfer.no-first-byte"),
}


@pytest.mark.parametrize(("script", "cause"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_each_fault_of_a_host_has_its_cause(tmp_path: Path, script: Script, cause: str) -> None:
    with FaultyServer() as server:
        report = examined(tmp_path, at(server.serve("/a.gz", CONTENT, script)))
    assert report.facts.hosts[0].cause == cause, report.facts.hosts[0]
    assert report.exit in (YOURS, OWNERS) and report.action


def test_a_redirect_loop_is_told(tmp_path: Path) -> None:
    with FaultyServer() as server:
        url = server.serve("/a.gz", CONTENT, redirect("/a.gz"))
        assert examined(tmp_path, at(url)).facts.hosts[0].cause == "http.redirect-loop"


def test_a_closed_port_is_refused(tmp_path: Path) -> None:
    report = examined(tmp_path, at(f"http://127.0.0.1:{free_port()}/a.gz"))
    assert report.facts.hosts[0].cause == "connect.refused"
    assert report.facts.hosts[0].dials[0].error == os.strerror(errno.ECONNREFUSED).lower()


def test_a_host_that_never_accepts_is_told_within_doctors_time(tmp_path: Path) -> None:
    with full_listener() as port:
        report = examined(tmp_path, at(f"http://127.0.0.1:{port}/a.gz"), seconds=2.0)
    assert report.facts.hosts[0].cause == "connect.timeout", report.facts.hosts[0]


def test_some_hosts_fail_and_another_answers_is_nothing_to_do(tmp_path: Path) -> None:
    with FaultyServer() as server, FaultyServer() as other:
        gone = at(server.serve("/a.gz", CONTENT, Script(status=404, body=b"no")))
        report = examined(tmp_path, gone, at(other.serve("/a.gz", CONTENT)))
    assert report.exit == FINE and "1 of 2 sources fail" in report.verdict


CERTIFICATES = {
    "expired": ("tls.expired", lambda own: own.leaf("127.0.0.1", expired=True), True),
    "early": ("tls.not-yet-valid", lambda own: own.leaf("127.0.0.1", not_yet=True), True),
    "name": ("tls.hostname", lambda own: own.leaf("other.example"), True),
    "unknown": ("tls.unknown-issuer", lambda own: own.leaf("127.0.0.1"), False),
    "self-signed": ("tls.self-signed", lambda own: own.self_signed("127.0.0.1"), True),
}


@pytest.mark.parametrize(("cause", "make", "trusted"), CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_each_fault_of_a_certificate_has_its_cause(
    tmp_path: Path, cause: str, make: Any, trusted: bool
) -> None:
    own = TestAuthority(tmp_path / "own")
    with FaultyServer(tls=make(own).context()) as server:
        url = server.serve("/a.gz", CONTENT)
        report = examined(tmp_path, at(url), ca_bundle=str(own.pem) if trusted else "")
    assert report.facts.hosts[0].cause == cause, report.facts.hosts[0]


@pytest.mark.parametrize("is_trusted", [True, False])
def test_inspection_is_recognised_by_its_issuer(tmp_path: Path, is_trusted: bool) -> None:
    zscaler = TestAuthority(tmp_path / "own", name="Zscaler Inc.")
    with FaultyServer(tls=zscaler.leaf("127.0.0.1").context()) as server:
        url = server.serve("/a.gz", CONTENT)
        report = examined(tmp_path, at(url), ca_bundle=str(zscaler.pem) if is_trusted else "")
    assert causes(report) == ["tls.intercepted"] and "Zscaler" in report.findings[0].detail
    assert report.exit == (FINE if is_trusted else YOURS)


def test_tls_to_a_plain_port_is_told(tmp_path: Path) -> None:
    with FaultyServer() as server:
        url = server.serve("/a.gz", CONTENT).replace("http:", "https:")
        assert examined(tmp_path, at(url)).facts.hosts[0].cause == "tls.not-tls"


def test_a_dead_proxy_is_told_with_what_decided_it(tmp_path: Path) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    report = examined(tmp_path, at("http://data.example/a.gz"), environ={"http_proxy": proxy})
    host = report.facts.hosts[0]
    assert (host.cause, host.proxy, host.proxy_decided_by) == (
        "proxy.unreachable",
        proxy,
        "variable http_proxy",
    )
    assert host.dials == () and any("a proxy is used" in text for text in report.facts.not_checked)
    assert "unset http_proxy" in report.action


TUNNELS = {
    "407": (Script(status=407, headers=(("Proxy-Authenticate", "NTLM"),), body=b"no"), "proxy.auth-required"),
    "403": (Script(status=403, body=b"no"), "proxy.denied"),
    "503": (Script(status=503, body=b"no"), "proxy.upstream"),
    "405": (Script(status=405, body=b"no"), "proxy.not-a-proxy"),
    "closed": (Script(close_at_once=True), "proxy.cut"),
}


@pytest.mark.parametrize(("script", "cause"), TUNNELS.values(), ids=TUNNELS.keys())
def test_each_answer_of_a_proxy_to_a_tunnel_has_its_cause(tmp_path: Path, script: Script, cause: str) -> None:
    with FaultyServer() as proxy:
        proxy.serve("data.example:443", b"", script)
        report = examined(tmp_path, at("https://data.example/a.gz"), environ={"https_proxy": proxy.origin})
    assert report.facts.hosts[0].cause == cause, report.facts.hosts[0]


@pytest.mark.parametrize(("scheme", "cause"), [("http", "proxy.not-a-proxy"), ("https", "proxy.scheme")])
def test_what_is_no_proxy_or_none_of_that_scheme_is_told(tmp_path: Path, scheme: str, cause: str) -> None:
    with FaultyServer(greeting=b"SSH-2.0-OpenSSH_9.6\r\n") as ssh:
        environ = {"https_proxy": f"{scheme}://127.0.0.1:{ssh.port}"}
        report = examined(tmp_path, at("https://data.example/a.gz"), environ=environ)
    assert report.facts.hosts[0].cause == cause, report.facts.hosts[0]


def test_a_malformed_proxy_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    report = examined(tmp_path, at("http://data.example/a.gz"), environ={"http_proxy": "http://a b:c"})
    assert report.facts.hosts[0].cause.startswith("proxy.") and report.exit == YOURS


def test_offline_opens_no_socket(tmp_path: Path) -> None:
    with FaultyServer() as server:
        report = examined(tmp_path, at(server.serve("/a.gz", CONTENT)), offline="variable HF_HUB_OFFLINE")
        assert server.connections == 0
    assert causes(report) == ["usage.offline"] and report.facts.hosts == ()


# --- this machine -------------------------------------------------------------------------------------------


def keras(folder: Path, content: bytes) -> tuple[Path, dict[str, str]]:
    path = folder / ".keras" / "datasets" / "fashion-mnist" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path, {"KERAS_HOME": str(folder / ".keras")}


FILES = {
    "a page": (b"<html><head><title>Guest Wi-Fi login</title></head><form>", "body.captive-portal"),
    "nothing": (b"", "body.empty"),
    "cut": (CONTENT[:1000], "body.truncated"),
    "wrong": (CONTENT[:5000] + bytes([CONTENT[5000] ^ 1]) + CONTENT[5001:], "body.corrupt"),
    "right": (CONTENT, ""),
}


@pytest.mark.parametrize(("content", "cause"), FILES.values(), ids=FILES.keys())
def test_files_of_other_tools_are_named(tmp_path: Path, content: bytes, cause: str) -> None:
    path, environ = keras(tmp_path, content)
    report = examined(
        tmp_path, environ={**environ, "HOME": str(tmp_path)}, artifacts=(("fashion-mnist", FILE),), offline=""
    )
    found = [file for file in report.facts.files if file.path == str(path)]
    assert len(found) == 1 and found[0].cause == cause and found[0].framework == "keras"
    assert found[0].is_proven == (cause == "")
    assert path.read_bytes() == content
    assert ("local.foreign-cache-corrupt" in causes(report)) == bool(cause)


def test_another_datasets_file_is_named(tmp_path: Path) -> None:
    other = gzip.compress(b"other")
    path, environ = keras(tmp_path, other)
    known = {hashlib.sha256(other).hexdigest(): "mnist: train-images-idx3-ubyte.gz"}
    files, _ = look_at_files(
        (("fashion-mnist", FILE),), environ, str(tmp_path), time.monotonic() + 5, known.get
    )
    assert [(file.path, file.cause) for file in files] == [(str(path), "body.wrong-file")]
    assert "mnist: train-images" in files[0].detail


def test_the_store_is_tried_where_it_will_be_and_left_as_it_was(tmp_path: Path) -> None:
    seen = StoreLook(tmp_path / "a" / "b")
    assert (seen.cause, list(tmp_path.iterdir())) == ("", []) and (seen.free_bytes or 0) > 0
    (tmp_path / "file").write_text("x")
    assert StoreLook(tmp_path / "file").cause.startswith("local.")


def test_needed_room_is_compared(tmp_path: Path) -> None:
    report = examined(tmp_path, needed_bytes=1 << 60)
    assert causes(report)[0] == "local.disk-full"


def test_clients_are_judged_by_their_own_rules() -> None:
    environ = {"ALL_PROXY": "http://u:secret@p.example:1", "REQUESTS_CA_BUNDLE": "/corp.pem"}
    found = {client.name: client for client in look_at_clients("https://a.example/", environ)}
    assert set(found) == set(CLIENTS)
    assert found["requests"].proxy == "http://p.example:1" and "/corp.pem" in found["requests"].authorities
    assert found["urllib"].proxy == found["Keras"].proxy == "direct"
    assert "secret" not in str(variables_in_play(environ))


def test_the_help_desks_page_holds_no_secret(tmp_path: Path) -> None:
    environ = {"http_proxy": f"http://ann:hunter2@127.0.0.1:{free_port()}"}
    report = examined(tmp_path, at("http://data.example/a.gz?token=abc123"), environ=environ)
    text = markdown(report) + "\n".join(lines(report)) + str(report)
    assert "hunter2" not in text and "abc123" not in text


# --- bounds -------------------------------------------------------------------------------------------------


def test_a_look_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    race = Race({"quick": lambda: 7, "hanging": lambda: never.wait(30)})
    assert race.collect(time.monotonic() + 0.3) == ({"quick": 7}, ("hanging",))
    never.set()


def test_an_unexpected_error_of_a_look_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Race({"broken": lambda: 1 // 0}).collect(time.monotonic() + 5)


def test_dials_try_each_family_that_the_name_has() -> None:
    with FaultyServer() as server:
        assert [d.family for d in dial("127.0.0.1", server.port)] == ["IPv4"]
    assert dial("no-such-host.invalid", 1) == ()


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full: the kernel drops further packets, as firewalls do."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()
