"""The prover: right whatever the order, whatever is discarded, and at once about pieces."""

import os
import random
import threading
from itertools import pairwise

import pytest

from surefetch.errors import StoreError
from surefetch.store import Prover, Store
from surefetch.store import prover as module
from tests.edge.storekit import MIB, pieces_of, prove, sha256, some_bytes, weak

DATA = some_bytes(9 * MIB + 12_345)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def prover():
    with Prover() as prover:
        yield prover


@pytest.fixture
def part(store):
    part = store.part(sha256(DATA), len(DATA))
    yield part
    part.close_file()


class Verdicts:
    """Collects what is said of pieces."""

    def __init__(self):
        self.said, self._changed = [], threading.Condition()

    def __call__(self, index, is_right):
        with self._changed:
            self.said.append((index, is_right))
            self._changed.notify_all()

    def wait_for(self, verdict):
        with self._changed:
            assert self._changed.wait_for(lambda: verdict in self.said, 10)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("has_pieces", [False, True])
def test_a_proof_is_right_in_any_order(part, prover, seed, has_pieces):
    chance = random.Random(seed)
    cuts = sorted({0, len(DATA), *(chance.randrange(len(DATA)) for _ in range(30))})
    segments = list(pairwise(cuts))
    chance.shuffle(segments)
    verdicts = Verdicts()
    prover.watch(part, algorithms=["md5"], pieces=pieces_of(DATA) if has_pieces else (), on_piece=verdicts)
    for start, stop in segments:
        part.write(start, DATA[start:stop])
    proof = prove(prover, part)
    assert proof.matches(sha256(DATA))
    assert proof.matches(weak("md5", DATA))
    assert proof.size == len(DATA)
    assert proof.wrong_pieces == (() if has_pieces else None)
    assert sorted(verdicts.said) == ([(i, True) for i in range(10)] if has_pieces else [])


def test_a_wrong_piece_is_told_before_the_rest_has_come(part, prover):
    wrong = bytearray(DATA)
    wrong[3 * MIB + 5] ^= 1
    verdicts = Verdicts()
    prover.watch(part, pieces=pieces_of(DATA), on_piece=verdicts)
    part.write(MIB, wrong[MIB : 5 * MIB])
    verdicts.wait_for((3, False))
    part.discard(3 * MIB, 4 * MIB)
    part.write(3 * MIB, DATA[3 * MIB : 4 * MIB])
    part.write(0, DATA[:MIB])
    part.write(5 * MIB, DATA[5 * MIB :])
    proof = prove(prover, part)
    assert proof.matches(sha256(DATA))
    assert proof.wrong_pieces == ()
    assert [verdict for verdict in verdicts.said if verdict[0] == 3] == [(3, False), (3, True)]


def test_wrong_bytes_are_named_piece_by_piece_at_the_end(part, prover):
    wrong = bytearray(DATA)
    wrong[0] ^= 1
    wrong[-1] ^= 1
    prover.watch(part, pieces=pieces_of(DATA))
    part.write(0, wrong)
    proof = prove(prover, part)
    assert proof.matches(sha256(bytes(wrong)))
    assert proof.wrong_pieces == (0, 9)
    for index in proof.wrong_pieces:
        part.discard(index * MIB, (index + 1) * MIB)
        part.write(index * MIB, DATA[index * MIB : (index + 1) * MIB])
    assert prove(prover, part).matches(sha256(DATA))


@pytest.mark.parametrize("seed", range(10))
def test_discards_at_any_time_leave_the_proof_right(part, prover, seed, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", MIB)
    monkeypatch.setattr(module, "CHECKPOINTS", 3)
    chance = random.Random(seed)
    prover.watch(part)
    for _ in range(20):
        start = chance.randrange(len(DATA))
        stop = min(len(DATA), start + chance.randrange(3 * MIB))
        part.write(start, bytes(stop - start) if chance.random() < 0.5 else DATA[start:stop])
        if chance.random() < 0.5:
            part.discard(start, stop)
    part.discard(0, len(DATA))
    part.write(0, DATA)
    assert prove(prover, part).matches(sha256(DATA))


def test_small_files_need_no_thread(store, prover):
    before = threading.active_count()
    for size in (0, 1, 1000, module.INLINE_BYTES):
        data = some_bytes(size)
        part = store.part(sha256(data), size)
        prover.watch(part, algorithms=["sha1"])
        part.write(0, data)
        proofs = []
        prover.finish(part, proofs.append)
        assert proofs[0].matches(sha256(data))
        assert proofs[0].matches(weak("sha1", data))
        prover.forget(part)
        part.abandon()
    assert threading.active_count() == before


def test_many_parts_are_hashed_beside_each_other(store, prover):
    parts = []
    for seed in range(12):
        data = some_bytes(2 * MIB + seed, seed)
        part = store.part(sha256(data), len(data))
        prover.watch(part)
        part.write(0, data)
        parts.append((part, sha256(data)))
    for part, digest in parts:
        assert prove(prover, part).matches(digest)
        prover.forget(part)
        part.abandon()


def test_a_part_with_bytes_from_before_is_hashed_from_its_beginning(store, prover):
    part = store.part(sha256(DATA), len(DATA))
    part.write(0, DATA[: 4 * MIB])
    part.close()
    part = store.part(sha256(DATA), len(DATA))
    prover.watch(part)
    part.write(4 * MIB, DATA[4 * MIB :])
    assert prove(prover, part).matches(sha256(DATA))
    part.abandon()


def test_a_file_that_became_shorter_is_an_error_and_no_proof(part, prover):
    prover.watch(part)
    part.write(0, DATA)
    os.ftruncate(part.fileno(), MIB)
    part.take_discarded()
    outcome = []
    came = threading.Event()
    prover.finish(part, lambda proof: (outcome.append(proof), came.set()))
    assert came.wait(10)
    # The thread may have been through before the file was cut; then the proof is right all the same.
    if isinstance(outcome[0], StoreError):
        assert outcome[0].code == "local.io"
    else:
        assert outcome[0].matches(sha256(DATA))


def test_an_incomplete_part_cannot_be_finished(part, prover):
    prover.watch(part)
    part.write(0, DATA[:-1])
    with pytest.raises(ValueError, match="not complete"):
        prover.finish(part, lambda proof: None)


def test_a_forgotten_part_can_be_closed_at_once(store, prover):
    for seed in range(20):
        part = store.part(f"part {seed}", 4 * MIB)
        prover.watch(part)
        part.write(0, bytes(3 * MIB))
        prover.forget(part)
        part.abandon()
    data = some_bytes(2 * MIB)
    part = store.part(sha256(data), len(data))
    prover.watch(part)
    part.write(0, data)
    assert prove(prover, part).matches(sha256(data))
    part.abandon()
