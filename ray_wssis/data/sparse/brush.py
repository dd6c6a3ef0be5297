"""Points and strokes as pixels: thin lines, then a round brush along them."""

from collections.abc import Iterable, Sequence
from math import floor

import cv2
import numpy as np
from numpy.typing import NDArray

Place = tuple[float, float]  # (x, y), pixel centres at +0.5


def thin(paths: Iterable[Sequence[Place]], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw lines through the places of each path, a pixel wide, as ones [H, W].

    A path of one place is one pixel.  What lies beyond the image is left out.
    """
    canvas = np.zeros(shape, np.uint8)
    for path in paths:
        corners = np.array([(floor(x), floor(y)) for x, y in path], np.int32)
        cv2.polylines(canvas, [corners], isClosed=len(path) == 1, color=1)
    return canvas


def brushed(lines: NDArray[np.uint8], radius: float) -> NDArray[np.bool_]:
    """Tell which pixels [H, W] are at most `radius` pixels from a pixel of `lines`."""
    return cv2.dilate(lines, disc(radius)).astype(bool)


def disc(radius: float) -> NDArray[np.uint8]:
    """Draw a round brush: ones at most `radius` pixels from the middle one."""
    reach = floor(radius)
    across = np.arange(-reach, reach + 1)
    return (across[:, None] ** 2 + across**2 <= radius**2).astype(np.uint8)
