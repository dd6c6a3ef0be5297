"""A mask changed where a person's clicks contradict it, and nowhere else.

"Multilabel Random Walker Image Segmentation Using Prior Models" (Grady, CVPR 2005): a walker from a
pixel may meet a click, or stop on its way and be counted by the mask where it is.

Differs from the paper: the prior is a mask drawn by a network, not a model of colours; a small
window around mask and clicks is walked on; and only the connected parts of the change that hold a
click are kept.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.data.records import Click, Point
from ray_wssis.methods.walker.walk import GRID, SEED, Floats, window
from ray_wssis.models.random_walker import passages, solve

SURROUNDINGS = 0.25  # of the longer side of mask and clicks, on each side of the window
LEAST_SIDE = 24  # pixels of the window
STOP = 0.01  # chance to stop in a cell, relative to a passage between equal colours

Mask = NDArray[np.bool_]


def obeyed(
    pixels: NDArray[np.uint8], mask: bytes, point: Point, clicks: Sequence[Click]
) -> bytes | None:
    """Change `mask`, of the image `pixels` [H, W, 3], so that it holds the point and all positive
    clicks and no negative one.

    A mask that obeys already stays as it is.  None if nothing would be left.
    """
    height, width = pixels.shape[:2]
    wanted = [Click(*point, positive=True), *clicks]
    whole = masks.decode(mask, height, width)
    if all(whole[int(each.y), int(each.x)] == each.positive for each in wanted):
        return mask
    left, top, side = square(masks.bounding_box(mask, height, width), wanted)
    colours, outside = window(pixels, left, top, side)
    before = shrunk(whole, left, top, side)
    seeds = clicked(wanted, (left, top), side / GRID)
    after = solve(*passages(colours, outside), seeds, before, STOP) > 0.5
    after = np.where(np.isnan(seeds), after, seeds > 0.5)
    changed = near_clicks(after != (before > 0.5), wanted, (left, top), side / GRID)
    return pasted(whole, changed, after, (left, top), side)


def square(box: masks.Box, clicks: Sequence[Click]) -> tuple[int, int, int]:
    """Return left, top and side of a window around a box and clicks."""
    xs, ys = [box[0], box[2], *(c.x for c in clicks)], [box[1], box[3], *(c.y for c in clicks)]
    longest = max(max(xs) - min(xs), max(ys) - min(ys))
    side = max(LEAST_SIDE, round(longest * (1 + 2 * SURROUNDINGS)))
    middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return round(middle[0] - side / 2), round(middle[1] - side / 2), side


def shrunk(whole: Mask, left: int, top: int, side: int) -> Floats:
    """Return the share of each cell that is in the mask: [G, G]."""
    height, width = whole.shape
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    part = np.zeros((side, side), np.float32)
    part[y0 - top : y1 - top, x0 - left : x1 - left] = whole[y0:y1, x0:x1]
    how = cv2.INTER_AREA if side > GRID else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (GRID, GRID), interpolation=how), np.float32)


def clicked(clicks: Sequence[Click], corner: tuple[int, int], cell: float) -> Floats:
    """Return 1 around positive clicks, 0 around negative ones and NaN elsewhere: [G, G]."""
    seeds = np.full((GRID, GRID), np.nan, np.float32)
    for click in clicks:
        seeds[away(click, corner, cell) < SEED] = float(click.positive)
    return seeds


def away(click: Click, corner: tuple[int, int], cell: float) -> Floats:
    """Return the distance of each cell from a click, in cells: [G, G]."""
    rows, columns = np.mgrid[:GRID, :GRID] + 0.5
    x, y = (click.x - corner[0]) / cell, (click.y - corner[1]) / cell
    return np.asarray(np.hypot(columns - x, rows - y), np.float32)


def near_clicks(
    changed: Bool[Mask, "G G"], clicks: Sequence[Click], corner: tuple[int, int], cell: float
) -> Bool[Mask, "G G"]:
    """Keep the connected parts of the change that hold a click."""
    _, parts = cv2.connectedComponents(changed.astype(np.uint8), connectivity=4)
    held = {
        int(number)
        for click in clicks
        for number in np.unique(parts[away(click, corner, cell) < SEED])
    }
    return np.isin(parts, list(held - {0}))


def pasted(
    whole: Mask, changed: Bool[Mask, "G G"], after: Mask, corner: tuple[int, int], side: int
) -> bytes | None:
    """Write the changed cells into the mask of the image; None if it is empty then."""
    (left, top), (height, width) = corner, whole.shape
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + side), min(height, top + side)
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    result = whole.copy()
    for value in (True, False):
        cells = (changed & (after == value)).astype(np.float32)
        part = cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR) >= 0.5
        result[y0:y1, x0:x1][part[inside]] = value
    return masks.encode(result) if result.any() else None
