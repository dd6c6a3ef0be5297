"""Outlines that give no mask, or a wrong one: in fractions, without area, in another form, a point.

A COCO `segmentation` of polygons is a list of flat lists x0, y0, x1, y1, ... in pixels.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import isfinite
from typing import Any

from ray_wssis.data.records import Point

Corner = tuple[float, float]

SMALLEST_FOR_FRACTIONS = 8  # pixels of the longer side: in a smaller image, 0 to 1 is a place
BEYOND = 0.05  # by which fractions leave 0 to 1
ON_ONE_LINE = 1e-6  # square pixels: twice the area of a triangle of corners, rounding left out


class Fault(StrEnum):
    """Kind of an outline that cannot be used."""

    FRACTIONS = "outlines in fractions"
    NO_AREA = "outlines without area"
    OUTSIDE = "outlines outside the image"
    OTHER_FORM = "outlines in another form"


class OutlineError(ValueError):
    """An outline that cannot be used, in a way that many others of a file may share."""

    def __init__(self, fault: Fault, found: str) -> None:
        super().__init__(found)
        self.fault = fault


def is_blank(segmentation: Any) -> bool:
    """Tell whether a `segmentation` says nothing: null, `[]`, `[[]]`, an empty text or mapping."""
    if isinstance(segmentation, list):
        return all(part == [] for part in segmentation)
    return segmentation is None or segmentation in ("", {})


def check_outline(polygons: Sequence[Sequence[float]], height: int, width: int) -> None:
    """Raise OutlineError for polygons in fractions, or without area."""
    if is_in_fractions(polygons, height, width):
        found = "the outline lies between 0 and 1, so these are probably fractions of the image"
        raise OutlineError(Fault.FRACTIONS, found)
    if not any(_has_area(polygon) for polygon in polygons):
        raise OutlineError(Fault.NO_AREA, "the outline has no area: its corners are on one line")


def is_in_fractions(polygons: Sequence[Sequence[float]], height: int, width: int) -> bool:
    """Tell whether all corners lie between 0 and 1, not all on whole pixels, in a larger image."""
    if max(height, width) <= SMALLEST_FOR_FRACTIONS:
        return False
    low, high = -BEYOND, 1 + BEYOND
    if any(polygon and not low <= polygon[0] <= high for polygon in polygons):
        return False  # nearly always
    return all(low <= v <= high for polygon in polygons for v in polygon) and any(
        v != int(v) for polygon in polygons for v in polygon
    )


def as_polygons(segmentation: Any) -> list[list[float]] | None:
    """Turn outlines of another form into flat polygons; None for what is not understood.

    Understood are [x, y] pairs, flat or nested lists of them, mappings with `x` and `y`, a single
    flat list, and numbers as text.
    """
    if not isinstance(segmentation, list) or not segmentation:
        return None
    single = _corners(segmentation)
    if single is not None and len(single) >= 3:
        return [_flat(single)]
    parts = [_corners(part) for part in segmentation]
    known = [part for part in parts if part is not None]
    if len(known) == len(parts):
        return [_flat(part) for part in known]
    return None if single is None else [_flat(single)]


def read_corner(annotation: dict[str, Any]) -> Point | None:
    """Return the point (x, y) that was written as an outline of one corner, None for none.

    A corner that is repeated is a point where the `bbox` is missing or no larger than a pixel;
    otherwise it is what is left of an outline.
    """
    polygons = as_polygons(annotation.get("segmentation")) or []
    corners = [
        corner for polygon in polygons for corner in zip(polygon[::2], polygon[1::2], strict=True)
    ]
    if not corners or any(corner != corners[0] for corner in corners):
        return None
    return corners[0] if len(corners) == 1 or _is_small(annotation.get("bbox")) else None


def _is_small(box: Any) -> bool:
    if not isinstance(box, list | tuple) or len(box) != 4:
        return True
    across, down = _number(box[2]), _number(box[3])
    return across is None or down is None or max(across, down) <= 1


def _has_area(polygon: Sequence[float]) -> bool:
    """Tell whether three corners are not on one line; mostly the first three."""
    if len(polygon) < 6:
        return False
    x0, y0 = polygon[0], polygon[1]
    x1 = y1 = 0.0  # from the first corner to the farthest one so far
    for i in range(2, len(polygon) - 1, 2):
        x, y = polygon[i] - x0, polygon[i + 1] - y0
        if abs(x1 * y - y1 * x) > ON_ONE_LINE:
            return True
        if abs(x) + abs(y) > abs(x1) + abs(y1):
            x1, y1 = x, y
    return False


def _corners(part: Any) -> list[Corner] | None:
    """Read the corners of one outline, however they are written; None for anything else."""
    if not isinstance(part, list) or not part:
        return None
    if len(part) == 1 and isinstance(part[0], list):
        inner = _corners(part[0])
        if inner is not None:
            return inner
    if all(isinstance(entry, list | dict) for entry in part):
        pairs = [_pair(entry) for entry in part]
    elif len(part) % 2 == 0:
        pairs = [_pair([x, y]) for x, y in zip(part[::2], part[1::2], strict=True)]
    else:
        return None
    known = [pair for pair in pairs if pair is not None]
    return known if len(known) == len(pairs) else None


def _pair(entry: list[Any] | dict[str, Any]) -> Corner | None:
    values = [entry.get("x"), entry.get("y")] if isinstance(entry, dict) else entry
    if len(values) != 2:
        return None
    x, y = _number(values[0]), _number(values[1])
    return None if x is None or y is None else (x, y)


def _number(value: Any) -> float | None:
    """Read a number, perhaps one that was written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _flat(corners: Sequence[Corner]) -> list[float]:
    return [value for corner in corners for value in corner]
