"""The mistakes that put a mask beside its box, recognized by undoing them."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np

from ray_wssis import masks
from ray_wssis.data.coco.fields import is_number
from ray_wssis.data.survey.annotation import Annotation

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels

SAME = 0.75  # IoU of boxes from which they are the same
MARGIN = 0.5  # pixels by which boxes are grown, as masks have whole pixels


def listed_box(entry: dict[str, Any]) -> Box | None:
    """Return the `bbox` of an annotation; None for none, and for one without extent."""
    box = entry.get("bbox")
    if not isinstance(box, list | tuple) or len(box) != 4:
        return None
    if not all(is_number(value) and isfinite(value) for value in box):
        return None
    x, y, across, down = box
    return (x, y, x + across, y + down) if across > 0 and down > 0 else None


def box_iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes, both grown by half a pixel."""
    across = min(a[2], b[2]) - max(a[0], b[0]) + 2 * MARGIN
    down = min(a[3], b[3]) - max(a[1], b[1]) + 2 * MARGIN
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    sizes = [(box[2] - box[0] + 2 * MARGIN) * (box[3] - box[1] + 2 * MARGIN) for box in (a, b)]
    return both / (sum(sizes) - both)


def likely_cause(annotation: Annotation, place: Box, box: Box) -> str | None:
    """Name the mistake without which the mask at `place` would lie on `box`; None for no idea."""
    for cause, mask_box, true_box in _undone(annotation, place, box):
        if box_iou(mask_box, true_box) >= SAME:
            return cause
    return None


def scale_of(annotation: Annotation, place: Box, box: Box) -> float | None:
    """Return how many times as large the outline is as its box; None if that is not the cause."""
    outline = outline_box(annotation.entry) or place
    x = (outline[2] - outline[0]) / (box[2] - box[0])
    y = (outline[3] - outline[1]) / (box[3] - box[1])
    if min(x, y) <= 0:
        return None
    scaled = outline[0] / x, outline[1] / y, outline[2] / x, outline[3] / y
    return (x + y) / 2 if box_iou(scaled, box) >= SAME else None


def outline_box(entry: dict[str, Any]) -> Box | None:
    """Return the box around all corners of polygons, also those off the image; None for an RLE."""
    polygons = entry.get("segmentation")
    if not isinstance(polygons, list):
        return None
    parts = [part for part in polygons if len(part) >= 6]
    return (
        min(min(part[0::2]) for part in parts),
        min(min(part[1::2]) for part in parts),
        max(max(part[0::2]) for part in parts),
        max(max(part[1::2]) for part in parts),
    )


def _undone(annotation: Annotation, place: Box, box: Box) -> Iterator[tuple[str, Box, Box]]:
    """Yield a cause, and the boxes of mask and annotation without it."""
    height, width = annotation.height, annotation.width
    x0, y0, x1, y1 = place
    outline = outline_box(annotation.entry)
    ox0, oy0, ox1, oy1 = outline or place
    bx, by, right, bottom = box
    across, down = right - bx, bottom - by
    yield "x and y are swapped in the masks or in the boxes", (oy0, ox0, oy1, ox1), box
    if outline is None:
        rows = _row_major(annotation)
        yield "the RLE goes along the rows (row-major), COCO's goes down the columns", rows, box
    corners = (bx, by, across, down)
    yield "a `bbox` is [x0, y0, x1, y1], COCO's is [x, y, width, height]", place, corners
    middle = (bx - across / 2, by - down / 2, bx + across / 2, by + down / 2)
    yield "a `bbox` begins with its centre, COCO's with its top left corner", place, middle
    fractions = (bx * width, by * height, right * width, bottom * height)
    yield "a `bbox` is in fractions of the image", place, fractions
    percent = (fractions[0] / 100, fractions[1] / 100, fractions[2] / 100, fractions[3] / 100)
    yield "a `bbox` is in percent of the image", place, percent
    yield "y is counted from the bottom", (x0, height - y1, x1, height - y0), box
    yield "the masks are mirrored", (width - x1, y0, width - x0, y1), box
    moved = (bx, by, bx + x1 - x0, by + y1 - y0)
    yield "the masks have the size of their boxes, but are moved", moved, box


def _row_major(annotation: Annotation) -> Box:
    """Return the box of a mask whose runs are laid along the rows."""
    assert annotation.mask is not None
    runs = masks.run_lengths(annotation.mask)
    flat = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    rows, columns = np.nonzero(flat.reshape(annotation.height, annotation.width))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
