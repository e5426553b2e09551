"""The prover: right whatever the order, whatever is discarded, and at once about pieces."""

import os
import random
import threading
from itertools import pairwise

import pytest

from surefetch.buffers import Buffers
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


def test_small_files_need_no_thread(store, prover, monkeypatch):
    started = []
    monkeypatch.setattr(module, "start_new_thread", lambda *thread: started.append(thread))
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
    assert started == []


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


def write_through(buffers, part, start, data):
    """Write bytes as the network does: buffer by buffer, each filled again as soon as nobody keeps it."""
    while data:
        buffer = buffers.next()
        buffer[:] = bytes(len(buffer))  # who kept it without saying so sees this
        taken, data = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(taken)] = taken
        part.write(start, memoryview(buffer)[: len(taken)])
        start += len(taken)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("has_pieces", [False, True])
def test_bytes_hashed_in_memory_are_those_in_the_file(part, seed, has_pieces, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", MIB)
    monkeypatch.setattr(module, "INLINE_BYTES", 0)
    chance = random.Random(seed)
    buffers = Buffers(chance.choice([100_000, 256 << 10, MIB]), most=chance.choice([2, 5, 40]))
    with Prover(buffers) as prover:
        prover.watch(part, pieces=pieces_of(DATA) if has_pieces else ())
        for _ in range(12):
            start = chance.choice([0, part.frontier(0), chance.randrange(len(DATA))])
            data = DATA[start : start + chance.randrange(3 * MIB)]
            write_through(buffers, part, start, bytes(len(data)) if chance.random() < 0.3 else data)
            if chance.random() < 0.4:
                part.discard(start, start + chance.randrange(len(data) + 1))
        for start in range(0, len(DATA), MIB):
            part.discard(start, start + MIB)
            write_through(buffers, part, start, DATA[start : start + MIB])
        proof = prove(prover, part)
        assert proof.matches(sha256(DATA))
        assert proof.wrong_pieces == (() if has_pieces else None)
        prover.forget(part)
        assert buffers.kept == 0


def test_what_comes_in_order_is_not_read_again(part, monkeypatch):
    buffers = Buffers(MIB)
    read = []
    monkeypatch.setattr(part, "read_into", lambda view, offset: read.append(offset) or len(view))
    with Prover(buffers) as prover:
        prover.watch(part)
        write_through(buffers, part, 0, DATA[: 9 * MIB])
        part.write(9 * MIB, DATA[9 * MIB :])  # not from a buffer: read from the file, here as zeros
        assert prove(prover, part).size == len(DATA)
    assert 9 * MIB in read
    assert len(read) < 5  # a thread may be quicker than what keeps a buffer for it
    assert buffers.kept == 0


def test_a_part_that_is_forgotten_keeps_no_buffer(store):
    buffers = Buffers(MIB)
    with Prover(buffers) as prover:
        part = store.part("half", 8 * MIB)
        prover.watch(part)
        write_through(buffers, part, 2 * MIB, bytes(3 * MIB))  # waits for what comes before
        assert buffers.kept == 3
        prover.forget(part)
        assert buffers.kept == 0
        part.abandon()


def test_segments_far_ahead_keep_no_buffers(store):
    buffers = Buffers(MIB)
    with Prover(buffers) as prover:
        part = store.part("far", 100 * MIB)
        prover.watch(part)
        write_through(buffers, part, 50 * MIB, bytes(3 * MIB))
        assert buffers.kept == 0
        prover.forget(part)
        part.abandon()
