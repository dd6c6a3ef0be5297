"""Clicks and strokes that a person could have drawn on a class.

A click is in the inner half of a connected region: at least half as far from the outline as the
pixel that is farthest from it.  A stroke walks through the region from a click into two opposite
directions.  Around a pixel at distance d from the outline everything nearer than d belongs to the
region, so a step of that length, less the width of the brush, cannot leave it; of several turns the
one is taken that ends farthest from the outline.
"""

from itertools import islice, zip_longest
from math import cos, hypot, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.sparse.brush import Place

Region = NDArray[np.bool_]  # [H, W] the pixels of a class
Depth = NDArray[np.float64]  # [H, W] pixels to the nearest one outside, 0 there

NUM_TURNS = 7  # to choose from at each step
SHARPEST = pi / 3  # turn
SHORTEST = 2.0  # step, in pixels; in narrow regions such a step may cut a corner
NUM_STEPS = 8  # at least, of a stroke that is as long as its region


def draw_points(region: Region, number: int, rng: np.random.Generator) -> list[list[Place]]:
    """Draw distinct pixels, each with the same chance; all of them if there are fewer.

    Fewer points are the first of more points.
    """
    rows, columns = np.nonzero(region)
    order = rng.permutation(len(rows))[:number]
    return [[(float(columns[i]) + 0.5, float(rows[i]) + 0.5)] for i in order]


def draw_clicks(region: Region, number: int, rng: np.random.Generator) -> list[list[Place]]:
    """Draw distinct pixels of the connected regions, a click in each, the largest first, and so on.

    In a region pixels of the outer half follow when the inner ones are used up.  Fewer clicks are
    the first of more clicks.
    """
    depth, (parts, boxes) = depths(region), _connected(region)
    largest = np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable")[:number] + 1
    lines = [_inner_first(parts, part, boxes[part], depth, rng) for part in largest.tolist()]
    turns = (click for turn in zip_longest(*lines) for click in turn if click is not None)
    return [[(float(x) + 0.5, float(y) + 0.5)] for x, y in islice(turns, number)]


def draw_strokes(
    region: Region, number: int, radius: float, rng: np.random.Generator
) -> list[list[Place]]:
    """Draw strokes through clicks, each about as long as the diagonal of its connected region."""
    depth, (parts, boxes) = depths(region), _connected(region)
    strokes = []
    for ((x, y),) in draw_clicks(region, number, rng):
        box = boxes[parts[int(y), int(x)]]
        length = hypot(box[cv2.CC_STAT_WIDTH], box[cv2.CC_STAT_HEIGHT])
        heading = rng.uniform(0, 2 * pi)
        back = _walk(depth, (x, y), heading + pi, length / 2, radius, rng)
        onward = _walk(depth, (x, y), heading, length / 2, radius, rng)
        strokes.append([*reversed(back), (x, y), *onward])
    return strokes


def depths(region: Region) -> Depth:
    """Measure the distance of each pixel to the nearest one outside; the image ends the region."""
    padded = np.pad(region.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    # The last digits differ from call to call where threads share it; squares are whole numbers.
    return np.sqrt(np.rint(np.square(depth, dtype=np.float64)))


def _connected(region: Region) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the connected regions from 1 on, [H, W]; also their boxes and areas by number."""
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    return np.asarray(parts, np.int32), np.asarray(boxes, np.int32)


def _inner_first(
    parts: NDArray[np.int32],
    part: int,
    box: NDArray[np.int32],
    depth: Depth,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Shuffle the pixels (x, y) of a connected region, those of its inner half first, [N, 2]."""
    left, top, width, height, _ = box.tolist()
    rows, columns = np.nonzero(parts[top : top + height, left : left + width] == part)
    order = rng.permutation(len(rows))
    rows, columns = rows[order] + top, columns[order] + left
    far = depth[rows, columns]
    ranked = np.argsort(far < far.max() / 2, kind="stable")
    return np.stack([columns[ranked], rows[ranked]], axis=1)


def _walk(
    depth: Depth,
    start: Place,
    heading: float,
    length: float,
    radius: float,
    rng: np.random.Generator,
) -> list[Place]:
    """Walk from a place until the way is as long as wanted or no step leads on."""
    height, width = depth.shape
    (x, y), way, path = start, 0.0, []
    while way < length:
        free = float(depth[int(y), int(x)]) - radius - 1
        step = max(SHORTEST, min(free, length / NUM_STEPS))
        ends = []
        for turn in rng.uniform(-SHARPEST, SHARPEST, NUM_TURNS):
            to_x, to_y = x + step * cos(heading + turn), y + step * sin(heading + turn)
            if 0 <= to_x < width and 0 <= to_y < height:
                ends.append((float(depth[int(to_y), int(to_x)]), heading + turn, to_x, to_y))
        farthest = max(ends, default=(0.0, heading, x, y))
        if not farthest[0]:
            break
        _, heading, x, y = farthest
        way += step
        path.append((x, y))
    return path
