"""Faults of a server's answer, produced for real: each ends in its own cause, fault, exit code and action."""

from __future__ import annotations

import gzip

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
TYPE = (("Content-Type", "text/html"),)

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
        Script(headers=(("Content-Encoding", "br"),)),
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
        Script(content_range="bytes 7-299999/300000", status=206),
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
    error = failed(surefetch, *any_file(url), timeout=150)
    assert (error.cause, error.fault, error.exit) == (cause, fault, code), error


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
