"""Label Studio's brush code: a mask as stored in a `brushlabels` region, `"format": "rle"`.

The code is a string of bits, stored as a list of bytes.  Its head holds the number of values (32
bits), the bits of a value (5) and four sizes of run lengths (4 each); the latter are written minus
one.  The values of the image follow as RGBA, along the rows, in runs: a bit that tells whether one
value is repeated or all are written out, two bits that choose a size, the number of values minus
one in that many bits, and the value or values.  A pixel belongs to the object if its alpha is not
0.
"""

import numpy as np
from numpy.typing import NDArray

from ray_wssis import masks

CHANNELS = 4  # red, green, blue, alpha
MAX_VALUES = 2**32 - 1  # that the head can count
VALUE_BITS = 8
INSIDE = 255  # in all channels of a pixel of the object
SIZES = np.array([3, 4, 8, 16])  # bits of a run length, as Label Studio chooses them
LONGEST = 2**16  # values in one run; longer runs are written in parts


def to_brush(counts: bytes, height: int, width: int) -> list[int]:
    """The brush code of a mask.

    Raises ValueError when `counts` do not fit a height x width mask, or for more than 2**30 pixels.
    """
    num_values = CHANNELS * height * width
    if num_values > MAX_VALUES:
        raise ValueError(f"{height} x {width} pixels are too many for a brush code")
    edges = _row_edges(masks.checked(counts, height, width), height, width)
    runs = np.diff(edges, prepend=0, append=height * width) * CHANNELS
    values = np.where(np.arange(runs.size) % 2, INSIDE, 0)
    head = [*_bits(num_values, 32), *_bits(VALUE_BITS - 1, 5)]
    for size in SIZES:
        head += _bits(int(size) - 1, 4)
    bits = np.concatenate([np.array(head, dtype=np.uint8), _run_bits(runs, values)])
    codes: list[int] = np.packbits(bits).tolist()
    return codes


def _row_edges(counts: bytes, height: int, width: int) -> NDArray[np.int64]:
    """The places along the rows at which the object starts and ends, in turn."""
    left, _, right, _ = masks.bounding_box(counts, height, width)
    if left == right:
        return np.zeros(0, dtype=np.int64)
    runs = masks.run_lengths(counts)
    runs[0] -= left * height  # only the columns of the object are decoded
    if runs.size % 2:
        runs[-1] -= (width - right) * height
    columns = np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(right - left, height)
    framed = np.zeros((height, right - left + 2), dtype=bool)
    framed[:, 1:-1] = columns.T
    row, column = np.nonzero(framed[:, 1:] != framed[:, :-1])
    edges = row * width + column + left
    # An object that reaches the end of a row and the start of the next does not end in between.
    same = edges[1:] == edges[:-1]
    through = np.append(same, False) | np.append(False, same)
    return np.asarray(edges[~through], dtype=np.int64)


def _run_bits(runs: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bits of runs of these lengths; a run of length 0 has none."""
    parts = -(-runs // LONGEST)  # of each run
    lengths = np.full(parts.sum(), LONGEST)
    lasts = np.cumsum(parts)[parts > 0] - 1
    lengths[lasts] = (runs - (parts - 1) * LONGEST)[parts > 0]
    choice = np.searchsorted(2**SIZES, lengths)
    words = 0b100 | choice
    words = words << SIZES[choice] | (lengths - 1)
    words = words << VALUE_BITS | np.repeat(values, parts)
    num_bits = 3 + SIZES[choice] + VALUE_BITS  # 27 at most
    aligned = (words << (32 - num_bits)).astype(">u4").view(np.uint8).reshape(-1, 4)
    bits = np.unpackbits(aligned, axis=1)
    return bits[np.arange(32) < num_bits[:, None]]


def _bits(number: int, num_bits: int) -> list[int]:
    return [number >> place & 1 for place in reversed(range(num_bits))]
