"""Images as PNG files whose bytes are the same on every machine.

A compressor may pack the same pixels differently from one version to the next.  These files are
stored, not compressed, so the format alone decides every byte.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_BLOCK = 65535  # bytes, the longest stored block of a deflate stream


def stored_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image [H, W, 3] or a gray one [H, W] as a PNG file."""
    height, width = pixels.shape[:2]
    samples = pixels.reshape(height, -1)
    rows = np.zeros(
        (height, 1 + samples.shape[1]), np.uint8
    )  # each begins with its filter, 0: none
    rows[:, 1:] = samples
    colour_type = 2 if pixels.ndim == 3 else 0  # RGB or gray
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)  # 8 bits
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", _stored_stream(rows.tobytes()))
        + _chunk(b"IEND", b"")
    )


def _stored_stream(data: bytes) -> bytes:
    """Wrap `data`, uncompressed, in a zlib stream."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        is_last = start + _BLOCK >= len(data)
        parts += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack(">I", zlib.adler32(data))])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
