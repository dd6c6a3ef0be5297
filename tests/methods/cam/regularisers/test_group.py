"""Group mining: partners, and what they bring, against loops."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.cam.regularisers.group import bring, partners


def test_partners_share_most_tags_and_of_equal_ones_come_next() -> None:
    tags = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]]).bool()
    assert partners(tags).tolist() == [[3, 1], [3, 0], [3, 4], [0, 1], [0, 1]]


@pytest.mark.parametrize(("number", "expected"), [(1, [[0, 0]]), (2, [[1, 0], [0, 1]])])
def test_a_small_batch_has_partners_too(number: int, expected: list[list[int]]) -> None:
    assert partners(torch.ones(number, 2, dtype=torch.bool)).tolist() == expected


def test_cells_take_the_maps_of_what_looks_like_them() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((1, 2, 2, 3), np.float32)
    theirs, own = (rng.random((1, 4, 6), np.float32) for _ in range(2))
    there = np.array([[[True, True, False, True, True, False]]])
    found = bring(*(torch.tensor(array) for array in (maps, theirs, there, own)))
    for cell in range(6):
        likeness = np.exp(own[0, :, cell] @ theirs[0] / 2) * there[0, 0]
        expected = maps.reshape(2, 6) @ (likeness / likeness.sum())
        assert found[0].flatten(1)[:, cell].numpy() == pytest.approx(expected, abs=1e-6)
