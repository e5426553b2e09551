"""Several processes in one store: both succeed, and a kill at any moment leaves nothing wrong."""

import random
import signal
import time

import pytest

from surefetch.store import Prover, Store
from tests.edge.storekit import MIB, prove, python, sha256, some_bytes

#: Gets one artifact: takes a part over if there is one, "downloads" what is missing, proves, publishes.
GET = """
import sys, time
from surefetch.store import Prover, Store
from tests.edge.storekit import *
store, data, pause = Store(sys.argv[1]), some_bytes(6 * MIB), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
part = store.part(sha256(data), len(data))
resumed = part.received.total
with Prover() as prover:
    prover.watch(part, algorithms=["md5"])
    for start in range(0, len(data), MIB // 8):
        for first, last in part.received.missing(start, start + MIB // 8):
            part.write(first, data[first:last])
            time.sleep(pause)
        part.save()
    proof = prove(prover, part)
assert proof.matches(sha256(data))
store.publish(part, proof.sha256, proof.weak)
store.flush()
print("published", resumed, flush=True)
"""
DATA = some_bytes(6 * MIB)


def start(store, pause):
    process = python(GET, store.folder, pause)
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()
    return process


def finish(process):
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return int(out.split()[1])


def check(store):
    path = store.find(sha256(DATA))
    assert path is None or path.read_bytes() == DATA
    return path


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_processes_that_get_the_same_bytes_at_once_all_succeed(store):
    for process in [start(store, 0.002) for _ in range(3)]:
        finish(process)
    assert check(store)
    assert list((store.folder / "parts-v1").iterdir()) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_any_moment_leaves_no_wrong_name_and_the_next_one_goes_on(store, seed):
    chance = random.Random(seed)
    for _ in range(3):
        process = start(store, 0.005)
        time.sleep(chance.uniform(0.0, 0.35))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        check(store)
    finish(start(store, 0.0))
    assert check(store)


def test_what_a_killed_process_had_is_not_fetched_again(store):
    process = start(store, 0.02)
    part = store.folder / "parts-v1"
    for _ in range(1000):  # until a third of it is in the journal
        journals = [path.read_text() for path in part.glob("*.json")] if part.exists() else []
        if any(f",{n * MIB // 8}]" in text for text in journals for n in range(16, 48)):
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert finish(start(store, 0.0)) >= 2 * MIB
    assert check(store)


def test_a_process_that_joins_a_living_one_does_not_touch_its_part(store):
    process = start(store, 0.005)
    part = store.part(sha256(DATA), len(DATA))
    part.write(0, DATA)
    with Prover() as prover:
        prover.watch(part)
        assert prove(prover, part).matches(sha256(DATA))
    store.publish(part, sha256(DATA).hex)
    finish(process)
    assert check(store)
