"""A random walker around each point: the mask that colours alone give.

"Random Walks for Image Segmentation" (Grady, PAMI 2006): a walker from a pixel prefers neighbours
of like colour; does it meet the object's point first, or the background?

Differs from the paper: each object is walked in a window of its own, the border of which is
background.  The paper cuts the probability at one half; here it is cut where colours differ most,
because one point attracts few walkers.

Legend: P objects, G cells of a window's side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray

from ray_wssis.data.records import Point
from ray_wssis.masks import encode_in_box
from ray_wssis.models.random_walker import passages, solve

GRID = 48  # cells
WINDOW = 2.0  # half a window's side, in radii of a usual object
SEED = 1.5  # cells around a point that are its object's
LEVELS = np.linspace(0.1, 0.9, 17, dtype=np.float32)  # of probability, at one of which it is cut

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Walked:
    mask: bytes | None  # run-length counts of the image; None: nothing of the cut is in it
    strength: float  # of the outline: 1 less the mean passage across it


def walk(
    pixels: UInt8[NDArray[np.uint8], "H W 3"], points: list[Point], radii: list[float]
) -> list[Walked]:
    """Draw a mask around each point of an image; a usual object there has this radius in pixels."""
    walked = []
    for i, (point, radius) in enumerate(zip(points, radii, strict=True)):
        half = max(2, round(WINDOW * radius))
        left, top = int(point[0]) - half, int(point[1]) - half
        others = points[:i] + points[i + 1 :]
        colours, outside = window(pixels, left, top, 2 * half + 1)
        across, down = passages(colours, outside)
        seeds = seeds_of(point, others, (left, top), (2 * half + 1) / GRID, outside)
        probability = solve(across, down, seeds)
        level, strength = best_cut(probability, across, down)
        mask = paste(probability, level, (left, top), 2 * half + 1, pixels.shape[:2])
        walked.append(Walked(mask=mask, strength=strength))
    return walked


def window(
    pixels: UInt8[NDArray[np.uint8], "H W 3"], left: int, top: int, side: int
) -> tuple[Float32[Floats, "G G 3"], Bool[NDArray[np.bool_], "G G"]]:
    """Return the colours of a window in CIELAB, and its cells outside the image."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    border = (y0 - top, top + side - y1, x0 - left, left + side - x1)
    part = cv2.copyMakeBorder(pixels[y0:y1, x0:x1], *border, cv2.BORDER_REPLICATE)
    how = cv2.INTER_AREA if side > GRID else cv2.INTER_LINEAR
    small = cv2.resize(part, (GRID, GRID), interpolation=how).astype(np.float32) / 255
    centres = (np.arange(GRID) + 0.5) * side / GRID
    beside = [
        (first + centres < 0) | (first + centres > size)
        for first, size in ((top, height), (left, width))
    ]
    colours = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.float32)
    return colours, np.asarray(beside[0][:, None] | beside[1][None])


def seeds_of(
    point: Point,
    others: list[Point],
    corner: tuple[int, int],
    cell: float,
    outside: Bool[NDArray[np.bool_], "G G"],
) -> Float32[Floats, "G G"]:
    """Return 1 at the object's point, 0 at other points, at the border and outside the image, NaN
    everywhere else."""
    seeds = np.full((GRID, GRID), np.nan, np.float32)
    seeds[[0, -1]] = seeds[:, [0, -1]] = 0
    seeds[outside] = 0
    rows, columns = np.mgrid[:GRID, :GRID] + 0.5
    for (x, y), value in [*((other, 0.0) for other in others), (point, 1.0)]:
        away = np.hypot(columns - (x - corner[0]) / cell, rows - (y - corner[1]) / cell)
        seeds[away < SEED] = value
    return seeds


def best_cut(
    probability: Float32[Floats, "G G"],
    across: Float32[Floats, "G G-1"],
    down: Float32[Floats, "G-1 G"],
) -> tuple[float, float]:
    """Return the level at which the outline is hardest to pass, and how hard it is: 0 to 1."""
    means = []
    for level in LEVELS:
        inside = probability > level
        cut_across, cut_down = inside[:, 1:] != inside[:, :-1], inside[1:] != inside[:-1]
        crossed = np.concatenate([across[cut_across], down[cut_down]])
        means.append(crossed.mean() if crossed.size else 1.0)
    best = int(np.argmin(means))
    return float(LEVELS[best]), float(1 - means[best])


def paste(
    probability: Float32[Floats, "G G"],
    level: float,
    corner: tuple[int, int],
    side: int,
    size: tuple[int, ...],
) -> bytes | None:
    """Encode what lies above the level at the size (height, width) of the image."""
    (left, top), (height, width) = corner, size
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    large = cv2.resize(probability, (side, side), interpolation=cv2.INTER_LINEAR) > level
    part = large[y0 - top : y1 - top, x0 - left : x1 - left]
    return encode_in_box(part, (x0, y0, x1, y1), height, width) if part.any() else None
