"""What the store's tests share: bytes by seed, digests, parts of other owners."""

import hashlib
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

from surefetch.model import Digest
from surefetch.store import Part, Proof, Prover, Store
from surefetch.store.journal import journal_of

MIB = 1 << 20


def some_bytes(size, seed=1):
    """Return `size` bytes that depend on the seed alone."""
    return random.Random(seed).randbytes(size)


def sha256(data):
    """Return the digest as a value."""
    return Digest(algorithm="sha256", hex=hashlib.sha256(data).hexdigest())


def weak(algorithm, data):
    """Return a weak digest as a value."""
    return Digest(algorithm=algorithm, hex=hashlib.new(algorithm, data).hexdigest())


def pieces_of(data):
    """Return the SHA-256 of each piece."""
    return [hashlib.sha256(data[i : i + MIB]).hexdigest() for i in range(0, len(data), MIB)]


def publish(store: Store, data: bytes, **options) -> Path:
    """Bring bytes into the store the usual way."""
    part = store.part(sha256(data), len(data))
    part.write(0, data)
    return Path(store.publish(part, sha256(data).hex, **options))


def prove(prover: Prover, part: Part) -> Proof:
    """Finish a part and wait for its proof, ten seconds at most."""
    came, outcome = threading.Event(), []
    prover.finish(part, lambda proof: (outcome.append(proof), came.set()))
    assert came.wait(10)
    assert len(outcome) == 1
    return outcome[0]


def names_in(folder: Path) -> list[str]:
    """Return the names of what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def reowned(path: Path, owner: str) -> Path:
    """Give a part on the disk another owner."""
    key, _, rest = path.name.partition(".")
    target = path.with_name(f"{key}.{owner}.{rest.rpartition('.part')[0].rpartition('.')[2]}.part")
    journal_of(path).rename(journal_of(target))
    path.rename(target)
    return target


def python(code, *arguments, **options):
    """Start another Python with the package, without waiting."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        text=True,
        **options,
    )
