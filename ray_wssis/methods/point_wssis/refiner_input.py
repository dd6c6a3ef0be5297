"""The crop that the refiner sees.

One builder serves training and use, so the two cannot drift apart: same crop rule, same resizing,
same real point, same class.  The crop is a box of whole pixels around the rough mask, stretched to
a square; no full-size mask is made.  The way back is in `refined_mask`.

Differs from the paper: the published code keeps the aspect ratio in training but not in use, draws
the true mask's centroid in training but the annotated point in use, and fails on masks one pixel
wide.  With `compat: reference` the crop is the one that it uses, in training too.

Legend: S pixels of a crop side; boxes are (x0, y0, x1, y1) original pixels, x1 and y1 exclusive.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray

from ray_wssis.data.images.read import resize_image, resize_mask
from ray_wssis.masks import Box, Mask, bounding_box, run_lengths
from ray_wssis.methods.point_wssis.published_prompt import DIGITS
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RefinerInput:
    """One object as the refiner sees it: what the network needs, in few bytes."""

    rgb: UInt8[NDArray[np.uint8], "S S 3"]
    rough: UInt8[NDArray[np.uint8], "S S"]  # 0 and 1
    point: Point  # x, y in pixels of the crop
    label: int
    box: Box  # what the crop shows


def build_input(
    image: UInt8[NDArray[np.uint8], "H W 3"],
    rough: bytes,
    point: Point,
    label: int,
    *,
    scale: float,
    config: MaskRefineNetConfig,
) -> RefinerInput:
    """Cut out the crop of one object.

    `image` [H, W, 3]; `rough` the run-length counts of its mask for (H, W); `point` (x, y)
    original pixels; `scale` sides of the crop over those of the rough mask.  Raises ValueError
    when the rough mask is empty.
    """
    height, width = image.shape[:2]
    extent = bounding_box(rough, height, width)
    if extent[2] <= extent[0] or extent[3] <= extent[1]:
        raise ValueError(f"the rough mask of the object at {point} is empty: nothing to crop")
    size = config.crop_size
    if config.compat == "reference":
        point = point_as_published(point, height, width)
        box = crop_box_as_published(extent, point, height, width, scale)
    else:
        box = crop_box(extent, point, height, width, scale, config.minimum_side)
    x0, y0, x1, y1 = box
    return RefinerInput(
        rgb=resize_image(np.ascontiguousarray(image[y0:y1, x0:x1]), size, size),
        rough=mask_crop(rough, height, box, size),
        point=((point[0] - x0) * size / (x1 - x0), (point[1] - y0) * size / (y1 - y0)),
        label=label,
        box=box,
    )


def crop_box(
    extent: Box, point: Point, height: int, width: int, scale: float, minimum_side: float
) -> Box:
    """Return the box around a rough mask's extent and its point, clipped to the image.

    A side that the point lies beyond moves out to the point plus half a crop.
    """
    x0, x1 = crop_span(extent[0], extent[2], point[0], width, scale, minimum_side)
    y0, y1 = crop_span(extent[1], extent[3], point[1], height, scale, minimum_side)
    return x0, y0, x1, y1


def crop_span(
    start: int, end: int, point: float, length: int, scale: float, minimum_side: float
) -> tuple[int, int]:
    """`crop_box` along one axis of `length` pixels."""
    half = max((end - start) * scale, minimum_side) / 2
    middle = (start + end) / 2
    first, last = middle - half, middle + half
    if point < first:
        first = point - half
    if point >= last:
        last = point + half
    return max(0, int(np.floor(first))), min(length, int(np.ceil(last)))


def point_as_published(point: Point, height: int, width: int) -> Point:
    """Count pixels from their corner, in whole ten-thousandths of the image, as published."""
    x, y = (
        max(0, int(DIGITS * (value - 0.5) / length)) / DIGITS * length
        for value, length in zip(point, (width, height), strict=True)
    )
    return x, y


def crop_box_as_published(extent: Box, point: Point, height: int, width: int, scale: float) -> Box:
    """`crop_box` measured from the middle of the first pixel to that of the last, and cut off."""
    x0, x1 = crop_span_as_published(extent[0], extent[2] - 1, point[0], width, scale)
    y0, y1 = crop_span_as_published(extent[1], extent[3] - 1, point[1], height, scale)
    return x0, y0, x1, y1


def crop_span_as_published(
    start: int, last: int, point: float, length: int, scale: float
) -> tuple[int, int]:
    """`crop_box_as_published` along one axis; `last` is a pixel of the mask, the end exclusive."""
    half, middle = (last - start) * scale / 2, (start + last) / 2
    low, high = middle - half, middle + half
    if point < low:
        low = point - half
    if point > high:
        high = point + half
    return int(max(0, low)), int(min(high, length - 1)) + 1


def mask_crop(counts: bytes, height: int, box: Box, size: int) -> UInt8[NDArray[np.uint8], "S S"]:
    """Stretch the part of a mask inside the box to `size` x `size`, 0 or 1 (nearest pixel)."""
    return np.asarray(resize_mask(mask_in_box(counts, height, box), size, size), dtype=np.uint8)


def mask_in_box(counts: bytes, height: int, box: Box) -> Bool[Mask, "h w"]:
    """Decode the part of a mask inside the box, without unwrapping other columns."""
    x0, y0, x1, y1 = box
    runs = run_lengths(counts)
    ends = np.cumsum(runs).clip(x0 * height, x1 * height)
    is_object = np.arange(runs.size) % 2 == 1
    columns = np.repeat(is_object, np.diff(ends, prepend=x0 * height)).reshape(x1 - x0, height)
    return columns[:, y0:y1].T
