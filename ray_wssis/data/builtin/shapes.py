"""A synthetic data set: textured shapes on textured backgrounds, with exact masks.

It serves the demo, the tests and anybody who wants to see the method work before labelling data.
There are six classes (among them a ring, which does not contain its centroid) and one to eight
objects per image, later ones over earlier ones; a mask is the visible part.  Colour, texture, angle
and size are independent of the class, only the outline tells it.

The same seed gives the same bytes on every machine, and the first images do not depend on how many
follow.  Hence only raw random bits are used, and only operations whose result IEEE 754 fixes
(+ - * / and comparisons): sines and sums of floats may differ in the last digit between machines.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.builtin.png import stored_png
from ray_wssis.data.builtin.textures import Dice, ground, paint
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.records import Category, Object, Record, Records

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALLEST, LARGEST = 12 / 128, 80 / 128  # diameter, as a part of the image's side
MIN_VISIBLE = 0.5  # of an object; a newcomer that would hide more of an earlier one is not drawn
SUPERSAMPLE = 3  # samples per pixel and side, for soft edges; a mask is decided by the centre

_SIN60 = 0.8660254037844386
# Directions of the five edges of a star: cosines and sines of 90, 162, 234, 306 and 18 degrees.
_STAR = (
    (0.0, 1.0),
    (-0.9510565162951535, 0.3090169943749474),
    (-0.5877852522924731, -0.8090169943749475),
    (0.5877852522924731, -0.8090169943749475),
    (0.9510565162951535, 0.3090169943749474),
)


def _circle(u: Array, v: Array) -> Mask:
    return u * u + v * v <= 0.81


def _square(u: Array, v: Array) -> Mask:
    return np.maximum(np.abs(u), np.abs(v)) <= 0.75


def _triangle(u: Array, v: Array) -> Mask:
    slanted = _SIN60 * np.abs(u) + 0.5 * v
    return (v >= -0.5) & (slanted <= 0.5)


def _star(u: Array, v: Array) -> Mask:
    """Points inside at least four of the five lines of its edges; 0.32 / cos 72° to a tip."""
    inside = sum(((x * u + y * v) <= 0.32).astype(np.int64) for x, y in _STAR)
    return np.asarray(inside >= 4)


def _ring(u: Array, v: Array) -> Mask:
    squared = u * u + v * v
    return (squared <= 0.9) & (squared >= 0.27)


def _cross(u: Array, v: Array) -> Mask:
    near, far = np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v))
    return (near <= 0.3) & (far <= 0.95)


# Tests for the inside of upright shapes of radius 1 around (0, 0).
SHAPES: dict[str, Callable[[Array, Array], Mask]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
CATEGORIES = tuple(Category(id=i + 1, name=name) for i, name in enumerate(SHAPES))


def write_shapes(folder: str | UPath, num_images: int, seed: int, size: int = 128) -> UPath:
    """Write `num_images` images of size x size pixels; return the annotation file.

    Files are FOLDER/images/000001.png, ... and FOLDER/annotations/instances.json.  Raises
    ValueError for fewer than one image or images too small for the smallest shape.
    """
    if num_images < 1:
        raise ValueError(f"{num_images} images: at least one is needed")
    if size < 64:
        raise ValueError(f"a size of {size} pixels: at least 64 are needed")
    images = UPath(folder) / "images"
    images.mkdir(parents=True, exist_ok=True)
    records = []
    for i in range(num_images):
        pixels, record = draw_image(i, seed, size)
        (images / record.file).write_bytes(stored_png(pixels))
        records.append(record)
    annotations = UPath(folder) / "annotations" / "instances.json"
    info = {"description": f"shapes: {num_images} images of {size} pixels, seed {seed}"}
    write_coco(Records.from_rows(records, CATEGORIES), annotations, info=info)
    return annotations


def draw_image(index: int, seed: int, size: int) -> tuple[NDArray[np.uint8], Record]:
    """Draw image number `index` of a seed, [size, size, 3], and its record."""
    dice = Dice(seed, index)
    canvas = ground(dice, size)
    labels: list[int] = []
    visible: list[Mask] = []
    whole: list[int] = []  # pixels of each object before others covered it
    num_objects = dice.below(8) + 1
    for _ in range(2 * num_objects):  # a few newcomers will find no room
        if len(labels) == num_objects:
            break
        label = dice.below(len(SHAPES))
        new = place(dice, list(SHAPES.values())[label], size)
        left = [int((old & ~new.mask).sum()) for old in visible]
        if any(rest < MIN_VISIBLE * all_ for rest, all_ in zip(left, whole, strict=True)):
            continue
        paint(dice, canvas[new.box], new.cover, size)
        visible = [*(old & ~new.mask for old in visible), new.mask]
        whole.append(int(new.mask.sum()))
        labels.append(label)
    return canvas.astype(np.uint8), _record(index, size, labels, visible)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A shape in the image."""

    mask: Mask  # [size, size], pixels whose centre is inside
    box: tuple[slice, slice]  # rows and columns around it
    cover: Array  # [rows of the box, columns of the box], share of each pixel inside, 0..1


def place(dice: Dice, shape: Callable[[Array, Array], Mask], size: int) -> Placed:
    """Place a shape at random, of random size and angle."""
    t = dice.uniform()
    radius = size * (SMALLEST + (LARGEST - SMALLEST) * t * t) / 2  # small shapes are more frequent
    # At most a third of the shape's width lies beyond the border.
    low, high = radius / 3, size - radius / 3
    x, y = low + (high - low) * dice.uniform(), low + (high - low) * dice.uniform()
    cosine, sine = dice.direction()
    # A frame of pixels around it: at most 1.07 radii (a square's corner) to each side.
    reach = 1.1 * radius + 1
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    box = np.s_[top : min(size, int(y + reach) + 1), left : min(size, int(x + reach) + 1)]
    n = SUPERSAMPLE  # samples a pixel and side; the middle one is its centre
    fine_x = (np.arange(box[1].start * n, box[1].stop * n) + 0.5) / n
    fine_y = (np.arange(box[0].start * n, box[0].stop * n) + 0.5) / n
    dx, dy = (fine_x - x)[None, :] / radius, (fine_y - y)[:, None] / radius
    fine = shape(cosine * dx + sine * dy, cosine * dy - sine * dx)  # (h * n, w * n)
    mask = np.zeros((size, size), bool)
    mask[box] = fine[n // 2 :: n, n // 2 :: n]
    counts = sum(fine[i::n, j::n].astype(np.int64) for i in range(n) for j in range(n))
    return Placed(mask=mask, box=box, cover=np.asarray(counts) / (n * n))


def _record(index: int, size: int, labels: list[int], visible: list[Mask]) -> Record:
    first = 1000 * (index + 1)  # ids do not depend on what other images hold
    return Record(
        image_id=index + 1,
        file=f"{index + 1:06d}.png",
        width=size,
        height=size,
        objects=tuple(
            Object(annotation_id=first + i, label=label, mask=masks.encode(mask))
            for i, (label, mask) in enumerate(zip(labels, visible, strict=True))
        ),
    )
