"""Objects that a network of these sizes, ranges and grids cannot see or tell apart, counted.

What is counted here is lost however long anybody trains, so it is worth knowing before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.augment_config import AugmentConfig
from ray_wssis.instance.fingerprint.measured import Floats, Measured
from ray_wssis.instance.segmenter_config import SegmenterStage
from ray_wssis.models.solov2_config import PADDING_MULTIPLE

SMALLEST = 2.0  # network pixels; a smaller object leaves nothing in the mask features
NUM_ZOOMS = 9  # of the augmentation that are looked at
WORTH_SAYING = 0.01  # of the objects
MOST_SHARED = 0.03  # of the objects; a few neighbours always share a cell
LEAST_SHARE = 0.005  # of the objects that a level should get in training

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Level:
    """The share of one pyramid level."""

    bounds: tuple[float, float]  # of sizes, network pixels
    grid: int  # cells per side
    share: float  # of the masks, as large as they are when labelling
    trained: float  # of the masks, over all zooms of the augmentation
    shared: float  # share of its objects that lose their cell to another one


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Counts over the images that were measured."""

    num_masks: int
    num_objects: int  # with masks or points
    too_small: int  # masks below two network pixels
    beyond_cap: int  # objects of images that show more than an answer may hold
    cap: int  # of objects in an answer
    nowhere: int  # masks whose size is in no range
    levels: tuple[Level, ...]

    @property
    def shared(self) -> float:
        """Share of the objects that lose their cell: an expectation, where there are points."""
        return sum(level.share * level.shared for level in self.levels)

    def rows(self) -> list[tuple[str, str]]:
        """Put the counts into words, for a table."""
        by_level = " / ".join(f"{100 * level.shared:.1f}" for level in self.levels)
        shares = " / ".join(f"{100 * level.share:.0f}" for level in self.levels)
        return [
            (
                f"below {SMALLEST:g} network pixels",
                f"{self.too_small} of {self.num_masks} masks",
            ),
            ("masks on each level, %", shares),
            (
                "objects that share a cell",
                f"about {self.num_objects * self.shared:.0f} of {self.num_objects} "
                f"(on each level {by_level} %)",
            ),
            (f"beyond {self.cap} in an image", f"{self.beyond_cap} of {self.num_objects} objects"),
        ]

    def complaints(self, *, disjoint: bool) -> Iterator[str]:
        """Say what is worth a warning, and what to do.

        Objects that share a cell are told apart on another level if ranges are not `disjoint`.
        """
        if self.too_small > WORTH_SAYING * self.num_masks:
            yield (
                f"{self.too_small} of {self.num_masks} masks are below {SMALLEST:g} network pixels "
                "and cannot be learnt; raise shorter and longest"
            )
        if self.nowhere:
            yield f"{self.nowhere} of {self.num_masks} masks have a size that is in no scale range"
        for level in self.levels:
            if level.trained < LEAST_SHARE:
                low, high = level.bounds
                yield (
                    f"the level of sizes {low:g} to {high:g} gets {100 * level.share:.0f} % of the "
                    f"{self.num_masks} masks and learns nothing; choose scale_ranges by your "
                    "objects, as `wssis plan` does"
                )
        if disjoint and self.shared > MOST_SHARED:
            worst = max(self.levels, key=lambda level: level.share * level.shared)
            yield (
                f"about {100 * self.shared:.0f} % of {self.num_objects} objects share a cell with "
                f"another one, {100 * worst.shared:.0f} % of those on the grid of {worst.grid}, "
                "and one of two gets no mask; raise network.grids"
            )
        if self.beyond_cap:
            yield (
                f"{self.beyond_cap} of {self.num_objects} objects are in images that show more "
                f"than the {self.cap} of an answer; raise inference.max_instances"
            )


def count_lost(measured: Measured, stage: SegmenterStage) -> Lost:
    """Count what is lost at the network size, ranges and grids of a stage."""
    config = stage.model
    sizes = measured.network_sizes(config.shorter, config.longest)
    cells = Cells.of(measured, config.shorter, config.longest)
    levels = [inside(sizes, bounds) for bounds in config.scale_ranges]
    zoomed = np.concatenate([sizes * zoom for zoom in zooms(stage.augment, config.shorter)])
    per_image = np.bincount(cells.image)
    cap = config.inference.max_instances
    return Lost(
        num_masks=len(sizes),
        num_objects=len(cells.image),
        too_small=int((sizes < SMALLEST).sum()),
        beyond_cap=int((per_image - cap).clip(min=0).sum()),
        cap=cap,
        nowhere=int((~np.any(levels, axis=0) & (sizes >= SMALLEST)).sum()),
        levels=tuple(
            Level(
                bounds=bounds,
                grid=grid,
                share=float(level.mean()),
                trained=float(inside(zoomed, bounds).mean()),
                shared=cells.shared(grid, level),
            )
            for grid, bounds, level in zip(
                config.network.grids, config.scale_ranges, levels, strict=True
            )
        ),
    )


def zooms(augment: AugmentConfig, shorter: int) -> Floats:
    """Return how much larger than in use objects are in training, from least to most."""
    least = min(augment.shorter) / shorter
    most = max(augment.shorter) / shorter / augment.min_crop
    return np.asarray(np.linspace(least, most, NUM_ZOOMS))


def inside(sizes: Floats, bounds: Sequence[float]) -> Flags:
    """Tell which sizes a range holds."""
    return np.asarray((sizes >= bounds[0]) & (sizes < bounds[1]))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Places of all objects, masks first, as shares of the canvases of their images."""

    image: NDArray[np.int64]  # [N]
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

    def shared(self, grid: int, is_inside: Flags) -> float:
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

    def keys(self, grid: int) -> NDArray[np.int64]:
        """Number the cell of each object, over all images."""
        column, row = (np.clip((self.place * grid).astype(np.int64), 0, grid - 1)).T
        return np.asarray((self.image * grid + row) * grid + column)
