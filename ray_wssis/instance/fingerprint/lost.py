"""Objects that a network of these sizes, ranges and grids cannot see or tell apart, counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ray_wssis.instance.fingerprint.measured import Floats, Measured
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.solov2_config import PADDING_MULTIPLE

SMALLEST = 2.0  # network pixels; a smaller object leaves nothing in the mask features


@dataclass(frozen=True, kw_only=True)
class Level:
    """The share of one pyramid level."""

    grid: int  # cells per side
    share: float  # of the objects with masks
    shared: float  # share of its objects whose cell a smaller neighbour takes, masks and points


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Counts over the images that were measured."""

    num_masks: int
    num_objects: int  # with masks or points
    too_small: int  # masks below two network pixels
    beyond_cap: int  # objects of images that show more than an answer may hold
    nowhere: int  # masks whose size is in no range
    levels: tuple[Level, ...]

    @property
    def shared(self) -> float:
        """Objects that share their cell, of all objects: an expectation, where points are."""
        return self.num_objects * sum(level.share * level.shared for level in self.levels)


def count_lost(measured: Measured, config: SegmenterConfig) -> Lost:
    """Count what is lost at the network size, ranges and grids of `config`."""
    sizes = measured.network_sizes(config.shorter, config.longest)
    cells = Cells.of(measured, config.shorter, config.longest)
    ranges, grids = config.scale_ranges, config.network.grids
    per_image = np.bincount(cells.image)
    held = np.zeros(len(sizes), dtype=bool)
    for low, high in ranges:
        held |= (sizes >= low) & (sizes < high)
    return Lost(
        num_masks=len(sizes),
        num_objects=len(cells.image),
        too_small=int((sizes < SMALLEST).sum()),
        beyond_cap=int((per_image - config.inference.max_instances).clip(min=0).sum()),
        nowhere=int((~held).sum()),
        levels=tuple(
            Level(
                grid=grid,
                share=float(inside(sizes, bounds).mean()),
                shared=cells.shared(grid, inside(sizes, bounds)),
            )
            for grid, bounds in zip(grids, ranges, strict=True)
        ),
    )


def inside(sizes: Floats, bounds: Sequence[float]) -> np.ndarray:
    """Tell which sizes a range holds."""
    return np.asarray((sizes >= bounds[0]) & (sizes < bounds[1]))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Places of all objects, masks first, as shares of the canvases of their images."""

    image: np.ndarray  # [N]
    place: Floats  # [N, 2] x and y, 0..1
    num_masks: int

    @classmethod
    def of(cls, measured: Measured, shorter: int, longest: int) -> "Cells":
        sides = measured.network_sides(shorter, longest)
        canvas = -(-sides // PADDING_MULTIPLE) * PADDING_MULTIPLE
        image = np.concatenate([measured.masks.image, measured.points.image])
        place = np.concatenate([measured.masks.centre, measured.points.place])
        own = measured.sides[image], sides[image], canvas[image]
        share = place[:, ::-1] / own[0] * own[1] / own[2]  # (y, x)
        return cls(image=image, place=share[:, ::-1], num_masks=len(measured.masks))

    def shared(self, grid: int, is_inside: np.ndarray) -> float:
        """Return the share of a level's objects that lose their cell to another one.

        Of masks it is known whether they are on the level.  A point is there with the share of the
        masks that are, so the number of those that lose is an expectation.
        """
        number = int(is_inside.sum())
        if not number:
            return 0.0
        share = number / len(is_inside)
        keys = self.keys(grid)
        masks = keys[: self.num_masks][is_inside]
        lost = float(len(masks) - len(np.unique(masks)))
        _, crowd = np.unique(keys[self.num_masks :], return_counts=True)
        lost += float((crowd * share - (1 - (1 - share) ** crowd)).sum())
        return lost / (number + share * (len(keys) - self.num_masks))

    def keys(self, grid: int) -> np.ndarray:
        """Number the cell of each object, over all images."""
        column, row = (np.clip((self.place * grid).astype(np.int64), 0, grid - 1)).T
        return np.asarray((self.image.astype(np.int64) * grid + row) * grid + column)
