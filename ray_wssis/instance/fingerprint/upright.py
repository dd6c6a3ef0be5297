"""Signs that images have an up, measured.

Where images have no natural orientation, quarter turns and mirror images are as likely as the
image itself; so a figure that changes its sign under a quarter turn or upside down is zero on
average.  Such figures are taken of pixels, masks and points.  That they are not known to differ
from zero is no proof if there are few images: each must be known to be *small*.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.instance.fingerprint.measured import Floats, Measured

MOST_READ = 60  # images whose pixels are looked at
LEAST_IMAGES = 8  # with masks, in all or of a class; fewer tell nothing
ERRORS = 2  # standard errors within which the mean is believed to be
CLASS_ERRORS = 4  # of the mean of a class; there may be many classes
PIXELS = 128  # of the shorter side, when pixels are compared


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A figure that is zero on average where images have no up."""

    name: str
    mean: float
    error: float  # standard error of the mean; the unit of chance is an image
    limit: float  # largest absolute mean that does no harm

    @property
    def most(self) -> float:
        """Largest absolute value that the mean may have."""
        return abs(self.mean) + ERRORS * self.error

    @property
    def is_small(self) -> bool:
        return self.most < self.limit

    def __str__(self) -> str:
        return f"{self.name} ({self.mean:+.2f} +- {ERRORS * self.error:.2f})"


def signs(measured: Measured, strong: Records) -> list[Sign]:
    """Take every figure; images of the strong records are read.  Raises ImageError."""
    masks, points = measured.masks, measured.points
    image = np.concatenate([masks.image, points.image])
    place = np.concatenate([masks.centre, points.place]) / measured.sides[image][:, ::-1] - 0.5
    read = strong.select(range(0, len(strong), -(-len(strong) // MOST_READ)))
    edges, bright = zip(*(compare_pixels(read_image(record.file)) for record in read), strict=True)
    return [
        sign("objects lie higher or lower", per_image(place[:, 1], image), 0.03),
        sign(
            "objects spread more across than down",
            per_image(place[:, 0] ** 2 - place[:, 1] ** 2, image),
            0.015,
        ),
        sign("objects stand or lie", per_image(masks.lean, masks.image), 0.15),
        sign("objects are heavier above or below", per_image(masks.skew, masks.image), 0.12),
        sign("edges run along or down the image", edges, 0.15),
        sign("the upper half is brighter or darker", bright, 0.25),
    ]


def has_no_up(found: Sequence[Sign], measured: Measured, names: Sequence[str]) -> tuple[bool, str]:
    """Decide whether images may be turned, and say why; `names` are those of the classes."""
    number = len(np.unique(measured.masks.image))
    if number < LEAST_IMAGES:
        return False, f"{number} images with masks are too few to tell whether they have an up"
    doubtful = [sign for sign in found if not sign.is_small]
    if doubtful:
        worst = max(doubtful, key=lambda sign: abs(sign.mean) / (sign.error + 1e-9))
        known = "" if abs(worst.mean) > ERRORS * worst.error else "perhaps "
        return False, f"images seem to have an up: {known}{worst}"
    masks = measured.masks
    for what, values in (("stands or lies", masks.lean), ("has a top", masks.skew)):
        for label in np.unique(masks.label):
            own = (masks.label == label) & ~np.isnan(values)
            if len(np.unique(masks.image[own])) < LEAST_IMAGES:
                continue
            average = sign(what, per_image(values[own], masks.image[own]), np.inf)
            if abs(average.mean) > CLASS_ERRORS * average.error:
                return False, f"class {names[label]} {what} ({average.mean:+.2f} on average)"
    largest = max(found, key=lambda sign: sign.most / sign.limit)
    return True, f"no sign of an up in {number} images; the largest: {largest}"


def sign(name: str, values: Iterable[float], limit: float) -> Sign:
    """Summarise one value per image."""
    known = np.asarray(list(values))
    known = known[~np.isnan(known)]
    if len(known) < 2:
        return Sign(name=name, mean=0.0, error=np.inf, limit=limit)
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    return Sign(name=name, mean=float(known.mean()), error=error, limit=limit)


def per_image(values: Floats, image: NDArray[np.int64]) -> Floats:
    """Average the values of the objects of each image, NaN left out."""
    known = ~np.isnan(values)
    _, row = np.unique(image[known], return_inverse=True)
    return np.asarray(np.bincount(row, weights=values[known]) / np.bincount(row))


def compare_pixels(image: np.ndarray) -> tuple[float, float]:
    """Compare edges across with edges down, and the upper half with the lower, [H, W, 3] uint8.

    Both are between -1 and 1 or near it, and zero on average where there is no up.
    """
    gray: np.ndarray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    shrink = PIXELS / min(gray.shape)
    if shrink < 1:
        gray = cv2.resize(gray, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    across = float((np.diff(gray, axis=1) ** 2).mean())
    down = float((np.diff(gray, axis=0) ** 2).mean())
    half = gray.shape[0] // 2
    brighter = float(gray[:half].mean() - gray[-half:].mean()) / (float(gray.std()) + 1)
    return (across - down) / (across + down + 1e-6), brighter
