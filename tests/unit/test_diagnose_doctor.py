"""Judge recorded facts: what doctor says, in which order, and how it ends."""

from typing import Any

from surefetch.diagnose.doctor import FINE, MENDED, OWNERS, RULES, WELL, YOURS, examine, skew_of
from surefetch.diagnose.facts import ClientFacts, Dial, Facts, FileFacts, HostFacts
from surefetch.diagnose.report import WELL_LINES, client_lines, lines, markdown, setting
from surefetch.events import Phase
from surefetch.observation import Certificate, Observation

NOW = 1_780_000_000.0
DATE = "Thu, 28 May 2026 20:26:40 GMT"  # NOW


def seen(
    url: str = "https://a.example/x.gz", issuer: str = "CN = R3, O = Let's Encrypt", **more: Any
) -> Observation:
    chain = (Certificate(subject="CN = a.example", issuer=issuer),)
    facts = {
        "headers": (("date", DATE),),
        "status": 206,
        "now": NOW,
        "phase": Phase.BODY,
        "address": "192.0.2.1",
    }
    return Observation(**{"url": url, "chain": chain, **facts, **more})


def good(name: str = "a", **more: Any) -> HostFacts:
    url = f"https://{name}.example/x.gz"
    base = {
        "answers": True,
        "seen": seen(url),
        "sample_bytes": 524288,
        "sample_seconds": 0.05,
        "takes_ranges": True,
    }
    return HostFacts(**{"url": url, **base, **more})


def bad(name: str, cause: str, detail: str = "", **more: Any) -> HostFacts:
    return HostFacts(url=f"https://{name}.example/x.gz", cause=cause, detail=detail, **more)


INDEX = HostFacts(url="https://index.example/simple/x/", role="index", answers=True)
CLIENTS = (ClientFacts(name="requests", proxy="direct", authorities="its own list (certifi)"),)
MNIST = ("mnist", "train-images-idx3-ubyte.gz")


def facts(*hosts: HostFacts, **more: Any) -> Facts:
    base = {
        "wanted": "mnist", "now": NOW, "seconds": 1.2, "store": "/store", "free_bytes": 10**11,
        "clients": CLIENTS,
        "trust": "the system's file /etc/ca.pem", "platform": "Linux", "version": "0.1.0",
    }  # fmt: skip
    return Facts(**{"hosts": hosts, **base, **more})


def poisoned(**more: Any) -> FileFacts:
    base = {"cause": "body.captive-portal", "detail": "a page of a captive portal came: “Guest Wi-Fi”"}
    values = {
        "path": "/home/ann/.keras/datasets/mnist.npz",
        "dataset": "mnist",
        "artifact": "mnist.npz",
        "size": 4812,
    }
    return FileFacts(**{**values, **base, **more})


def test_all_is_well_in_twelve_lines_at_most() -> None:
    report = examine(
        facts(good("a"), good("b"), INDEX, files=(poisoned(cause="", detail="", is_proven=True),))
    )
    text = lines(report)
    assert (report.exit, report.findings, text[0]) == (FINE, (), "ok  all is well")
    assert "ok  hosts: 2 of 2 hosts of it answer; fastest a.example, 10.5 MB/s" in text
    assert "ok  package index: index.example answers" in text and "ok  clock: right within 1 s" in text
    assert len(text) <= WELL_LINES


def test_one_dead_mirror_is_told_and_nothing_is_to_be_done() -> None:
    report = examine(facts(good("a"), bad("b", "http.not-found")))
    assert report.exit == FINE and report.verdict == "1 of 2 sources fail, the others answer: nothing to do"
    assert report.findings[0].subject == "b.example" and not report.findings[0].blocks and report.action == ""


def test_all_hosts_alike_is_your_network() -> None:
    report = examine(
        facts(bad("a", "connect.timeout"), bad("b", "connect.timeout"), bad("c", "connect.timeout"))
    )
    assert report.exit == YOURS and "this network silently drops packets to every host" in report.verdict
    assert "config set proxy" in report.action and lines(report)[-1].startswith("->  ")


def test_mirrors_gone_while_another_host_answers_is_them_not_you() -> None:
    report = examine(facts(bad("a", "http.server-error"), bad("b", "http.server-error")))
    assert report.exit == OWNERS
    helped = examine(facts(bad("a", "http.server-error"), INDEX))
    assert helped.exit == FINE and not any(finding.blocks for finding in helped.findings)


def test_a_poisoned_file_is_named_with_what_is_in_it() -> None:
    report = examine(facts(good(), files=(poisoned(),)))
    assert report.exit == YOURS and report.findings[0].cause == "local.foreign-cache-corrupt"
    assert "/home/ann/.keras/datasets/mnist.npz: " in report.verdict and "Guest Wi-Fi" in report.verdict
    assert "surefetch doctor mnist --repair" in report.action
    mended = examine(facts(good(), files=(poisoned(),), repaired=(poisoned().path,)))
    assert mended.exit == MENDED and "1 file of other tools replaced" in mended.verdict


def test_a_wrong_clock_is_seen_by_the_median_of_dates() -> None:
    late = [good(name, seen=seen(now=NOW - 90_000)) for name in ("a", "b")]
    report = examine(facts(*late, good("c")))
    assert report.findings[0].cause == "local.clock" and "25 hours behind" in report.verdict
    assert skew_of(facts(good("a"))) == 0.0 and skew_of(facts()) is None


def test_broken_ipv6_is_told_and_does_not_block() -> None:
    dials = (
        Dial(family="IPv4", address="192.0.2.1", seconds=0.02),
        Dial(family="IPv6", address="2001:db8::1", error="no answer within 3 s"),
    )
    report = examine(facts(good(dials=dials)))
    assert [f.cause for f in report.findings] == ["connect.ipv6-broken"] and report.exit == FINE
    no_route = (dials[0], Dial(family="IPv6", address="2001:db8::1", error="network is unreachable"))
    assert examine(facts(good(dials=no_route))).findings == ()


def test_trusted_inspection_is_told_because_other_clients_may_fail() -> None:
    report = examine(facts(good(seen=seen(issuer="O = Zscaler Inc., CN = Zscaler Root CA"))))
    assert report.findings[0].cause == "tls.intercepted" and "Zscaler" in report.findings[0].detail
    assert report.exit == FINE


def test_disk_trust_and_offline_block_before_anything_else() -> None:
    small = examine(facts(good(), free_bytes=3_000_000, needed_bytes=12_000_000))
    assert (
        small.findings[0].cause == "local.disk-full"
        and "12 MB are needed and 3.0 MB are free" in small.verdict
    )
    assert examine(facts(good(), store_cause="local.read-only")).findings[0].cause == "local.read-only"
    assert examine(facts(trust_problem="no file")).findings[0].cause == "tls.no-trust-store"
    offline = examine(facts(offline="variable HF_HUB_OFFLINE"))
    assert offline.exit == YOURS and "variable HF_HUB_OFFLINE" in offline.verdict


def test_silence_within_doctors_time_is_no_all_clear() -> None:
    report = examine(facts(HostFacts(url="https://a.example/x.gz")))
    assert report.exit == YOURS and "did not answer within doctor's time" in report.verdict


def test_clients_that_go_another_way_get_a_line_for_each_shell() -> None:
    proxy = "http://proxy.example:8080"
    one = facts(good(proxy=proxy, proxy_decided_by="the system's settings"))
    assert client_lines(one) == [
        'requests would go directly, not through http://proxy.example:8080: export HTTPS_PROXY="http://proxy.example:8080"'
    ]
    assert setting("powershell", "A", "b") == '$env:A = "b"' and setting("cmd", "A", "b") == "set A=b"
    trusting = facts(good(), ca_bundle="/etc/corp.pem")
    assert client_lines(trusting)[0].endswith('export REQUESTS_CA_BUNDLE="/etc/corp.pem"')


def test_a_repaired_proxy_setting_is_said() -> None:
    report = examine(facts(good(proxy_repaired="added http:// to proxy.example:8080")))
    assert report.findings[0].cause == "proxy.malformed" and report.exit == FINE


def test_the_page_for_a_help_desk_has_hosts_ports_issuer_and_what_is_asked_for() -> None:
    host = bad(
        "a",
        "proxy.denied",
        "the proxy `http://p.example:8080` answered 403",
        proxy="http://p.example:8080",
        seen=seen(),
    )
    text = markdown(examine(facts(host, variables=(("HTTPS_PROXY", "http://***@p.example:8080"),))))
    for wanted in (
        "a.example, port 443 (TCP, https, download only)",
        "## What is asked for",
        "| R3 |",
        "HTTPS_PROXY=http://***@",
        "PowerShell:",
    ):
        assert wanted in text, wanted
    assert text.startswith("# Network report for mnist, 2026-05-28 20:26 UTC")


def test_the_help_desk_is_asked_for_plain_http_where_that_is_meant() -> None:
    plain = HostFacts(url="http://a.example/x.gz", cause="proxy.denied", detail="the proxy answered 403")
    assert "a.example, port 80 (TCP, http, download only)" in markdown(examine(facts(plain)))


def test_what_was_not_checked_is_said() -> None:
    report = examine(facts(good(), not_checked=("IPv4 and IPv6 apart (a proxy is used)",)))
    assert any("not checked: IPv4 and IPv6 apart" in line for line in lines(report))


def test_no_facts_give_a_report() -> None:
    assert examine(Facts()).exit == FINE and lines(examine(Facts())) and markdown(examine(Facts()))
    assert len(RULES) == 11 and len(WELL) == 6
