"""Sizes and places of the objects of a data set, as arrays: settings are chosen from them.

Weak images have points only, so sizes come from the masks of the strong images; points say how
crowded the weak ones are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.images.read import shortest_edge_size
from ray_wssis.data.records import Record, Records
from ray_wssis.masks import bounding_box, pixels

MOST_IMAGES = 2000  # of each part that are looked at; the others are like them
HALF_TRUSTED = 30  # masks whose own quantiles count as much as those of a smooth distribution
USUAL_SPREAD = 0.6  # standard deviation of the logarithm of sizes, as that of few masks is unsure
SPREAD_WEIGHT = 5  # masks that this guess is worth

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Objects whose masks are known; row i of every field is the same object."""

    image: NDArray[np.int64]  # [N] row of `Measured.sides`
    label: NDArray[np.int64]
    box: Floats  # [N, 2] width and height, pixels of the image
    centre: Floats  # [N, 2] mass centre (x, y)
    lean: Floats  # [N] from -1, upright, to 1, lying; NaN at the border of the image
    skew: Floats  # [N] third moment along y: positive if the thin end is below; NaN as above

    def __len__(self) -> int:
        return len(self.image)

    @property
    def size(self) -> Floats:
        """sqrt(width * height) of the boxes, pixels of the image."""
        return np.asarray(np.sqrt(self.box.prod(axis=1)))


@dataclass(frozen=True, kw_only=True)
class Points:
    """Objects of which only points are known."""

    image: NDArray[np.int64]  # [N] row of `Measured.sides`
    place: Floats  # [N, 2] (x, y)

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The strong and weak images of a data set, or an even choice of them."""

    sides: NDArray[np.int64]  # [images, 2] height and width, the strong images first
    masks: Masks
    points: Points

    def __post_init__(self) -> None:
        assert len(self.masks), "no mask to measure"

    def network_sides(self, shorter: int, longest: int) -> NDArray[np.int64]:
        """Return heights and widths of the images as a network sees them, [images, 2]."""
        seen = [shortest_edge_size(height, width, shorter, longest) for height, width in self.sides]
        return np.asarray(seen, dtype=np.int64).reshape(-1, 2)

    def scales(self, shorter: int, longest: int) -> Floats:
        """Return network pixels per pixel of each image."""
        return np.asarray(self.network_sides(shorter, longest)[:, 0] / self.sides[:, 0])

    def network_sizes(self, shorter: int, longest: int) -> Floats:
        """Return the sizes of the masks in network pixels."""
        return np.asarray(self.masks.size * self.scales(shorter, longest)[self.masks.image])


def measure(strong: Records, weak: Records, most: int = MOST_IMAGES) -> Measured:
    """Measure the objects of at most `most` images of each part, ignore regions left out."""
    known, pointed = some_of(strong, most), some_of(weak, most)
    masks = [row for i, record in enumerate(known) for row in measured_masks(i, record)]
    if not masks and len(known) < len(strong):  # a choice of empty images
        return measure(strong, weak, len(strong))
    image, label, *rest = np.asarray(masks, dtype=float).reshape(-1, 8).T
    places = [
        (i, *obj.point)
        for i, record in enumerate(pointed, start=len(known))
        for obj in record.objects
        if obj.point is not None and not is_ignored(record, obj)
    ]
    row, x, y = np.asarray(places, dtype=float).reshape(-1, 3).T
    return Measured(
        sides=np.asarray([(record.height, record.width) for record in (*known, *pointed)]),
        masks=Masks(
            image=image.astype(np.int64),
            label=label.astype(np.int64),
            box=np.stack(rest[0:2], axis=1),
            centre=np.stack(rest[2:4], axis=1),
            lean=rest[4],
            skew=rest[5],
        ),
        points=Points(image=row.astype(np.int64), place=np.stack([x, y], axis=1)),
    )


def some_of(records: Records, most: int) -> list[Record]:
    """Choose at most `most` records evenly."""
    every = -(-len(records) // most) or 1
    return list(records.select(range(0, len(records), every)))


def measured_masks(image: int, record: Record) -> list[tuple[float, ...]]:
    """Measure the objects of one image: a row of the fields of `Masks` for each."""
    height, width = record.height, record.width
    rows: list[tuple[float, ...]] = []
    for obj in record.objects:
        if obj.mask is None or is_ignored(record, obj):
            continue
        x0, y0, x1, y1 = bounding_box(obj.mask, height, width)
        column, row = pixels(obj.mask, height)
        if not column.size:
            continue
        is_whole = x0 > 0 and y0 > 0 and x1 < width and y1 < height
        down = row - row.mean()
        var_x, var_y = float(column.var()) + 1 / 12, float(row.var()) + 1 / 12  # of whole pixels
        lean = (var_x - var_y) / (var_x + var_y) if is_whole else np.nan
        skew = float((down**3).mean()) / var_y**1.5 if is_whole else np.nan
        centre = float(column.mean()) + 0.5, float(row.mean()) + 0.5
        rows.append((image, obj.label, x1 - x0, y1 - y0, *centre, lean, skew))
    return rows


def quantiles(sizes: Floats, shares: Sequence[float]) -> Floats:
    """Return sizes at these shares (0 to 1) of the objects.

    Quantiles of few masks are drawn towards those of a log-normal distribution with their mean and
    spread, and the spread towards a usual one.
    """
    logs, number = np.log(sizes), len(sizes)
    weight = number / (number + SPREAD_WEIGHT)
    spread = np.sqrt(weight * logs.var() + (1 - weight) * USUAL_SPREAD**2)
    smooth = logs.mean() + spread * np.asarray([NormalDist().inv_cdf(share) for share in shares])
    trust = number / (number + HALF_TRUSTED)
    return np.asarray(np.exp(trust * np.quantile(logs, shares) + (1 - trust) * smooth))
