"""Tests of ray_wssis.data.split.draw."""

import numpy as np
import pytest

from ray_wssis.data.split.draw import in_line, num_audit, spare


def test_neither_order_nor_other_images_change_the_rank_of_one() -> None:
    ids = list(range(20))
    line = in_line(range(20), "x", 3, ids, ids)
    assert sorted(line) == ids and line != ids
    turned = ids[::-1][:12]
    other = [turned[place] for place in in_line(range(12), "x", 3, turned, turned)]
    assert other == [number for number in line if number >= 8]


@pytest.mark.parametrize(
    ("total", "share", "number"),
    [(10, 0.3, 3), (10, 0.01, 1), (10, 0, 0), (3, 0.5, 1), (2, 0.5, 0), (100, 0.07, 7)],
)
def test_an_audit_takes_a_share_and_leaves_two(total: int, share: float, number: int) -> None:
    assert num_audit(total, share) == number


@pytest.mark.parametrize("seed", range(20))
def test_what_is_spared_leaves_some_of_each_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = {place: rng.integers(0, 4, rng.integers(1, 4)).tolist() for place in range(8)}
    taken = spare(labels, range(8), 3)
    left = [label for place, each in labels.items() if place not in taken for label in each]
    assert set(left) == {label for each in labels.values() for label in each}
    if len(taken) < 3:  # no further image can be spared
        for place in set(labels) - taken:
            rest = [x for other in set(labels) - taken - {place} for x in labels[other]]
            assert not set(labels[place]) <= set(rest)
    assert spare(labels, range(8), 0) == set()
