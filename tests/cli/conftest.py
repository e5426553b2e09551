"""A tiny dataset with true digests, its catalog, and servers on loopback that have it."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.faulty_server import FaultyServer, Script

IMAGES = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
LABELS = np.array([3, 1, 4, 1, 5], dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """Files of the dataset `tiny` and a server that has them."""

    server: FaultyServer
    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def catalog(self) -> Path:
        return self.folder / "tiny.toml"

    def url(self, name: str) -> str:
        return f"{self.server.origin}/{name}"

    def script(self, name: str, *scripts: Script) -> str:
        """Serve a file by script from now on."""
        return self.server.serve(f"/{name}", self.files[name], *scripts)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with FaultyServer() as server:
        folder = tmp_path / "site"
        folder.mkdir()
        site = Site(server, folder)
        site.files = {
            "images.gz": gzip.compress(idx(IMAGES), mtime=0),
            "labels.gz": gzip.compress(idx(LABELS), mtime=0),
        }
        for name in site.files:
            site.script(name)
        site.catalog.write_text(catalog_text(site), encoding="utf-8")
        yield site


def catalog_text(site: Site, name: str = "tiny") -> str:
    """The dataset's catalog; its one mirror is the site's server."""
    rows = [
        ("images.gz", "train/image", IMAGES),
        ("labels.gz", "train/label", LABELS),
    ]
    lines = [f'name = "{name}"', 'version = "1"', 'title = "Tiny digits"', 'license = "CC0-1.0"', "[tensors]"]
    for _, tensor, array in rows:
        shape = list(array.shape)
        lines.append(
            f'"{tensor}" = {{ dtype = "uint8", shape = {shape}, sha256 = "{sha256(array.tobytes())}" }}'
        )
    for file, tensor, _ in rows:
        data = site.files[file]
        lines += [
            "[[artifact]]",
            'form = "idx"',
            f'name = "{file}"',
            f"size = {len(data)}",
            f'sha256 = "{sha256(data)}"',
            f'urls = ["{site.url(file)}"]',
            f'gives = {{ "{tensor}" = "gzip > idx" }}',
        ]
    return "\n".join(lines) + "\n"
