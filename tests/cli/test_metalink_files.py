"""`surefetch get FILE.meta4` and `surefetch info NAME --metalink`, by whole commands."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefetch.catalog.metalink import parse_metalink, write_metalink
from surefetch.model import PIECE_BYTES, Artifact, Dataset
from tests.cli.conftest import Site, sha256
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script


@pytest.fixture
def other() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def described(path: Path, *artifacts: Artifact) -> str:
    dataset = Dataset(name="files", version="1", artifacts=artifacts)
    path.write_text(write_metalink(dataset, artifacts, "a test"), encoding="utf-8")
    return str(path)


def artifact(name: str, data: bytes, *urls: str, **more: object) -> Artifact:
    return Artifact(name=name, form="files", size=len(data), sha256=sha256(data), urls=urls, **more)  # type: ignore[arg-type] # tests name fields


def pieces_of(data: bytes) -> tuple[str, ...]:
    starts = range(0, len(data), PIECE_BYTES)
    return tuple(hashlib.sha256(data[start : start + PIECE_BYTES]).hexdigest() for start in starts)


def test_one_described_file_ends_as_a_path(surefetch: Run, site: Site, tmp_path: Path) -> None:
    data = site.files["images.gz"]
    path = described(tmp_path / "one.meta4", artifact("one.gz", data, site.url("images.gz")))
    result = surefetch("get", path, "--mirror", site.url("images.gz"))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).name == "one.gz"
    assert Path(result.stdout.strip()).read_bytes() == data
    assert "every byte, by SHA-256" in result.stderr


def test_several_described_files_end_in_a_folder(surefetch: Run, site: Site, tmp_path: Path) -> None:
    artifacts = [artifact(name, data, site.url(name)) for name, data in site.files.items()]
    path = described(tmp_path / "Two.METALINK", *artifacts)
    result = surefetch("get", path, "--mirror", f"{site.server.origin}/", "-o", str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    found = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert found == site.files
    again = surefetch("get", path, "--offline", "--json")
    folder = Path(json.loads(again.stdout)["path"])
    assert sorted(file.name for file in folder.iterdir()) == sorted(site.files)


def test_of_several_files_the_one_that_is_missing_is_named(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    data = site.files["images.gz"]
    here = artifact("one.gz", data, site.url("images.gz"))
    gone = artifact("two.gz", b"gone", f"{site.server.origin}/none")
    result = surefetch("get", described(tmp_path / "x.meta4", here, gone), "--json")
    assert result.returncode == 3
    message = json.loads(result.stdout)["error"]["message"]
    assert "; `two.gz` is missing, 1 of 2 files is here" in message


@pytest.mark.parametrize("option", [("--sha256", "0" * 64), ("--size", "5")])
def test_a_digest_or_size_beside_a_metalink_is_not_passed_over(
    surefetch: Run, site: Site, tmp_path: Path, option: tuple[str, str]
) -> None:
    data = site.files["images.gz"]
    path = described(tmp_path / "one.meta4", artifact("one.gz", data, site.url("images.gz")))
    result = surefetch("get", path, *option)
    assert result.returncode == 2
    assert "tells those of its files itself" in result.stderr


def test_hosts_that_a_metalink_names_may_be_private(surefetch: Run, site: Site, tmp_path: Path) -> None:
    data = site.files["images.gz"]
    path = described(tmp_path / "one.meta4", artifact("one.gz", data, site.url("images.gz")))
    result = surefetch("get", path)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == data


def test_a_metalink_takes_no_datasets_place(surefetch: Run, site: Site, tmp_path: Path) -> None:
    artifacts = [artifact(name, data, site.url(name)) for name, data in site.files.items()]
    path = described(tmp_path / "mnist.meta4", *artifacts)
    assert surefetch("get", path, "--mirror", f"{site.server.origin}/").returncode == 0
    assert "mnist" not in surefetch("cache", "list").stdout
    result = surefetch("get", "mnist", "--offline")
    assert result.returncode == 12


def test_a_flipped_bit_costs_a_piece_and_the_liar_is_named(
    surefetch: Run, site: Site, other: FaultyServer, tmp_path: Path
) -> None:
    data = os.urandom(12 * PIECE_BYTES)
    flipped = bytearray(data)
    for start in range(0, len(data), PIECE_BYTES):  # wherever the liar is asked, a bit is wrong
        flipped[start + 1000] ^= 1
    drip = Script(drip=(64 << 10, 0.004))  # so slow that both mirrors are asked
    honest, liar = site.server.serve("/big.bin", data, drip), other.serve("/big.bin", bytes(flipped), drip)
    whole = artifact("big.bin", data, liar, honest, pieces=pieces_of(data))
    path = described(tmp_path / "big.meta4", whole)
    result = surefetch("get", path, "--mirror", liar, "--mirror", honest, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    content = json.loads(result.stdout)
    assert Path(content["path"]).read_bytes() == data
    blamed = {
        (attempt["mirror"], attempt["cause"])
        for row in content["receipts"]
        for attempt in row["attempts"]
        if attempt["cause"]
    }
    assert blamed == {(liar, "body.corrupt")}
    fetched = sum(_asked(seen.headers.get("range"), len(data)) for seen in site.server.seen)
    assert fetched < 2 * len(data), "what was right is not fetched again"


def test_one_flipped_bit_of_one_mirror_does_not_spoil_the_file(
    surefetch: Run, site: Site, other: FaultyServer, tmp_path: Path
) -> None:
    data = os.urandom(8 * PIECE_BYTES)
    drip = Script(drip=(64 << 10, 0.004))
    honest = site.server.serve("/big.bin", data, drip)
    liar = other.serve("/big.bin", data, Script(flip=5 * PIECE_BYTES + 7, drip=(64 << 10, 0.004)))
    whole = artifact("big.bin", data, liar, honest, pieces=pieces_of(data))
    path = described(tmp_path / "big.meta4", whole)
    result = surefetch("get", path, "--mirror", liar, "--mirror", honest)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == data


def _asked(header: str | None, size: int) -> int:
    """Bytes that a Range header asks for."""
    start, _, stop = (header or "bytes=0-").removeprefix("bytes=").partition("-")
    return (int(stop) + 1 if stop else size) - int(start)


def test_wrong_bytes_of_every_mirror_fail(surefetch: Run, site: Site, tmp_path: Path) -> None:
    data = site.files["images.gz"]
    site.script("images.gz", Script(flip=30))
    path = described(tmp_path / "one.meta4", artifact("one.gz", data, site.url("images.gz")))
    result = surefetch("get", path, "--mirror", site.url("images.gz"))
    assert result.returncode == 10
    assert result.stdout == ""


@pytest.mark.parametrize(("text", "code"), [(None, 11), ("<html/>", 2)])
def test_a_metalink_that_cannot_be_used_is_named(
    surefetch: Run, tmp_path: Path, text: str | None, code: int
) -> None:
    path = tmp_path / "x.meta4"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    result = surefetch("get", str(path))
    assert result.returncode == code
    assert str(path) in result.stderr


def test_info_writes_what_get_reads(surefetch: Run, site: Site, tmp_path: Path) -> None:
    text = surefetch("info", "tiny", "--metalink", "--catalog", str(site.catalog)).stdout
    read = {artifact.name: artifact for artifact in parse_metalink(text.encode(), "x").artifacts}
    assert {name: found.sha256 for name, found in read.items()} == {
        n: sha256(d) for n, d in site.files.items()
    }
    path = tmp_path / "tiny.meta4"
    path.write_text(text, encoding="utf-8")
    result = surefetch("get", str(path), "--mirror", f"{site.server.origin}/")
    assert result.returncode == 0, result.stderr


def test_info_says_when_there_is_nothing_to_describe(surefetch: Run, site: Site) -> None:
    text = site.catalog.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("urls")]
    site.catalog.write_text("\n".join(lines), encoding="utf-8")
    result = surefetch("info", "tiny", "--metalink", "--catalog", str(site.catalog))
    assert result.returncode == 2
    assert "an address for each of its files" in result.stderr


@pytest.mark.parametrize("urls", [(), ("ftp://127.0.0.1/x",), ("x/images.gz",)])
def test_a_file_without_an_address_of_the_web_is_told_as_such(
    surefetch: Run, tmp_path: Path, urls: tuple[str, ...]
) -> None:
    path = described(tmp_path / "one.meta4", artifact("one.gz", b"data", *urls))
    result = surefetch("get", path)
    assert result.returncode == 3
    assert "nothing names an https or http address of it" in result.stderr
    assert f"surefetch get {path} --mirror URL" in result.stderr


def test_a_description_that_contradicts_itself_is_told_as_such(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    data = os.urandom(2 * PIECE_BYTES + 5)
    url = site.server.serve("/big.bin", data)
    wrong = Artifact(
        name="b", form="files", size=len(data), sha256="0" * 64, urls=(url,), pieces=pieces_of(data)
    )
    result = surefetch("get", described(tmp_path / "big.meta4", wrong))
    assert result.returncode == 10
    assert "one of the digests in its description is wrong" in result.stderr
