"""Variation while the refiner learns: crop, point, flips, colour, and the rough mask itself.

The refiner learns from masks that an early teacher drew on images it was trained on, and then
works on masks that the final teacher draws on images it never saw; those are worse in other
ways.  `perturb_mask` brings training masks closer to them.

Differs from the paper: points are the annotated ones, jittered, not centroids of the true mask;
changing the rough mask and re-drawing points are ours (off by default).
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray

from ray_wssis.data.augment import change_colour
from ray_wssis.masks import Box, area, bounding_box, encode_in_box, pixels
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_input import Point, RefinerInput, mask_in_box

LARGEST_WINDOW = 256  # pixels of a side; masks are perturbed at this size at most


def draw_point(
    annotated: Point | None, truth: bytes, height: int, share: float, rng: np.random.Generator
) -> Point:
    """The annotated point; or one anywhere in the true mask, with probability `share`."""
    if annotated is not None and rng.random() >= share:
        return annotated
    column, row = pixels(truth, height)
    chosen = int(rng.integers(column.size))
    return float(column[chosen]) + 0.5, float(row[chosen]) + 0.5


def jitter_point(point: Point, size: int, share: float, rng: np.random.Generator) -> Point:
    """The point moved by up to `share` of a crop of `size` pixels, but not out of it."""
    if share == 0:
        return point
    moved = np.asarray(point) + rng.uniform(-share, share, size=2) * size
    x, y = np.clip(moved, 0, size - 1e-3).tolist()
    return x, y


def turn_input(
    sample: RefinerInput, truth: UInt8[NDArray[np.uint8], "S S"], quarter_turns: int, flip: bool
) -> tuple[RefinerInput, UInt8[NDArray[np.uint8], "S S"]]:
    """Crop, rough mask, true mask and point, turned anticlockwise and then flipped together."""
    size = sample.rough.shape[0]
    x, y = sample.point
    for _ in range(quarter_turns):
        x, y = y, size - x
    if flip:
        x = size - x

    def move(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        array = np.rot90(array, quarter_turns)
        return np.ascontiguousarray(array[:, ::-1] if flip else array)

    turned = replace(sample, rgb=move(sample.rgb), rough=move(sample.rough), point=(x, y))
    return turned, move(truth)


def augment_input(
    sample: RefinerInput,
    truth: UInt8[NDArray[np.uint8], "S S"],
    config: RefinerAugmentConfig,
    mirrored: Sequence[int],
    rng: np.random.Generator,
) -> tuple[RefinerInput, UInt8[NDArray[np.uint8], "S S"]]:
    """Vary everything that happens inside the crop; a flip gives it its `mirrored` label."""
    sample = replace(
        sample,
        rgb=change_colour(sample.rgb, config.colour, rng),
        point=jitter_point(sample.point, sample.rough.shape[0], config.point_jitter, rng),
    )
    quarter_turns = int(rng.integers(4)) if config.turn else 0
    flip = bool(config.flip and rng.random() < 0.5)
    if flip:
        sample = replace(sample, label=mirrored[sample.label])
    return turn_input(sample, truth, quarter_turns, flip)


def perturb_mask(counts: bytes, height: int, width: int, rng: np.random.Generator) -> bytes:
    """The mask shifted and scaled a little, its outline moved in and out by a smooth random field.

    All changes are shares of the mask's size.  A mask that would vanish is left alone.
    """
    extent = bounding_box(counts, height, width)
    side = float(np.sqrt(max(1, area(counts, height, width))))
    box = widen(extent, round(0.3 * side) + 3, height, width)
    part = mask_in_box(counts, height, box).astype(np.uint8)
    shrink = max(1.0, max(part.shape) / LARGEST_WINDOW)
    columns, rows = (max(1, round(length / shrink)) for length in (part.shape[1], part.shape[0]))
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
    side /= shrink
    inwards = cv2.distanceTransform(small, cv2.DIST_L2, 3).clip(0, side)
    outwards = cv2.distanceTransform(1 - small, cv2.DIST_L2, 3).clip(0, side)
    moved = cv2.warpAffine(
        inwards - outwards,  # > 0 inside
        draw_affine(extent, box, shrink, rng),
        (columns, rows),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-side,
    )
    bumps = rng.normal(size=(5, 5)).astype(np.float32) * rng.uniform(0, 0.08)
    outline = cv2.resize(bumps, (columns, rows), interpolation=cv2.INTER_CUBIC)
    field = moved + side * (outline + np.float32(rng.uniform(-0.06, 0.06)))
    changed = cv2.resize(field, part.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0
    return encode_in_box(changed, box, height, width) if changed.any() else counts


def draw_affine(
    extent: Box, box: Box, shrink: float, rng: np.random.Generator
) -> Float64[NDArray[np.float64], "2 3"]:
    """Scale about the middle of the extent, then shift, in pixels of the shrunk box."""
    x0, y0, x1, y1 = extent
    middle = np.array([(x0 + x1 - 1) / 2 - box[0], (y0 + y1 - 1) / 2 - box[1]])
    scale = rng.uniform(0.88, 1.12)
    shift = rng.uniform(-0.06, 0.06, size=2) * (x1 - x0, y1 - y0)
    return np.column_stack([np.eye(2) * scale, (middle * (1 - scale) + shift) / shrink])


def widen(box: Box, margin: int, height: int, width: int) -> Box:
    x0, y0, x1, y1 = box
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(width, x1 + margin),
        min(height, y1 + margin),
    )
