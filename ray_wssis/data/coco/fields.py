"""Fields of COCO images and annotations, read one by one: masks, points, boxes, tags, numbers.

Every function raises ValueError for what cannot be understood, saying what was found and wanted.
Points are (x, y) in pixels of the original image, pixel centres at +0.5.
"""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

from ray_wssis import masks
from ray_wssis.data.coco.outlines import (
    Fault,
    OutlineError,
    as_polygons,
    check_outline,
    is_blank,
    is_in_fractions,
)
from ray_wssis.data.records import Category, Click, Point

# Keys of clicks besides the point, and their sides; `more_points` is an old name.
CLICK_KEYS = {"extra_points": True, "more_points": True, "negative_points": False}
WHOLE = re.compile(r"\s*[+-]?[0-9]{1,20}(\.0*)?\s*")  # a whole number as text
ONE_RUN = 7  # bytes of the longest code of a single run, which an empty mask is
TRUTHS = {"0": False, "false": False, "1": True, "true": True}


def whole_number(entry: Any, key: str, where: str) -> int:
    """Read a whole number of a JSON entry, perhaps one written as text.

    Raises ValueError for anything else.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected a JSON object, found {entry!r:.40}")
    value = entry.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, str) and WHOLE.fullmatch(value):
        value = int(value.partition(".")[0])
    if not isinstance(value, int) or isinstance(value, bool):
        found = "missing" if value is None else f"{value!r:.40}"
        raise ValueError(f"{where}: `{key}` is {found}, it must be a whole number")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{where}: `{key}` is {value!r:.40}, it must fit into 64 bits with sign")
    return value


def is_number(value: Any) -> bool:
    """Tell whether a value is a number that fits into 64 bits."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)


def read_crowd(annotation: dict[str, Any]) -> bool:
    """Read `iscrowd`: 0, 1, true or false, also as text; missing and null are 0.

    Raises ValueError, naming the key, for anything else.
    """
    return read_truth(annotation, "iscrowd", "0 (an object) or 1 (a crowd region)")


def read_truth(entry: dict[str, Any], key: str, wanted: str = "true or false") -> bool:
    """Read 0, 1, true or false, also as text; missing and null are false.

    Raises ValueError, naming the key and what is `wanted`, for anything else.
    """
    value = entry.get(key)
    if value is None:
        return False
    if isinstance(value, str) and value.strip().lower() in TRUTHS:
        return TRUTHS[value.strip().lower()]
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise ValueError(f"`{key}` is {value!r:.40}, it must be {wanted}")


def read_mask(segmentation: Any, height: int, width: int) -> bytes | None:
    """Read a COCO `segmentation` of any kind as counts; None for one that says nothing.

    Raises ValueError for what is malformed, and OutlineError for what many outlines may share.
    """
    if is_blank(segmentation):
        return None
    if isinstance(segmentation, list):
        return _read_outline(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError(f"a segmentation is polygons or an RLE, found {segmentation!r:.40}")
    size = segmentation.get("size")
    if size != [height, width]:
        raise ValueError(
            f"the mask is made for [height, width] = {size!r:.40}, the image is {[height, width]}"
        )
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return masks.from_uncompressed(counts, height, width)
    if not isinstance(counts, str | bytes):
        raise ValueError(f"the counts of an RLE are text or a list, found {counts!r:.40}")
    try:
        code = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise ValueError(f"not a compressed run-length code: {counts!r:.40}") from error
    return masks.checked(code, height, width)


def _read_outline(segmentation: list[Any], height: int, width: int) -> bytes:
    try:
        mask = masks.from_polygons(segmentation, height, width)
    except ValueError:
        polygons = as_polygons(segmentation)
        if polygons is not None:
            check_outline(polygons, height, width)
            found = f"an outline is [[x, y, x, y, ...], ...], not {segmentation!r:.30}...; "
            found += "`wssis data fix IN OUT` rewrites such outlines"
            raise OutlineError(Fault.OTHER_FORM, found) from None
        raise
    check_outline(segmentation, height, width)
    if len(mask) <= ONE_RUN and masks.area(mask, height, width) == 0:
        found = f"the outline is outside the {width} x {height} image"
        raise OutlineError(Fault.OUTSIDE, found)
    return mask


def read_point(point: Any, height: int, width: int) -> Point | None:
    """Read a COCO `point` as (x, y), None for none.  Raises ValueError when it is off the image."""
    if point is None:
        return None
    is_pair = isinstance(point, list | tuple) and len(point) == 2
    if not is_pair or not all(is_number(v) for v in point):
        raise ValueError(f"a point is [x, y] in pixels, found {point!r:.40}")
    x, y = float(point[0]), float(point[1])
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"the point ({x:g}, {y:g}) is outside the {width} x {height} image")
    return x, y


def read_clicks(annotation: dict[str, Any], height: int, width: int) -> tuple[Click, ...]:
    """Read the clicks of a COCO annotation besides its point, the positive ones first.

    Raises ValueError, naming the key, for what is no list, no point, or off the image.
    """
    return tuple(
        read_click(key, point, height, width)
        for key in CLICK_KEYS
        for point in listed_points(annotation, key)
    )


def listed_points(annotation: dict[str, Any], key: str) -> Sequence[Any]:
    """Return the list under one of `CLICK_KEYS`.  Raises ValueError when it is no list."""
    points = annotation.get(key)
    if not isinstance(points, list | tuple | None):
        raise ValueError(f"`{key}` is a list of [x, y], found {points!r:.40}")
    return points or []


def read_click(key: str, point: Any, height: int, width: int) -> Click:
    """Read a point in the list under one of `CLICK_KEYS`.  Raises ValueError, naming the key."""
    try:
        place = read_point(point, height, width)
    except ValueError as error:
        raise ValueError(f"`{key}`: {error}") from error
    if place is None:
        raise ValueError(f"`{key}`: a point is [x, y] in pixels, found null")
    return Click(*place, positive=CLICK_KEYS[key])


def read_box_centre(box: Any, height: int, width: int) -> Point | None:
    """Return the centre (x, y) of the part of a COCO `bbox` in the image, None without a box.

    Raises ValueError for a box that is malformed, has no area, or lies outside.
    """
    if box is None or box == []:
        return None
    is_box = isinstance(box, list | tuple) and len(box) == 4
    if not is_box or not all(is_number(v) and isfinite(v) for v in box):
        raise ValueError(f"a bbox is [x, y, width, height] in pixels, found {box!r:.60}")
    x, y, across, down = map(float, box)
    if across <= 0 or down <= 0:
        raise ValueError(f"the bbox is {across:g} wide and {down:g} high, both must be positive")
    if is_in_fractions([[x, y, x + across, y + down]], height, width):
        raise ValueError(f"the bbox {box!r:.60} lies between 0 and 1: probably fractions")
    left, right = max(x, 0.0), min(x + across, float(width))
    top, bottom = max(y, 0.0), min(y + down, float(height))
    if left >= right or top >= bottom:
        raise ValueError(f"the bbox {box!r:.60} is outside the {width} x {height} image")
    return read_point([(left + right) / 2, (top + bottom) / 2], height, width)


def read_annotated(region: Any, height: int, width: int) -> bytes | None:
    """Read the counts of the part of an image that somebody looked at; None without the key.

    `annotated` is polygons, an RLE, true (all of the image) or false (nothing).  Raises ValueError,
    naming the key, for a malformed or empty region.
    """
    if region is None:
        return None
    if isinstance(region, bool):
        return masks.everywhere(height, width) if region else masks.nowhere(height, width)
    try:
        counts = read_mask(region, height, width)
    except ValueError as error:
        raise ValueError(f"`annotated`: {error}") from error
    if counts is None or masks.area(counts, height, width) == 0:
        raise ValueError(
            "`annotated` is empty; it is true if somebody looked at all of the image, false if "
            "nobody did"
        )
    return counts


def read_tags(tags: Any, categories: Sequence[Category]) -> tuple[int, ...] | None:
    """Read an image's `tags`, names or ids of categories, as sorted labels; None without the key.

    Raises ValueError, naming the key, for what is no list or no category.
    """
    if tags is None:
        return None
    if not isinstance(tags, list):
        raise ValueError(f"`tags` is a list of category names or ids, found {tags!r:.40}")
    return tuple(sorted({_read_tag(tag, categories) for tag in tags}))


def _read_tag(tag: Any, categories: Sequence[Category]) -> int:
    is_name = isinstance(tag, str)
    for label, category in enumerate(categories):
        if not isinstance(tag, bool) and tag == (category.name if is_name else category.id):
            return label
    raise ValueError(f"`tags`: there is no category {tag!r:.40}")
