"""Class maps as files of somebody: gray or palette images whose values stand for classes."""

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ray_wssis.data.class_maps.matlab import read_segmentation
from ray_wssis.data.images.read import DAMAGED, ImageError, read_bytes

ONE_CHANNEL = "one channel whose values are the classes: a gray or a palette PNG"
BIT_DEPTH = 24  # place of this byte in a PNG


class Values(NamedTuple):
    """Content of a class map's file."""

    pixels: NDArray[np.uint8]  # [H, W]
    palette: bytes | None  # colours of the values; None: gray


class Unusable(ImageError):
    """A file that can be read and is no class map."""


def read_values(file: str) -> Values:
    """Read the values of a class map.

    A `.mat` file is one of SBD.  Raises ImageError for a file that cannot be read, and Unusable for
    one with several channels, with lossy compression, or with values above 255.
    """
    data = read_bytes(file)
    if file.endswith(".mat"):
        return Values(_whole(file, _matlab(file, data)), None)
    try:
        with Image.open(io.BytesIO(data)) as image:
            _check_kind(file, image)
            image.load()
            pixels = np.asarray(image)
            palette = bytes(image.getpalette() or []) if image.mode == "P" else None
    except ImageError:
        raise
    except DAMAGED as error:
        found = f"the class map is damaged or no image ({error})"
        raise ImageError(file, found, "fetch the file again") from error
    pixels = _whole(file, pixels)
    if image.mode == "L" and image.format == "PNG" and data[BIT_DEPTH] < 8:
        pixels //= 255 // (2 ** data[BIT_DEPTH] - 1)  # Pillow stretches 2 and 4 bits to 8
    return Values(pixels, palette)


def _matlab(file: str, data: bytes) -> NDArray[np.generic]:
    try:
        return read_segmentation(data)
    except ValueError as error:
        raise Unusable(file, str(error), "a file of `cls` of SBD") from error


def _whole(file: str, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Check that values fit a byte each.  Raises Unusable."""
    if not pixels.size or pixels.max() > 255 or pixels.min() < 0:
        found = f"values from {pixels.min()} to {pixels.max()}" if pixels.size else "no value"
        raise Unusable(file, found, "values 0 to 255: a class map has 8 bits, an instance map 16")
    return pixels.astype(np.uint8)


def _check_kind(file: str, image: Image.Image) -> None:
    """Raise Unusable for an image whose values cannot be classes."""
    if image.format in ("JPEG", "MPO"):
        raise Unusable(file, "JPEG files, whose compression changes values", "PNG files")
    if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
        raise Unusable(file, f"images with the channels {'+'.join(image.getbands())}", ONE_CHANNEL)
