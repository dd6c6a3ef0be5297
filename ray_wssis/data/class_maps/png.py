"""Class maps as PNG files in memory: a gray value per pixel, which is the label of its class."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ClassMap = NDArray[np.uint8]  # [H, W] labels

UNKNOWN = 255  # label of pixels about which nothing is known
MOST_CLASSES = 255  # labels 0..254


def encode(class_map: ClassMap) -> bytes:
    """Encode labels [H, W] as a gray PNG with 8 bits a pixel."""
    buffer = io.BytesIO()
    Image.fromarray(class_map).save(buffer, "PNG")
    return buffer.getvalue()


def decode(png: bytes) -> ClassMap:
    """Decode what `encode` made to labels [H, W]."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "L", image.mode
        return np.array(image)


def pixels(class_map: ClassMap) -> NDArray[np.int64]:
    """Count the pixels of each label, [256]."""
    return np.array(Image.fromarray(class_map).histogram(), np.int64)


def present(class_map: ClassMap) -> tuple[int, ...]:
    """List the labels that a class map shows, ascending, without `UNKNOWN`."""
    return tuple(np.flatnonzero(pixels(class_map)[:UNKNOWN]).tolist())
