"""A synthetic data set with class maps, in which tags help: discs and squares on textures.

Four classes make two pairs: red discs and orange squares, cyan discs and blue squares.  The hues of
a pair overlap, so that on small objects the outline alone tells them apart, and no image shows both
classes of a pair.  An image's tags thus say just what is hard to see.  An image has one to three
objects, later ones over earlier ones; the other pixels are background, label 0.  The last class may
be made rarer than the others.

The same seed gives the same bytes on every machine; `ray_wssis.data.builtin.shapes` explains how.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from upath import UPath

from ray_wssis import masks
from ray_wssis.data.builtin.png import stored_png
from ray_wssis.data.builtin.shapes import SHAPES, place
from ray_wssis.data.builtin.textures import Dice, ground, noise
from ray_wssis.data.records import Object
from ray_wssis.storage import Place

Array = NDArray[np.float64]

IMAGES, CLASS_MAPS, CLASSES = "images", "class_maps", "classes.txt"  # in the folder
MOST_OBJECTS = 3
HUE_SPREAD = 0.06  # of four uniform numbers: a standard deviation of 0.035
OPACITY = 0.6  # of an object, at least
GRAIN = 60  # of every sample of an image, from the darkest to the brightest


class Kind(NamedTuple):
    """A class of objects."""

    name: str
    outline: Callable[[Array, Array], NDArray[np.bool_]]
    hue: float  # 0..1, its mean


WARM = (Kind("red disc", SHAPES["circle"], 0.02), Kind("orange square", SHAPES["square"], 0.12))
COLD = (Kind("cyan disc", SHAPES["circle"], 0.50), Kind("blue square", SHAPES["square"], 0.60))
KINDS = (*WARM, *COLD)
NAMES = ("background", *(kind.name for kind in KINDS))  # by label


def write_semantic_shapes(
    folder: Place, num_images: int, seed: int, size: int = 64, frequency: float = 1.0
) -> UPath:
    """Write `num_images` images of size x size pixels and their class maps; return the folder.

    `frequency`, 0 to 1, is how often the last class is shown, relative to each of the others.

    Files are FOLDER/images/000001.png, ..., the same names in FOLDER/class_maps, and the names of
    the classes in FOLDER/classes.txt.  Raises ValueError for fewer than one image or images too
    small for the smallest shape.
    """
    if num_images < 1:
        raise ValueError(f"{num_images} images: at least one is needed")
    if size < 64:
        raise ValueError(f"a size of {size} pixels: at least 64 are needed")
    root = UPath(folder)
    for inside in (IMAGES, CLASS_MAPS):
        (root / inside).mkdir(parents=True, exist_ok=True)
    for index in range(num_images):
        pixels, class_map = draw_image(index, seed, size, frequency)
        name = f"{index + 1:06d}.png"
        (root / IMAGES / name).write_bytes(stored_png(pixels))
        (root / CLASS_MAPS / name).write_bytes(stored_png(class_map))
    (root / CLASSES).write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    return root


def draw_image(
    index: int, seed: int, size: int, frequency: float = 1.0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw image number `index` of a seed, [size, size, 3], and its class map, [size, size]."""
    canvas, owner, labels = _draw(index, seed, size, frequency)
    return canvas, np.array([0, *labels], np.uint8)[owner]


def true_objects(index: int, seed: int, size: int, frequency: float = 1.0) -> tuple[Object, ...]:
    """Return the objects that are seen in an image, numbered in the order in which they lie."""
    _, owner, labels = _draw(index, seed, size, frequency)
    return tuple(
        Object(annotation_id=number, label=label, mask=masks.encode(owner == number))
        for number, label in enumerate(labels, start=1)
        if (owner == number).any()
    )


def _draw(
    index: int, seed: int, size: int, frequency: float
) -> tuple[NDArray[np.uint8], NDArray[np.intp], list[int]]:
    """Draw an image; also return the number of the object of each pixel, from 1 on, and labels."""
    dice = Dice(seed, index)
    canvas = ground(dice, size)
    owner = np.zeros((size, size), np.intp)
    labels: list[int] = []
    warm, cold = dice.below(2), dice.below(2)
    if frequency < 1 and cold == 1 and dice.uniform() >= frequency:
        cold = 0
    shown = WARM[warm], COLD[cold]
    for number in range(1, 2 + dice.below(MOST_OBJECTS)):
        kind = shown[dice.below(2)]
        new = place(dice, kind.outline, size)
        beneath = canvas[new.box]
        cover = new.cover[:, :, None] * (OPACITY + (1 - OPACITY) * dice.uniform())
        beneath += (_filling(dice, kind.hue, new.cover.shape) - beneath) * cover
        owner[new.mask] = number
        labels.append(1 + KINDS.index(kind))
    canvas = np.clip(canvas + GRAIN * (dice.array(size, size, 3) - 0.5), 0, 255)
    return canvas.astype(np.uint8), owner, labels


def _filling(dice: Dice, mean_hue: float, shape: tuple[int, ...]) -> Array:
    """Fill [h, w, 3] with a colour near a hue, light and dark by noise."""
    spread = dice.uniform() + dice.uniform() + dice.uniform() + dice.uniform() - 2
    hue = (mean_hue + HUE_SPREAD * spread) % 1.0
    colour = _colour(hue, 0.35 + 0.6 * dice.uniform(), 0.45 + 0.5 * dice.uniform())
    height, width = shape
    light = 0.6 + 0.8 * noise(dice, height, width, 6)[:, :, None]
    return np.clip(colour * light, 0, 255)


def _colour(hue: float, saturation: float, brightness: float) -> Array:
    """Convert hue, saturation and brightness, each 0..1, to a colour [3] of 0..255."""
    sector = int(6 * hue)
    part = 6 * hue - sector
    low = brightness * (1 - saturation)
    falling = brightness * (1 - saturation * part)
    rising = brightness * (1 - saturation * (1 - part))
    top = brightness
    rgb = (
        (top, rising, low),
        (falling, top, low),
        (low, top, rising),
        (low, falling, top),
        (rising, low, top),
        (top, low, falling),
    )[sector % 6]
    return 255 * np.array(rgb)
