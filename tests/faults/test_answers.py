"""Faults of a server's answer, produced for real: each ends in its own cause, fault, exit code and action."""

from __future__ import annotations

import gzip
import time

import pytest

from tests.cli.conftest import Site, sha256
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect
from tests.faults.kit import BIG, any_file, failed

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0002f74190d6caea8\nsize 12345\n"
)
DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
)
QUOTA = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head>"
    b"<body>Sorry, you can't view "
    b"or download this file at this time. Too many users have viewed or downloaded this file recently."
    b"</body></html>"
)
CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"Enable JavaScript and cookies to continue</body></html>"
)
SIGN_IN = (
    b"<!DOCTYPE html><html><head><title>Sign in to Acme</title></head><body><form method=post>"
    b"<input name=user><input type=password name=password></form></body></html>"
)
#: Patience with a server that falls silent.
QUICK = {"SUREFETCH_FIRST_BYTE_TIMEOUT": "3", "SUREFETCH_STALL_TIMEOUT": "3"}
TYPE = (("Content-Type", "text/html"),)
HUB_PAGE = (
    b'<!doctype html><html><head><meta property="og:url" content="https://huggingface.co/datasets/ann/data/'
    b'blob/main/big.bin"><title>big.bin \xc2\xb7 ann/data at main</title>'
)

#: What the server answers -> cause, fault, exit code, and a word that the action must name.
ANSWERS = {
    "401": (
        Script(status=401, headers=(("WWW-Authenticate", "Basic realm=x"),)),
        "http.unauthorized",
        "you",
        8,
        "netrc",
    ),
    "403": (Script(status=403), "http.forbidden", "mirror", 8, "account"),
    "404": (Script(status=404), "http.not-found", "mirror", 3, "mirror"),
    "410": (Script(status=410), "http.gone", "mirror", 3, "mirror"),
    "429": (Script(status=429), "http.rate-limited", "mirror", 9, ""),
    "451": (Script(status=451), "http.legal", "owner", 8, ""),
    "500": (Script(status=500), "http.server-error", "mirror", 5, ""),
    "503": (Script(status=503), "http.unavailable", "mirror", 5, ""),
    "202": (Script(status=202, body=b""), "http.unexpected-status", "mirror", 5, ""),
    "no content": (Script(body=b""), "body.empty", "mirror", 10, ""),
    "a page": (page("Welcome to our new site"), "body.html", "mirror", 10, ""),
    "a login page": (Script(body=SIGN_IN, headers=TYPE), "body.login-page", "mirror", 8, ""),
    "a portal": (
        page("Hotel Guest Wi-Fi: sign in to connect"),
        "body.captive-portal",
        "network",
        10,
        "browser",
    ),
    "a quota page": (Script(body=QUOTA, headers=TYPE), "body.quota-page", "owner", 9, ""),
    "a challenge": (
        Script(
            status=403,
            body=CHALLENGE,
            headers=(*TYPE, ("cf-mitigated", "challenge"), ("Server", "cloudflare")),
        ),
        "http.blocked-by-waf",
        "mirror",
        8,
        "browser",
    ),
    "an LFS pointer": (Script(body=POINTER), "body.lfs-pointer", "owner", 10, ""),
    "a storage error": (
        Script(body=DENIED, headers=(("Content-Type", "application/xml"),)),
        "body.storage-error",
        "mirror",
        10,
        "",
    ),
    "a hang-up": (Script(close_at_once=True), "connect.reset", "network", 5, ""),
    "no HTTP": (
        Script(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x7\r\n\r\nhello"),
        "http.malformed",
        "mirror",
        5,
        "",
    ),
    "huge headers": (Script(header_bytes=3_000_000), "policy.header-size", "mirror", 13, ""),
    "another encoding": (
        Script(headers=(("Content-Encoding", "br"),), body=b"\x0b\x02\x80hello\x03"),
        "body.unasked-encoding",
        "mirror",
        10,
        "",
    ),
}


@pytest.mark.parametrize("row", ANSWERS.values(), ids=ANSWERS.keys())
def test_each_answer_that_is_not_the_file_has_its_cause(
    surefetch: Run, site: Site, row: tuple[Script, str, str, int, str]
) -> None:
    script, cause, fault, code, word = row
    site.script("images.gz", script)
    error = failed(surefetch, "get", "tiny", *named(site))
    assert (error.cause, error.fault, error.exit) == (cause, fault, code), error
    assert word in error.hint, error.hint


def storage(code: str, message: str, more: str = "") -> bytes:
    """The document in which S3, Google and Azure say no."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + text).encode()


ENDPOINT = "<Endpoint>b.s3.amazonaws.com</Endpoint>"
SKEWED = "The difference between the request time and the current time is too large."
FRAME = (
    "<AuthenticationErrorDetail>Signature not valid in the specified time frame</AuthenticationErrorDetail>"
)
LIMITED = (
    b"<html><head><title>Access denied | data.example used Cloudflare to restrict access</title></head>"
    b"<body><h1>Error <span>1020</span></h1><p>This website is using a security service</p></body></html>"
)
NO_CERTIFICATE = (
    b"<html><head><title>400 No required SSL certificate was sent</title></head><body>nginx</body></html>"
)
#: What a storage service, a firewall or a hub says -> the answer, cause, fault, exit, words told.
SAID: dict[str, tuple[Script, str, str, int, str, str]] = {
    "a link that has expired": (
        Script(status=403, body=storage("AccessDenied", "Request has expired")),
        "http.forbidden", "mirror", 8, "Request has expired", "fresh one",
    ),
    "a link of Azure that has expired": (
        Script(status=403, body=storage("AuthenticationFailed", "RequestId:1", FRAME)),
        "http.forbidden", "mirror", 8, "time frame", "fresh one",
    ),
    "a link cut by the shell": (
        Script(status=403, body=storage("SignatureDoesNotMatch", "it does not match")),
        "http.forbidden", "mirror", 8, "SignatureDoesNotMatch", "quotes",
    ),
    "storage that is closed": (
        Script(status=403, body=storage("AllAccessDisabled", "All access to this object has been disabled")),
        "http.forbidden", "mirror", 8, "disabled", "owner of this storage",
    ),
    "a container that is not public": (
        Script(status=409, body=storage("PublicAccessNotPermitted", "Public access is not permitted")),
        "body.storage-error", "mirror", 10, "not permitted", "owner of this storage",
    ),
    "a bucket that has moved": (
        Script(status=301, body=storage("PermanentRedirect", "use the specified endpoint")),
        "body.storage-error", "mirror", 10, "PermanentRedirect", "another address",
    ),
    "a bucket of another region": (
        Script(status=301, body=storage("PermanentRedirect", "use it", ENDPOINT)),
        "body.storage-error", "mirror", 10, "b.s3.amazonaws.com", "the host that it names",
    ),
    "not ready yet": (
        Script(status=202, body=b'{"status": "preparing"}'),
        "http.unexpected-status", "mirror", 5, "status 202", "come back",
    ),
    "a page of GitHub that shows the file": (
        page("data/big.bin at main · ann/data · GitHub"),
        "body.html", "mirror", 10, "GitHub page", "/raw/",
    ),
    "a page of Hugging Face that shows the file": (
        Script(body=HUB_PAGE, headers=TYPE),
        "body.html", "mirror", 10, "Hugging Face page", "/resolve/",
    ),
    "a page of Dropbox that shows the file": (
        page("Dropbox - big.bin - Simplify your life"),
        "body.html", "mirror", 10, "Dropbox page", "dl=1",
    ),
    "a clock that storage refuses": (
        Script(status=403, body=storage("RequestTimeTooSkewed", SKEWED)),
        "local.clock", "you", 6, "too large", "clock",
    ),
    "a rule of Cloudflare": (
        Script(status=403, body=LIMITED, headers=TYPE),
        "http.blocked-by-waf", "mirror", 8, "Cloudflare", "browser",
    ),
    "a wish for a client certificate": (
        Script(status=400, body=NO_CERTIFICATE, headers=TYPE),
        "service.auth", "you", 8, "client certificate", "--from",
    ),
    "a repository that is private or is none": (
        Script(status=401, headers=(("X-Error-Code", "RepoNotFound"), ("X-Error-Message", "not found"))),
        "service.auth", "you", 8, "private, or its name is another", "HF_TOKEN",
    ),
    "a range that is none": (
        Script(status=416, headers=(("Content-Range", "bytes */7"),), body=b""),
        "http.range", "mirror", 10, "bytes */7", "another address",
    ),
    "a version of HTTP that is none": (
        Script(raw=b"HTTP/1.1two-hundred OK\r\nContent-Length: 3\r\n\r\nabc"),
        "http.malformed", "mirror", 5, "", "",
    ),
    "come back in an hour": (
        Script(status=429, headers=(("Retry-After", "7200"),)),
        "http.rate-limited", "mirror", 9, "asked again in 2 hours", "wait",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", SAID.values(), ids=SAID.keys())
def test_what_a_service_says_is_told_and_answered(
    surefetch: Run, site: Site, row: tuple[Script, str, str, int, str, str]
) -> None:
    script, cause, fault, code, said, done = row
    error = failed(surefetch, *any_file(site.server.serve("/big.bin", BIG, script)))
    assert (error.cause, error.fault, error.exit) == (cause, fault, code), error
    assert said in error.message and done in error.hint, error.screen


def test_a_signature_is_not_shown_and_the_line_to_paste_is_quoted(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/big.bin", BIG, Script(status=404))
    words = any_file(f"{url}?part=1&X-Amz-Signature=c0ffee11")
    result = surefetch(*words, "--json")
    assert "c0ffee11" not in result.stdout + result.stderr
    assert f'get \\"{url}?part=1&X-Amz-Signature=***\\"' in result.stdout


def test_a_digest_that_was_typed_wrongly_is_doubted_first(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/big.bin", BIG)
    error = failed(surefetch, "get", url, "--sha256", sha256(b"another file"))
    assert (error.cause, error.exit) == ("body.corrupt", 10)
    assert error.hint.startswith("check the digest and size that you gave")


def test_a_file_that_was_unpacked_on_the_way_is_named(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(body=gzip.decompress(site.files["images.gz"])))
    error = failed(surefetch, "get", "tiny", *named(site))
    assert (error.cause, error.fault, error.exit) == ("body.decompressed", "network", 10), error


def test_a_file_that_was_packed_twice_is_named(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(body=gzip.compress(site.files["images.gz"], mtime=0)))
    error = failed(surefetch, "get", "tiny", *named(site))
    assert (error.cause, error.fault, error.exit) == ("body.double-encoded", "mirror", 10), error


def test_another_file_of_the_dataset_under_the_name_is_named(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(body=site.files["labels.gz"]))
    error = failed(surefetch, "get", "tiny", *named(site))
    assert (error.cause, error.fault, error.exit) == ("body.wrong-file", "mirror", 10), error
    assert "labels.gz" in error.message


#: How a big file's body fails -> cause, fault, exit code.
BODIES = {
    "cut short for good": (Script(body=BIG[:100_000]), "body.truncated", "mirror", 10),
    "cut on the way": (
        Script(cut_after=100_000, takes_ranges=False, etag=""),
        "body.truncated",
        "mirror",
        10,
    ),
    "longer": (Script(body=BIG + b"more", takes_ranges=False), "body.too-large", "mirror", 10),
    "one bit": (Script(flip=150_000), "body.corrupt", "mirror", 10),
    "other bytes": (Script(body=BIG[::-1]), "body.corrupt", "mirror", 10),
    "a stall": (Script(stall_after=100_000, takes_ranges=False, etag=""), "transfer.stalled", "mirror", 14),
    "silence": (Script(silence=True), "transfer.no-first-byte", "mirror", 14),
    "resets": (Script(reset_at_once=True), "connect.reset", "network", 5),
    "another stretch": (
        Script(status=206, headers=(("Content-Range", "bytes 7-299999/300000"),), body=BIG[7:]),
        "http.range-lie",
        "mirror",
        10,
    ),
}


@pytest.mark.parametrize("row", BODIES.values(), ids=BODIES.keys())
def test_each_fault_of_a_body_has_its_cause(
    surefetch: Run, site: Site, row: tuple[Script, str, str, int]
) -> None:
    script, cause, fault, code = row
    url = site.server.serve("/big.bin", BIG, script)
    error = failed(surefetch, *any_file(url), **QUICK)
    assert (error.cause, error.fault, error.exit) == (cause, fault, code), error


def test_a_host_that_takes_long_to_answer_is_given_the_time_that_the_hint_names(
    surefetch: Run, site: Site
) -> None:
    url = site.server.serve("/big.bin", BIG, Script(delay=4.0))
    error = failed(surefetch, *any_file(url), **(QUICK | {"SUREFETCH_FIRST_BYTE_TIMEOUT": "1"}))
    assert error.cause == "transfer.no-first-byte" and "config set first_byte_timeout" in error.hint
    assert surefetch(*any_file(url), SUREFETCH_FIRST_BYTE_TIMEOUT="60").returncode == 0


def test_a_crawl_from_the_only_mirror_is_given_up(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/big.bin", BIG, Script(drip=(100, 0.5)))
    error = failed(surefetch, *any_file(url), timeout=40)
    assert (error.cause, error.fault, error.exit) == ("transfer.slow", "mirror", 14), error
    assert "bytes a second" in error.message and "--deadline" in error.hint


def test_silence_of_every_mirror_ends_soon_and_tells_of_all(surefetch: Run, site: Site) -> None:
    with FaultyServer("127.0.0.2") as two, FaultyServer("127.0.0.3") as three:
        servers = (site.server, two, three)
        urls = [server.serve("/big.bin", BIG, Script(silence=True)) for server in servers]
        began = time.monotonic()
        error = failed(surefetch, "get", *urls, *any_file("")[2:], **QUICK)
        seconds = time.monotonic() - began
    assert (error.cause, error.fault, error.exit) == ("transfer.no-first-byte", "network", 14), error
    assert {attempt["mirror"] for attempt in error.attempts} == set(urls)
    assert seconds < 9, "each was asked beside the others, and none three times"


def test_a_wait_that_a_server_asks_for_is_kept_only_as_long_as_the_deadline_allows(
    surefetch: Run, site: Site
) -> None:
    busy = Script(status=429, headers=(("Retry-After", "16"),))
    url = site.server.serve("/big.bin", BIG, busy)
    began = time.monotonic()
    error = failed(surefetch, *any_file(url))
    assert error.cause == "http.rate-limited" and time.monotonic() - began < 10
    began = time.monotonic()
    assert failed(surefetch, *any_file(url), "--deadline", "20").cause == "http.rate-limited"
    assert time.monotonic() - began > 16 and len(site.server.targets()) == 3


def test_a_crawl_is_left_for_a_better_mirror(surefetch: Run, site: Site) -> None:
    with FaultyServer(host="127.0.0.2") as other:
        urls = site.server.serve("/big.bin", BIG, Script(drip=(200, 0.2))), other.serve("/big.bin", BIG)
        result = surefetch("get", *urls, "--sha256", sha256(BIG), "--size", str(len(BIG)))
    assert result.returncode == 0, result.stderr


def test_a_redirect_in_a_circle_is_told(surefetch: Run, site: Site) -> None:
    error = failed(surefetch, *any_file(site.server.serve("/loop", b"", redirect("/loop"))))
    assert (error.cause, error.fault, error.exit) == ("http.redirect-loop", "mirror", 3), error


def test_a_redirect_to_a_dead_place_is_told(surefetch: Run, site: Site) -> None:
    error = failed(surefetch, *any_file(site.server.serve("/moved", b"", redirect("ftp://127.0.0.1/x"))))
    assert (error.cause, error.fault, error.exit) == ("http.redirect-dead", "mirror", 3), error


def test_a_redirect_to_a_login_is_told(surefetch: Run, site: Site) -> None:
    site.server.serve("/users/sign_in", b"", Script(body=SIGN_IN, headers=TYPE))
    url = site.server.serve("/private.bin", b"", redirect("/users/sign_in"))
    error = failed(surefetch, *any_file(url))
    assert (error.cause, error.fault, error.exit) == ("body.login-page", "mirror", 8), error


def test_a_redirect_to_a_portal_is_told(surefetch: Run, site: Site) -> None:
    portal = page("Guest Wi-Fi login: accept the terms to connect")
    with FaultyServer(host="127.0.0.2") as other:
        where = other.serve("/hotspot/login", b"", portal)
        site.script("images.gz", redirect(where))
        error = failed(surefetch, "get", "tiny", *named(site))
    assert (error.cause, error.fault, error.exit) == ("body.captive-portal", "network", 10), error


def test_two_hosts_that_give_the_same_new_bytes_mean_a_new_file(surefetch: Run, site: Site) -> None:
    new = BIG[::-1]
    with FaultyServer(host="127.0.0.2") as other:
        urls = site.server.serve("/big.bin", new), other.serve("/big.bin", new)
        error = failed(surefetch, "get", *urls, "--sha256", sha256(BIG))
    assert (error.cause, error.fault, error.exit) == ("body.changed-upstream", "owner", 10), error


def test_another_host_that_answers_says_that_it_is_them(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=500))
    site.script("labels.gz", Script(status=404))
    with FaultyServer(host="127.0.0.2") as other:
        url = other.serve("/labels.gz", site.files["labels.gz"])
        site.catalog.write_text(site.catalog.read_text("utf-8").replace(site.url("labels.gz"), url), "utf-8")
        error = failed(surefetch, "get", "tiny", *named(site), "--mirror", other.origin)
    assert "it's them, not you: 127.0.0.2 can be reached" in error.message


def test_a_service_whose_hosts_all_fail_while_others_answer_is_out(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=500))
    site.script("labels.gz", Script(status=500))
    with FaultyServer(host="127.0.0.2") as mirror, FaultyServer(host="127.0.0.3") as other:
        mirror.serve("/images.gz", b"", Script(status=503))
        mirror.serve("/labels.gz", b"", Script(status=503))
        other.serve("/images.gz", b"", Script(status=502))
        url = other.serve("/labels.gz", site.files["labels.gz"])
        site.catalog.write_text(site.catalog.read_text("utf-8").replace(site.url("labels.gz"), url), "utf-8")
        error = failed(
            surefetch, "get", "tiny", *named(site), "--mirror", mirror.origin, "--mirror", other.origin
        )
    assert (error.cause, error.fault, error.exit) == ("service.outage", "owner", 5), error
    assert "127.0.0.3 can be reached" in error.message and "come back later" in error.hint


@pytest.mark.parametrize("status", [400, 405, 414, 431, 501])
def test_what_the_same_request_would_meet_again_is_not_asked_again(
    surefetch: Run, site: Site, status: int
) -> None:
    error = failed(surefetch, *any_file(site.server.serve("/big.bin", BIG, Script(status=status))))
    assert f"status {status}" in error.message
    assert len(site.server.seen) == 1
