"""Name the bytes: each kind of thing that comes instead of a file gets its own cause."""

import gzip
import io
import zipfile

import pytest

from surefetch.diagnose.bytes import kind_of, name_bytes, text_of, title_of
from surefetch.model import Artifact

IDX = b"\x00\x00\x08\x03\x00\x00\xea\x60" + b"\x00\x00\x00\x1c" * 2 + bytes(range(256)) * 8
GZ = Artifact(name="train-images-idx3-ubyte.gz", form="idx", size=9912422)
NPZ = Artifact(name="mnist.npz", form="keras-npz", size=11490434)
TGZ = Artifact(name="cifar-10-python.tar.gz", form="python", size=170498071)
CSV = Artifact(name="adult.data", form="csv", size=3974305)


def name(head: bytes, artifact: Artifact = GZ, **more: object) -> tuple[str, str]:
    finding = name_bytes(head, length=len(head), expected=artifact, **more)  # type: ignore[arg-type] # keywords vary
    return finding.cause, finding.detail


PAGES = {
    "plain page": (b"<!DOCTYPE html><html><head><title>Data &amp; more</title></head><body>hi", "body.html"),
    "page after a comment": (b"<!-- v2 -->\n<html lang=en><body>hello", "body.html"),
    "hotel": (
        b"<html><head><title>Hotel Miramar - Guest Wi-Fi</title></head><form>Room <input></form>",
        "body.captive-portal",
    ),
    "wispr": (
        b"<html><!-- <WISPAccessGatewayParam xmlns:xsi=''> --><meta http-equiv='refresh'>",
        "body.captive-portal",
    ),
    "meta refresh to a portal": (
        b"<html><head><title>Network Authentication Required</title><meta http-equiv='refresh' content='0'>",
        "body.captive-portal",
    ),
    "fortigate": (
        b"<html><script>window.location='http://10.0.0.1:1000/fgtauth?000a'</script>",
        "body.captive-portal",
    ),
    "accept terms": (
        b"<html><title>Welcome</title><p>Please accept the terms to use the free internet</p>",
        "body.captive-portal",
    ),
    "login form": (
        b"<html><title>Members</title><form><input name=p type='password'></form>",
        "body.login-page",
    ),
    "login form with a captcha": (
        b"<html><title>Account</title><form><input type='password'><div class='g-recaptcha'></div></form>",
        "body.login-page",
    ),
    "github blob": (
        b"<!DOCTYPE html><html><link href='https://github.githubassets.com/x.css'><title>data/x.gz at main",
        "body.html",
    ),
    "folder": (b"<html><head><title>Index of /datasets</title></head><body><a href='..'>", "body.html"),
    "maintenance": (b"<html><title>Scheduled maintenance</title><p>We'll be back soon</p>", "body.html"),
    "html that mentions a policy": (
        b"<html><title>Data</title><a href='/privacy'>Privacy policy</a>",
        "body.html",
    ),
    "sso": (
        b"<html><title>Redirecting</title><form action='/idp/profile/SAML2'><input name=SAMLRequest>",
        "body.login-page",
    ),
    "login title": (b"<html><head><title>Sign in - Example Data</title>", "body.login-page"),
    "login of Microsoft": (
        b"<html><title>Sign in to your account</title><a href='https://login.microsoftonline.com/common'>",
        "body.login-page",
    ),
    "drive quota": (b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>Sorry", "body.quota-page"),
    "drive many": (b"<html>Too many users have viewed or downloaded this file recently.", "body.quota-page"),
    "drive scan": (b"<html><title>Google Drive - Virus scan warning</title>", "body.html"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 11490434\n",
        "body.lfs-pointer",
    ),
    "s3": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied'
        b"</Message></Error>",
        "body.storage-error",
    ),
    "gcs": (
        b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code><Message>The specified key does"
        b" not exist.</Message></Error>",
        "body.storage-error",
    ),
    "azure": (
        b'\xef\xbb\xbf<?xml version="1.0"?><Error><Code>BlobNotFound</Code><Message>The specified blob',
        "body.storage-error",
    ),
    "s3 busy": (
        b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        "http.rate-limited",
    ),
    "json": (b'{"error": "backend is sad"}', "body.storage-error"),
    "json gated": (
        b'{"error":"Access to dataset x/y is restricted. You must be authenticated to access it."}',
        "service.auth",
    ),
    "json limit": (b'{"message":"API rate limit exceeded for 192.0.2.7"}', "service.rate-limit"),
    "json cap": (
        b'{"code": "download_cap_exceeded", "message": "Cannot download file, cap exceeded."}',
        "body.quota-page",
    ),
    "json missing": (b'{"detail":"Not found."}', "http.not-found"),
    "cloudflare": (b"<!DOCTYPE html><html><head><title>Just a moment...</title>", "http.blocked-by-waf"),
    "cloudflare 1020": (b"error code: 1020", "http.blocked-by-waf"),
    "incapsula": (
        b"<html><META NAME='robots'><script src='/_Incapsula_Resource?SWJIYLWA=7'>",
        "http.blocked-by-waf",
    ),
    "akamai": (
        b"<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>You don't have permission to access x on "
        b"this server.<P>\nReference&#32;&#35;18&#46;d7e83c17&#46;1700000000&#46;1a2b",
        "http.blocked-by-waf",
    ),
    "unusual traffic": (
        b"<html><title>403 Forbidden</title>Unusual traffic from your network has been detected",
        "http.blocked-by-waf",
    ),
    "anubis": (b"<!doctype html><title>Making sure you're not a bot!</title>", "http.blocked-by-waf"),
    "squid denied": (
        b"<html><title>ERROR: The requested URL could not be retrieved</title><body id=ERR_ACCESS_DENIED>"
        b"Access control configuration prevents",
        "proxy.denied",
    ),
    "squid dns": (
        b"<html><body id=ERR_DNS_FAIL>Unable to determine IP address from host name",
        "dns.nxdomain",
    ),
    "zscaler": (
        b"<html><head><title>Security notice</title><img src='https://login.zscaler.net/logo.png'>",
        "proxy.denied",
    ),
    "fortiguard": (
        b"<html><title>Web Filter Violation</title>FortiGuard Intrusion Prevention",
        "proxy.denied",
    ),
    "tinyproxy": (
        b"<html><title>403 Access denied</title><p>The administrator of this proxy has not configured it to"
        b" service requests from your host.",
        "proxy.denied",
    ),
    "blue coat": (
        b"<HTML><TITLE>Access Denied</TITLE>Access Denied (policy_denied)<br>Your system policy has denied"
        b" access to the requested URL.",
        "proxy.denied",
    ),
    "policy": (
        b"<html><h1>Access denied</h1><p>This category is blocked by your organization's IT policy</p>",
        "proxy.denied",
    ),
    "umbrella": (
        b"<html><script>location.replace('https://block.opendns.com/?url=1')</script>",
        "proxy.denied",
    ),
    "text 404": (b"404: Not Found", "http.not-found"),
    "plain http": (b"<html><center>The plain HTTP request was sent to HTTPS port</center>", "http.tls-port"),
}


@pytest.mark.parametrize(("page", "cause"), PAGES.values(), ids=PAGES.keys())
@pytest.mark.parametrize("artifact", [GZ, NPZ], ids=["gz", "npz"])
def test_each_page_gets_its_own_cause(page: bytes, cause: str, artifact: Artifact) -> None:
    assert name(page, artifact)[0] == cause


def test_a_filters_page_is_told_by_its_makers_name() -> None:
    page = (
        b"<title>Web Page Blocked</title><h1>Web Page Blocked</h1>Access to the web page you were trying to"
        b" visit has been blocked in accordance with company policy. Category: file-sharing"
    )
    assert "Palo Alto Networks" in name(b"<html>" + page)[1]


def test_the_title_is_quoted() -> None:
    assert name(PAGES["plain page"][0])[1] == "a web page came, titled “Data & more”"
    assert title_of("<title>\n a\n b ") == "a b"


def test_a_page_without_a_title_is_told_by_where_it_leads_or_by_its_words() -> None:
    refresh = (
        b'<html><head><meta http-equiv="refresh" content="0; url=http://10.0.0.1/guest?id=1"></head></html>'
    )
    assert name(refresh)[1].endswith("that leads on to `http://10.0.0.1/guest`")
    assert name(b"<html><body>hello</body></html>")[1] == "a web page came: “hello”"
    assert name(b"<html><body></body></html>")[1] == "a web page came"


def test_a_storage_service_says_what_is_wrong() -> None:
    assert "AccessDenied: Access Denied" in name(PAGES["s3"][0])[1]


def test_a_pointer_tells_what_it_points_to() -> None:
    assert f"sha256 {'a' * 64} of 11490434 bytes" in name(PAGES["lfs"][0])[1]


def test_a_page_that_was_compressed_on_the_way_is_still_that_page() -> None:
    cause, detail = name(gzip.compress(PAGES["drive quota"][0]))
    assert (cause, "gzip-compressed" in detail) == ("body.quota-page", True)


def test_pages_in_utf16_and_latin1_are_read() -> None:
    assert name("<html><title>Anmeldung</title>".encode("utf-16"))[0] == "body.login-page"
    assert name("<html><title>Accès refusé</title>".encode("latin-1"))[0] == "body.html"


def test_decompressed_data_is_told_from_a_page() -> None:
    assert name(IDX)[0] == "body.decompressed"
    assert name(IDX[:257] + b"ustar\x0000" + IDX, TGZ)[0] in ("body.decompressed", "body.wrong-file")
    tar = b"cifar-10-batches-py/".ljust(257, b"\0") + b"ustar\x0000" + bytes(250)
    assert name(tar, TGZ)[0] == "body.decompressed"


def test_one_compression_too_many_is_told() -> None:
    assert name(gzip.compress(gzip.compress(IDX)))[0] == "body.double-encoded"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x_train.npy", b"\x93NUMPY" + bytes(100))
    assert name(gzip.compress(buffer.getvalue()), NPZ)[0] == "body.double-encoded"


def test_length_decides_for_bytes_of_the_right_kind() -> None:
    head = gzip.compress(IDX)
    for length, cause in ((100, "body.truncated"), (9912423, "body.too-large"), (9912422, "body.corrupt")):
        assert name_bytes(head, length=length, expected=GZ).cause == cause


def test_a_cut_archive_of_unknown_size_shows_at_its_end() -> None:
    unknown = Artifact(name="data.zip", form="x", max_size=10**9)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", bytes(3000))
    whole = buffer.getvalue()
    assert (
        name_bytes(whole[:512], length=2000, expected=unknown, tail=whole[1000:2000]).cause
        == "body.truncated"
    )
    cut = gzip.compress(IDX)[:-20]
    gz = Artifact(name="x.gz", form="x", max_size=10**9)
    assert name_bytes(cut, length=len(cut), expected=gz).cause == "body.truncated"


def test_nothing_and_blanks_are_empty() -> None:
    assert name(b"")[0] == name(b"\n\n")[0] == "body.empty"


def test_zeros_are_a_file_that_was_never_filled() -> None:
    assert name(bytes(4096)) == (
        "body.corrupt",
        "it begins with nothing but zero bytes: a file that was never filled",
    )


def test_another_known_file_is_named() -> None:
    known = {"9f" * 32: "mnist: t10k-images-idx3-ubyte.gz"}
    cause, detail = name(gzip.compress(IDX), digest="9f" * 32, lookup=known.get)
    assert cause == "body.wrong-file" and "t10k-images" in detail


def test_another_kind_of_file_is_a_wrong_file() -> None:
    assert name(b"\x89PNG\r\n\x1a\n" + bytes(100))[0] == "body.wrong-file"


def test_bytes_that_went_through_a_text_editor_are_corrupt() -> None:
    mangled = gzip.compress(IDX).decode("utf-8", "replace").encode()
    cause, detail = name(mangled)
    assert cause == "body.corrupt" and "text" in detail


def test_a_text_file_may_be_text() -> None:
    rows = b"39, State-gov, 77516, Bachelors, 13, Never-married\n" * 40
    assert name(rows, CSV)[0] == "body.truncated"
    assert name(b"<html><title>x</title>", CSV)[0] == "body.html"
    assert name_bytes(rows, length=3974305, expected=CSV).cause == "body.corrupt"


def test_reviews_that_talk_of_passwords_and_blocked_pages_are_no_page() -> None:
    text = b"the wi-fi login was blocked by our company policy, just a moment... verify you are human\n"
    corpus = Artifact(name="reviews.csv", form="csv", size=len(text) * 30)
    assert name_bytes(text * 30, length=len(text) * 30, expected=corpus).cause == "body.corrupt"


def test_content_type_names_a_page_without_markup() -> None:
    assert name(b"Sorry, this is gone.", content_type="text/html; charset=utf-8")[0] == "body.html"


def test_kinds_are_told_by_their_first_bytes() -> None:
    assert [kind_of(head) for head in (b"\x1f\x8b\x08", b"PK\x03\x04", IDX, b"{}", b"", b"\x80\x04")] == [
        "gzip", "zip", "idx", "json", "text", "pickle",
    ]  # fmt: skip
    assert text_of(bytes(range(256))) is None
