"""Image files full of noise."""

import io

import numpy as np
from PIL import Image


def noise(width: int, height: int, seed: int = 0) -> bytes:
    """A PNG with random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
