"""Images and masks as pieces of SVG: a window of an image, and outlines within it.

A window is laid out in display units.  Pixels are JPEG inside a data URI; outlines are paths, which
stay sharp at every size and which a page can show and hide.
"""

import base64
import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ray_wssis.data.images.read import RGB
from ray_wssis.masks import Mask, decode

SHARPNESS = 1.5  # pixels of a JPEG per display unit, at most
JPEG_QUALITY = 82
TOLERANCE = 0.4  # display units that an outline may be off


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of an image, in its pixels; it may extend beyond the image."""

    left: int
    top: int
    width: int
    height: int
    longest: int  # display units of the longer side

    @property
    def scale(self) -> float:
        """Display units per pixel."""
        return self.longest / max(self.width, self.height)

    @property
    def display(self) -> tuple[int, int]:
        """(width, height) in display units."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Position of the point (x, y) of the image, in display units."""
        return round((x - self.left) * self.scale, 1), round((y - self.top) * self.scale, 1)


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pixels of the image in a window."""

    href: str  # a data URI
    x: float  # display units
    y: float
    width: float
    height: float


def whole_image(height: int, width: int, longest: int) -> Window:
    return Window(left=0, top=0, width=width, height=height, longest=longest)


def window_around(
    boxes: list[tuple[float, float, float, float]],
    height: int,
    width: int,
    *,
    margin: float,
    smallest: int,
    longest: int,
) -> Window:
    """Square around all `boxes` (x0, y0, x1, y1), with `margin` of its side free on each side.

    If the image is large enough the square stays within it; its side is at most the longer one of
    the image.
    """
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[2] for box in boxes), max(box[3] for box in boxes)
    free = int(np.ceil(max(x1 - x0, y1 - y0) / (1 - 2 * margin)))
    side = min(max(smallest, free), max(height, width))
    return Window(
        left=start((x0 + x1 - side) / 2, side, width),
        top=start((y0 + y1 - side) / 2, side, height),
        width=side,
        height=side,
        longest=longest,
    )


def start(wanted: float, side: int, available: int) -> int:
    """Start of a stretch of `side` pixels: within the `available` ones, or around them."""
    low, high = sorted((0, available - side))
    return min(max(round(wanted), low), high)


def draw_pixels(image: RGB, window: Window) -> Pixels:
    """Pixels of the part of `image` [H, W, 3] that is in the window."""
    x0, y0 = max(0, window.left), max(0, window.top)
    x1 = min(image.shape[1], window.left + window.width)
    y1 = min(image.shape[0], window.top + window.height)
    part = Image.fromarray(image[y0:y1, x0:x1])
    wanted = max(part.size) * window.scale * SHARPNESS
    if wanted < max(part.size):
        part.thumbnail((int(wanted), int(wanted)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    part.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    x, y = window.place(x0, y0)
    return Pixels(
        href="data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode(),
        x=x,
        y=y,
        width=round((x1 - x0) * window.scale, 1),
        height=round((y1 - y0) * window.scale, 1),
    )


def outline(counts: bytes | None, height: int, width: int, window: Window) -> str:
    """Path of the edge of a mask within the window, including holes; empty without a mask."""
    if not counts:
        return ""
    seen = crop(decode(counts, height, width), window)
    shrinks = window.scale < 1
    soft = cv2.resize(
        seen.astype(np.float32),
        window.display,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    inside = (soft >= 0.5).astype(np.uint8)
    if not inside.any():  # thinner than a display unit: take every unit it touches
        inside = (soft > 0).astype(np.uint8)
    edges, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    simple = [cv2.approxPolyDP(edge, TOLERANCE, True)[:, 0] for edge in edges]
    return "".join(path(corners) for corners in simple)


def crop(mask: Mask, window: Window) -> Mask:
    """Part of a mask [H, W] in the window, [window.height, window.width]: empty off the image."""
    seen = np.zeros((window.height, window.width), dtype=bool)
    y0, x0 = max(0, window.top), max(0, window.left)
    part = mask[y0 : window.top + window.height, x0 : window.left + window.width]
    top, left = y0 - window.top, x0 - window.left
    seen[top : top + part.shape[0], left : left + part.shape[1]] = part
    return seen


def path(corners: np.ndarray) -> str:
    """SVG path through the centres of display units."""
    if len(corners) < 3:  # a speck: a small square around it
        x, y = (float(value) for value in corners[0])
        return f"M{x - 0.5:g} {y - 0.5:g}h2v2h-2Z"
    moves = np.diff(corners, axis=0)
    first = f"M{corners[0, 0] + 0.5:g} {corners[0, 1] + 0.5:g}l"
    return first + " ".join(f"{dx} {dy}" for dx, dy in moves.tolist()) + "Z"
