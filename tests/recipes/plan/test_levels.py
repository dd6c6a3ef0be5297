from itertools import pairwise

import numpy as np

from ray_wssis.instance.fingerprint.measured import measure
from ray_wssis.recipes.plan.levels import choose_bounds, choose_levels, overlapping, touching
from ray_wssis.recipes.plan.sizes import NetworkSize
from tests.support.squares import image_of, records_of


def test_bounds_part_sizes_and_never_coincide() -> None:
    assert choose_bounds(np.exp(np.linspace(np.log(10), np.log(100), 5001))) == [20, 32, 50, 76]
    bounds = choose_bounds(np.full(5000, 20.0))
    assert all(high >= 1.15 * low for low, high in pairwise(bounds))


def test_teachers_ranges_touch_and_students_overlap() -> None:
    assert touching([20, 32, 48, 72]) == [[1, 20], [20, 32], [32, 48], [48, 72], [72, 2048]]
    assert overlapping([20, 32, 48, 72]) == [[1, 25], [17, 40], [27, 60], [41, 90], [61, 2048]]


def test_neighbours_get_more_cells() -> None:
    apart = records_of(*(image_of(i, [(10, 10, 20), (200, 200, 20)], 256, 256) for i in range(20)))
    near = records_of(*(image_of(i, [(10, 10, 20), (16, 16, 20)], 256, 256) for i in range(20)))
    size = NetworkSize(shorter=256, longest=256, why="")
    grids = [choose_levels(measure(x, records_of()), size).grids.value for x in (apart, near)]
    assert all(few <= many for few, many in zip(*grids, strict=True))
    assert grids[0] != grids[1]
    assert all(list(grid) == sorted(grid, reverse=True) for grid in grids)
