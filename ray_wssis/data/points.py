"""One point per object, read off its mask.

Where people point differs: `centroid` is the mean of the object's pixels (what the paper uses; it
may lie beside a ring or between two parts), `random` is any pixel of the object with equal chance,
and `center` is the pixel farthest from the outline, where a careful annotator would click.

A point depends on the mask, the seed and the annotation's id alone, so a split made twice, in
another order or of fewer images has the same points.
"""

import hashlib
from dataclasses import replace
from enum import StrEnum

import cv2
import numpy as np

from ray_wssis import masks
from ray_wssis.data.records import Object, Point, Record


class PointKind(StrEnum):
    """How a point is drawn from a mask."""

    CENTROID = "centroid"
    RANDOM = "random"
    CENTER = "center"


def draw_point(
    counts: bytes, height: int, width: int, *, kind: PointKind | str, seed: int, annotation_id: int
) -> Point:
    """A point (x, y) of the object, pixel centres at +0.5.  Raises ValueError for an empty mask."""
    match PointKind(kind):
        case PointKind.CENTROID:
            return masks.centroid(counts, height, width)
        case PointKind.RANDOM:
            return _random_pixel(counts, height, chance(seed, "annotation", annotation_id))
        case PointKind.CENTER:
            return _innermost_pixel(counts, height, width)


def with_points(record: Record, kind: PointKind | str, seed: int) -> Record:
    """The same record with a point for every object whose mask is known and whose point is not.

    A point that the record already has stays: somebody clicked it.  Crowds get none.
    """

    def pointed(obj: Object) -> Object:
        if obj.point is not None or obj.mask is None or obj.crowd:
            return obj
        point = draw_point(
            obj.mask,
            record.height,
            record.width,
            kind=kind,
            seed=seed,
            annotation_id=obj.annotation_id,
        )
        return replace(obj, point=point)

    return replace(record, objects=tuple(map(pointed, record.objects)))


def chance(seed: int, of: str, key: int) -> int:
    """64 random bits that depend on a seed and on whose id `key` is alone, on every machine."""
    digest = hashlib.blake2b(f"{seed}:{of}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _random_pixel(counts: bytes, height: int, bits: int) -> Point:
    column, row = masks.pixels(counts, height)
    if column.size == 0:
        raise ValueError("an empty mask has no pixel to point at")
    index = bits % column.size
    return float(column[index]) + 0.5, float(row[index]) + 0.5


def _innermost_pixel(counts: bytes, height: int, width: int) -> Point:
    """The pixel farthest from the outline; among equals, the one nearest to their mean."""
    column, row = masks.pixels(counts, height)
    if column.size == 0:
        raise ValueError("an empty mask has no pixel to point at")
    left, top = int(column.min()), int(row.min())
    # A frame of background, as the image's border is an outline too.
    crop = np.zeros((int(row.max()) - top + 3, int(column.max()) - left + 3), np.uint8)
    crop[row - top + 1, column - left + 1] = 1
    depth = cv2.distanceTransform(crop, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deepest = depth >= depth.max() - 1e-3  # float32: equal distances differ in the last digits
    y, x = np.nonzero(deepest)
    # The squared distance to the mean, scaled to whole numbers: no rounding decides a tie.
    away = (x * x.size - x.sum()) ** 2 + (y * y.size - y.sum()) ** 2
    best = int(np.argmin(away))
    return float(x[best] + left) - 0.5, float(y[best] + top) - 0.5
