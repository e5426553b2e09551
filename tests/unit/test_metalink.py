"""Metalink 4: what is taken of a description, what is refused, and that our own reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefetch.catalog import Catalog
from surefetch.catalog.metalink import DEPTH, DOCUMENT_BYTES, NAMESPACE, parse_metalink, write_metalink
from surefetch.catalog.rules import is_file_name
from surefetch.errors import CatalogError
from surefetch.model import PIECE_BYTES, Artifact, Dataset

SHA, OTHER, MD5 = "a" * 64, "b" * 64, "c" * 32


def document(*files: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    return f'{head}<metalink xmlns="{NAMESPACE}">{"".join(files)}</metalink>'.encode()


def file(inside: str, name: str = "a.iso") -> str:
    return f'<file name="{name}">{inside}</file>'


def hashed(inside: str = "", name: str = "a.iso") -> str:
    return file(f'<hash type="sha-256">{SHA}</hash>{inside}', name)


def only(data: bytes) -> Artifact:
    (artifact,) = parse_metalink(data, "x.meta4").artifacts
    return artifact


def message(data: bytes) -> str:
    with pytest.raises(CatalogError) as caught:
        parse_metalink(data, "x.meta4")
    assert caught.value.details["file"] == "x.meta4"
    return caught.value.message


# --- reading ----------------------------------------------------------------------------------------------


def test_the_example_of_the_rfc_is_read() -> None:
    text = """<?xml version="1.0" encoding="UTF-8"?>
    <metalink xmlns="urn:ietf:params:xml:ns:metalink">
      <published>2009-05-15T12:23:23Z</published>
      <file name="example.ext">
        <size>14471447</size>
        <identity>Example</identity>
        <version>1.0</version>
        <language>en</language>
        <description>A description of the example file for download.</description>
        <hash type="sha-256">f0ad929cd259957e160ea442eb80986b5f01c2c5f5ae5a5c5f5e5d5a5b5c5d5e</hash>
        <url location="de" priority="2">http://ftp.example.net/example.ext</url>
        <url location="fr" priority="1">http://example.com/example.ext</url>
        <url>ftp://ftp.example.com/example.ext</url>
        <metaurl mediatype="torrent" priority="2">http://example.com/example.ext.torrent</metaurl>
      </file>
    </metalink>"""
    dataset = parse_metalink(text.encode(), "example.meta4")
    (artifact,) = dataset.artifacts
    assert (artifact.name, artifact.size) == ("example.ext", 14471447)
    assert artifact.urls == ("http://example.com/example.ext", "http://ftp.example.net/example.ext")
    assert artifact.sha256 == "f0ad929cd259957e160ea442eb80986b5f01c2c5f5ae5a5c5f5e5d5a5b5c5d5e"
    assert (dataset.name, dataset.version, dataset.tensors) == ("example.meta4", "", {})


def test_mirrors_stand_in_order_of_priority_and_those_without_come_last() -> None:
    rows = [("none", ""), ("five", "5"), ("one", "1"), ("odd", "-3"), ("also", "5")]
    told = {priority: f' priority="{priority}"' if priority else "" for _, priority in rows}
    urls = "".join(f"<url{told[priority]}>https://{host}.example/a</url>" for host, priority in rows)
    hosts = [url.split(".")[0][8:] for url in only(document(hashed(urls))).urls]
    assert hosts == ["one", "five", "also", "none", "odd"]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example/a", "file:///etc/passwd", "javascript:1", "https://", "//x.example/a",
        "https://ann:secret@x.example/a", "rsync://x/a", "",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_are_mirrors(url: str) -> None:
    assert only(document(hashed(f"<url>{url}</url><url>https://y.example/a</url>"))).urls == (
        "https://y.example/a",
    )


def test_every_known_digest_is_kept_and_unknown_ones_are_passed_over() -> None:
    inside = (
        f'<hash type="sha-512">{"d" * 128}</hash><hash type="MD5">{MD5.upper()}</hash><hash>{OTHER}</hash>'
    )
    artifact = only(document(hashed(inside)))
    assert (artifact.sha256, artifact.sha1, artifact.md5) == (SHA, None, MD5)


def test_a_file_without_size_gets_a_bound() -> None:
    artifact = only(document(hashed()))
    assert artifact.size is None
    assert artifact.bound > 0


def pieces(length: int, count: int, kind: str = "sha-256", digest: str = OTHER) -> str:
    hashes = f"<hash>{digest}</hash>" * count
    return f'<pieces length="{length}" type="{kind}">{hashes}</pieces>'


def test_pieces_of_one_mebibyte_are_kept() -> None:
    size = f"<size>{2 * PIECE_BYTES + 1}</size>"
    both = pieces(PIECE_BYTES // 2, 5) + pieces(PIECE_BYTES, 3)
    assert only(document(hashed(size + both))).pieces == (OTHER,) * 3


@pytest.mark.parametrize(
    "given_pieces",
    [
        pieces(PIECE_BYTES * 2, 2), pieces(PIECE_BYTES, 2), pieces(PIECE_BYTES, 4),
        pieces(PIECE_BYTES, 3, "sha-1"), pieces(PIECE_BYTES, 3, digest="nonsense"), pieces(0, 3),
    ],
)  # fmt: skip
def test_other_pieces_are_passed_over(given_pieces: str) -> None:
    size = f"<size>{2 * PIECE_BYTES + 1}</size>"
    artifact = only(document(hashed(size + given_pieces)))
    assert artifact.pieces == ()
    assert artifact.sha256 == SHA


def test_hashes_of_pieces_are_not_taken_for_the_files() -> None:
    data = document(
        file(f"<size>1</size><pieces length='1048576' type='sha-256'><hash>{OTHER}</hash></pieces>")
    )
    assert "a hash of sha-256" in message(data)


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("a.iso", "a.iso"),
        ("debian/dists/a.iso", "a.iso"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("C:evil", "C_evil"),
        ("a\nb", "a b"),  # XML 1.0, 3.3.3: attribute values are normalised
    ],
)
def test_names_stay_in_their_folder(given_name: str, name: str) -> None:
    found = only(document(hashed(name=given_name))).name
    assert is_file_name(found)
    assert found == name


@pytest.mark.parametrize("name", ["", "..", ".", "/", "con", "nul.txt"])
def test_names_that_no_file_can_have_are_refused(name: str) -> None:
    assert "a name that can be a file" in message(document(hashed(name=name)))


def test_files_that_end_alike_keep_their_folders_in_the_name() -> None:
    data = document(hashed(name="train/labels"), hashed(name="test/labels"))
    names = [artifact.name for artifact in parse_metalink(data, "x").artifacts]
    assert names == ["train_labels", "test_labels"]


def test_one_name_twice_is_refused() -> None:
    assert "names that differ" in message(document(hashed(), hashed()))


# --- what is refused --------------------------------------------------------------------------------------

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "head", [BOMB, EXTERNAL, "<!DOCTYPE metalink>", '<!DOCTYPE x SYSTEM "http://x.example/d">']
)
def test_a_dtd_is_refused_before_anything_is_expanded(head: str) -> None:
    assert "without a DTD" in message(document(hashed(), head=head))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "XML: no element found"),
        (b"<a", "XML: unclosed token"),
        (b"\x00\x01", "XML: "),
        (b"<html/>", "a `metalink` element"),
        (b'<metalink xmlns="http://www.metalinker.org/" version="3.0"/>', "this is Metalink 3"),
        (b"<metalink/>", "a `metalink` element"),
        (document(), "1 to 10000 files"),
        (document(file("<size>1</size>")), "a hash of"),
        (document(file('<hash type="sha-256">abc</hash>')), "a hash of"),
        (document(hashed("<size>-1</size>")), "a number of bytes"),
        (document(hashed("<size>1e9</size>")), "a number of bytes"),
        (document(hashed("&lol;")), "XML: undefined entity"),
        (document("<x>" * (DEPTH + 1)), "in one another at most"),
        (b'<?xml version="1.0" encoding="klingon"?><x/>', "XML: "),
        (b"x" * (DOCUMENT_BYTES + 1), "bytes at most"),
    ],
)
def test_what_is_no_metalink_is_refused_with_a_reason(data: bytes, says: str) -> None:
    assert says in message(data)


@given(st.binary(max_size=200) | st.text(alphabet='<>/="&; metalinkfileurlhash\n').map(str.encode))
def test_any_bytes_are_a_metalink_or_a_catalog_error(data: bytes) -> None:
    for candidate in (data, document(hashed(data.decode("latin-1")))):
        try:
            dataset = parse_metalink(candidate, "x")
        except CatalogError:
            continue
        assert all(artifact.digest for artifact in dataset.artifacts)


# --- writing ----------------------------------------------------------------------------------------------


def test_a_dataset_reads_back_as_it_was_written() -> None:
    artifacts = (
        Artifact(
            name="ä & b.bin",
            form="files",
            size=PIECE_BYTES + 1,
            sha256=SHA,
            md5=MD5,
            urls=("https://x.example/a?b=1&c=2", "http://y.example/a"),
            pieces=(SHA, OTHER),
        ),
        Artifact(name="c.bin", form="files", max_size=1 << 40, sha1="e" * 40, urls=("https://x.example/c",)),
    )
    dataset = Dataset(name="demo", version="2", title="A \x00 “demo”", license="CC0-1.0", artifacts=artifacts)
    text = write_metalink(dataset, artifacts, "surefetch/1.0")
    assert text.isascii()
    assert "<generator>surefetch/1.0</generator>" in text
    assert parse_metalink(text.encode(), "x.meta4").artifacts == artifacts


def test_every_built_in_file_with_an_address_reads_back() -> None:
    count = 0
    for dataset in Catalog().all():
        artifacts = tuple(a for a in dataset.artifacts if a.urls and a.digest)
        if artifacts:
            read = parse_metalink(write_metalink(dataset, artifacts, "x").encode(), "x").artifacts
            told = [(a.name, a.size, a.digest, a.urls, a.pieces) for a in artifacts]
            assert [(a.name, a.size, a.digest, a.urls, a.pieces) for a in read] == told
            count += 1
    assert count > 50


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://x.example/a b", "https://x.example/a b"),
        ("https://x.example/a#part", "https://x.example/a"),
        ("\n https://x.example/a?b=c&amp;d \n", "https://x.example/a?b=c&d"),
    ],
)
def test_an_address_is_taken_as_a_browser_would(text: str, url: str) -> None:
    assert only(document(hashed(f"<url>{text}</url>"))).urls == (url,)


@pytest.mark.parametrize("name", ["sha-256", "SHA-256", "sha256", "SHA256"])
def test_names_of_digests_without_a_hyphen_are_read(name: str) -> None:
    assert only(document(file(f'<hash type="{name}">{SHA}</hash>'))).sha256 == SHA


def test_two_digests_of_one_kind_that_differ_are_refused() -> None:
    twice = f'<hash type="sha-256">{SHA}</hash><hash type="sha-256">{OTHER}</hash>'
    assert "one sha-256, and `two that differ` is there" in message(document(file(twice)))
    same = f'<hash type="sha-256">{SHA}</hash><hash type="sha256">{SHA.upper()}</hash>'
    assert only(document(file(same))).sha256 == SHA
