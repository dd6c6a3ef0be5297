"""Points drawn where people click, learnt from objects whose mask and click are both known.

A click has a *depth* in its object: its distance from the outline, over that of the pixel which is
deepest inside; 1 is the middle of the object, 0 its border, and less is beside it.  Every other
object gets a point at the depth of a click, drawn with equal chance from those that are known.
"""

from collections.abc import Iterable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.data.columns import lack_points
from ray_wssis.data.points.draw import chance, pointed
from ray_wssis.data.records import Point, Record, Records

LEAST_CLICKS = 20  # to draw from
FARTHEST = -1.0  # a click beside its object, in depths; what lies farther is a slip

Floats = NDArray[np.float64]


def click_depths(images: Iterable[Record]) -> Floats:
    """Measure the depth of every click on an object with a mask, in order of size: (clicks,).

    Crowds do not count.
    """
    depths = [
        depth_of(obj.point, obj.mask, record.height, record.width)
        for record in images
        for obj in record.objects
        if obj.mask is not None and obj.point is not None and not obj.crowd
    ]
    return np.sort(np.maximum(np.array(depths), FARTHEST))


def with_clicked_points(records: Records, depths: Floats, seed: int) -> Records:
    """Draw points for the objects that have a mask and no point, at the depths of clicks.

    A point depends on the mask, the seed, the annotation's id and the depths alone.
    """
    assert depths.size

    def draw(record: Record, mask: bytes, annotation_id: int) -> Point:
        depth = float(depths[chance(seed, "depth", annotation_id) % depths.size])
        bits = chance(seed, "annotation", annotation_id)
        return point_at(depth, mask, record.height, record.width, bits)

    return records.changed(
        lambda record: pointed(record, partial(draw, record)), lack_points(records)
    )


def depth_of(point: Point, mask: bytes, height: int, width: int) -> float:
    """Measure the depth of a point (x, y) in, or beside, an object."""
    depths, left, top = depth_map(mask, height, width)
    column, row = int(point[0]) - left, int(point[1]) - top
    is_near = 0 <= row < depths.shape[0] and 0 <= column < depths.shape[1]
    return float(depths[row, column]) if is_near else FARTHEST


def point_at(depth: float, mask: bytes, height: int, width: int, bits: int) -> Point:
    """Draw one of the pixels whose depth is next to `depth`, by `bits`; (x, y) of its centre."""
    depths, left, top = depth_map(mask, height, width)
    away = np.abs(depths - depth)
    row, column = np.nonzero(away <= away.min() + 1e-6)
    chosen = bits % row.size
    return float(column[chosen] + left) + 0.5, float(row[chosen] + top) + 0.5


def depth_map(mask: bytes, height: int, width: int) -> tuple[NDArray[np.float32], int, int]:
    """Measure the depth of the pixels in and around an object; negative beside it.

    Returns the map and the column and row of its first pixel.  Pixels beyond the map are beside
    the object by more than `FARTHEST`.
    """
    column, row = masks.pixels(mask, height)
    sides = int(np.ptp(column)) + 1, int(np.ptp(row)) + 1
    margin = min(sides) // 2 + 2  # nothing is deeper
    left, top = int(column.min()) - margin, int(row.min()) - margin
    crop = np.zeros((sides[1] + 2 * margin, sides[0] + 2 * margin), np.uint8)
    crop[row - top, column - left] = 1  # framed, so an image's border is an outline too
    inside = cv2.distanceTransform(crop, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    beside = cv2.distanceTransform(1 - crop, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    depths = (inside - beside) / inside.max()
    right, bottom = min(left + crop.shape[1], width), min(top + crop.shape[0], height)
    on_image = depths[max(-top, 0) : bottom - top, max(-left, 0) : right - left]
    return np.asarray(on_image, np.float32), max(left, 0), max(top, 0)
