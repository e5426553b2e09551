"""What every codec must do with right, cut, spoiled and foreign bytes. Third parties prove theirs so:

class TestMine(CodecTests):
    steps = "gzip > idx"
    sample = b"..."
    expected = np.array(...)
"""

import hashlib
import mmap
import random
import tempfile
import tracemalloc

import numpy as np
import pytest

from surefetch.errors import DecodeError
from surefetch.formats import check_digest, derive, digest_of
from surefetch.formats.buffers import Array, view_of
from surefetch.formats.derivation import run
from surefetch.model import TensorSpec
from surefetch.recipes import parse_recipe

#: What stands in a file's place when something on the way went wrong.
FOREIGN = {
    "nothing": b"",
    "one byte": b"\0",
    "zeros": bytes(4096),
    "a web page": b"<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>\n" * 40,
    "a Git-LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "noise": random.Random(1).randbytes(4096),
    "a gzip of noise": b"\x1f\x8b\x08\0\0\0\0\0\0\3" + random.Random(2).randbytes(512),
    "text": b"hello\n" * 100,
}
MANY_PLACES = 97


class CodecTests:
    """Subclass it with a small sample and what must come out of it."""

    steps: str  # of a recipe that stands inside its artifact
    sample: bytes
    expected: Array
    #: False where no step unpacks or parses, so that a limit has nothing to hold back.
    is_bounded: bool = True
    #: Share of the sample that a cut file must have before it may still give the array.
    least_share: float = 0.5

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(
            dtype=self.expected.dtype.name, shape=self.expected.shape, sha256=digest_of(self.expected)
        )

    def decode(self, data: bytes) -> Array:
        """Derive and prove, as a fetch does."""
        array = derive(parse_recipe(self.steps, "x"), self.spec, {"x": data})
        check_digest(array, self.spec)
        return array

    def gives_the_array_or_one_error(self, data: bytes) -> bool:
        """Whether the array came; an array that differs has been refused by its digest."""
        try:
            array = self.decode(data)
        except DecodeError as error:
            assert str(error)
            assert error.code.startswith("body.")
            return False
        np.testing.assert_array_equal(array, self.expected)
        return True

    def test_the_sample_gives_the_array(self) -> None:
        array = self.decode(self.sample)
        assert array.dtype == self.expected.dtype
        assert array.flags.c_contiguous
        assert array.dtype.isnative or array.dtype.itemsize == 1
        assert digest_of(array) == hashlib.sha256(np.ascontiguousarray(self.expected).tobytes()).hexdigest()

    def test_every_kind_of_buffer_gives_the_same(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(self.sample)
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                for buffer in (bytearray(self.sample), memoryview(self.sample), mapped):
                    array = derive(parse_recipe(self.steps, "x"), self.spec, {"x": buffer})
                    assert digest_of(array) == self.spec.sha256
                    del array

    def test_the_same_bytes_give_the_same_array_twice(self) -> None:
        assert digest_of(self.decode(self.sample)) == digest_of(self.decode(self.sample))

    def test_a_cut_file_is_refused_wherever_it_is_cut(self) -> None:
        size = len(self.sample)
        places = {*range(min(64, size)), *range(max(0, size - 64), size)}
        places.update(size * index // MANY_PLACES for index in range(MANY_PLACES))
        right = [place for place in sorted(places) if self.gives_the_array_or_one_error(self.sample[:place])]
        # A last line feed, padding, the end marks of an archive: they hold nothing of the array.
        assert all(place > size * self.least_share for place in right)

    @pytest.mark.parametrize("name", FOREIGN)
    def test_foreign_bytes_are_refused(self, name: str) -> None:
        assert not self.gives_the_array_or_one_error(FOREIGN[name])

    def test_foreign_bytes_behind_a_true_begin_are_refused(self) -> None:
        for name, data in FOREIGN.items():
            if len(data) > 8:
                assert not self.gives_the_array_or_one_error(self.sample[:16] + data), name

    def test_spoiled_bytes_give_the_array_or_one_error(self) -> None:
        generator = random.Random(7)
        for _ in range(200):
            spoiled = bytearray(self.sample)
            for _ in range(generator.choice((1, 1, 2, 8))):
                spoiled[generator.randrange(len(spoiled))] = generator.choice(
                    (0, 255, generator.randrange(256))
                )
            self.gives_the_array_or_one_error(bytes(spoiled))

    def test_output_is_bounded(self) -> None:
        steps = parse_recipe(self.steps, "x")[0].steps
        if not self.is_bounded:
            assert np.shares_memory(run(steps, view_of(self.sample), 0), np.frombuffer(self.sample, np.uint8))
            return
        with pytest.raises(DecodeError) as caught:
            run(steps, view_of(self.sample), 4)
        assert caught.value.code in ("body.bomb", "body.content-mismatch", "body.unreadable")

    def test_memory_stays_near_input_and_output(self) -> None:
        self.decode(self.sample)  # modules are imported by now
        tracemalloc.start()
        try:
            self.decode(self.sample)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        tables = 32 << 20  # a dictionary of xz, a block of text
        assert peak < 16 * (len(self.sample) + self.expected.nbytes) + tables
