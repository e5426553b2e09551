"""Feed every codec mutated files: each must give the right array, or one DecodeError.

    python benchmarks/fuzz_formats.py FOLDER [--count 100000] [--seed 1] [--codec NAME]

FOLDER holds MNIST's raw test files (t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte), of which small files of
every form are made. Printed per codec: inputs, how many passed the header check (bar: 20 %), what came
of them, the slowest input, the memory. Each codec runs in a process of its own, so that a crash is seen.
"""

from __future__ import annotations

import argparse
import collections
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

from formats_samples import Codec, build

from surefetch.errors import DecodeError
from surefetch.formats import check_digest, derive, digest_of
from surefetch.formats.buffers import view_of
from surefetch.model import TensorSpec

BAR = 0.2
SLOW_SECONDS = 5.0
#: What a codec's process may take beside what it has when it starts.
MEMORY_BYTES = 512 << 20


class TooSlowError(BaseException):
    """An input took longer than SLOW_SECONDS: not an Exception, so that no codec swallows it."""


def fuzz(name: str, codec: Codec, count: int, seed: int) -> int:
    """Feed one codec; returns 0 when nothing went wrong."""
    spec = TensorSpec(
        dtype=codec.expected.dtype.name, shape=codec.expected.shape, sha256=digest_of(codec.expected)
    )
    check_digest(derive(codec.recipe, spec, {"x": codec.sample}), spec)
    assert codec.header(codec.sample), name

    def alarm(number: int, frame: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGALRM, alarm)
    before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
    outcomes: collections.Counter[str] = collections.Counter()
    passed = 0
    for number in range(count):
        data = codec.mutate(codec.sample, random.Random(f"{seed} {name} {number}"))
        passed += codec.header(data)
        began = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, SLOW_SECONDS)
        try:
            array = derive(codec.recipe, spec, {"x": view_of(data)})
            check_digest(array, spec)
            outcomes["array"] += 1
        except DecodeError as error:
            outcomes[error.code] += 1
        except BaseException as error:
            print(f"{name}: input {number} of seed {seed}: {type(error).__name__}: {error}")
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    is_kept = passed >= BAR * count and grown <= MEMORY_BYTES
    told = " ".join(f"{code}={number}" for code, number in outcomes.most_common())
    print(
        f"{name:20} {count} inputs, {passed / count:.0%} pass the header, slowest {slowest * 1000:.0f} ms, "
        f"memory +{grown >> 20} MiB: {told}{'' if is_kept else '   MISSED'}",
        flush=True,
    )
    return 0 if is_kept else 1


def main() -> int:
    """Fuzz the codecs named, or all of them, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", action="append")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help="in this process; used by the runs of all")
    options = parser.parse_args()
    codecs = build(options.folder)
    names = options.codec or list(codecs)
    if options.here:
        return sum(fuzz(name, codecs[name], options.count, options.seed) for name in names)
    arguments = [sys.executable, __file__, str(options.folder), "--here"]
    numbers = ["--count", str(options.count), "--seed", str(options.seed)]
    codes = {
        name: subprocess.run([*arguments, *numbers, "--codec", name], check=False).returncode
        for name in names
    }
    wrong = [f"{name} (exit {code})" for name, code in codes.items() if code]
    print(
        f"{len(names)} codecs, {len(wrong)} wrong: {', '.join(wrong)}"
        if wrong
        else f"{len(names)} codecs, none wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
