"""Runs in the user's Python, which has `datasets`: writes tensors as its Arrow folder or as parquet. Python
3.8+.

Usage: prepare.py QUESTION. The question is JSON: `kind` ("arrow" or "parquet"), `folder` to write into,
`name`, `config`, `image`, `label`, `classes`, `splits` (split -> `image` and `label`, each a file of bare
bytes with `path`, `dtype`, `shape`).

Source: datasets 5.2.0 `datasets/packaged_modules/cache/cache.py:52`, `datasets/info.py`; PNG: RFC 2083.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

#: Rows per record batch, as `datasets` writes them.
_BATCH_ROWS = 1000
_COLOUR_TYPES = {1: 0, 3: 2}  # channels -> PNG colour type: grey, RGB


def main(question: str) -> None:
    """Write each split, and for Arrow the file that describes them."""
    asked = json.loads(Path(question).read_text(encoding="utf-8"))
    folder = Path(asked["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    features = _features(asked)
    splits = {}
    for split, files in asked["splits"].items():
        table = _table(asked, features, files)
        if asked["kind"] == "parquet":
            import_module("pyarrow.parquet").write_table(
                table, str(folder / f"{split}-00000-of-00001.parquet"), row_group_size=_BATCH_ROWS
            )
            continue
        path = folder / "{}-{}.arrow".format(asked["name"], split)
        _write_stream(table, path)
        splits[split] = {
            "name": split,
            "num_bytes": table.nbytes,
            "num_examples": table.num_rows,
            "dataset_name": asked["name"],
        }
    if asked["kind"] == "arrow":
        info = _info(asked, splits)
        (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")


def _features(asked: dict[str, Any]) -> Any:
    datasets = import_module("datasets")
    return datasets.Features(
        {asked["image"]: datasets.Image(), asked["label"]: datasets.ClassLabel(names=asked["classes"])}
    )


def _table(asked: dict[str, Any], features: Any, files: dict[str, Any]) -> Any:
    pyarrow = import_module("pyarrow")
    schema = features.arrow_schema
    images = [{"bytes": png, "path": None} for png in _pngs(files["image"])]
    labels = list(Path(files["label"]["path"]).read_bytes())
    columns = {asked["image"]: images, asked["label"]: labels}
    arrays = [pyarrow.array(columns[field.name], type=field.type) for field in schema]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def _write_stream(table: Any, path: Path) -> None:
    pyarrow = import_module("pyarrow")
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=_BATCH_ROWS)


def _info(asked: dict[str, Any], splits: dict[str, Any]) -> dict[str, Any]:
    return {
        "builder_name": "parquet",
        "citation": "",
        "config_name": asked["config"],
        "dataset_name": asked["name"],
        "dataset_size": sum(split["num_bytes"] for split in splits.values()),
        "description": "",
        "features": {
            asked["image"]: {"_type": "Image"},
            asked["label"]: {"names": asked["classes"], "_type": "ClassLabel"},
        },
        "homepage": "",
        "license": "",
        "splits": splits,
        "version": {"version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0},
    }


def _pngs(file: dict[str, Any]) -> list[bytes]:
    """Encode each image of a tensor (images, height, width[, channels]), uint8."""
    data = Path(file["path"]).read_bytes()
    height, width = file["shape"][1:3]
    channels = file["shape"][3] if len(file["shape"]) == 4 else 1
    size = height * width * channels
    return [_png(data[start : start + size], height, width, channels) for start in range(0, len(data), size)]


def _png(pixels: bytes, height: int, width: int, channels: int) -> bytes:
    stride = width * channels
    rows = b"".join(b"\0" + pixels[at : at + stride] for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows, 6)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main(sys.argv[1])
