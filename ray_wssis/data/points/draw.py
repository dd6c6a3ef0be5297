"""One point per object, drawn from its mask.

People point at different places: `centroid` is the mean of the object's pixels (used by the paper;
it may lie beside a ring or between two parts), `random` is any pixel of the object with equal
chance, and `center` is the pixel farthest from the outline, where a careful annotator would click.

A point depends on the mask, the seed and the annotation's id alone, so a split that is repeated, in
another order or with fewer images, has the same points.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from ray_wssis import masks
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Point, Record


def draw_point(
    counts: bytes, height: int, width: int, *, kind: PointKind | str, seed: int, annotation_id: int
) -> Point:
    """Draw a point (x, y), pixel centres at +0.5.  Raises ValueError for an empty mask."""
    match PointKind(kind):
        case PointKind.CENTROID:
            return masks.centroid(counts, height, width)
        case PointKind.RANDOM:
            return _random_pixel(counts, height, chance(seed, "annotation", annotation_id))
        case PointKind.CENTER:
            return _innermost_pixel(counts, height, width)


def with_points(record: Record, kind: PointKind | str, seed: int) -> Record:
    """Add a point to every object that `pointed` gives one, by this kind of rule."""
    size = record.height, record.width
    return pointed(
        record,
        lambda mask, annotation_id: draw_point(
            mask, *size, kind=kind, seed=seed, annotation_id=annotation_id
        ),
    )


def pointed(record: Record, draw: Callable[[bytes, int], Point]) -> Record:
    """Add a point to every object whose mask is known and whose point is not.

    `draw` makes it from the mask and the annotation's id.  Existing points stay, because somebody
    clicked them.  Crowds get none.
    """
    objects = tuple(
        replace(obj, point=draw(obj.mask, obj.annotation_id))
        if obj.point is None and obj.mask is not None and not obj.crowd
        else obj
        for obj in record.objects
    )
    return record if objects == record.objects else replace(record, objects=objects)


def chance(seed: int, kind: str, key: int | str) -> int:
    """Draw 64 bits that depend on the seed, the kind of thing and its id alone, on any machine."""
    digest = hashlib.blake2b(f"{seed}:{kind}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _random_pixel(counts: bytes, height: int, bits: int) -> Point:
    column, row = masks.pixels(counts, height)
    if column.size == 0:
        raise ValueError("an empty mask has no pixel to point at")
    index = bits % column.size
    return float(column[index]) + 0.5, float(row[index]) + 0.5


def _innermost_pixel(counts: bytes, height: int, width: int) -> Point:
    """Find the pixel farthest from the outline; among equals, the one nearest to their mean."""
    column, row = masks.pixels(counts, height)
    if column.size == 0:
        raise ValueError("an empty mask has no pixel to point at")
    left, top = int(column.min()), int(row.min())
    # Padded with background, as the image's border is an outline too.
    crop = np.zeros((int(row.max()) - top + 3, int(column.max()) - left + 3), np.uint8)
    crop[row - top + 1, column - left + 1] = 1
    depth = cv2.distanceTransform(crop, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deepest = depth >= depth.max() - 1e-3  # float32: equal distances differ in the last digits
    y, x = np.nonzero(deepest)
    # The squared distance to the mean, scaled to whole numbers: no rounding decides a tie.
    away = (x * x.size - x.sum()) ** 2 + (y * y.size - y.sum()) ** 2
    best = int(np.argmin(away))
    return float(x[best] + left) - 0.5, float(y[best] + top) - 0.5
