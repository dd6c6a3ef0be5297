"""Label Studio's brush code: a mask as it is kept in a `brushlabels` region, `"format": "rle"`.

It is a string of bits, kept as a list of bytes.  A head says how many values follow (32 bits), how
many bits a value has (5) and four sizes of run lengths (4 each); the last two are written less one.
Then come the values of the picture as RGBA, along the rows: a bit that says whether one value is
repeated or each is written out, two bits that choose a size, the number of values less one in
so many bits, and the value or the values.  A pixel belongs to the object where its alpha is not 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ray_wssis import masks

CHANNELS = 4  # red, green, blue, alpha
MAX_VALUES = 2**32 - 1  # what the head can count
HEAD_BITS = 32 + 5 + 4 * 4
VALUE_BITS = 8
INSIDE = 255  # in all channels of a pixel of the object
SIZES = np.array([3, 4, 8, 16])  # bits of a run length, as Label Studio chooses them
LONGEST = 2**16  # values in one run; longer ones are written in parts


def to_brush(counts: bytes, height: int, width: int) -> list[int]:
    """The brush code of a mask.

    Raises ValueError when `counts` are not of a height x width mask, or of more than 2**30 pixels.
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


def from_brush(codes: Sequence[int], height: int, width: int) -> bytes:
    """The run-length counts of a brush code, with whatever sizes its head declares.

    Raises ValueError when it is none, or not of a height x width picture.
    """
    bits = _BitReader(_as_bytes(codes))
    num_values = bits.read(32)
    if num_values != CHANNELS * height * width:
        raise ValueError(
            f"a brush code of {num_values} values; a picture of {height} x {width} pixels has "
            f"{CHANNELS * height * width}"
        )
    value_bits = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    lengths: list[int] = []
    filled: list[bool] = []
    done = 0
    while done < num_values:
        is_run = bits.read(1)
        length = bits.read(sizes[bits.read(2)]) + 1
        if is_run:
            lengths.append(length)
            filled.append(bits.read(value_bits) > 0)
        else:
            lengths += [1] * length
            filled += bits.filled(length, value_bits)
        done += length
    if done > num_values:
        raise ValueError(f"a brush code whose runs cover {done} values, of {num_values}")
    alpha = np.repeat(filled, lengths)[CHANNELS - 1 :: CHANNELS]
    return masks.encode(alpha.reshape(height, width))


class _BitReader:
    """Numbers out of bytes, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0  # bits that were read

    def read(self, num_bits: int) -> int:
        start, end = self._advance(num_bits)
        number = int.from_bytes(self.data[start // 8 : -(-end // 8)])
        return number >> (-end % 8) & ((1 << num_bits) - 1)

    def filled(self, num: int, num_bits: int) -> list[bool]:
        """Whether each of `num` numbers is not 0."""
        start, end = self._advance(num * num_bits)
        around = np.frombuffer(self.data[start // 8 : -(-end // 8)], dtype=np.uint8)
        bits = np.unpackbits(around)[start % 8 :][: num * num_bits].reshape(num, num_bits)
        return [bool(number) for number in bits.max(axis=1)]

    def _advance(self, num_bits: int) -> tuple[int, int]:
        start, self.place = self.place, self.place + num_bits
        if self.place > 8 * len(self.data):
            raise ValueError(f"a brush code of {len(self.data)} bytes that goes on after its end")
        return start, self.place


def _row_edges(counts: bytes, height: int, width: int) -> NDArray[np.int64]:
    """Where, along the rows, the object begins and ends in turn."""
    left, _, right, _ = masks.bounding_box(counts, height, width)
    if left == right:
        return np.zeros(0, dtype=np.int64)
    runs = masks.run_lengths(counts)
    runs[0] -= left * height  # only the columns that the object is in are unwrapped
    if runs.size % 2:
        runs[-1] -= (width - right) * height
    columns = np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(right - left, height)
    framed = np.zeros((height, right - left + 2), dtype=bool)
    framed[:, 1:-1] = columns.T
    row, column = np.nonzero(framed[:, 1:] != framed[:, :-1])
    edges = row * width + column + left
    # Where it reaches the end of a row and the beginning of the next, it did not end in between.
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


def _as_bytes(codes: Sequence[int]) -> bytes:
    if not isinstance(codes, list | tuple):
        raise ValueError(f"a brush code is a list of bytes, found {codes!r:.40}")
    try:
        return bytes(codes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a brush code is a list of numbers from 0 to 255 ({error})") from error
