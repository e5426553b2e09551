"""`surefetch catalog`: learning, importing and checking, by whole commands."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from surefetch.catalog import parse_catalog
from surefetch.model import PIECE_BYTES
from tests.cli.conftest import Site, sha256
from tests.cli.test_schemas import check
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page

REGISTRY = "# made by pooch\na.csv {a}\nsub/b.csv md5:{b} https://other.example/b.csv\n"


def own_folder(surefetch: Run) -> Path:
    folder = Path(surefetch("catalog", "path").stdout.strip())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- add --------------------------------------------------------------------------------------------------


def test_what_was_added_is_got_without_a_socket(surefetch: Run, site: Site) -> None:
    urls = [site.url(name) for name in site.files]
    added = surefetch(
        "catalog", "add", *urls, "--name", "my-data", "--title", "My data", "--license", "CC0-1.0"
    )
    assert added.returncode == 0, added.stderr
    assert sorted(site.server.targets()) == sorted(f"/{name}" for name in site.files), "each once"
    result = surefetch("get", "my-data", "--offline")
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == site.files
    assert len(site.server.targets()) == len(site.files)


def test_the_entry_says_that_it_was_learned_and_from_where(surefetch: Run, site: Site) -> None:
    result = surefetch("catalog", "add", site.url("images.gz"), "--name", "my-data", "--version", "2024")
    path = Path(result.stdout.strip())
    assert path == own_folder(surefetch) / "my-data.toml"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Learned at first sight on 20")
    assert f"#   {site.url('images.gz')}\n" in text
    assert "learned at first sight" in result.stderr
    assert "only that later copies are the same" in result.stderr
    (artifact,) = parse_catalog(text, "x").artifacts
    data = site.files["images.gz"]
    assert (artifact.sha256, artifact.size, artifact.urls) == (
        sha256(data),
        len(data),
        (site.url("images.gz"),),
    )


def test_after_the_store_is_emptied_the_entry_proves_what_comes(surefetch: Run, site: Site) -> None:
    surefetch("catalog", "add", site.url("images.gz"), "--name", "my-data")
    assert surefetch("cache", "rm", "--all").returncode == 0
    again = surefetch("get", "my-data")
    assert again.returncode == 0, again.stderr
    surefetch("cache", "rm", "--all")
    site.script("images.gz", Script(flip=20))
    changed = surefetch("get", "my-data")
    assert changed.returncode == 10
    assert changed.stdout == ""


def test_large_files_get_digests_of_their_pieces(surefetch: Run, site: Site) -> None:
    data = os.urandom((4 << 20) + 5)
    url = site.server.serve("/large.bin", data)
    added = surefetch("catalog", "add", url, "--name", "large")
    (artifact,) = parse_catalog(Path(added.stdout.strip()).read_text(encoding="utf-8"), "x").artifacts
    blocks = [data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES)]
    assert artifact.pieces == tuple(hashlib.sha256(block).hexdigest() for block in blocks)


def test_urls_that_end_alike_are_mirrors_of_one_file(surefetch: Run, site: Site) -> None:
    data = site.files["images.gz"]
    with FaultyServer() as other:
        twin = other.serve("/copies/images.gz", data)
        added = surefetch("catalog", "add", site.url("images.gz"), twin, "--name", "my-data", "--json")
    content = check(added.stdout, "catalog-entry")
    assert content["learned"] is True
    assert [(file["digest"], file["urls"]) for file in content["files"]] == [
        (sha256(data), [site.url("images.gz"), twin])
    ]


def test_mirrors_that_differ_are_both_named_and_nothing_is_written(surefetch: Run, site: Site) -> None:
    with FaultyServer() as other:
        twin = other.serve("/images.gz", b"something else")
        result = surefetch("catalog", "add", site.url("images.gz"), twin, "--name", "my-data")
    assert result.returncode == 10
    assert all(text in result.stderr for text in (site.url("images.gz"), twin, sha256(b"something else")))
    assert list(own_folder(surefetch).iterdir()) == []


def test_a_web_page_is_no_file_unless_it_is_wanted(surefetch: Run, site: Site) -> None:
    site.script("images.gz", page("Our data"))
    words = ("catalog", "add", site.url("images.gz"), "--name", "my-data")
    refused = surefetch(*words)
    assert refused.returncode == 10, refused.stderr
    assert "Our data" in refused.stderr
    assert "--force" in refused.stderr
    assert list(own_folder(surefetch).iterdir()) == []
    assert surefetch(*words, "--force").returncode == 0


def test_an_entry_is_replaced_only_when_asked(surefetch: Run, site: Site) -> None:
    surefetch("catalog", "add", site.url("images.gz"), "--name", "my-data")
    before = len(site.server.targets())
    words = ("catalog", "add", site.url("labels.gz"), "--name", "my-data")
    refused = surefetch(*words)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert len(site.server.targets()) == before, "nothing is fetched for a name that is taken"
    assert surefetch(*words, "--force").returncode == 0
    folder = Path(surefetch("get", "my-data", "--offline").stdout.strip())
    assert [path.name for path in folder.iterdir()] == ["labels.gz"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("http://127.0.0.1:9/x", "--name", "mnist"), "is a dataset already"),
        (("http://127.0.0.1:9/x", "--name", "MNIST_784"), "cannot name a dataset"),
        (("http://127.0.0.1:9/x", "--name", "../x"), "cannot name a dataset"),
        (("ftp://127.0.0.1/x", "--name", "x"), "no https or http address"),
        (("http://ann:secret@127.0.0.1:9/x", "--name", "x"), "netrc"),
    ],
)
def test_what_cannot_be_added_is_refused_before_anything_is_fetched(
    surefetch: Run, words: tuple[str, ...], says: str
) -> None:
    result = surefetch("catalog", "add", *words)
    assert result.returncode in (2, 13)
    assert says in result.stderr
    assert "secret" not in result.stderr


def test_a_file_that_cannot_be_had_is_not_added(surefetch: Run, site: Site) -> None:
    site.script("labels.gz", Script(status=404))
    result = surefetch("catalog", "add", site.url("images.gz"), site.url("labels.gz"), "--name", "my-data")
    assert result.returncode == 3
    assert list(own_folder(surefetch).iterdir()) == []
    assert "--from" not in result.stderr, "nothing could prove a file of one's own"


def test_offline_adds_nothing(surefetch: Run, site: Site) -> None:
    result = surefetch("catalog", "add", site.url("images.gz"), "--name", "x", SUREFETCH_OFFLINE="1")
    assert result.returncode == 12
    assert site.server.targets() == []


def test_known_bytes_are_named(surefetch: Run, site: Site) -> None:
    surefetch("catalog", "add", site.url("images.gz"), "--name", "first")
    result = surefetch("catalog", "add", site.url("images.gz"), "--name", "second")
    assert "is a known file: first: images.gz" in result.stderr


@pytest.mark.parametrize(("etag", "is_told"), [('"v1"', False), ("", True)])
def test_bytes_of_several_answers_are_told_where_nothing_binds_them(
    surefetch: Run, site: Site, etag: str, is_told: bool
) -> None:
    data = os.urandom(3 << 20)
    url = site.server.serve("/x.bin", data, Script(etag=etag, cut_after=1 << 20), Script(etag=etag))
    result = surefetch("catalog", "add", url, "--name", "x", "--json")
    content = json.loads(result.stdout)
    assert content["files"][0]["digest"] == sha256(data)
    assert any("came in several answers" in note for note in content["notes"]) is is_told


def test_nothing_of_an_earlier_try_goes_into_a_learned_file(surefetch: Run, site: Site, home: Path) -> None:
    data = os.urandom(3 << 20)
    cut, useless = Script(cut_after=2 << 20), Script(header_bytes=3_000_000)  # nobody waits for such a host
    url = site.server.serve("/x.bin", data, cut, useless)
    assert surefetch("catalog", "add", url, "--name", "x").returncode == 10
    assert [path for path in home.rglob("*") if path.is_file() and path.stat().st_size >= 1 << 20] == []


# --- import -----------------------------------------------------------------------------------------------


def test_a_registry_is_imported_with_base_address_and_version(surefetch: Run, tmp_path: Path) -> None:
    registry = tmp_path / "registry.txt"
    registry.write_text(REGISTRY.format(a="1" * 64, b="2" * 32), encoding="utf-8")
    words = ("--base-url", "https://data.example/v{version}/", "--version", "1.2", "--name", "grids")
    content = check(surefetch("catalog", "import", str(registry), *words, "--json").stdout, "catalog-entry")
    assert [file["urls"] for file in content["files"]] == [
        ["https://data.example/v1.2/a.csv"],
        ["https://other.example/b.csv"],
    ]
    assert content["learned"] is False
    assert "weak digest" in content["notes"][0]
    assert surefetch("info", "grids").returncode == 0


@pytest.mark.parametrize("urls", ["a.csv https://x.example/a.csv\n", '{"a.csv": "https://x.example/a.csv"}'])
def test_urls_of_single_files_come_from_a_file(surefetch: Run, tmp_path: Path, urls: str) -> None:
    registry, table = tmp_path / "registry.txt", tmp_path / "urls"
    registry.write_text(f"a.csv {'1' * 64}\n", encoding="utf-8")
    table.write_text(urls, encoding="utf-8")
    result = surefetch("catalog", "import", str(registry), "--urls", str(table), "--name", "grids", "--json")
    assert json.loads(result.stdout)["files"][0]["urls"] == ["https://x.example/a.csv"]


def test_a_croissant_description_is_imported_and_what_is_left_out_is_said(
    surefetch: Run, tmp_path: Path
) -> None:
    description = {
        "@type": "sc:Dataset",
        "name": "Birds of Antarctica",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "p.csv",
                "contentUrl": "https://b.example/p.csv",
                "sha256": "3" * 64,
            },
            {
                "@type": "cr:FileObject",
                "@id": "repo.csv",
                "contentUrl": "https://b.example/repo.csv",
                "sha256": "https://github.com/mlcommons/croissant/issues/80",
            },
        ],
    }
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(description), encoding="utf-8")
    result = surefetch("catalog", "import", str(path))
    assert result.returncode == 0, result.stderr
    assert "left out: repo.csv: it has no digest." in result.stderr
    text = Path(result.stdout.strip()).read_text(encoding="utf-8")
    assert "# Left out: repo.csv: it has no digest." in text
    assert [artifact.name for artifact in parse_catalog(text, "x").artifacts] == ["p.csv"]


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("a.csv nonsense\n", ("--name", "x", "--base-url", "https://x.example"), "64 lower-case"),
        (f"a.csv {'1' * 64}\n", ("--name", "x"), "--base-url"),
        (f"a.csv {'1' * 64}\n", ("--base-url", "https://x.example"), "--name"),
        ('{"name": "x"}', (), "no `distribution`"),
        (
            f"a.csv {'1' * 64}\n",
            ("--base-url", "https://x.example", "--name", "iris"),
            "is a dataset already",
        ),
    ],
)
def test_a_list_that_cannot_be_used_says_why(
    surefetch: Run, tmp_path: Path, text: str, words: tuple[str, ...], says: str
) -> None:
    path = tmp_path / "list"
    path.write_text(text, encoding="utf-8")
    result = surefetch("catalog", "import", str(path), *words)
    assert result.returncode == 2
    assert says in result.stderr


def test_a_list_that_is_not_there_is_named(surefetch: Run) -> None:
    result = surefetch("catalog", "import", "no-such-file.txt", "--name", "x")
    assert result.returncode == 2
    assert "`no-such-file.txt` cannot be read" in result.stderr


# --- check, list, path ------------------------------------------------------------------------------------


def test_check_names_file_key_and_expectation(surefetch: Run, site: Site) -> None:
    broken = site.folder / "broken.toml"
    broken.write_text('name = "x"\n[[artifact]]\nname = "a"\nsize = "many"\n', encoding="utf-8")
    result = surefetch("catalog", "check", str(site.catalog), str(broken))
    assert result.returncode == 15
    assert result.stdout.splitlines() == [f"{broken}: artifact[0].size: expected a whole number, got text"]
    assert "1 of 2 catalog files are well" in result.stderr


def test_check_names_the_line_that_is_no_toml(surefetch: Run, site: Site) -> None:
    broken = site.folder / "broken.toml"
    broken.write_text('name = "x"\n[[artifact\n', encoding="utf-8")
    result = surefetch("catalog", "check", str(broken))
    assert result.stdout.startswith(f"{broken}: the file: expected TOML: ")
    assert "line 2" in result.stdout


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such file or directory"), (b"# caf\xe9\n", "it is not UTF-8")],
)
def test_a_catalog_that_cannot_be_read_says_why_and_what_to_do(
    surefetch: Run, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    result = surefetch("get", "mine", "--catalog", str(path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: catalog `{path}` cannot be read: {why}\n")
    assert "correct the key" not in result.stderr
    assert why in surefetch("catalog", "check", str(path)).stdout


def test_check_finds_two_catalogs_that_contradict_each_other(surefetch: Run, site: Site) -> None:
    other = site.folder / "other.toml"
    text = site.catalog.read_text(encoding="utf-8")
    other.write_text(
        text.replace("size = ", 'md5 = "00000000000000000000000000000000"\nsize = ').replace(
            'dtype = "uint8"', 'dtype = "int8"'
        ),
        encoding="utf-8",
    )
    result = surefetch("catalog", "check", str(site.catalog), str(other))
    assert result.returncode == 15
    assert "tensors.train/image" in result.stdout


def test_check_reads_all_of_ones_own_and_one_broken_file_spoils_nothing(surefetch: Run, site: Site) -> None:
    folder = own_folder(surefetch)
    (folder / "a.toml").write_text("name = [\n", encoding="utf-8")
    (folder / "b.toml").write_bytes(b"\xff\xfe")
    (folder / "tiny.toml").write_bytes(site.catalog.read_bytes())
    content = check(surefetch("catalog", "check", "--json").stdout, "catalog-check")
    assert content["ok"] is False
    assert [Path(problem["file"]).name for problem in content["problems"]] == ["a.toml", "b.toml"]
    assert [row["dataset"] for row in content["files"]] == ["", "", "tiny"]
    listed = check(surefetch("catalog", "list", "--json").stdout, "catalog-list")
    assert listed["files"] == content["files"]
    assert site.server.targets() == []


def entry(url: str, data: bytes) -> str:
    """A catalog of one file."""
    lines = ['name = "one"', "[[artifact]]", f'name = "{url.rpartition("/")[2]}"', f"size = {len(data)}"]
    return "\n".join([*lines, f'sha256 = "{sha256(data)}"', f'urls = ["{url}"]\n'])


def test_a_mirror_is_asked_for_a_few_bytes_only(surefetch: Run, site: Site) -> None:
    data = os.urandom(100_000)
    text = entry(site.server.serve("/large.bin", data), data)
    (own_folder(surefetch) / "one.toml").write_text(text, encoding="utf-8")
    result = surefetch("catalog", "check", "--ask-mirrors")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "has it, 100,000 bytes" in result.stdout
    assert [seen.headers.get("range") for seen in site.server.seen] == ["bytes=0-511"]


def test_every_mirror_is_asked_and_its_answer_told(surefetch: Run, site: Site) -> None:
    (own_folder(surefetch) / "tiny.toml").write_bytes(site.catalog.read_bytes())
    result = surefetch("catalog", "check", "--ask-mirrors")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 of 2 mirrors have their file" in result.stderr
    site.script("images.gz", Script(status=404))
    site.script("labels.gz", Script(body=site.files["labels.gz"] + b"more"))
    failed = surefetch("catalog", "check", "--ask-mirrors", "--json")
    assert failed.returncode == 15
    content = check(failed.stdout, "catalog-check")
    causes = {answer["mirror"]: answer["cause"] for answer in content["answers"]}
    assert causes == {site.url("images.gz"): "http.not-found", site.url("labels.gz"): "body.too-large"}


def test_a_mirror_that_takes_no_ranges_is_not_read_to_its_end(surefetch: Run, site: Site) -> None:
    (own_folder(surefetch) / "tiny.toml").write_bytes(site.catalog.read_bytes())
    site.script("images.gz", Script(takes_ranges=False))
    content = json.loads(surefetch("catalog", "check", "--ask-mirrors", "--json").stdout)
    ranges = {answer["artifact"]: answer["takes_ranges"] for answer in content["answers"]}
    assert ranges == {"images.gz": False, "labels.gz": True}
    assert content["ok"] is True


def test_a_silent_mirror_does_not_hold_the_others_up(surefetch: Run, site: Site) -> None:
    with FaultyServer() as other:
        silent = other.serve("/images.gz", b"", Script(silence=True))
        text = site.catalog.read_text(encoding="utf-8").replace(site.url("images.gz"), silent)
        (own_folder(surefetch) / "tiny.toml").write_text(text, encoding="utf-8")
        limits = {"SUREFETCH_CONNECT_TIMEOUT": "1", "SUREFETCH_FIRST_BYTE_TIMEOUT": "1"}
        result = surefetch("catalog", "check", "--ask-mirrors", "--json", **limits)
    causes = {answer["artifact"]: answer["cause"] for answer in json.loads(result.stdout)["answers"]}
    assert causes == {"images.gz": "transfer.no-first-byte", "labels.gz": ""}


def test_mirrors_are_not_asked_offline(surefetch: Run, site: Site) -> None:
    result = surefetch("catalog", "check", str(site.catalog), "--ask-mirrors", "--offline")
    assert result.returncode == 12
    assert site.server.targets() == []


def test_without_catalogs_of_ones_own_all_is_well(surefetch: Run) -> None:
    assert surefetch("catalog", "check").returncode == 0
    listed = surefetch("catalog", "list")
    assert listed.stdout == ""
    assert "you have no catalogs of your own" in listed.stderr


@pytest.mark.parametrize("verb", ["add", "import", "check", "list", "path"])
def test_every_verb_has_one_sentence_and_one_example(surefetch: Run, verb: str) -> None:
    assert f"Example: surefetch catalog {verb}" in surefetch("catalog", verb, "--help").stdout


def test_no_command_prints_the_keys_in_a_catalogs_addresses(surefetch: Run, site: Site) -> None:
    url = site.url("images.gz")
    text = site.catalog.read_text(encoding="utf-8").replace(
        url, f'{url}", "{url}?token=hush&X-Amz-Signature=hush'
    )
    site.catalog.write_text(f'homepage = "https://ann:hush@h.example/"\n{text}', encoding="utf-8")
    mine = ("--catalog", str(site.catalog))
    added = ("catalog", "add", f"{url}?sig=hush", "--name", "mine")
    for words in (
        ("info", "tiny", *mine),
        ("info", "tiny", "--json", *mine),
        ("info", "tiny", "--metalink", *mine),
        ("catalog", "check", "--ask-mirrors", *mine),
        ("catalog", "check", "--ask-mirrors", "--json", *mine),
        ("get", "tiny", "--dry-run", *mine),
        ("get", "tiny", "--json", *mine),
        ("get", "tiny", "-v", *mine),
        added,
        (*added, "--force", "--json"),
    ):
        result = surefetch(*words)
        assert result.returncode == 0, (words, result.stderr)
        assert "hush" not in result.stdout + result.stderr, words
