"""Random bits, and backgrounds and textures made from them for `ray_wssis.data.builtin.shapes`.

All results are exact on every machine; that module explains how.  Colours are floats 0..255, three
to a pixel.  Lengths are given for an image of 128 pixels and grow with it (`unit`, pixels per
128th of the side).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Dice:
    """Random numbers from the raw bits of PCG64, whose stream NumPy promises to keep."""

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, index]))

    def uniform(self) -> float:
        """Draw a number in [0, 1)."""
        return float(self.array(1)[0])

    def array(self, *shape: int) -> Array:
        """Draw an array of numbers in [0, 1)."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        return np.asarray((raw >> np.uint64(11)) / 2.0**53).reshape(shape)

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 to bound - 1."""
        return int(self.uniform() * bound)

    def direction(self) -> tuple[float, float]:
        """Draw cosine and sine of any angle, by the rational formula: libm is not exact."""
        t = 2 * self.uniform() - 1
        cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)  # the right half circle
        return (cosine, sine) if self.uniform() < 0.5 else (-cosine, -sine)

    def colour(self) -> Array:
        """Draw a colour [3] that is neither black nor white."""
        return 25 + 205 * self.array(3)


def ground(dice: Dice, size: int) -> Array:
    """Draw a background [size, size, 3]: two calm colours mixed by noise and stripes, lines."""
    unit = size / 128
    first, second = _calm(dice.colour()), _calm(dice.colour())
    mix = 0.2 + 0.6 * _slope(dice, size, size)
    for cells, strength in ((3, 0.7), (8, 0.45), (21, 0.25)):
        mix = mix + strength * (noise(dice, size, size, cells) - 0.5)
    if dice.uniform() < 0.5:
        mix = mix + (0.15 + 0.25 * dice.uniform()) * (_stripes(dice, size, size, unit) - 0.5)
    canvas = first + (second - first) * np.clip(mix, 0, 1)[:, :, None]  # (size, size, 3)
    for _ in range(dice.below(5)):
        _scratch(dice, canvas, unit)
    grain = 10 * (dice.array(size, size, 1) - 0.5)
    return np.clip(canvas + grain, 0, 255)


def _calm(colour: Array) -> Array:
    """Move a colour towards gray and medium brightness."""
    gray = (colour[0] + colour[1] + colour[2]) / 3
    return np.asarray(128 + 0.6 * (gray + 0.5 * (colour - gray) - 128))


def paint(dice: Dice, canvas: Array, cover: Array, size: int) -> None:
    """Fill the canvas [h, w, 3] with a new texture, as far as `cover` [h, w] says (0..1)."""
    beneath = canvas[cover > 0.5].astype(np.int64)  # whole numbers, so that their sum is exact
    filling = _filling(dice, beneath.sum(axis=0) / max(1, len(beneath)), cover.shape, size / 128)
    canvas += (filling - canvas) * cover[:, :, None]


def _filling(dice: Dice, beneath: Array, shape: tuple[int, ...], unit: float) -> Array:
    """Mix two colours, the first unlike those beneath, by one of four textures."""
    height, width = shape
    first = dice.colour()
    for _ in range(20):
        if np.abs(first - beneath).max() > 80:
            break
        first = dice.colour()
    second = np.clip(first + 110 * (dice.array(3) - 0.5), 5, 250)
    match dice.below(4):
        case 0:
            mix = _slope(dice, height, width)
        case 1:
            mix = np.clip(3 * _stripes(dice, height, width, unit) - 1, 0, 1)
        case 2:  # checks, slanted
            one, other = (_stripes(dice, height, width, unit) > 0.5 for _ in range(2))
            mix = np.where(one ^ other, 1.0, 0.0)
        case _:
            mix = noise(dice, height, width, 9)
    grain = 12 * (dice.array(height, width, 1) - 0.5)
    return np.clip(first + (second - first) * mix[:, :, None] + grain, 0, 255)


def _slope(dice: Dice, height: int, width: int) -> Array:
    """Rise from 0 to 1 across the frame in a random direction."""
    return np.clip(0.5 + _along(dice, height, width) / max(height, width) / 1.5, 0, 1)


def _stripes(dice: Dice, height: int, width: int, unit: float) -> Array:
    """Stripes that rise softly from 0 to 1 and fall back, 8 to 28 pixels apart."""
    period = unit * (8 + 20 * dice.uniform())
    phase = (_along(dice, height, width) / period + dice.uniform()) % 1.0
    return np.abs(2 * phase - 1)


def _along(dice: Dice, height: int, width: int) -> Array:
    """Distance in pixels from the middle along a random direction, [height, width]."""
    cosine, sine = dice.direction()
    x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2
    return cosine * x[None, :] + sine * y[:, None]


def noise(dice: Dice, height: int, width: int, cells: int) -> Array:
    """Random heights 0..1 on a grid of cells x cells, smoothly joined: [height, width]."""
    heights = dice.array(cells + 1, cells + 1)
    row, down = _between(height, cells)
    column, right = _between(width, cells)
    rows = heights[row] + (heights[row + 1] - heights[row]) * down[:, None]  # (height, cells + 1)
    return rows[:, column] + (rows[:, column + 1] - rows[:, column]) * right[None, :]


def _between(length: int, cells: int) -> tuple[NDArray[np.int64], Array]:
    """Grid line before each pixel, and the eased distance 0..1 of the pixel beyond it."""
    at = (np.arange(length) + 0.5) * cells / length
    low = at.astype(np.int64)
    part = at - low
    return low, part * part * (3 - 2 * part)


def _scratch(dice: Dice, canvas: Array, unit: float) -> None:
    """Draw a thin line across the canvas, as clutter."""
    size = canvas.shape[0]
    offset = size * (dice.uniform() - 0.5)
    width = unit * (0.4 + 0.9 * dice.uniform())
    distance = np.abs(_along(dice, size, size) - offset)
    cover = 0.4 * np.clip(width + 0.5 - distance, 0, 1)[:, :, None]
    canvas += (dice.colour() - canvas) * cover
