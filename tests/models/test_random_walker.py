"""Chances of a random walker."""

import numpy as np
import pytest

from ray_wssis.models.random_walker import passages, solve


def test_the_probability_is_the_mean_of_the_neighbours_by_passage() -> None:
    rng = np.random.default_rng(0)
    nowhere = np.zeros((40, 50), bool)
    across, down = passages(rng.random((40, 50, 3), dtype=np.float32), nowhere)
    seeds = np.full((40, 50), np.nan, np.float32)
    seeds[[0, -1]] = seeds[:, [0, -1]] = 0
    seeds[30, 10], seeds[24, 24] = 0, 1
    found = solve(across, down, seeds)
    assert found.min() >= 0 and found.max() == 1
    for row, column in [(20, 20), (24, 30), (35, 24)]:
        ways = [
            (across[row, column - 1], found[row, column - 1]),
            (across[row, column], found[row, column + 1]),
            (down[row - 1, column], found[row - 1, column]),
            (down[row, column], found[row + 1, column]),
        ]
        mean = sum(w * x for w, x in ways) / sum(w for w, _ in ways)
        assert found[row, column] == pytest.approx(mean, abs=1e-3)
