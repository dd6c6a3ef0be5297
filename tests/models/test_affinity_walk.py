import time

import pytest
import torch

from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.models.affinity_walk import chances, walk
from ray_wssis.models.cell_pairs import ends


def dense_chances(
    affinity: torch.Tensor, size: tuple[int, int], radius: int, power: float
) -> torch.Tensor:
    """The whole matrix, as published: its columns are normalised."""
    number = size[0] * size[1]
    matrix = torch.eye(number, dtype=torch.float64)
    first, second = ends(torch.arange(number).view(size), radius)
    matrix[first, second] = matrix[second, first] = affinity.double() ** power
    return matrix / matrix.sum(dim=0)


@pytest.mark.parametrize("doublings", [0, 4, 8])
def test_sparse_steps_are_powers_of_the_dense_matrix(doublings: int) -> None:
    generator = torch.Generator().manual_seed(0)
    size, radius = (12, 14), 5
    affinity = boundary_affinity(torch.rand(*size, generator=generator), radius)
    scores = torch.rand(3, *size, generator=generator)
    dense = dense_chances(affinity, size, radius, 10)
    for _ in range(doublings):
        dense = dense @ dense
    wanted = (scores.double().flatten(1) @ dense).view(scores.shape)
    found = walk(scores, chances(affinity, *size, radius), 2**doublings)
    assert (found - wanted).abs().max() < 1e-5


def test_walls_keep_scores_in() -> None:
    boundary = torch.zeros(8, 9)
    boundary[:, 4] = 1
    scores = torch.zeros(1, 8, 9)
    scores[0, 3, 1] = 1
    spread = walk(scores, chances(boundary_affinity(boundary, 5), 8, 9, 5), 256)
    assert (spread[0, :, :4] > 0.01).all()
    assert (spread[0, :, 4:] == 0).all()


def test_even_scores_stay() -> None:
    affinity = boundary_affinity(torch.rand(5, 6, generator=torch.Generator().manual_seed(1)), 3)
    spread = walk(torch.full((1, 5, 6), 0.5), chances(affinity, 5, 6, 3), 16)
    assert torch.allclose(spread, torch.full((1, 5, 6), 0.5), atol=1e-6)


def test_an_image_as_usual_takes_seconds() -> None:
    generator = torch.Generator().manual_seed(2)
    size = (94, 125)  # a quarter of 375 x 500 pixels
    scores = torch.rand(3, *size, generator=generator)
    boundary = torch.rand(*size, generator=generator)
    assert torch.get_num_threads() == 1
    began = time.process_time()
    spread = walk(scores, chances(boundary_affinity(boundary, 5), *size, 5), 256)
    took = time.process_time() - began
    assert spread.isfinite().all()
    assert took < 3, f"{took:.2f} s on one core, where 3 are wanted"
