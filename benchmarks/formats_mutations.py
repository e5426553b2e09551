"""Ways to spoil a file: most hit the body, some the numbers of a header, some a layer inside."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence

INTERESTING = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TOKENS = (
    b"",
    b"?",
    b"nan",
    b"-1",
    b"256",
    b"1e309",
    b"0.5",
    b"{",
    b"}",
    b"'",
    b'"',
    b",",
    b"\n",
    b"%",
    b"99999999999999999999",
)

Mutate = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, generator: random.Random) -> bytes:
    """Change a few bytes, the first ones seldom."""
    output = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 4, 16))):
        low = 0 if generator.random() < 0.1 else min(len(output) - 1, 40)
        output[generator.randrange(low, len(output))] = generator.randrange(256)
    return bytes(output)


def set_number(data: bytes, generator: random.Random) -> bytes:
    """Put an interesting number somewhere, most often near the begin or the end, where headers are."""
    output = bytearray(data)
    width = generator.choice((1, 2, 4, 8))
    number = generator.choice(INTERESTING) + generator.choice((-1, 0, 0, 1))
    encoded = (number % (1 << 8 * width)).to_bytes(width, generator.choice(("little", "big")))
    near = min(len(output), 128)
    place = generator.choice(
        (
            generator.randrange(near),
            len(output) - 1 - generator.randrange(near),
            generator.randrange(len(output)),
        )
    )
    output[place : place + width] = encoded
    return bytes(output)


def cut(data: bytes, generator: random.Random) -> bytes:
    """Lose the end."""
    return data[: generator.randrange(len(data))]


def lose(data: bytes, generator: random.Random) -> bytes:
    """Lose a stretch inside."""
    start = generator.randrange(len(data))
    return data[:start] + data[start + generator.choice((1, 2, 16, 300)) :]


def repeat(data: bytes, generator: random.Random) -> bytes:
    """Have a stretch twice."""
    start = generator.randrange(len(data))
    stop = start + generator.choice((1, 8, 64, 512))
    return data[:stop] + data[start:]


def append(data: bytes, generator: random.Random) -> bytes:
    """Have something behind the end."""
    return data + generator.choice((b"\0", b"\n", generator.randbytes(20), data))


def shuffle(data: bytes, generator: random.Random) -> bytes:
    """Have two stretches change places."""
    if len(data) < 2:
        return data
    a, b = sorted(generator.sample(range(len(data)), 2))
    width = min(generator.choice((4, 32, 200)), b - a, len(data) - b)
    return data[:a] + data[b : b + width] + data[a + width : b] + data[a : a + width] + data[b + width :]


def tokens(data: bytes, generator: random.Random) -> bytes:
    """Change words of a text, the heading seldom."""
    low = 0 if generator.random() < 0.15 else data.find(b"\n", len(data) // 3)
    separators = [
        place for place in range(max(low, 0), min(len(data), max(low, 0) + 4000)) if data[place] in b",\n \t"
    ]
    if len(separators) < 2:
        return flip(data, generator)
    index = generator.randrange(len(separators) - 1)
    start, stop = separators[index] + 1, separators[index + 1]
    return data[:start] + generator.choice(TOKENS) + data[stop:]


BINARY: Sequence[Mutate] = (
    flip,
    flip,
    flip,
    flip,
    set_number,
    set_number,
    cut,
    lose,
    repeat,
    append,
    shuffle,
)
TEXT: Sequence[Mutate] = (tokens, tokens, tokens, tokens, flip, cut, lose, repeat, append, shuffle)


def some(kinds: Sequence[Mutate]) -> Mutate:
    """Mutate once, seldom twice, by one of several ways."""

    def run(data: bytes, generator: random.Random) -> bytes:
        for _ in range(generator.choice((1, 1, 1, 2))):
            data = generator.choice(kinds)(data, generator) or b"\0"
        return data

    return run


def inside(inner: bytes, pack: Callable[[bytes], bytes], kinds: Sequence[Mutate] = BINARY) -> Mutate:
    """Mutate what is inside and pack it again half of the time, the packed file else."""
    plain, outer = some(kinds), some(BINARY)

    def run(data: bytes, generator: random.Random) -> bytes:
        return pack(plain(inner, generator)) if generator.random() < 0.5 else outer(data, generator)

    return run


def fixed_png(data: bytes, generator: random.Random) -> bytes:
    """Mutate a picture and make its checksums right again, so that what lies behind them is reached."""
    mutated = bytearray(some(BINARY)(data, generator))
    position = 8
    while position + 12 <= len(mutated):
        stop = position + 8 + int.from_bytes(mutated[position : position + 4], "big")
        if stop + 4 > len(mutated):
            break
        mutated[stop : stop + 4] = struct.pack(">I", zlib.crc32(mutated[position + 4 : stop]))
        position = stop + 4
    return bytes(mutated)
