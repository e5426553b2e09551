"""Lookups of this machine: folders, commands and caches, each with its bounds."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from surefetch.errors import FetchError
from surefetch.events import Answered, Failure, LookupFailed
from surefetch.layouts.places import UNWALKED, is_of_another, places, roots
from surefetch.machine import commands, folders
from surefetch.machine import lookups as lookups_module
from surefetch.machine.folders import Bounds, list_folder, walk
from surefetch.machine.indexes import PackageSettings, read_package_settings
from surefetch.machine.lookups import Lookups
from surefetch.model import Artifact, Dataset, Lookup
from surefetch.scan import Wanted, is_plausible
from surefetch.sources.caches import Caches, User
from tests.contract.source_tests import ask

GZIP = b"\x1f\x8b" + b"x" * 998
FILE = Artifact(name="train-images-idx3-ubyte.gz", form="idx", size=1000, sha256="a" * 64)
MNIST = Dataset(name="mnist", version="1", artifacts=(FILE,))


def machine(home: Path, **environ: str) -> Lookups:
    values = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PATH": "/usr/bin:/bin", **environ}
    return Lookups(values, home / "private", MNIST)


def put(path: Path, content: bytes = GZIP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def program(path: Path, script: str) -> Path:
    put(path, f"#!/bin/sh\n{script}\n".encode()).chmod(0o755)
    return path


def found(source: Caches | User, lookups: Lookups, artifact: Artifact = FILE) -> list[str]:
    def answer(lookup: Lookup) -> bytes | None:
        outcome = lookups.carry_out(lookup)
        return outcome.answer if isinstance(outcome, Answered) else None

    return [mirror.url for mirror in source.mirrors(artifact, ask(source, artifact, answer))]


# --- caches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "environ"),
    [
        ("data/MNIST/raw/{name}", {}),
        ("tensorflow_datasets/downloads/manual/{name}", {}),
        (
            "tfds/downloads/mnist/cvdf-datasets_mnist_train-images-idx3-ubyte{digest}.gz",
            {"TFDS_DATA_DIR": "tfds"},
        ),
        (".cache/huggingface/hub/datasets--ylecun--mnist/blobs/{sha256}", {}),
        ("hf/hub/datasets--ylecun--mnist/blobs/{sha256}", {"HF_HOME": "hf"}),
        ("tmp/mnists/MNIST/{name}", {}),
        ("tmp/{name}", {}),
        (".mxnet/datasets/mnist/{name}", {}),
        ("k/datasets/mnist/{name}", {"KERAS_HOME": "k"}),
    ],
)
def test_a_file_is_found_where_a_framework_keeps_it(
    tmp_path: Path, place: str, environ: dict[str, str]
) -> None:
    digest = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo"  # base64 of 32 bytes 0xaa
    path = put(tmp_path / place.format(name=FILE.name, digest=digest, sha256=FILE.sha256))
    lookups = machine(tmp_path, **{name: str(tmp_path / value) for name, value in environ.items()})
    answered = lookups.carry_out(Lookup(source="caches", kind="places", target=FILE.name))
    assert isinstance(answered, Answered)
    assert found(Caches("mnist"), lookups) == [str(path)]


def test_torchvisions_usual_folder_below_the_current_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "project/data/MNIST/raw" / FILE.name)
    monkeypatch.chdir(tmp_path / "project")
    assert found(Caches("mnist"), machine(tmp_path)) == [str(path)]


def test_a_renamed_file_is_found_by_its_size(tmp_path: Path) -> None:
    path = put(tmp_path / ".keras/datasets/mine/renamed.gz")
    put(tmp_path / ".keras/datasets/mine/other.gz", GZIP + b"x")
    assert found(Caches("mnist"), machine(tmp_path)) == [str(path)]


def test_a_file_that_cannot_be_what_its_name_says_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / ".keras/datasets/page.gz", b"<html>" + b"x" * 994)
    assert found(Caches("mnist"), machine(tmp_path)) == []


def test_debians_installed_files_are_predicted_under_their_installed_names() -> None:
    predicted = places("train-labels-idx1-ubyte.debian.gz", "fashion-mnist", {}, "/home/ann", "linux")
    assert "/usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz" in predicted


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places_are_paths_of_their_platform(platform: str) -> None:
    home = r"C:\Users\ann" if platform == "win32" else "/home/ann"
    environ = {"APPDATA": rf"{home}\AppData\Roaming", "TEMP": r"C:\T"} if platform == "win32" else {}
    everything = [path for paths in roots(environ, home, platform).values() for path in paths]
    everything += places("mnist.npz", "mnist", environ, home, platform)
    assert {True: "\\", False: "/"}[platform == "win32"].join(
        [home, ".keras", "datasets", "mnist.npz"]
    ) in everything
    assert not [path for path in everything if platform != "win32" and "\\" in path]
    assert not [path for path in everything if "{" in path]


def test_the_folder_for_temporary_files_is_never_walked_through(tmp_path: Path) -> None:
    put(tmp_path / "tmp/anything.gz")
    assert "mnist" in UNWALKED
    assert found(Caches("mnist"), machine(tmp_path)) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/d/FashionMNIST/raw/x", True),
        ("/d/fashion-mnist/x", True),
        ("/d/MNIST/raw/x", False),
        ("/d/mnist/fashion-mnist/x", False),
        ("/d/x/KMNIST", False),
        (r"C:\d\KMNIST\raw\x", True),
    ],
)
def test_folders_tell_whose_file_it_is(path: str, expected: bool) -> None:
    assert is_of_another(path, "mnist") is expected


# --- what the user names ------------------------------------------------------------------------------------


def test_a_file_that_the_user_names_is_taken_under_any_name(tmp_path: Path) -> None:
    path = put(tmp_path / "Downloads/train (1)")
    assert found(User([str(path)]), machine(tmp_path)) == [str(path)]


def test_a_folder_that_the_user_names_is_walked_through(tmp_path: Path) -> None:
    path = put(tmp_path / "usb/a/b/c/file.bin")
    assert found(User([str(tmp_path / "usb")]), machine(tmp_path)) == [str(path)]


def test_an_absent_path_of_the_user_is_told(tmp_path: Path) -> None:
    outcome = machine(tmp_path).carry_out(Lookup(source="user", kind="scan", target=str(tmp_path / "absent")))
    assert isinstance(outcome, LookupFailed)
    assert (outcome.failure, outcome.cause) == (Failure.MISSING, "source.no-copy")


def test_the_store_is_no_place_to_look_for_files(tmp_path: Path) -> None:
    put(tmp_path / "usb/store/blobs-v1/x")
    lookups = Lookups({"HOME": str(tmp_path)}, tmp_path / "private", MNIST, tmp_path / "usb/store")
    assert found(User([str(tmp_path / "usb")]), lookups) == []


# --- walking ------------------------------------------------------------------------------------------------

ANY = Wanted(sizes=frozenset([1000]))


def test_a_walk_ends_at_its_depth(tmp_path: Path) -> None:
    deepest = put(tmp_path / "1/2/3/4/5/6/x.gz")
    put(tmp_path / "1/2/3/4/5/6/7/y.gz")
    assert walk([tmp_path], ANY) == [(str(deepest), 1000)]


def test_a_walk_ends_after_so_many_entries_and_sees_near_ones_first(tmp_path: Path) -> None:
    near = put(tmp_path / "near.gz")
    for number in range(30):
        put(tmp_path / f"deep/{number:02}.gz")
    hits = walk([tmp_path], ANY, Bounds(entries=12))
    assert (str(near), 1000) in hits
    assert len(hits) == 11  # 12 entries, one of them a folder


def test_a_walk_ends_after_its_time(tmp_path: Path) -> None:
    for number in range(30):
        put(tmp_path / f"{number:02}.gz")
    ticks = iter(range(1000))
    assert len(walk([tmp_path], ANY, Bounds(seconds=5), clock=lambda: next(ticks))) == 5


def test_a_walk_follows_no_link_and_opens_no_pipe(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside/x.gz")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(outside.parent)
    (inside / "file.gz").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe.gz")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inside / "s"))
        assert walk([inside], Wanted(sizes=frozenset([0, 1000]))) == []


def test_a_walk_starts_at_a_linked_folder(tmp_path: Path) -> None:
    path = put(tmp_path / "disk/x.gz")
    (tmp_path / "home").symlink_to(path.parent)
    assert walk([tmp_path / "home", tmp_path / "absent"], ANY) == [(str(path), 1000)]


def test_a_walk_stays_on_its_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "mounted/x.gz")
    real = folders._status

    def status(entry: os.DirEntry[str]) -> os.stat_result | None:
        seen = real(entry)
        if seen is None or entry.name != "mounted":
            return seen
        return os.stat_result([*seen[:2], seen.st_dev + 1, *seen[3:10]])

    monkeypatch.setattr(folders, "_status", status)
    assert walk([tmp_path], ANY) == []


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.gz", b"\x1f\x8b\x08", True),
        ("a.gz", b"<html", False),
        ("train-images-idx3-ubyte", b"\x00\x00\x08\x03", True),
        ("train-images-idx3-ubyte", b"\x1f\x8b", False),
        ("a.WHL", b"PK\x03\x04", True),
        ("a.unknown", b"", True),
    ],
)
def test_the_first_bytes_tell_whether_a_file_can_be_what_it_says(
    name: str, head: bytes, expected: bool
) -> None:
    assert is_plausible(name, head) is expected


# --- folders and pages --------------------------------------------------------------------------------------


def test_a_listing_has_files_with_sizes_and_no_folders(tmp_path: Path) -> None:
    put(tmp_path / "b.whl", b"12345")
    put(tmp_path / "a.whl", b"")
    (tmp_path / "folder").mkdir()
    assert list_folder(tmp_path) == [("a.whl", 0), ("b.whl", 5)]
    assert list_folder(tmp_path / "b.whl") == [("", 5)]


def test_a_file_index_answers_with_its_page_or_its_listing(tmp_path: Path) -> None:
    put(tmp_path / "simple/one/index.html", b"<a>")
    put(tmp_path / "simple/two/two.whl", b"1")
    lookups = machine(tmp_path)

    def page(name: str) -> Answered | LookupFailed:
        lookup = Lookup(source="package", kind="index", target=f"file://{tmp_path}/simple/{name}/")
        assert lookups.can(lookup)
        return lookups.carry_out(lookup)

    assert [getattr(page(name), "answer", None) for name in ("one", "two")] == [b"<a>", b'[["two.whl",1]]']
    assert getattr(page("three"), "cause", None) == "source.not-in-index"


def test_an_index_of_the_network_is_for_the_engine(tmp_path: Path) -> None:
    assert not machine(tmp_path).can(Lookup(source="package", kind="index", target="https://i.example/s/"))


def test_many_threads_read_the_settings_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []

    def read(place: object) -> PackageSettings:
        reads.append(place)
        time.sleep(0.01)
        return read_package_settings(place)  # type: ignore[arg-type] # it is a Place

    monkeypatch.setattr(lookups_module, "read_package_settings", read)
    lookups = machine(tmp_path, PIP_INDEX_URL="https://u:p@a.example/s")
    threads = [threading.Thread(target=lookups.index_credentials) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(reads) == 1


# --- commands -----------------------------------------------------------------------------------------------


def row(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    command = commands.Command(programs=("tool",), arguments=("{}",), accepts="[a-z]+", **values)  # type: ignore[arg-type] # they vary
    monkeypatch.setitem(commands.TABLE, "tool", command)


def test_a_command_runs_with_the_c_locale_and_without_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row(monkeypatch)
    program(tmp_path / "bin/tool", 'echo "$1 $LC_ALL"; cat; echo oops >&2; exit 3')
    output = commands.run("tool", ["x"], {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "LC_ALL": "de_DE"})
    assert output and (output.code, output.text, output.complaint) == (3, "x C\n", "oops")


def test_a_command_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row(monkeypatch, seconds=0.5)
    program(tmp_path / "bin/tool", f"sleep 60 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(FetchError, match="gave no answer") as raised:
        commands.run("tool", ["x"], {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    assert raised.value.code == "transfer.deadline"
    child = int((tmp_path / "pid").read_text())
    assert gone(child)


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # ended, and not yet waited for by the container's first process
            return True
        time.sleep(0.05)
    return False


def test_a_command_that_prints_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row(monkeypatch)
    program(tmp_path / "bin/tool", "yes")
    with pytest.raises(FetchError, match="printed too much"):
        commands.run("tool", ["x"], {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})


def test_no_argument_can_be_an_option_or_a_second_word() -> None:
    for argument in ("-o", "x y", "x;y", "--help", "X", "", "x=-1"):
        with pytest.raises(FetchError, match="is no argument"):
            commands.run("apt-print-uris", [argument], {})


def test_a_program_of_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row(monkeypatch)
    program(tmp_path / "tool", "echo wrong")
    monkeypatch.chdir(tmp_path)
    assert commands.run("tool", ["x"], {"PATH": ".:"}) is None
    assert commands.run("tool", ["x"], {"PATH": str(tmp_path)}) is None


# --- apt ----------------------------------------------------------------------------------------------------

apt = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for apt are shell scripts")
LINE = "'http://d.example/x_1.deb' x_1.deb 30 SHA256:" + "a" * 64
# Prints where its settings say that the lists are; `update` makes them, and logs that it ran.
APT_GET = f"""
lists=$(sed -n 's/^Dir::State::lists "\\(.*\\)";/\\1/p' "$APT_CONFIG" 2>/dev/null)
case "$*" in
  *update*) : > "$lists/i.example_Packages"; echo ran >> "$LOG" ;;
  *) [ -e "$lists/i.example_Packages" ] && echo "{LINE}" || echo 'E: Unable to locate package' >&2 ;;
esac
"""
APT_CONFIG = """cat <<END
Dir "/";
Dir::State "var/lib/apt";
Dir::State::lists "$EMPTY/";
Acquire::http::Proxy "http://me:pw@p.example:3128";
APT::Update::Post-Invoke "";
APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";
END"""


def uris(lookups: Lookups) -> Answered | LookupFailed:
    return lookups.carry_out(Lookup(source="deb", kind="command", target="apt-print-uris data-x=1"))


def with_apt(tmp_path: Path, apt_get: str) -> Lookups:
    program(tmp_path / "bin/apt-get", apt_get)
    program(tmp_path / "bin/apt-config", APT_CONFIG)
    (tmp_path / "empty").mkdir()
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    return machine(tmp_path, PATH=path, EMPTY=f"{tmp_path}/empty", LOG=f"{tmp_path}/log")


@apt
def test_apt_says_where_a_package_lies(tmp_path: Path) -> None:
    outcome = uris(with_apt(tmp_path, f'[ "$*" = "-qq download --print-uris data-x=1" ] && echo "{LINE}"'))
    assert isinstance(outcome, Answered)
    assert outcome.answer.decode() == LINE + "\n"


@apt
def test_empty_lists_are_fetched_into_a_private_folder_once_and_without_hooks(tmp_path: Path) -> None:
    lookups = with_apt(tmp_path, APT_GET)
    outcomes = [uris(lookups), uris(lookups)]
    assert [getattr(outcome, "answer", b"").decode().strip() for outcome in outcomes] == [LINE, LINE]
    assert (tmp_path / "log").read_text() == "ran\n"
    settings = tmp_path / "private/apt/apt.conf"
    text = settings.read_text()
    assert "Post-Invoke" not in text
    assert 'Acquire::http::Proxy "http://me:pw@p.example:3128";' in text
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert list((tmp_path / "empty").iterdir()) == []


@apt
def test_apt_not_knowing_a_package_is_told_in_its_words(tmp_path: Path) -> None:
    outcome = uris(
        with_apt(tmp_path, "echo 'W: old' >&2; echo 'E: Unable to locate package data-x' >&2; exit 100")
    )
    assert isinstance(outcome, LookupFailed)
    assert outcome.cause == "source.not-in-index"
    assert outcome.detail.startswith("apt's lists could not be fetched: E: Unable")


def test_a_system_without_apt_is_told(tmp_path: Path) -> None:
    outcome = uris(machine(tmp_path, PATH=str(tmp_path)))
    assert isinstance(outcome, LookupFailed)
    assert (outcome.cause, outcome.failure) == ("source.no-apt", Failure.MISSING)


def test_no_other_command_can_be_named(tmp_path: Path) -> None:
    outcome = machine(tmp_path).carry_out(Lookup(source="deb", kind="command", target="apt-update x"))
    assert isinstance(outcome, LookupFailed)
    assert outcome.cause == "usage.argument"
