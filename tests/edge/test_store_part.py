"""Parts: never written twice, never shared, and taken over when their owner is dead."""

import json
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from surefetch.errors import StoreError
from surefetch.store import Part, Store, files, owner
from surefetch.store.journal import journal_of
from surefetch.store.owner import Owner
from surefetch.store.prover import Prover
from tests.edge.storekit import MIB, prove, python, reowned, sha256, some_bytes

DATA = some_bytes(3 * MIB)
KEY = sha256(DATA)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def begun(store: Store, stop: int = 2 * MIB) -> Part:
    part = store.part(KEY, len(DATA))
    part.write(0, DATA[:stop])
    return part


def content(part: Part) -> bytes:
    return part.path.read_bytes()


def test_bytes_may_come_in_any_order_and_in_any_cut(store):
    part = store.part(KEY, len(DATA))
    cuts = [0, 5, 70_001, MIB, 2 * MIB + 1, len(DATA)]
    for start, stop in reversed(list(pairwise(cuts))):
        assert not part.is_complete
        part.write(start, DATA[start:stop])
    assert part.is_complete
    assert content(part) == DATA
    part.abandon()


def test_what_is_here_is_not_written_again_until_it_is_discarded(store):
    part = begun(store)
    part.write(MIB - 10, bytes(2 * MIB))  # the tail beyond 2 MiB is new, the rest is not
    assert content(part)[: 2 * MIB] == DATA[: 2 * MIB]
    assert part.frontier(0) == 3 * MIB - 10
    part.discard(0, MIB)
    part.write(0, bytes(MIB))
    assert content(part)[:MIB] == bytes(MIB)
    part.abandon()


def test_a_size_that_is_told_later_is_held_against_the_room(store):
    part = store.part("a name", bound=1 << 51)
    part.write(0, DATA)
    part.fix_size(1 << 50)
    with pytest.raises(StoreError, match="the rest of the file needs 1125") as caught:
        part.write(len(DATA), DATA)
    assert caught.value.code == "local.disk-full"
    part.discard(0, 2 * len(DATA))  # whoever told it was not to be believed
    part.write(0, DATA)
    part.abandon()


def test_bytes_beyond_the_bound_are_refused(store):
    part = store.part("a name", bound=100)
    with pytest.raises(ValueError, match="do not belong"):
        part.write(90, bytes(11))
    with pytest.raises(ValueError, match="cannot be of"):
        part.fix_size(101)
    part.abandon()
    part = store.part(KEY, 20)
    with pytest.raises(ValueError, match="do not belong"):
        part.write(19, bytes(2))
    part.abandon()


@pytest.mark.parametrize("told", [MIB, len(DATA) + 5], ids=["shorter", "longer"])
def test_a_size_that_was_only_told_gives_way_to_the_bytes(store, told):
    part = store.part(KEY, bound=10 * MIB)
    part.fix_size(told)
    part.write(0, DATA)
    part.write(len(DATA) + 7, bytes(9))  # of another version
    with Prover() as prover:
        prover.watch(part)
        part.settle()
        assert prove(prover, part).matches(KEY)
    assert Path(store.publish(part, KEY.hex)).read_bytes() == DATA


def test_a_size_that_was_promised_gives_way_to_nothing(store):
    part = begun(store)
    part.settle()
    assert part.size == len(DATA)
    assert part.count == 2 * MIB
    part.abandon()


def test_the_size_that_a_liar_told_is_forgotten_with_its_bytes(store):
    part = store.part(KEY, bound=10 * MIB)
    part.fix_size(MIB)
    part.write(0, bytes(MIB))
    with Prover() as prover:
        prover.watch(part)
        assert prove(prover, part).size == MIB
        part.discard(0, MIB)
        part.fix_size(len(DATA))
        part.write(0, DATA)
        assert prove(prover, part).matches(KEY)
    assert Path(store.publish(part, KEY.hex)).read_bytes() == DATA


def test_a_part_of_unknown_size_ends_where_its_bytes_end(store):
    part = store.part(KEY, bound=10 * MIB)
    part.write(0, DATA)
    assert part.end == len(DATA)
    path = Path(store.publish(part, KEY.hex))
    assert path.read_bytes() == DATA


def test_a_closed_part_goes_on_in_the_same_process(store):
    part = begun(store)
    part.remember("https://ann:secret@mirror.example/x.gz?token=secret", '"etag"')
    part.close()
    part = store.part(KEY, len(DATA))
    assert part.received.as_pairs() == [(0, 2 * MIB)]
    assert part.validators() == {"https://mirror.example/x.gz": '"etag"'}
    signed = "https://mirror.example/x.gz?signature=1"
    assert part.validators([signed, "https://other.example/x.gz"]) == {signed: '"etag"'}
    assert content(part)[: 2 * MIB] == DATA[: 2 * MIB]
    part.abandon()


def test_no_secret_of_a_url_is_written_down(store):
    part = begun(store)
    part.remember("https://ann:secret@mirror.example/x.gz?token=secret#secret", '"etag"')
    part.save()
    assert "secret" not in part.journal.read_text()
    assert part.journal.stat().st_mode & 0o077 == 0
    part.abandon()


def test_a_part_in_use_is_never_given_to_a_second_one(store):
    first = begun(store)
    first.save()
    second = Store(store.folder).part(KEY, len(DATA))
    assert second.path != first.path
    assert not second.received
    first.abandon()
    second.abandon()


def test_a_killed_process_leaves_no_name_and_its_part_is_taken_over(store):
    code = """
import sys, surefetch.store as s
from tests.edge.storekit import *
data = some_bytes(3 * MIB)
part = s.Store(sys.argv[1]).part(sha256(data), len(data))
part.write(0, data[: 2 * MIB])
part.save()
print("written", flush=True)
sys.stdin.read()
"""
    with python(code, store.folder) as process:
        assert process.stdout.readline() == "written\n"
        beside = store.part(KEY, len(DATA))
        assert not beside.received  # the other one is alive
        beside.abandon()
        process.send_signal(signal.SIGKILL)
        # before anybody waits for it: a zombie writes nothing any more
        for _ in range(500):
            if owner._started(process.pid) == -1:
                break
            time.sleep(0.01)
        part = store.part(KEY, len(DATA))
    assert store.find(KEY) is None
    assert part.received.as_pairs() == [(0, 2 * MIB)]
    part.write(2 * MIB, DATA[2 * MIB :])
    with Prover() as prover:
        prover.watch(part)
        assert prove(prover, part).matches(KEY)
    assert Path(store.publish(part, KEY.hex)).read_bytes() == DATA
    assert list((store.folder / "parts-v1").iterdir()) == []


def test_of_two_who_take_over_one_wins(store):
    begun(store).close()
    first, second = store.part(KEY, len(DATA)), store.part(KEY, len(DATA))
    assert [bool(first.received), bool(second.received)] == [True, False]
    first.abandon()
    second.abandon()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no process namespaces")
def test_a_part_of_another_container_is_taken_over_once_nobody_has_it_open(store):
    """A container that was killed and started anew fetched everything again, for a day."""
    part = begun(store)
    part.save()
    path = reowned(part.path, f"{owner.machine()[:4]}01234567-1-5")
    other = store.part(KEY, len(DATA))
    assert not other.received, "its owner has it open"
    other.abandon()
    part.close_file()  # as the end of its process does
    taken = store.part(KEY, len(DATA))
    assert taken.received.total == 2 * MIB
    assert not path.exists()
    taken.abandon()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no process namespaces")
def test_where_everybody_gets_a_lock_a_part_of_another_container_is_left_alone(store, monkeypatch):
    monkeypatch.setattr(files, "hold", lambda _: True)
    part = begun(store)
    part.save()
    reowned(part.path, f"{owner.machine()[:4]}01234567-1-5")
    other = store.part(KEY, len(DATA))
    assert not other.received
    other.abandon()
    part.close_file()


def test_a_foreign_part_is_left_alone_for_a_day_and_then_copied(store):
    part = begun(store)
    part.save()
    writer = os.dup(part.fileno())
    part.close_file()
    path = reowned(part.path, "0123456789ab-77-5")
    assert not store.part(KEY, len(DATA)).received
    yesterday = time.time() - 86_500
    for file in (path, journal_of(path)):
        os.utime(file, (yesterday, yesterday))
    adopted = store.part(KEY, len(DATA))
    assert adopted.received.total == 2 * MIB
    os.pwrite(writer, b"the old owner wakes up", 0)
    os.close(writer)
    assert content(adopted)[: 2 * MIB] == DATA[: 2 * MIB]
    adopted.abandon()


def test_a_number_given_to_a_new_process_is_not_the_old_owner(store):
    part = begun(store)
    part.save()
    part.close_file()
    mine = owner.me()
    reowned(part.path, str(Owner(mine.machine, mine.pid, mine.started - 1)))
    assert store.part(KEY, len(DATA)).received.total == 2 * MIB


def test_a_number_that_no_process_can_have_is_that_of_a_dead_one(store):
    part = begun(store)
    part.save()
    part.close_file()
    reowned(part.path, f"{owner.me().machine}-{10**30}-5")
    assert store.part(KEY, len(DATA)).received.total == 2 * MIB


def test_a_folder_in_place_of_a_part_or_a_journal_is_passed_over(store):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    path.unlink()
    path.mkdir()
    assert not store.part(KEY, len(DATA)).received
    path.rmdir()
    path.write_bytes(DATA)
    journal_of(path).unlink()
    journal_of(path).mkdir()
    assert not store.part(KEY, len(DATA)).received
    store.prune()
    assert not path.exists()


def test_older_parts_of_what_is_whole_are_deleted(store):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    for number, journal in enumerate([journal_of(path).read_bytes(), b"", None]):
        other = path.with_name(path.name.replace(".part", f"{number}.part"))
        other.write_bytes(path.read_bytes())
        if journal is not None:
            journal_of(other).write_bytes(journal)
    part = store.part(KEY, len(DATA))
    assert part.received.total == 2 * MIB
    part.write(0, DATA)
    store.publish(part, KEY.hex)
    assert list(store.folder.glob("parts-v1/*")) == []


def test_a_part_of_another_size_is_not_resumed(store):
    begun(store).close()
    assert not store.part(KEY, len(DATA) + 1).received


DAMAGES = [
    "",
    "{",
    "[]",
    '{"key": 1}',
    '{"received": [[0, "x"]]}',
    "7",
    "[" * 100_000,
    f'{{"key": "{KEY}", "received": [["a", "b"]]}}',
    f'{{"key": "{KEY}", "received": [[0, true]]}}',
    f'{{"key": "{KEY}", "received": [[0, 1.5e6]]}}',
    f'{{"key": "{KEY}", "received": [[-5, 100]]}}',
    f'{{"key": "{KEY}", "received": [[0, 100], [50, 200]]}}',
    f'{{"key": "{KEY}", "received": [[0, {10**30}]]}}',
    f'{{"key": "{KEY}", "received": [[0, 2000000]], "validators": ["x"]}}',
    f'{{"key": "{KEY}", "received": [[0, 2000000]], "size": "many"}}',
]


@pytest.mark.parametrize("damage", DAMAGES, ids=[text[:70] for text in DAMAGES])
def test_a_damaged_journal_costs_only_bytes(store, damage):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    journal_of(path).write_text(damage)
    fresh = store.part(KEY, len(DATA))
    assert not fresh.received
    fresh.abandon()


def test_a_journal_of_a_later_version_tells_what_is_here(store):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    entries = json.loads(journal_of(path).read_bytes())
    journal_of(path).write_text(json.dumps({**entries, "later": 7}))
    assert store.part(KEY, len(DATA)).received.total == 2 * MIB


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_place_of_a_journal_is_not_waited_for(store):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    journal_of(path).unlink()
    os.mkfifo(journal_of(path))
    assert not store.part(KEY, len(DATA)).received


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links are followed here")
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_part_that_is_a_users_file_by_another_name_is_left_alone(store, tmp_path, link):
    part = begun(store)
    part.save()
    part.close_file()
    path = reowned(part.path, str(owner.NOBODY))
    precious = tmp_path / "precious"
    path.replace(precious)
    link(precious, path)
    assert not store.part(KEY, len(DATA)).received
    assert precious.read_bytes()[: 2 * MIB] == DATA[: 2 * MIB]
    assert precious.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_claims_more_than_the_disk_has_is_not_believed(store):
    part = begun(store)
    part.save()
    os.ftruncate(part.fileno(), MIB)  # as after a power loss: the journal came to the disk, the bytes did not
    os.ftruncate(part.fileno(), len(DATA))
    part.close_file()
    reowned(part.path, str(owner.NOBODY))
    assert store.part(KEY, len(DATA)).received.total <= MIB


def test_a_sealed_part_whose_owner_died_before_naming_it_is_taken_over(store):
    part = begun(store, len(DATA))
    part.save()
    part.seal()
    part.close_file()
    reowned(part.path, str(owner.NOBODY))
    adopted = store.part(KEY, len(DATA))
    assert adopted.is_complete
    assert Path(store.publish(adopted, KEY.hex)).read_bytes() == DATA


def test_small_parts_are_not_kept(store):
    part = store.part("small", 1000)
    part.write(0, bytes(999))
    part.close()
    assert list(store.folder.glob("parts-v1/*")) == []


def test_small_parts_have_no_file_until_they_are_whole(store):
    data = some_bytes(1000, seed=1)
    part = store.part(sha256(data), len(data))
    part.write(500, data[500:])
    part.write(0, data[:500])
    assert list(store.folder.glob("parts-v1/*")) == []
    blob = Path(store.publish(part, sha256(data).hex))
    assert blob.read_bytes() == data
    assert blob.stat().st_mode & 0o777 == 0o444
    assert list(store.folder.glob("parts-v1/*")) == []


def test_a_small_part_of_unknown_size_grows(store):
    part = store.part("small", bound=1000)
    part.write(10, b"abc")
    part.write(0, bytes(10))
    assert part.end == 13
    buffer = bytearray(5)
    assert part.read_into(memoryview(buffer), 9) == 4
    assert bytes(buffer) == b"\0abc\0"


def test_a_journal_is_written_within_a_fifth_of_a_second(store):
    part = begun(store)
    time.sleep(0.2)
    part.write(2 * MIB, DATA[2 * MIB : 2 * MIB + 1])
    assert json.loads(part.journal.read_bytes())["received"] == [[0, 2 * MIB + 1]]
    part.abandon()


def test_a_journal_is_written_on_the_way(store, monkeypatch):
    monkeypatch.setattr("surefetch.store.part.JOURNAL_SECONDS", float("inf"))  # by bytes alone
    data = some_bytes(20 * MIB, seed=2)
    part = store.part(sha256(data), len(data))
    for start in range(0, len(data), MIB):
        part.write(start, data[start : start + MIB])
    assert json.loads(part.journal.read_bytes())["received"][0][1] >= 12 * MIB
    part.abandon()
