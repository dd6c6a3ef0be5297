"""Images of 16 bits whose values use fewer, as cameras of 8, 10, 12 and 14 bits write them.

Values become 8 bits by the depth that the file declares, or else by the smallest of `DEPTHS` that
holds its largest value.  So the rule looks at one file alone and is the same wherever it is read;
an image that uses all 16 bits is scaled by them.  It is wrong for an image so dark that it would
fit into two bits less than its camera has: that one becomes four times as bright as the others,
unless its file declares the depth.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEPTHS = (8, 10, 12, 14, 16)  # bits
BITS_PER_SAMPLE, ORIENTATION, MAX_SAMPLE, LARGEST_SAMPLE = 258, 274, 281, 341  # tags of a TIFF


def has_16_bits(image: Image.Image) -> bool:
    """Tell whether the samples of an image that was not loaded yet have more than 8 bits."""
    tiles = getattr(image, "tile", ())
    return image.mode.startswith("I") or any(";16" in f"{tile[3]}" for tile in tiles)


def declared_depth(image: Image.Image, data: bytes) -> int | None:
    """Return the number of bits that the samples use according to the file; None if it is silent.

    A TIFF says it in the bits of a sample or in its largest possible value, a PNG in `sBIT`.
    """
    if image.format == "PNG":
        return _significant_bits(data)
    tags = getattr(image, "tag_v2", {})
    bits = _first_number(tags.get(BITS_PER_SAMPLE))
    if bits is not None and 8 <= bits < 16:
        return bits
    for tag in (MAX_SAMPLE, LARGEST_SAMPLE):
        largest = _first_number(tags.get(tag))
        if largest is not None and largest + 1 in (1 << depth for depth in range(8, 17)):
            return largest.bit_length()
    return None


def used_depth(largest: int, declared: int | None) -> int:
    """Return the number of bits by which samples up to `largest` are scaled."""
    if declared is not None and largest < 1 << declared:
        return declared
    return next(depth for depth in DEPTHS if largest < 1 << depth)


def to_8_bits(values: NDArray[Any], depth: int) -> NDArray[np.uint8]:
    """Scale values of `depth` bits to 0..255, rounding to the nearest."""
    largest = (1 << depth) - 1
    return ((values.astype(np.uint32) * 255 + largest // 2) // largest).astype(np.uint8)


def largest_sample(image: Image.Image) -> int:
    """Return the largest sample of an image, opacity aside."""
    extrema = np.reshape(image.getextrema(), (-1, 2))
    return int(extrema[: 1 if image.mode.startswith("L") else 3, 1].max())


def with_all_levels(image: Image.Image, data: bytes, declared: int | None) -> Image.Image:
    """Return a loaded colour image of 16 bits, of which Pillow keeps the upper 8, with all levels.

    One that needs more than 14 bits stays as it is, and so does one that OpenCV reads differently.
    """
    turned = getattr(image, "tag_v2", {}).get(ORIENTATION, 1) != 1
    if declared == 16 or turned or largest_sample(image) >= 1 << 6:
        return image
    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return image
    if values is None or values.dtype != np.uint16 or values.shape[2:] not in ((3,), (4,)):
        return image
    if values.shape[:2] != image.size[::-1]:
        return image
    colours = values[:, :, 2::-1]  # OpenCV has blue first
    pixels = to_8_bits(colours, used_depth(int(colours.max()), declared))
    if values.shape[2] == 4:
        pixels = np.dstack([pixels, to_8_bits(values[:, :, 3], 16)])
    deep = Image.fromarray(pixels)
    deep.info = image.info  # with the EXIF rotation
    return deep


def _significant_bits(data: bytes) -> int | None:
    """Read the chunk `sBIT` of a PNG; None without it."""
    place = 8  # behind the signature
    while (kind := data[place + 4 : place + 8]) not in (b"IDAT", b"IEND", b""):
        length = int.from_bytes(data[place : place + 4], "big")
        if kind == b"sBIT" and length:
            return data[place + 8]
        place += 12 + length
    return None


def _first_number(value: Any) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
