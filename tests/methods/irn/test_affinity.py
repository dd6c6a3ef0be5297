import pytest
import torch

from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.models.cell_pairs import ends, path


@pytest.mark.parametrize(("radius", "size"), [(5, (9, 7)), (10, (12, 14)), (5, (3, 3))])
def test_affinity_is_what_the_strongest_boundary_leaves(radius: int, size: tuple[int, int]) -> None:
    boundary = torch.rand(2, *size, generator=torch.Generator().manual_seed(0))
    found = boundary_affinity(boundary, radius)
    first, second = ends(torch.arange(size[0] * size[1]).view(size), radius)
    for place, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        y, x = divmod(i, size[1])
        down, right = j // size[1] - y, j % size[1] - x
        for image in (0, 1):
            on_way = [boundary[image, y + a, x + b] for a, b in path((down, right))]
            assert found[image, place] == 1 - max(on_way)


def test_a_wall_parts_the_cells_on_both_sides() -> None:
    boundary = torch.zeros(6, 7)
    boundary[:, 3] = 1
    affinity = boundary_affinity(boundary, 5)
    first, second = (column % 7 for column in ends(torch.arange(42).view(6, 7), 5))
    apart = (torch.minimum(first, second) <= 3) & (torch.maximum(first, second) >= 3)
    assert torch.equal(affinity, (~apart).float())
