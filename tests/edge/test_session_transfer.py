"""Whole gets from mirrors that share, lie, stall and vanish: what ends well does, and what fails is told."""

from __future__ import annotations

import dataclasses
import email.utils
import hashlib
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from surefetch.catalog.metalink import write_metalink
from surefetch.errors import FetchError
from surefetch.events import Finished, Opened, Proven, Received, Request
from surefetch.model import PIECE_BYTES, Artifact, Dataset, Mirror
from surefetch.receipts import FileReceipt
from surefetch.reporters import SilentReporter
from surefetch.session.bench import Bench
from surefetch.session.facade import Session
from surefetch.session.limits import limits_of
from surefetch.settings import Settings
from surefetch.store.store import Store
from tests.fakes.driver import driving
from tests.fakes.faulty_server import HONEST, FaultyServer, Script, behind

MIB = 1 << 20
#: A mirror of some 10 MB/s: slow enough that several are worth asking.
STEADY = Script(drip=(64 << 10, 0.006))
DATA = random.Random(3).randbytes(6 * MIB)
NAME = "/data.bin"


@dataclass
class Scene:
    """A session of its own, and servers that are the mirrors of one file."""

    session: Session
    servers: list[FaultyServer]

    def get(self, data: bytes = DATA, *, size: int | None = -1, **more: Any) -> FileReceipt:
        """Get the file from all servers, the first one first; its bytes are right."""
        urls = [server.origin + NAME for server in self.servers]
        digest = hashlib.sha256(data).hexdigest()
        wanted = len(data) if size == -1 else size
        receipt = self.session.get(urls[0], sha256=digest, size=wanted, mirrors=urls[1:], **more)
        assert Path(receipt).read_bytes() == data
        return receipt.files[0]

    def get_by_pieces(self, folder: Path, data: bytes = DATA) -> FileReceipt:
        """Get the file as a Metalink description has it: with a digest for each piece."""
        blocks = (data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))
        artifact = Artifact(
            name="data.bin",
            form="files",
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            urls=tuple(server.origin + NAME for server in self.servers),
            pieces=tuple(hashlib.sha256(block).hexdigest() for block in blocks),
        )
        dataset = Dataset(name="files", version="1", artifacts=(artifact,))
        path = folder / "data.meta4"
        path.write_text(write_metalink(dataset, dataset.artifacts, "a test"), encoding="utf-8")
        receipt = self.session.get(str(path), mirrors=artifact.urls)
        assert Path(receipt).read_bytes() == data
        return receipt.files[0]

    def fails(self, data: bytes = DATA, **more: Any) -> FetchError:
        """Get the file, in vain."""
        with pytest.raises(FetchError) as caught:
            self.get(data, **more)
        return caught.value

    def asked(self, index: int) -> list[tuple[int, int | None]]:
        """The ranges that a mirror was asked for, half-open; (0, None) without one."""
        return [_range(seen.headers.get("range", "")) for seen in self.servers[index].seen]


def _range(text: str) -> tuple[int, int | None]:
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
    if not found:
        return 0, None
    return int(found[1]), int(found[2]) + 1 if found[2] else None


def causes(receipt: FileReceipt | FetchError, server: FaultyServer) -> list[str]:
    """What is told of one mirror's attempts."""
    return [attempt.cause for attempt in receipt.attempts if attempt.mirror.startswith(server.origin)]


@pytest.fixture
def make(home: Path) -> Iterator[Any]:
    """Makes a scene: a server for each list of scripts."""
    with ExitStack() as stack:

        def scene(*scripts: Script | Sequence[Script], data: bytes = DATA, **settings: Any) -> Scene:
            servers = [stack.enter_context(FaultyServer()) for _ in scripts]
            for server, script in zip(servers, scripts, strict=True):
                server.serve(NAME, data, *([script] if isinstance(script, Script) else script))
            return Scene(new_session(home, **settings), servers)

        yield scene


def new_session(home: Path, **settings: Any) -> Session:
    return Session(Settings(store=str(home / "store"), progress=False, **settings), SilentReporter())


def test_a_link_whose_time_is_over_is_not_waited_for(make: Any) -> None:
    words = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
    cut = Script(drip=STEADY.drip, cut_after=MIB // 2)
    over = Script(status=403, headers=(("Content-Type", "application/xml"),), body=words)
    scene = make([cut, cut, cut, cut, cut, cut, over])
    began = time.monotonic()
    with pytest.raises(FetchError, match="Request has expired") as caught:
        scene.get()
    assert time.monotonic() - began < 5
    assert caught.value.code == "http.forbidden"
    assert "get a fresh one from where you got this one" in caught.value.hint


# --- coming and going ---------------------------------------------------------------------------------------


def goes_away(server: FaultyServer, after: float, seconds: float) -> None:
    """Have a server restart in the middle of a transfer."""

    def restart() -> None:
        time.sleep(after)
        server.go_away()
        time.sleep(seconds)
        server.come_back()

    threading.Thread(target=restart, daemon=True).start()


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_server_that_restarts_is_waited_for_and_gives_the_rest(make: Any, seconds: float) -> None:
    scene = make(Script(drip=(16 << 10, 0.02)))
    goes_away(scene.servers[0], 0.5, seconds)
    receipt = scene.get()
    assert "body.truncated" in causes(receipt, scene.servers[0])
    asked = sum((stop or len(DATA)) - start for start, stop in scene.asked(0))
    assert asked > len(DATA), "it was asked again"


@pytest.mark.parametrize("kept", [Script(flip=9), Script(body=DATA[:9]), Script(body=b"<html>old</html>")])
def test_what_a_cache_had_kept_wrong_is_asked_for_past_it_where_nobody_else_has_it(
    make: Any, kept: Script
) -> None:
    scene = make([dataclasses.replace(kept, headers=(("Age", "5000"),)), HONEST], HONEST, data=DATA[:MIB])
    one, other = scene.servers
    other.go_away()
    scene.get(DATA[:MIB])
    assert [seen.headers.get("cache-control") for seen in one.seen] == [None, "no-cache"]


def test_a_server_that_goes_for_good_leaves_the_file_to_the_others(make: Any) -> None:
    scene = make(STEADY, STEADY)
    threading.Timer(0.2, scene.servers[0].go_away).start()
    began = time.monotonic()
    scene.get()
    assert time.monotonic() - began < 15, "nobody waits for it"


# --- sharing ------------------------------------------------------------------------------------------------


def test_three_mirrors_share_the_file(make: Any) -> None:
    scene = make(STEADY, STEADY, STEADY)
    scene.get()
    assert all(scene.asked(index) for index in range(3))
    starts = {start for index in range(3) for start, _ in scene.asked(index)}
    assert len(starts) >= 3, "each began at a place of its own"


def test_what_came_from_a_mirror_that_stalls_is_kept(make: Any) -> None:
    part = len(DATA) // 3
    scene = make(STEADY, Script(stall_after=part // 10), STEADY, stall_timeout=2.0)
    began = time.monotonic()
    scene.get()
    assert time.monotonic() - began < 8
    rest = [start for index in (0, 2) for start, _ in scene.asked(index)]
    stalled = scene.asked(1)[0][0]
    assert stalled not in rest or stalled == 0, "its first bytes are not asked for again"


def test_a_silent_mirror_costs_no_time_out(make: Any) -> None:
    scene = make(STEADY, Script(silence=True), first_byte_timeout=30.0)
    began = time.monotonic()
    scene.get()
    assert time.monotonic() - began < 15


def test_a_mirror_that_drips_gives_its_work_away(make: Any) -> None:
    scene = make(Script(drip=(4 << 10, 0.01)), STEADY)
    began = time.monotonic()
    scene.get()
    assert time.monotonic() - began < 10
    assert scene.servers[1].seen


def test_every_mirror_pauses_and_none_is_dropped(make: Any) -> None:
    pausing = Script(drip=(MIB, 0.5), delay=0.3)
    scene = make(pausing, pausing)
    receipt = scene.get()
    assert [attempt.cause for attempt in receipt.attempts] == []


# --- wrong bytes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_a_flipped_bit_costs_one_piece_where_pieces_are_known(make: Any, tmp_path: Path, liar: int) -> None:
    scripts = [STEADY, STEADY, STEADY]
    flips = [Script(drip=STEADY.drip, flip=offset) for offset in (MIB // 2, 2 * MIB + 7, 5 * MIB)]
    scripts[liar] = flips[liar]
    scene = make(*scripts)
    receipt = scene.get_by_pieces(tmp_path)
    given = sum(1 for index in range(3) for start, _ in scene.asked(index))
    assert given < 40
    told = causes(receipt, scene.servers[liar])
    assert told in ([], ["body.corrupt"])  # it may not have been asked for the bytes that it has wrong
    for index in {0, 1, 2} - {liar}:
        assert causes(receipt, scene.servers[index]) == []


def test_the_liar_of_a_piece_is_named_and_only_that_piece_comes_again(make: Any, tmp_path: Path) -> None:
    scene = make(Script(drip=STEADY.drip, flip=10), STEADY)
    receipt = scene.get_by_pieces(tmp_path)
    assert causes(receipt, scene.servers[0]) == ["body.corrupt"]
    assert "piece 0" in receipt.attempts[0].detail
    assert (0, MIB) in scene.asked(1)
    assert causes(receipt, scene.servers[1]) == []


@pytest.mark.parametrize("drip", [(64 << 10, 0.002), (64 << 10, 0.006), None])
def test_a_piece_that_two_gave_is_asked_of_one_alone(make: Any, tmp_path: Path, drip: Any) -> None:
    data = DATA[: MIB * 3 // 2]
    scene = make(Script(drip=drip, range_lie=7), HONEST, data=data)
    receipt = scene.get_by_pieces(tmp_path, data)
    assert causes(receipt, scene.servers[1]) == []


def test_a_liar_that_takes_no_ranges_is_told_from_the_others(make: Any) -> None:
    wrong = _flipped(DATA, range(99, len(DATA), MIB))
    scene = make(STEADY, Script(drip=STEADY.drip, body=wrong), STEADY)
    receipt = scene.get()
    assert causes(receipt, scene.servers[0]) == []
    assert causes(receipt, scene.servers[2]) == []


def test_who_wrote_a_byte_first_is_told_first() -> None:
    with FaultyServer() as one, FaultyServer() as two, driving() as driver:
        sink = _FirstBytes(MIB)
        # The second begins later and is faster: it overtakes, so that both were first with some bytes.
        early, fast = Script(drip=(5000, 0.001)), Script(drip=(40_000, 0.001), delay=0.05)
        for server, letter, script in ((one, b"a", early), (two, b"b", fast)):
            url = server.serve(NAME, letter * MIB, script)
            driver.engine.begin(driver.request(url, MIB), sink)
        givers, told = bytearray(MIB), {1: 0, 2: 0}
        for event in driver.until_ended(2):
            if isinstance(event, Received | Finished):
                new = [at for at in range(told[event.id], event.stop) if not givers[at]]
                told[event.id] = event.stop
                for at in new:
                    givers[at] = b"ab"[event.id - 1]
    assert set(sink.data) == set(b"ab")
    assert givers == sink.data


class _FirstBytes:
    """A sink in which the first bytes stay."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def write(self, start: int, data: bytes) -> None:
        for at, byte in enumerate(bytes(data), start):
            self.data[at] = self.data[at] or byte


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_the_culprit_is_found_by_comparing(make: Any, liar: int) -> None:
    wrong = _flipped(DATA, range(99, len(DATA), MIB // 2))
    scene = make(STEADY, STEADY, STEADY)
    scene.servers[liar].serve(NAME, wrong, STEADY)
    receipt = scene.get()
    assert causes(receipt, scene.servers[liar]) == ["body.corrupt"]
    for index in {0, 1, 2} - {liar}:
        assert causes(receipt, scene.servers[index]) == []


@pytest.mark.parametrize("liar", [0, 1])
def test_of_two_mirrors_the_one_that_lies_is_found(make: Any, liar: int) -> None:
    wrong = _flipped(DATA, range(99, len(DATA), MIB // 2))
    scene = make(STEADY, STEADY)
    scene.servers[liar].serve(NAME, wrong, STEADY)
    receipt = scene.get()
    assert causes(receipt, scene.servers[liar]) == ["body.corrupt"]
    assert causes(receipt, scene.servers[1 - liar]) == []


def test_mirrors_that_all_have_another_file_are_told_so(make: Any) -> None:
    scene = make(HONEST, HONEST, data=_flipped(DATA, [5]))
    error = scene.fails()
    assert error.exit_code == 21 or error.code.startswith("body.")
    assert all(causes(error, server) for server in scene.servers)


def _flipped(data: bytes, places: Any) -> bytes:
    wrong = bytearray(data)
    for place in places:
        wrong[place] ^= 1
    return bytes(wrong)


# --- servers that do not do as they are asked ---------------------------------------------------------------


def test_a_mirror_that_takes_no_ranges_and_always_cuts_ends_soon(make: Any) -> None:
    scene = make(Script(cut_after=MIB, takes_ranges=False))
    error = scene.fails(size=len(DATA))
    assert "body.truncated" in causes(error, scene.servers[0])
    assert len(scene.asked(0)) < 20


def test_a_mirror_that_always_cuts_but_takes_ranges_gives_it_all(make: Any) -> None:
    scene = make(Script(cut_after=MIB))
    scene.get()
    assert len(scene.asked(0)) < 20


def test_a_sole_mirror_is_not_left_while_each_try_brings_some_bytes(make: Any) -> None:
    """50 KiB are less than a hundredth of the file, which is what counts where others can be asked."""
    scene = make(Script(cut_after=50 << 10))
    scene.get()
    assert len(scene.servers[0].seen) > 50


def test_a_server_that_gives_less_than_it_is_asked_for_gives_it_all(make: Any) -> None:
    scene = make(Script(most_bytes=200_000, drip=STEADY.drip), Script(most_bytes=200_000, drip=STEADY.drip))
    scene.get()
    assert sum(len(server.seen) for server in scene.servers) >= len(DATA) // 200_000 - 15


def test_a_mirror_without_ranges_goes_on_over_what_a_slow_one_has(make: Any) -> None:
    scene = make(Script(takes_ranges=False, drip=STEADY.drip), Script(drip=(2 << 10, 0.01)), connections=1)
    scene.get()
    assert len(scene.servers[0].seen) <= 2, "asked again it would begin anew"


def test_a_lying_content_range_is_no_bytes(make: Any) -> None:
    scene = make(Script(drip=STEADY.drip, range_shift=5), STEADY)
    receipt = scene.get()
    assert causes(receipt, scene.servers[1]) == []


def test_other_bytes_than_the_content_range_says_are_found_out(make: Any) -> None:
    scene = make(STEADY, Script(drip=STEADY.drip, range_lie=5), STEADY)
    receipt = scene.get()
    assert "body.corrupt" in causes(receipt, scene.servers[1])


def test_a_mirror_with_another_total_size_is_left(make: Any) -> None:
    scene = make(STEADY, Script(body=DATA + b"more"))
    receipt = scene.get()
    assert causes(receipt, scene.servers[1]) == ["body.too-large"]


@pytest.mark.parametrize("length", [0, 5, len(DATA) - 5])
def test_a_mirror_whose_file_is_shorter_is_left(make: Any, length: int) -> None:
    scene = make(Script(body=DATA[:length]), STEADY)
    assert causes(scene.get(), scene.servers[0]) == ["body.truncated" if length else "body.empty"]


def test_mirrors_that_call_each_part_the_whole_file_are_asked_for_all_of_it(make: Any) -> None:
    scene = make(Script(calls_all=True), Script(calls_all=True))
    scene.get()
    assert any("range" not in seen.headers for server in scene.servers for seen in server.seen)


def test_a_file_that_is_replaced_on_the_way_comes_from_one_version(make: Any) -> None:
    old = _flipped(DATA, range(0, len(DATA), 4096))
    scene = make([Script(body=old, etag='"old"', cut_after=MIB), Script(etag='"new"')])
    server = scene.servers[0]
    receipt = scene.get()
    assert [seen.headers.get("if-range") for seen in server.seen][:2] == [None, '"old"']
    assert causes(receipt, server) == ["body.truncated"]


def test_what_still_comes_of_the_version_before_is_not_waited_for(make: Any) -> None:
    """Its bytes would spoil the new ones; over one connection, the whole file takes 7.7 s."""
    drip = (16 << 10, 0.02)
    old = Script(body=_flipped(DATA, range(0, len(DATA), 4096)), etag='"old"', drip=drip)
    scene = make([old, Script(etag='"new"', drip=drip)])
    began = time.monotonic()
    scene.get(size=None)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("name", ["etag", "last_modified"])
def test_nodes_whose_validators_differ_and_that_cut_give_the_file_together(make: Any, name: str) -> None:
    tags = [f"Mon, 0{day} Jan 2024 00:00:00 GMT" if name == "last_modified" else f'"{day}"' for day in (1, 2)]
    nodes = [Script(cut_after=MIB, **{"etag": "", name: tag}) for tag in tags]
    scene = make(nodes * 20)
    scene.get()
    assert len(scene.servers[0].seen) < 12


def test_a_page_of_just_the_files_length_is_named_once_it_is_hashed(make: Any) -> None:
    body = (b"<!DOCTYPE html><title>Moved</title>" + b" " * len(DATA))[: len(DATA)]
    scene = make(Script(body=body), deadline=15.0)
    assert scene.fails().code == "body.html"


def test_wrong_bytes_that_are_labelled_as_encoded_are_named_by_that(make: Any) -> None:
    scene = make(Script(body=DATA[::-1], headers=(("Content-Encoding", "gzip"),)), deadline=15.0)
    assert scene.fails().code == "body.unasked-encoding"


def test_a_body_in_chunks_without_a_length_is_whole(make: Any) -> None:
    scene = make(Script(chunked=True))
    scene.get()


def test_a_connection_that_ends_is_the_end_of_a_body_without_length(make: Any) -> None:
    scene = make(Script(has_length=False, takes_ranges=False))
    scene.get(size=None)


def test_a_sole_mirror_that_sends_other_stretches_is_asked_for_the_whole_file(make: Any) -> None:
    """Only the last of its ranges shows it; the others came before, as if they were right."""
    scene = make(Script(range_lie=1, drip=(64 << 10, 0.02)))
    scene.get(size=None)
    assert scene.asked(0)[-1] == (0, None)


def test_who_sent_other_stretches_is_left_out_first(make: Any) -> None:
    """To ask the liar alone, whole, over one connection takes longer than its bytes from the other one."""
    drip = (16 << 10, 0.02)
    scene = make(Script(range_lie=1, drip=drip), Script(drip=drip))
    began = time.monotonic()
    scene.get()
    assert time.monotonic() - began < len(DATA) / (16 << 10) * 0.02


def test_a_file_is_whole_where_the_server_has_nothing_behind_what_came(make: Any) -> None:
    """Its Content-Length was too large, and nobody promised a size: the digest decides."""
    beyond = Script(status=416, headers=(("Content-Range", f"bytes */{len(DATA)}"),), body=b"")
    scene = make([Script(headers=(("Content-Length", str(len(DATA) + 100)),), close=True), beyond])
    scene.get(size=None)
    assert len(scene.asked(0)) == 2


# --- patience -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept_to(make: Any, form: str) -> None:
    busy = Script(status=503, body=b"later", headers=(("Retry-After", _after(form)),))
    scene = make([busy, HONEST])
    scene.get()
    first, second = (seen.at for seen in scene.servers[0].seen[:2])
    assert second - first >= 0.95


def _after(form: str) -> str:
    return "1" if form == "seconds" else email.utils.formatdate(time.time() + 2, usegmt=True)


def test_too_many_requests_and_then_good(make: Any) -> None:
    scene = make([Script(status=429, body=b"slow down"), HONEST])
    receipt = scene.get()
    assert causes(receipt, scene.servers[0]) == ["http.rate-limited"]


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 17),
        ({"first_byte_timeout": 3.0}, 5),
        ({"stall_timeout": 2.0}, 10),
        ({"first_byte_timeout": 300.0}, 307),
        ({"deadline": 600.0}, 600),
    ],
    ids=str,
)
def test_the_only_mirror_is_waited_for_as_the_settings_say(
    home: Path, settings: dict[str, float], seconds: float
) -> None:
    assert limits_of(new_session(home, **settings)).alone == seconds


def test_the_deadline_ends_a_get_that_stalls(make: Any) -> None:
    scene = make(Script(stall_after=MIB), deadline=1.0)
    error = scene.fails()
    assert error.code == "transfer.deadline"
    assert error.exit_code == 14
    assert " bytes to go" in error.message  # what its mirror did


# --- unknown size -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [STEADY, Script(takes_ranges=False), Script(chunked=True, takes_ranges=False), Script(chunked=True)],
    ids=["ranges", "no ranges", "chunks", "chunks and ranges"],
)
def test_a_size_that_nobody_promised(make: Any, script: Script) -> None:
    scene = make(script, STEADY)
    receipt = scene.get(size=None)
    assert receipt.size == len(DATA)


def test_what_came_is_all_where_its_digest_says_so_though_the_answer_never_ends(make: Any) -> None:
    scene = make(
        Script(has_length=False, takes_ranges=False, stall_after=len(DATA)),
        first_byte_timeout=2.0,
        stall_timeout=2.0,
    )
    began = time.monotonic()
    receipt = scene.get(size=None)
    assert receipt.size == len(DATA)
    assert time.monotonic() - began < 8
    assert len(scene.asked(0)) == 1


def test_an_answer_without_an_end_that_stops_in_the_middle_is_told(make: Any) -> None:
    script = Script(has_length=False, takes_ranges=False, stall_after=MIB)
    scene = make(script, first_byte_timeout=1.0, stall_timeout=1.0)
    error = scene.fails(size=None)
    assert error.code == "transfer.stalled"


def test_a_mirror_that_tells_no_size_does_not_keep_the_others_out(make: Any) -> None:
    slow = Script(chunked=True, takes_ranges=False, drip=(2 << 10, 0.01))
    scene = make(slow, STEADY)
    began = time.monotonic()
    scene.get(size=None)
    assert time.monotonic() - began < 15, "alone it would take 30 s"
    assert (0, 1) in scene.asked(1), "one byte tells the size"


def test_who_only_told_the_size_or_was_compared_with_has_given_nothing(tmp_path: Path) -> None:
    artifact = Artifact(name="data.bin", form="files", max_size=2000, sha256="a" * 64)
    dataset = Dataset(name="files", version="1", artifacts=(artifact,))
    bench = Bench(dataset, Store(tmp_path), {})
    bench.part(artifact)
    asked = {"size": (1, False), "bytes": (None, False), "check": (1000, True)}
    for number, (host, (stop, compares)) in enumerate(asked.items()):
        mirror = Mirror(url=f"https://{host}.example/data.bin", source="user")
        request = Request(id=number, artifact=artifact, mirror=mirror, stop=stop, compares=compares)
        bench.opened(request, Opened(id=number, start=0, size=1000, takes_ranges=True, validator=None))
    bench.close()
    assert bench.givers == {"data.bin": ["https://bytes.example/data.bin"]}


@pytest.mark.parametrize("told", [1000, 3000], ids=["shorter", "longer"])
def test_what_is_proven_is_all_that_came_whatever_size_was_told_and_refused(
    tmp_path: Path, told: int
) -> None:
    data = DATA[:2000]
    digest = hashlib.sha256(data).hexdigest()
    artifact = Artifact(name="data.bin", form="files", max_size=4000, sha256=digest)
    bench = Bench(Dataset(name="files", version="1", artifacts=(artifact,)), Store(tmp_path), {})
    mirror = Mirror(url="https://balancer.example/data.bin", source="user")
    request = Request(id=1, artifact=artifact, mirror=mirror)
    part = bench.part(artifact)
    bench.opened(request, Opened(id=1, start=0, size=told, takes_ranges=True, validator=None))
    part.write(0, data)
    bench.prove(artifact)
    assert [type(event) for event in bench.inbox.take(1.0)] == [Proven]
    bench.close()


def test_a_mirror_of_another_size_does_not_keep_the_right_one_out(make: Any) -> None:
    scene = make(Script(body=b"x" * (2 * MIB)), STEADY)
    receipt = scene.get(size=None)
    assert causes(receipt, scene.servers[0]) != []


ENDLESS = Script(drip=(64 << 10, 0.004), chunked=True, takes_ranges=False)


@pytest.mark.parametrize("other", [DATA[MIB:], DATA[MIB:] + DATA[: 2 * MIB]], ids=["shorter", "longer"])
def test_the_size_that_most_mirrors_tell_is_believed_at_once(make: Any, other: bytes) -> None:
    quick = Script(drip=(64 << 10, 0.002))
    scene = make(behind(quick, body=other), STEADY, STEADY)
    receipt = scene.get(size=None)
    assert receipt.size == len(DATA)
    assert causes(receipt, scene.servers[0]) == ["body.wrong-file"]
    assert causes(receipt, scene.servers[1]) == causes(receipt, scene.servers[2]) == []


@pytest.mark.parametrize("pace", [None, (4 << 10, 0.02)], ids=["at once", "slowly"])
def test_a_size_that_a_liar_tells_does_not_cut_the_others_short(
    make: Any, pace: tuple[int, float] | None
) -> None:
    """The liar answers late: the other one, which tells no size, is on its way, or beyond the end by then."""
    for late in (0.65, 0.9):
        scene = make(Script(delay=late, body=b"x" * (2 * MIB), drip=pace), ENDLESS)
        scene.session = new_session(Path(scene.session.settings.store) / f"{late}", deadline=15.0)
        receipt = scene.get(size=None)
        assert causes(receipt, scene.servers[1]) == []


def test_a_liar_without_an_end_does_not_keep_the_right_size_out(make: Any) -> None:
    right = DATA[:MIB]
    scene = make(
        Script(delay=0.7, body=right, drip=STEADY.drip), behind(ENDLESS, body=DATA[::-1]), deadline=15.0
    )
    receipt = scene.get(right, size=None)
    assert "body.corrupt" in causes(receipt, scene.servers[1])
