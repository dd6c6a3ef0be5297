"""Masks in Label Studio's brush code; `wssis_serve.label_studio.brush` writes and explains it."""

from collections.abc import Sequence

import numpy as np

from ray_wssis import masks

CHANNELS = 4  # red, green, blue, alpha


def from_brush(codes: Sequence[int], height: int, width: int) -> bytes:
    """Decode a brush code, with whatever sizes its head declares, to run-length counts.

    Raises ValueError for anything else, or a code of an image that is not height x width.
    """
    bits = _BitReader(_as_bytes(codes))
    num_values = bits.read(32)
    if num_values != CHANNELS * height * width:
        raise ValueError(
            f"a brush code of {num_values} values; an image of {height} x {width} pixels has "
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
    """Reads numbers from bytes, highest bit first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0  # bits read so far

    def read(self, num_bits: int) -> int:
        start, end = self._advance(num_bits)
        number = int.from_bytes(self.data[start // 8 : -(-end // 8)])
        return number >> (-end % 8) & ((1 << num_bits) - 1)

    def filled(self, num: int, num_bits: int) -> list[bool]:
        """Read `num` numbers; True for each that is not 0."""
        start, end = self._advance(num * num_bits)
        around = np.frombuffer(self.data[start // 8 : -(-end // 8)], dtype=np.uint8)
        bits = np.unpackbits(around)[start % 8 :][: num * num_bits].reshape(num, num_bits)
        return [bool(number) for number in bits.max(axis=1)]

    def _advance(self, num_bits: int) -> tuple[int, int]:
        start, self.place = self.place, self.place + num_bits
        if self.place > 8 * len(self.data):
            raise ValueError(f"a brush code of {len(self.data)} bytes that ends too early")
        return start, self.place


def _as_bytes(codes: Sequence[int]) -> bytes:
    if not isinstance(codes, list | tuple):
        raise ValueError(f"a brush code is a list of bytes, found {codes!r:.40}")
    try:
        return bytes(codes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a brush code is a list of numbers from 0 to 255 ({error})") from error
