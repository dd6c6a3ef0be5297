"""Scale ranges and grids: which pyramid level draws which objects, and in how many cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ray_wssis.instance.fingerprint.lost import Cells, inside
from ray_wssis.instance.fingerprint.measured import Floats, Measured, quantiles
from ray_wssis.recipes.plan.decision import Decision
from ray_wssis.recipes.plan.sizes import NetworkSize

SHARES = (0.3, 0.5, 0.7, 0.88)  # of the objects below each bound: the finest level has most cells
LEAST_RATIO = 1.2  # of neighbouring bounds
OVERLAP = (0.85, 1.25)  # the student's ranges reach below and above the teacher's
NO_BOUND = 2048
CELL = 0.7  # sides of a cell over the smallest objects of its level
LEAST_GRIDS = (16, 14, 12, 10, 8)
FEWEST_PIXELS = (8, 8, 16, 25, 32)  # of a cell, for the least grids
SMALLEST_CELLS = (8, 8, 12, 16, 24)  # pixels; the features of a level are no finer
MOST_CELLS = 48  # of a side
MOST_SHARED = 0.01  # of the objects of a level

Range = list[float]


@dataclass(frozen=True, kw_only=True)
class Levels:
    teacher: Decision  # scale ranges that touch
    student: Decision  # scale ranges that overlap
    grids: Decision


def choose_levels(measured: Measured, size: NetworkSize) -> Levels:
    """Choose ranges by the sizes of the masks, and grids so that neighbours share few cells."""
    sizes = measured.network_sizes(size.shorter, size.longest)
    bounds = choose_bounds(sizes)
    ranges = touching(bounds)
    cells = Cells.of(measured, size.shorter, size.longest)
    side = float(np.median(np.sqrt(measured.network_sides(size.shorter, size.longest).prod(1))))
    levels = [inside(sizes, bounds) for bounds in ranges]
    grids = choose_grids(quantiles(sizes, [0.1]), bounds, side, cells, levels)
    shares = " / ".join(f"{100 * float(level.mean()):.0f}" for level in levels)
    shared = " / ".join(
        f"{100 * cells.shared(grid, level):.1f}" for grid, level in zip(grids, levels, strict=True)
    )
    return Levels(
        teacher=Decision(
            ranges, f"disjoint; they hold {shares} % of the {len(sizes)} masks, in network pixels"
        ),
        student=Decision(overlapping(bounds), "the teacher's, 15 % lower and 25 % higher"),
        grids=Decision(grids, f"{shared} % of the objects of a level share a cell with another"),
    )


def choose_bounds(sizes: Floats) -> list[int]:
    """Choose four sizes, in network pixels, that part the five levels."""
    bounds: list[int] = []
    for wanted in quantiles(sizes, SHARES):
        least = LEAST_RATIO * bounds[-1] if bounds else 2.0
        bounds.append(round(max(float(wanted), least + 0.5)))
    return bounds


def touching(bounds: Sequence[int]) -> list[Range]:
    return [[low, high] for low, high in zip([1, *bounds], [*bounds, NO_BOUND], strict=True)]


def overlapping(bounds: Sequence[int]) -> list[Range]:
    below, above = OVERLAP
    lows = [1, *(max(1, round(below * bound)) for bound in bounds)]
    highs = [*(round(above * bound) for bound in bounds), NO_BOUND]
    return [[low, high] for low, high in zip(lows, highs, strict=True)]


def choose_grids(
    smallest: Floats,
    bounds: Sequence[int],
    side: float,
    cells: Cells,
    levels: Sequence[np.ndarray],
) -> list[int]:
    """Choose cells per side of each level, from fine to coarse, never more on a coarser one.

    Cells are smaller than the objects of their level, and get smaller still while neighbours share
    them, down to the pixels of the features.
    """
    grids: list[int] = []
    for level, low in enumerate([float(smallest[0]), *bounds]):
        most = min(
            MOST_CELLS, int(side / SMALLEST_CELLS[level]), grids[-1] if grids else MOST_CELLS
        )
        least = min(LEAST_GRIDS[level], round(side / FEWEST_PIXELS[level]))
        grid = min(max(round(side / (CELL * low)), least, 2), max(2, most))
        while grid < most and cells.shared(grid, levels[level]) > MOST_SHARED:
            grid += 1
        grids.append(grid)
    return grids
