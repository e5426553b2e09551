"""Columns of pictures to arrays: plain PNGs together, others one by one by Pillow (extra `image`).

Source: PNG, W3C Recommendation, third edition: 5 (chunks), 7 (scan lines), 9 (filters), 10 (compression).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from surefetch.errors import DecodeError
from surefetch.formats.buffers import Column, Context, bomb, missing_extra, quote
from surefetch.formats.unwrap import DEFLATE_RATIO
from surefetch.model import Struct

Pixels = npt.NDArray[np.uint8]

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
#: Colour type -> samples per pixel, for 8-bit pictures that need no palette.
SAMPLES: Final = {0: 1, 4: 2, 2: 3, 6: 4}
#: Bytes of scan lines worked on together; about three times as much is held beside the result.
BATCH_BYTES: Final = 4 << 20
#: What Pillow may be asked to read.
PILLOW_FORMATS: Final = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
NONE, SUB, UP, AVERAGE, PAETH = range(5)


class Header(Struct, frozen=True, kw_only=True):
    """What an IHDR chunk says."""

    width: int
    height: int
    depth: int  # bits
    color: int
    interlace: int

    @property
    def is_plain(self) -> bool:
        """Whether scan lines can be used as they are."""
        return self.depth == 8 and self.color in SAMPLES and not self.interlace

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return SAMPLES[self.color]

    @property
    def line_bytes(self) -> int:
        """Bytes of a scan line, with its filter byte."""
        return 1 + self.width * self.samples

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the picture's array."""
        axes = (self.height, self.width)
        return axes if self.samples == 1 else (*axes, self.samples)


def decode_pngs(column: Column, context: Context) -> Pixels:
    """Decode a column of PNGs of one size.

    Returns:
        uint8, shape (rows, height, width) for gray pictures, else (rows, height, width, samples).

    Raises:
        DecodeError: A picture is damaged, no PNG, or of another size or kind than the first.
        MissingExtraError: A picture is interlaced, has a palette or not 8 bits, and Pillow is not there.
    """
    rows = column.rows()
    for index, row in enumerate(rows):
        if bytes(row[:8]) != MAGIC:
            raise DecodeError(f"picture {index} begins with {quote(row)}, not as a PNG", offset=0)
    return decode_images(column, context)


def decode_images(column: Column, context: Context) -> Pixels:
    """Decode a column of pictures of one size; raises like `decode_pngs`."""
    rows = column.rows()
    if not rows:
        raise DecodeError("a column without pictures has no size", code="body.content-mismatch")
    first = _plain_header(rows[0])
    if first is None:
        return _decode_with_pillow(rows, context)
    output = _allocate(len(rows), first.shape, context.limit)
    batch = max(1, BATCH_BYTES // (first.line_bytes * first.height))
    for start in range(0, len(rows), batch):
        lines = np.stack(
            [_scan_lines(row, first, start + i) for i, row in enumerate(rows[start : start + batch])]
        )
        output[start : start + batch] = _unfilter(lines, first).reshape(-1, *first.shape)
    return output


def _plain_header(row: memoryview) -> Header | None:
    """Return the header of a PNG that needs no Pillow; None for other pictures."""
    if bytes(row[:8]) != MAGIC:
        return None
    header = _parse_header(row, 0)
    return header if header.is_plain else None


def _parse_header(row: memoryview, index: int) -> Header:
    if len(row) < 33 or bytes(row[12:16]) != b"IHDR" or bytes(row[8:12]) != b"\0\0\0\r":
        raise DecodeError(f"picture {index} has no header", offset=8, code="body.truncated")
    width, height, depth, color, method, filters, interlace = struct.unpack(">2I5B", row[16:29])
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31) or method or filters or interlace > 1:
        raise DecodeError(f"the header of picture {index} is not right: {quote(row, 16, 13)}", offset=16)
    return Header(width=width, height=height, depth=depth, color=color, interlace=interlace)


def _scan_lines(row: memoryview, wanted: Header, index: int) -> Pixels:
    """Unpack one picture's scan lines, shape (height, line_bytes)."""
    if bytes(row[:8]) != MAGIC or _parse_header(row, index) != wanted:
        raise DecodeError(
            f"picture {index} is not of the first one's size and kind", offset=8, code="body.content-mismatch"
        )
    packed = _image_data(row, index)
    size = wanted.line_bytes * wanted.height
    if size > DEFLATE_RATIO * len(packed) + 64:
        raise DecodeError(f"picture {index} has too few bytes for its size", code="body.truncated")
    try:
        decoder = zlib.decompressobj()
        lines = decoder.decompress(packed, size)
        is_whole = len(lines) == size and not decoder.decompress(decoder.unconsumed_tail, 1) and decoder.eof
    except zlib.error as error:
        raise DecodeError(f"picture {index} is damaged: {error}") from error
    if not is_whole or decoder.unused_data:
        raise DecodeError(f"picture {index} does not have the {size} bytes of its size")
    return np.frombuffer(lines, np.uint8).reshape(wanted.height, wanted.line_bytes)


def _image_data(row: memoryview, index: int) -> bytes:
    """Join the IDAT chunks, each checked."""
    parts: list[memoryview] = []
    position = 8
    while True:
        if position + 12 > len(row):
            raise DecodeError(f"picture {index} is cut", offset=len(row), code="body.truncated")
        length = int.from_bytes(row[position : position + 4], "big")
        kind, stop = bytes(row[position + 4 : position + 8]), position + 8 + length
        if stop + 4 > len(row):
            raise DecodeError(f"picture {index} is cut", offset=len(row), code="body.truncated")
        if zlib.crc32(row[position + 4 : stop]) != int.from_bytes(row[stop : stop + 4], "big"):
            raise DecodeError(f"chunk `{kind!r}` of picture {index} is damaged", offset=position)
        if kind == b"IEND":
            return parts[0].tobytes() if len(parts) == 1 else b"".join(parts)
        if kind == b"IDAT":
            parts.append(row[position + 8 : stop])
        position = stop + 4


def _unfilter(lines: Pixels, header: Header) -> Pixels:
    """Undo the scan line filters of many pictures at once.

    Args:
        lines: Shape (pictures, height, line_bytes).
        header: Their common header.

    Returns:
        Shape (pictures, height, line_bytes - 1).
    """
    filters = lines[:, :, 0]
    if filters.max(initial=0) > PAETH:
        raise DecodeError(f"PNG has no filter {filters.max()}")
    # Pictures along the last axis: every operation below runs over neighbouring bytes.
    pixels = np.ascontiguousarray(lines[:, :, 1:].transpose(1, 2, 0))
    before = np.zeros_like(pixels[0])
    for y in range(header.height):
        kinds = filters[:, y]
        for kind in np.unique(kinds):
            which = slice(None) if (kinds == kind).all() else np.flatnonzero(kinds == kind)
            pixels[y][:, which] = _undo(int(kind), pixels[y][:, which], before[:, which], header.samples)
        before = pixels[y]
    return pixels.transpose(2, 0, 1)


def _undo(kind: int, line: Pixels, above: Pixels, step: int) -> Pixels:
    """Undo one filter for a line of each picture; arrays are (bytes, pictures), arithmetic is modulo 256."""
    if kind == NONE:
        return line
    if kind == UP:
        return line + above
    result = np.zeros((len(line) + step, line.shape[1]), np.uint8)
    corner = np.concatenate([np.zeros((step, line.shape[1]), np.uint8), above])
    for x in range(len(line)):
        left = result[x]
        result[x + step] = line[x] + _predict(kind, left, above[x], corner[x])
    return result[step:]


def _predict(kind: int, left: Pixels, above: Pixels, corner: Pixels) -> Pixels:
    if kind == SUB:
        return left
    if kind == AVERAGE:
        mean = (left.astype(np.uint16) + above) >> 1
        return mean.astype(np.uint8)
    a, b, c = left.astype(np.int16), above.astype(np.int16), corner.astype(np.int16)
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner))


def _decode_with_pillow(rows: Sequence[memoryview], context: Context) -> Pixels:
    output: Pixels | None = None
    for index, row in enumerate(rows):
        picture = _open_with_pillow(row, index, context.limit)
        if output is None:
            output = _allocate(len(rows), picture.shape, context.limit)
        if picture.shape != output.shape[1:] or picture.dtype != output.dtype:
            raise DecodeError(
                f"picture {index} is {picture.shape}, the first one {output.shape[1:]}",
                code="body.content-mismatch",
            )
        output[index] = picture
    assert output is not None, "the caller has seen to it that there are rows"
    return output


def _open_with_pillow(row: memoryview, index: int, limit: int) -> Pixels:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise missing_extra("image", "pillow") from error
    import io

    try:
        with Image.open(io.BytesIO(row), formats=PILLOW_FORMATS) as picture:
            if picture.width * picture.height * 4 > limit:
                raise bomb(f"picture {index}", limit)
            mode = {"1": "L", "P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB"}.get(picture.mode)
            array: Pixels = np.asarray(picture.convert(mode) if mode else picture)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise DecodeError(
            f"picture {index}, which begins with {quote(row)}, cannot be read: {error}"
        ) from error
    except Image.DecompressionBombError as error:
        raise bomb(f"picture {index}", limit) from error
    if array.dtype != np.uint8:
        raise DecodeError(f"picture {index} has {array.dtype} pixels, not 8-bit ones")
    return array


def _allocate(count: int, shape: tuple[int, ...], limit: int) -> Pixels:
    if count * int(np.prod(shape, dtype=object)) > limit:
        raise bomb(f"the column of {count} pictures", limit)
    return np.empty((count, *shape), np.uint8)
