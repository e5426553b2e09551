"""Faults of this machine and of what was typed, produced for real: disks, permissions, files, settings."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Site, sha256
from tests.cli.test_get import named
from tests.conftest import Run
from tests.fakes.faulty_server import Script
from tests.faults.kit import BIG, any_file, failed, told

privileged = pytest.mark.privileged
NOBODY = 65534


def needs_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounts and other users need root on Linux")  # .ci/run runs this part as root


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small disk of its own."""
    needs_root()
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")  # a container without the right to
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@privileged
def test_a_disk_that_is_too_small_is_told_before_anything_is_asked(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    with disk(tmp_path / "small", "size=200k") as small:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, SUREFETCH_STORE=str(small / "store"))
        assert site.server.targets() == []
    assert (error.cause, error.fault, error.exit) == ("local.disk-full", "you", 11), error
    assert "SUREFETCH_STORE" in error.hint


@privileged
def test_a_disk_that_fills_in_the_middle_is_told(surefetch: Run, site: Site, tmp_path: Path) -> None:
    """Nobody told the size, and the server does not say it: the disk ends before the file does."""
    with disk(tmp_path / "small", "size=200k") as small:
        url = site.server.serve("/big.bin", BIG, Script(has_length=False, takes_ranges=False))
        error = failed(surefetch, "get", url, "--sha256", sha256(BIG), SUREFETCH_STORE=str(small / "store"))
    assert (error.cause, error.fault, error.exit) == ("local.disk-full", "you", 11), error
    assert [attempt["mirror"] for attempt in error.attempts] == [
        "this machine"
    ]  # it is not the mirror's fault


@privileged
def test_a_body_that_never_ends_leaves_others_room_on_the_disk(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    with disk(tmp_path / "small", "size=60m") as small:
        url = site.server.serve("/big.bin", bytes(80 << 20), Script(has_length=False, takes_ranges=False))
        error = failed(surefetch, "get", url, "--sha256", sha256(BIG), SUREFETCH_STORE=str(small / "store"))
        assert shutil.disk_usage(small).free > 1 << 20
    assert (error.cause, error.fault, error.exit) == ("local.disk-full", "you", 11), error


@privileged
def test_a_read_only_disk_is_told(surefetch: Run, site: Site, tmp_path: Path) -> None:
    with disk(tmp_path / "fixed", "size=1m,ro") as fixed:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, SUREFETCH_STORE=str(fixed / "store"))
    assert (error.cause, error.fault, error.exit) == ("local.read-only", "you", 11), error
    assert "SUREFETCH_STORE" in error.hint


@privileged
def test_a_folder_of_somebody_else_is_told(surefetch: Run, site: Site, tmp_path: Path) -> None:
    needs_root()
    own = Path("/var/tmp/surefetch-of-root")
    own.mkdir(mode=0o755, exist_ok=True)
    home = Path("/var/tmp/surefetch-of-nobody")
    home.mkdir(exist_ok=True)
    try:
        os.chown(home, NOBODY, NOBODY)
        words = any_file(site.server.serve("/big.bin", BIG))
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             sys.executable, "-m", "surefetch", *words, "--json"],
            env={**os.environ, "HOME": str(home), "SUREFETCH_STORE": str(own / "store")},
            capture_output=True, text=True, timeout=60, check=False, cwd=home,
        )  # fmt: skip
        if "No module named surefetch" in done.stderr:
            pytest.skip("surefetch lies where another user cannot read it")  # an editable install under /root
        error = told(done)
    finally:
        shutil.rmtree(own)
        shutil.rmtree(home)
    assert (error.cause, error.fault, error.exit) == ("local.permission", "you", 11), error


@privileged
def test_a_store_of_several_users_needs_nothing_of_what_is_private_to_one(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    needs_root()
    store, private = tmp_path / "store", tmp_path / "store" / "private-v1"
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "surefetch"]
    url = site.server.serve("/weak.bin", BIG)
    private.mkdir(parents=True, mode=0o700)
    os.chown(private, NOBODY, NOBODY)
    for words in (["get", url, "--md5", hashlib.md5(BIG).hexdigest()], ["cache", "prune"], ["verify"]):
        environ = {**os.environ, "HOME": str(tmp_path), "SUREFETCH_STORE": str(store)}
        done = subprocess.run(
            [*plain, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    hidden = ["get", url, "--md5", "0" * 32, "--from", str(private / "x.bin")]
    done = subprocess.run(
        [*plain, *hidden, "--json"], env=environ, capture_output=True, text=True, check=False
    )
    assert told(done).cause == "local.permission"


@privileged
def test_a_disk_without_room_for_one_more_name_is_told_as_that(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    with disk(tmp_path / "names", "size=50m,nr_inodes=4") as names:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, SUREFETCH_STORE=str(names / "store"))
    assert (error.cause, error.fault, error.exit) == ("local.disk-full", "you", 11), error
    assert "inodes" in error.message


@privileged
@pytest.mark.parametrize(
    ("options", "cause"), [("size=100k", "local.disk-full"), ("size=1m,ro", "local.read-only")]
)
def test_a_copy_that_its_disk_does_not_take_is_no_matter_of_the_store(
    surefetch: Run, site: Site, tmp_path: Path, options: str, cause: str
) -> None:
    with disk(tmp_path / "other", options) as other:
        words = any_file(site.server.serve("/big.bin", BIG))
        error = failed(surefetch, *words, "--output", str(other / "copy.bin"))
        assert not (other / "copy.bin").exists()
    assert (error.cause, error.fault, error.exit) == (cause, "you", 11), error
    assert str(other / "copy.bin") in error.message
    assert "copy" in error.hint or "--output" in error.hint
    assert "SUREFETCH_STORE" not in error.hint


#: A limit of the shell -> what the command that raises it is.
LIMITS = {"-n 7": "ulimit -n", "-f 100": "ulimit -f"}


@pytest.mark.skipif(sys.platform != "linux", reason="what a process may use is limited by Linux here")
@pytest.mark.parametrize(("limit", "cure"), LIMITS.items(), ids=LIMITS)
def test_a_limit_of_the_shell_is_told_with_the_line_that_raises_it(
    site: Site, home: Path, limit: str, cure: str
) -> None:
    words = (sys.executable, "-m", "surefetch", *any_file(site.server.serve("/big.bin", BIG)), "--json")
    done = subprocess.run(
        ["/bin/bash", "-c", f'ulimit {limit}; exec "$@"', "-", *words],
        capture_output=True, text=True, timeout=60, check=False, cwd=home,
    )  # fmt: skip
    error = told(done)
    assert (error.cause, error.fault, error.exit) == ("local.limit", "you", 11), error
    assert cure in error.hint


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_pipe_that_takes_nothing_is_told_on_stderr(site: Site, home: Path, form: tuple[str, ...]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    words = any_file(site.server.serve("/big.bin", BIG))
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "surefetch", *words, *form],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, cwd=home,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
    assert done.returncode == 11, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    assert "no space left" in done.stderr and "hint:" in done.stderr


@pytest.mark.parametrize("damage", [lambda data: data[::-1], lambda data: data[:-7]])
def test_a_copy_of_a_damaged_file_is_made_of_a_new_one(
    surefetch: Run, site: Site, home: Path, damage: Callable[[bytes], bytes]
) -> None:
    words = any_file(site.server.serve("/big.bin", BIG))
    assert surefetch(*words).returncode == 0
    blob = next(path for path in home.rglob(sha256(BIG)) if path.is_file())
    blob.chmod(0o644)
    blob.write_bytes(damage(BIG))
    offline = failed(surefetch, *words, "--output", "copy.bin", "--offline")
    assert offline.cause == "usage.offline" and not (home / "copy.bin").exists()
    assert surefetch(*words, "--output", "copy.bin").returncode == 0
    assert (home / "copy.bin").read_bytes() == blob.read_bytes() == BIG


def test_a_weak_digest_is_refused_where_a_setting_wants_so(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/big.bin", BIG)
    weak = hashlib.md5(BIG).hexdigest()
    error = failed(surefetch, "get", url, "--md5", weak, SUREFETCH_WEAK_DIGESTS="0")
    assert (error.cause, error.exit) == ("policy.weak-digest", 10), error
    assert site.server.targets() == []


def test_a_name_that_is_too_long_is_told(surefetch: Run, site: Site) -> None:
    words = any_file(site.server.serve("/big.bin", BIG))
    error = failed(surefetch, *words, "--output", "x" * 300)
    assert (error.cause, error.fault, error.exit) == ("local.name-too-long", "you", 11), error


def test_a_store_that_is_a_file_is_told(surefetch: Run, site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    words = any_file(site.server.serve("/big.bin", BIG))
    error = failed(surefetch, *words, SUREFETCH_STORE=str(tmp_path / "file"))
    assert (error.cause, error.fault, error.exit) == ("local.path", "you", 11), error
    assert str(tmp_path / "file") in error.message


def test_a_damaged_file_of_the_store_is_found_and_put_away(surefetch: Run, site: Site, home: Path) -> None:
    words = ("get", "tiny", *named(site))
    assert surefetch(*words).returncode == 0
    blob = next(path for path in home.rglob(sha256(site.files["images.gz"])) if path.is_file())
    blob.chmod(0o644)
    blob.write_bytes(site.files["images.gz"][::-1])
    verified = surefetch("verify", "tiny", "--catalog", str(site.catalog))
    assert verified.returncode == 10 and "damaged" in verified.stdout + verified.stderr
    assert not blob.exists(), "nobody reads it any more"


def test_offline_is_told_with_what_decided_it(surefetch: Run, site: Site) -> None:
    for variable in ("SUREFETCH_OFFLINE", "HF_HUB_OFFLINE"):
        error = failed(surefetch, "get", "tiny", "--catalog", str(site.catalog), **{variable: "1"})
        assert (error.cause, error.fault, error.exit) == ("usage.offline", "you", 12), error
        assert variable in error.screen
    assert site.server.targets() == []


def test_time_that_is_used_up_is_told(surefetch: Run, site: Site) -> None:
    url = site.server.serve("/big.bin", BIG, Script(drip=(2_000, 0.2)))
    error = failed(surefetch, *any_file(url), "--deadline", "2")
    assert (error.cause, error.fault, error.exit) == ("transfer.deadline", "network", 14), error
    assert "`--deadline SECONDS`" in error.hint and "config set" not in error.hint
    by_variable = failed(surefetch, *any_file(url), SUREFETCH_DEADLINE="2")
    assert "`SUREFETCH_DEADLINE=SECONDS`" in by_variable.hint


def broken_catalog(folder: Path) -> tuple[str, ...]:
    (folder / "broken.toml").write_text('name = "x"\nversoin = "1"\n', encoding="utf-8")
    return "info", "x", "--catalog", str(folder / "broken.toml")


#: What was typed -> cause, exit code, and a word that the hint must name.
TYPED: dict[str, tuple[Callable[[Path], tuple[str, ...]], str, int, str]] = {
    "a typo": (lambda folder: ("get", "minst"), "usage.unknown-dataset", 3, "mnist"),
    "a name of nothing": (lambda folder: ("get", "no-such-thing-at-all"), "usage.unknown-dataset", 3, "list"),
    "a catalog's mistake": (broken_catalog, "usage.catalog", 2, "versoin"),
    "no digest": (lambda folder: ("get", "https://data.example/x.bin"), "usage.no-digest", 2, "--sha256"),
    "a bucket": (
        lambda folder: ("get", "s3://bucket/a/x.bin", "--sha256", "0" * 64),
        "policy.scheme",
        2,
        "https://bucket.s3.amazonaws.com/a/x.bin",
    ),
    "no scheme": (
        lambda folder: ("get", "data.example/x.bin", "--sha256", "0" * 64),
        "usage.argument",
        2,
        "https://data.example/x.bin",
    ),
    "a port of letters": (
        lambda folder: ("get", "https://data.example:abc/x", "--sha256", "0" * 64),
        "usage.argument",
        2,
        "https://HOST:PORT/FILE",
    ),
    "a name that can be none": (
        lambda folder: ("get", "https://data..example/x", "--sha256", "0" * 64),
        "usage.argument",
        2,
        "data..example",
    ),
    "another verb": (lambda folder: ("fetch", "mnist"), "usage.argument", 2, "surefetch get mnist"),
    "a form of nothing": (
        lambda folder: ("get", "mnist", "--as", "xlsx", "--output", str(folder)),
        "usage.argument",
        2,
        "xlsx",
    ),
    "another scheme": (lambda folder: ("get", "ftp://data.example/x.bin"), "policy.scheme", 2, "https"),
    "no such option": (lambda folder: ("get", "mnist", "--nonsense"), "usage.argument", 2, ""),
    "no such file": (lambda folder: ("verify", str(folder / "gone.gz")), "local.path", 11, ""),
}


@pytest.mark.parametrize("row", TYPED.values(), ids=TYPED.keys())
def test_what_was_typed_wrongly_is_told(
    surefetch: Run, tmp_path: Path, row: tuple[Callable[[Path], tuple[str, ...]], str, int, str]
) -> None:
    make, cause, code, word = row
    result = surefetch(*make(tmp_path), "--json")
    assert result.returncode == code, result.stdout + result.stderr
    assert f'"cause": "{cause}"' in result.stdout, result.stdout
    assert word in result.stdout


def test_a_value_of_a_setting_that_cannot_be_used_is_told(surefetch: Run, site: Site) -> None:
    error = failed(surefetch, "get", "tiny", *named(site), SUREFETCH_JOBS="many")
    assert (error.cause, error.fault, error.exit) == ("usage.setting", "you", 2), error
    assert "SUREFETCH_JOBS" in error.screen


def test_a_source_that_does_not_exist_is_told(surefetch: Run, site: Site) -> None:
    error = failed(surefetch, "get", "tiny", *named(site), SUREFETCH_SOURCES="htpp")
    assert (error.cause, error.fault, error.exit) == ("usage.setting", "you", 2), error
    assert "SUREFETCH_SOURCES" in error.message and "http" in error.hint


@privileged
def test_doctor_tells_of_a_disk_that_is_full_although_no_size_is_known(
    surefetch: Run, site: Site, tmp_path: Path
) -> None:
    with disk(tmp_path / "full", "size=200k") as full:
        (full / "other").write_bytes(bytes(190_000))
        url = site.server.serve("/big.bin", BIG)
        done = surefetch("doctor", url, SUREFETCH_STORE=str(full / "store"))
    assert done.returncode == 21 and "[local.disk-full]" in done.stdout, done.stdout
