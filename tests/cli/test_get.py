"""`surefetch get`, whole commands: what is printed where, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import IMAGES, Site, sha256
from tests.conftest import Run
from tests.fakes.faulty_server import FaultyServer, Script, page, redirect


def named(site: Site) -> tuple[str, ...]:
    """The words that let a loopback server be a mirror: the user names it."""
    return ("--catalog", str(site.catalog), "--mirror", site.server.origin)


def test_get_prints_the_folder_and_says_in_five_lines_what_it_did(surefetch: Run, site: Site) -> None:
    result = surefetch("get", "tiny", *named(site))
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert {path.name for path in folder.iterdir()} == set(site.files)
    assert all((folder / name).read_bytes() == data for name, data in site.files.items())
    lines = result.stderr.strip().splitlines()
    assert len(lines) <= 5
    assert lines[0].startswith("Tiny digits: 2 files, ")
    assert "from 127.0.0.1" in lines[0]
    assert lines[1] == "proven: every byte, by SHA-256"
    assert lines[2].startswith("next:")


def test_the_next_line_that_get_prints_works(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", *named(site))
    code = "import surefetch as sf; d = sf.load('tiny'); print(d['train']['image'].sum(), d)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.startswith(f"{IMAGES.sum()} <dataset tiny 1")


def test_a_second_get_asks_no_server(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", *named(site))
    before = len(site.server.targets())
    result = surefetch("get", "tiny", *named(site))
    assert result.returncode == 0
    assert len(site.server.targets()) == before
    assert "all of it here already" in result.stderr


def test_of_files_that_were_here_in_part_it_says_how_many_came(surefetch: Run, site: Site) -> None:
    assert (
        surefetch("get", site.url("images.gz"), "--sha256", sha256(site.files["images.gz"])).returncode == 0
    )
    result = surefetch("get", "tiny", "--catalog", str(site.catalog))
    assert result.returncode == 0, result.stderr
    assert "2 files, " in result.stderr
    assert ", 1 of them from 127.0.0.1 in " in result.stderr


def test_quiet_prints_the_path_alone(surefetch: Run, site: Site) -> None:
    result = surefetch("get", "tiny", "--quiet", *named(site))
    assert result.stderr == ""
    assert Path(result.stdout.strip()).is_dir()


def test_json_tells_every_file(surefetch: Run, site: Site) -> None:
    result = surefetch("get", "tiny", "--json", *named(site))
    content = json.loads(result.stdout)
    assert content["ok"] is True
    assert result.stderr == ""
    told = {row["name"]: row for row in content["receipts"]}
    assert set(told) == set(site.files)
    for name, data in site.files.items():
        assert told[name]["digest"] == sha256(data)
        assert told[name]["size"] == len(data)
        assert told[name]["proof"] == "bytes"
        assert told[name]["mirror"] == site.url(name)


def test_a_files_bytes_go_to_stdout(surefetch: Run, site: Site, home: Path) -> None:
    content = bytes(range(256)) * 300
    digest = ("--sha256", sha256(content))
    url = site.server.serve("/raw.bin", content)
    words = [sys.executable, "-m", "surefetch", "get", url, *digest, "--output", "-"]
    poured = subprocess.run(words, capture_output=True, check=True, cwd=home, timeout=60)
    assert poured.stdout == content
    assert b"proven: every byte" in poured.stderr
    several = surefetch("get", "tiny", "-o", "-", *named(site))
    assert several.returncode == 2 and "stdout is one" in several.stderr
    both = surefetch("get", url, *digest, "-o", "-", "--json")
    assert both.returncode == 2 and "both write to stdout" in both.stdout


def test_output_gives_copies_of_ones_own(surefetch: Run, site: Site, tmp_path: Path) -> None:
    result = surefetch("get", "tiny", "--output", str(tmp_path / "mine"), *named(site))
    assert Path(result.stdout.strip()) == tmp_path / "mine"
    copy = tmp_path / "mine" / "images.gz"
    copy.write_bytes(b"overwritten")
    again = surefetch("get", "tiny", "--quiet", "--catalog", str(site.catalog))
    assert (Path(again.stdout.strip()) / "images.gz").read_bytes() == site.files["images.gz"]


def test_a_web_page_in_the_files_place_is_named(surefetch: Run, site: Site) -> None:
    site.script("images.gz", page("Sign in - Guest Wi-Fi"))
    result = surefetch("get", "tiny", *named(site))
    assert result.returncode in (8, 10)
    assert result.stdout == ""
    assert "Sign in - Guest Wi-Fi" in result.stderr
    assert "hint:" in result.stderr


def test_a_failure_in_json_has_cause_fault_and_attempts(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=404))
    result = surefetch("get", "tiny", "--json", *named(site))
    error = json.loads(result.stdout)["error"]
    assert error["cause"] == "http.not-found"
    assert error["fault"] == "mirror"
    assert result.returncode == 3
    assert any(attempt["mirror"] == site.url("images.gz") for attempt in error["attempts"])


def test_what_to_download_by_hand_is_told_file_by_file(surefetch: Run, site: Site) -> None:
    rows = [
        f'[[artifact]]\nname = "{name}"\nsize = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
        for name, data in site.files.items()
    ]
    bare = site.folder / "bare.toml"
    bare.write_text('name = "bare"\nversion = "1"\n' + "".join(rows), encoding="utf-8")
    for name in site.files:
        site.script(name, Script(status=403))
    result = surefetch("get", "bare", "--catalog", str(bare), "--mirror", f"{site.server.origin}/")
    assert result.returncode != 0
    assert all(f"      {site.url(name)} " in result.stderr for name in site.files), result.stderr


def test_a_failure_keeps_what_is_proven(surefetch: Run, site: Site) -> None:
    site.script("images.gz", Script(status=404))
    assert surefetch("get", "tiny", *named(site)).returncode == 3
    site.script("images.gz")
    before = site.server.targets().count("/labels.gz")
    assert surefetch("get", "tiny", *named(site)).returncode == 0
    assert site.server.targets().count("/labels.gz") == before


def test_a_flipped_bit_never_gets_a_name(surefetch: Run, site: Site, home: Path) -> None:
    site.script("images.gz", Script(flip=30))
    result = surefetch("get", "tiny", *named(site))
    assert result.returncode == 10
    blobs = [path for path in home.rglob("*") if path.is_file() and "blobs-v1" in path.parts]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs)


def test_a_file_downloaded_by_hand_is_proven_and_kept(surefetch: Run, site: Site, tmp_path: Path) -> None:
    downloads = tmp_path / "Downloads"
    downloads.mkdir()
    for name, data in site.files.items():
        (downloads / f"{name} (1)").write_bytes(data)
    result = surefetch("get", "tiny", "--offline", "--from", str(downloads), "--catalog", str(site.catalog))
    assert result.returncode == 0, result.stderr
    assert site.server.targets() == []
    assert all((downloads / f"{name} (1)").read_bytes() == data for name, data in site.files.items())


def test_offline_says_what_switched_it_on(surefetch: Run, site: Site) -> None:
    result = surefetch("get", "tiny", "--catalog", str(site.catalog), HF_HUB_OFFLINE="1")
    assert result.returncode == 12
    assert "HF_HUB_OFFLINE" in result.stderr
    assert site.server.targets() == []


def test_any_file_by_url_and_digest(surefetch: Run, site: Site, tmp_path: Path) -> None:
    data = site.files["images.gz"]
    result = surefetch("get", site.url("images.gz"), "--sha256", sha256(data), "-o", str(tmp_path / "x.gz"))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()) == tmp_path / "x.gz"
    assert (tmp_path / "x.gz").read_bytes() == data


def test_no_secret_of_an_address_is_printed_or_kept(surefetch: Run, site: Site, tmp_path: Path) -> None:
    content = b"a file of one's own\n" * 20
    site.server.serve("/own.txt?token=geheim1", content)
    url = site.url("own.txt?token=geheim1").replace("//", "//ann:geheim2@")
    for form in ((), ("--json",)):
        planned = surefetch("get", url, "--sha256", sha256(content), "--dry-run", *form)
        assert "own.txt" in planned.stdout and "geheim" not in planned.stdout + planned.stderr, form
    result = surefetch("get", url, "--sha256", sha256(content), "--json", "-v")
    assert result.returncode == 0, result.stderr
    for words in (("get", url), ("get", url, "--sha256", sha256(content), "--dry-run"), ("info", url)):
        told = surefetch(*words)
        assert "geheim" not in told.stdout + told.stderr, words
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]
    assert "geheim" not in result.stdout + result.stderr
    assert not kept


def test_settings_that_were_mended_or_passed_over_are_said(surefetch: Run, site: Site, home: Path) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login ann passwort geheim\n", encoding="utf-8")
    content = b"a file of one's own\n" * 20
    url = site.server.serve("/own.txt", content)
    with FaultyServer() as proxy:
        proxy.serve(url, content)
        scheme_less = proxy.origin.removeprefix("http://")
        words = ("get", url, "--sha256", sha256(content))
        got = surefetch(*words, http_proxy=f"ann:geheim@{scheme_less}")
        other = ("get", url, "--sha256", "0" * 64)
        failed = surefetch(*other, http_proxy=f"ann:geheim@{scheme_less}")
    assert (got.returncode, failed.returncode) == (0, 10), failed.stderr
    for result in (got, failed):
        assert f"variable http_proxy: `***@{scheme_less}` has no scheme: taken as http://" in result.stderr
        assert ".netrc` is passed over" in result.stderr and "line 1" in result.stderr
        assert "geheim" not in result.stderr


@pytest.mark.parametrize("password", ["ge#heim", "ge/heim", "ge?heim"])
def test_a_password_that_breaks_an_address_is_not_printed(surefetch: Run, password: str) -> None:
    result = surefetch("get", f"http://ann:{password}@host.example/x", "--sha256", "0" * 64)
    assert result.returncode == 2
    assert "heim" not in result.stderr and "%23" in result.stderr


def test_the_second_mirror_serves_when_the_first_is_gone(surefetch: Run, site: Site) -> None:
    data = site.files["images.gz"]
    gone = site.server.serve("/gone.gz", b"", Script(status=410))
    result = surefetch("get", gone, site.url("images.gz"), "--sha256", sha256(data))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == data
    assert "passed over" in result.stderr


def test_a_mirror_that_broke_off_and_gave_the_rest_was_not_passed_over(surefetch: Run, site: Site) -> None:
    data = site.files["images.gz"]
    url = site.server.serve("/cut.gz", data, Script(cut_after=len(data) // 2), Script())
    result = surefetch("get", url, "--sha256", sha256(data))
    assert result.returncode == 0, result.stderr
    assert "not at the first try" in result.stderr and "passed over" not in result.stderr


def test_a_weak_digest_is_named_weak(surefetch: Run, site: Site) -> None:
    data = site.files["images.gz"]
    result = surefetch("get", site.url("images.gz"), "--md5", hashlib.md5(data).hexdigest())
    assert result.returncode == 0, result.stderr
    assert "md5 (a weak digest" in result.stderr


def test_each_digest_that_was_given_has_to_be_that_of_the_bytes(surefetch: Run, site: Site) -> None:
    data, url = site.files["images.gz"], site.url("images.gz")
    strong, md5 = sha256(data), hashlib.md5(data).hexdigest()
    for _ in range(2):  # also when it is here already
        wrong = surefetch("get", url, "--sha256", strong, "--md5", "0" * 32)
        assert wrong.returncode == 10
        assert wrong.stdout == ""
        assert f"has the sha256 that you gave, and another md5: `{md5}`" in wrong.stderr
    assert surefetch("get", url, "--sha256", strong, "--md5", md5).returncode == 0
    other = surefetch("get", url, "--sha256", "0" * 64, "--md5", md5)
    assert other.returncode == 10
    assert f"their sha256 is {strong[:12]}…" in other.stderr


def test_a_weak_digest_is_refused_where_a_strong_one_is_asked_for(surefetch: Run, site: Site) -> None:
    md5 = hashlib.md5(site.files["images.gz"]).hexdigest()
    result = surefetch("get", site.url("images.gz"), "--md5", md5, "--json", SUREFETCH_WEAK_DIGESTS="0")
    assert result.returncode == 10
    assert json.loads(result.stdout)["error"]["cause"] == "policy.weak-digest"
    assert site.server.targets() == []
    strong = surefetch("get", "tiny", *named(site), SUREFETCH_WEAK_DIGESTS="0")
    assert strong.returncode == 0


def test_an_unknown_url_without_digest_is_refused_before_any_transfer(surefetch: Run, site: Site) -> None:
    result = surefetch("get", site.url("images.gz"))
    assert result.returncode == 2
    assert "--sha256" in result.stderr
    assert site.server.targets() == []


def test_a_url_that_the_catalog_knows_needs_no_digest(surefetch: Run, site: Site) -> None:
    result = surefetch("get", site.url("images.gz"), *named(site))
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == site.files["images.gz"]


def test_a_digest_of_another_length_is_explained(surefetch: Run, site: Site) -> None:
    md5 = hashlib.md5(site.files["images.gz"]).hexdigest()
    result = surefetch("get", site.url("images.gz"), "--sha256", md5)
    assert result.returncode == 2
    assert f"--md5 {md5}" in result.stderr


def test_a_name_alone_means_get(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", "--quiet", *named(site))
    result = surefetch("tiny", "--quiet", "--catalog", str(site.catalog))
    assert result.returncode == 0
    assert Path(result.stdout.strip()).is_dir()


@pytest.mark.parametrize("typo", ["minst", "MNSIT", "mnits"])
def test_a_typo_is_answered_with_the_right_name(surefetch: Run, typo: str) -> None:
    result = surefetch("get", typo)
    assert result.returncode == 3
    assert "`mnist`" in result.stderr


def test_dry_run_tells_sizes_and_mirrors_and_fetches_nothing(surefetch: Run, site: Site) -> None:
    result = surefetch("get", "tiny", "--dry-run", "--json", *named(site))
    content = json.loads(result.stdout)
    assert {file["name"] for file in content["files"]} == set(site.files)
    assert content["bytes"] == sum(map(len, site.files.values()))
    assert site.server.targets() == []


def test_a_redirect_is_followed_and_a_loop_is_not(surefetch: Run, site: Site) -> None:
    data = site.files["images.gz"]
    moved = site.server.serve("/moved.gz", b"", redirect(site.url("images.gz")))
    assert surefetch("get", moved, "--sha256", sha256(data)).returncode == 0
    loop = site.server.serve("/loop.gz", b"", redirect("/loop.gz"))
    result = surefetch("get", loop, "--sha256", "0" * 64)
    assert result.returncode == 3
    assert "circle" in result.stderr


def test_the_loaded_tensors_are_read_only_and_say_copy(surefetch: Run, site: Site, home: Path) -> None:
    surefetch("get", "tiny", *named(site))
    import surefetch as sf

    array = sf.load("tiny")["train"]["image"]
    assert np.array_equal(array, IMAGES)
    assert not array.flags.writeable
    with pytest.raises(ValueError, match=r"\.copy\(\)"):
        array[0] = 0
    with pytest.raises(ValueError, match=r"\.copy\(\)"):
        array += 1
    assert (array + 1).flags.writeable


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_who_is_asked_to_end_says_what_is_kept(site: Site, home: Path, name: str, code: int) -> None:
    import signal
    import subprocess
    import sys
    import time

    number = getattr(signal, name)
    site.script("images.gz", Script(stall_after=20))
    process = subprocess.Popen(
        [sys.executable, "-m", "surefetch", "get", "tiny", *named(site)],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # `nohup` and `&` have it ignored
    )
    for _ in range(200):
        if "/images.gz" in site.server.targets():
            break
        time.sleep(0.05)
    time.sleep(0.5)
    for _ in range(8):  # a terminal tells all its processes, and who started this one hands it on
        process.send_signal(number)
        time.sleep(0.005)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert "kept" in errors and "Traceback" not in errors


def test_a_killed_get_goes_on_where_it_was(surefetch: Run, site: Site) -> None:
    import random
    import signal
    import subprocess
    import sys
    import time

    data = random.Random(5).randbytes(3_000_000)
    site.server.serve("/big.bin", data, Script(drip=(4_000, 0.1)))
    words = ("get", site.server.origin + "/big.bin", "--sha256", sha256(data), "--size", str(len(data)))
    process = subprocess.Popen([sys.executable, "-m", "surefetch", *words], env=dict(os.environ))
    time.sleep(3)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=20)
    sent = len(site.server.seen)
    site.server.serve("/big.bin", data)
    result = surefetch(*words)
    assert result.returncode == 0, result.stderr
    assert Path(result.stdout.strip()).read_bytes() == data
    asked = [seen.headers.get("range", "") for seen in site.server.seen[sent:]]
    assert asked
    assert all(value.startswith("bytes=") and not value.startswith("bytes=0-") for value in asked)


def test_a_size_of_nothing_beside_a_digest_of_something_is_refused(surefetch: Run, site: Site) -> None:
    result = surefetch("get", site.server.origin + "/x", "--sha256", sha256(b"x"), "--size", "0")
    assert result.returncode == 2
    assert "is no digest of 0 bytes" in result.stderr
    assert not site.server.seen


@pytest.mark.parametrize("rate", ["10G", "99999999999999999999"])
def test_a_limit_beyond_any_line_is_none(surefetch: Run, site: Site, rate: str) -> None:
    data = site.files["images.gz"]
    result = surefetch("get", site.url("images.gz"), "--sha256", sha256(data), "--limit-rate", rate)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_place_that_is_taken_is_told_before_the_first_byte(
    surefetch: Run, site: Site, tmp_path: Path, kind: str
) -> None:
    data, place = site.files["images.gz"], tmp_path / "mine"
    if kind == "file":
        place.write_bytes(b"my own")
    elif kind == "folder":
        (place / "images.gz").mkdir(parents=True)
    else:
        place.symlink_to(tmp_path / "elsewhere")
    words = ("get", site.url("images.gz"), "--sha256", sha256(data), "--size", str(len(data)))
    result = surefetch(*words, "--output", str(place))
    assert result.returncode == 11
    assert str(place) in result.stderr
    assert site.server.seen == []
    assert kind != "file" or place.read_bytes() == b"my own"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")  # noqa: PTH110 - a device
def test_a_log_on_a_full_disk_changes_nothing(site: Site) -> None:
    import subprocess
    import sys

    data, url = site.files["images.gz"], site.url("images.gz")
    with open("/dev/full", "w") as full:  # noqa: PTH123 - likewise
        words = [sys.executable, "-m", "surefetch", "get", url, "--sha256", sha256(data), "-v"]
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, text=True, env=dict(os.environ))
    assert result.returncode == 0
    assert Path(result.stdout.strip()).read_bytes() == data


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "5"), "a size belongs to a URL, and `tiny` is a name"),
        (("--as", "nonsense", "--dry-run"), "`tiny` has no form `nonsense`"),
        (("--as", "npz", "--output", "-"), "a form is written as files of your own"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    surefetch: Run, site: Site, words: tuple[str, ...], said: str
) -> None:
    result = surefetch("get", "tiny", *words, *named(site))
    assert result.returncode == 2
    assert said in result.stderr
    assert not site.server.targets()


def test_a_file_alone_is_not_written_as_tensors(surefetch: Run, site: Site) -> None:
    name, content = next(iter(site.files.items()))
    url = f"{site.server.origin}/{name}"
    result = surefetch("get", url, "--sha256", sha256(content), "--as", "npz", "--output", "made")
    assert result.returncode == 2
    assert "no tensors that could be written as `npz`" in result.stderr


def test_a_form_without_digests_is_told_to_have_proven_content_alone(surefetch: Run, tmp_path: Path) -> None:
    catalog = tmp_path / "own.toml"
    catalog.write_text(
        'name = "bare"\nversion = "1"\nlicense = "CC0-1.0"\n[tensors]\n'
        f'"train/x" = {{ dtype = "uint8", shape = [1], sha256 = "{sha256(b"x")}" }}\n'
        '[[artifact]]\nform = "own"\nname = "d.npz"\nunproven = true\nmax_size = 1000\n'
        'urls = ["http://127.0.0.1:9/d.npz"]\ngives = { "train/x" = "npz:x" }\n'
    )
    result = surefetch("get", "bare", "--catalog", str(catalog), "--as", "own", "--output", "made")
    assert result.returncode == 2
    assert "`d.npz` has no digest of its own" in result.stderr
    assert "surefetch get bare --as npz --output DIR" in result.stderr


def test_the_whole_store_is_not_removed_where_a_dataset_is_named(surefetch: Run, site: Site) -> None:
    surefetch("get", "tiny", *named(site))
    result = surefetch("cache", "rm", "tiny", "--all")
    assert result.returncode == 2
    assert "tiny" in surefetch("cache", "list").stdout


def test_a_description_in_xml_is_not_asked_for_as_json(surefetch: Run, site: Site) -> None:
    result = surefetch("info", "tiny", "--metalink", "--json", *named(site)[:2])
    assert result.returncode == 2
    assert "`--metalink` prints XML alone" in result.stdout


def test_a_mirror_that_was_passed_over_is_told_from_another_port_of_its_host(
    surefetch: Run, site: Site
) -> None:
    name, content = next(iter(site.files.items()))
    urls = [f"{site.server.origin}/gone.gz", f"{site.server.origin}/{name}"]
    with FaultyServer() as gone:
        urls[0] = f"{gone.origin}/{name}"
        result = surefetch("get", *urls, "--sha256", sha256(content))
    assert f"({gone.origin.partition('://')[2]} did not work and was passed over" in result.stderr


def test_a_form_that_cannot_be_written_where_it_was_asked_for_says_so_of_that_place(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    result = surefetch("get", "tiny", "--as", "npz", "--output", str(tmp_path / "taken"), *named(site))
    assert result.returncode == 11
    assert f"`{tmp_path / 'taken'}" in result.stderr
    assert "--output" in result.stderr and "SUREFETCH_STORE" not in result.stderr


def test_an_address_where_a_dataset_is_wanted_is_told_to_be_a_file(surefetch: Run) -> None:
    result = surefetch("show", "http://127.0.0.1:9/x.gz")
    assert result.returncode == 3
    assert "a file is got by its address and digest: `" in result.stderr
    assert "surefetch get http://127.0.0.1:9/x.gz --sha256 HEX" in result.stderr
