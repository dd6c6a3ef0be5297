"""Two discs of one class that touch: a true field and a true boundary tell them apart."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.methods.irn.centroids import follow, grouped
from ray_wssis.methods.irn.config import InstancesConfig
from ray_wssis.methods.irn.instances import candidates, find_instances, pieces
from ray_wssis.models.affinity_walk import chances

HEIGHT, WIDTH, RADIUS = 24, 40, 8
CENTRES = ((12, 11), (12, 28))  # 17 cells apart: the discs touch


def discs() -> list[torch.Tensor]:
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return [(rows - y) ** 2 + (columns - x) ** 2 <= (RADIUS + 0.5) ** 2 for y, x in CENTRES]


def true_field() -> torch.Tensor:
    """Displacements to the centre of the own disc, none on the background: (2, h, w)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    field = torch.zeros(2, HEIGHT, WIDTH)
    for disc, (y, x) in zip(discs(), CENTRES, strict=True):
        field = torch.where(disc, torch.stack([y - rows, x - columns]).float(), field)
    return field


def true_boundary() -> torch.Tensor:
    """Edges of the discs: their cells with a neighbour that belongs to something else."""
    owner = sum(number * disc.long() for number, disc in enumerate(discs(), start=1))
    assert isinstance(owner, torch.Tensor)
    grown = torch.nn.functional.pad(owner[None, None].float(), (1, 1, 1, 1), mode="replicate")
    highest = torch.nn.functional.max_pool2d(grown, 3, 1)[0, 0]
    lowest = -torch.nn.functional.max_pool2d(-grown, 3, 1)[0, 0]
    return ((highest != lowest) & (owner > 0)).float()


def test_cells_follow_the_field_to_their_centre() -> None:
    places = follow(true_field())
    for disc, (y, x) in zip(discs(), CENTRES, strict=True):
        inner = disc.clone()  # beside another thing, displacements of both are mixed on the way
        inner &= true_boundary() == 0
        assert (places[0][inner] - y).abs().max() < 0.5
        assert (places[1][inner] - x).abs().max() < 0.5


def test_following_a_field_is_what_a_slow_walk_does() -> None:
    field = 2 * torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    found = follow(field, steps=3)

    def at(y: float, x: float) -> torch.Tensor:
        top, left = min(int(y), 3), min(int(x), 5)
        down, right = y - top, x - left
        upper = (1 - right) * field[:, top, left] + right * field[:, top, left + 1]
        lower = (1 - right) * field[:, top + 1, left] + right * field[:, top + 1, left + 1]
        return (1 - down) * upper + down * lower

    for row in range(5):
        for column in range(7):
            y, x = float(row), float(column)
            for _ in range(3):
                down, right = at(y, x).tolist()
                y, x = min(max(y + down, 0.0), 4.0), min(max(x + right, 0.0), 6.0)
            assert found[:, row, column].tolist() == pytest.approx([y, x], abs=1e-3)


def test_groups_are_the_discs() -> None:
    groups = grouped(true_field())
    numbers = [groups[disc & (true_boundary() == 0)].unique() for disc in discs()]
    assert all(len(own) == 1 for own in numbers)
    assert numbers[0] != numbers[1]


def find(field: torch.Tensor, boundary: torch.Tensor) -> list[np.ndarray]:
    """Instances of activation maps that show the inside of both discs alike."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    scores = sum(torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18) for y, x in CENTRES)
    assert isinstance(scores, torch.Tensor)
    cam = (scores / scores.max())[None]
    affinity = boundary_affinity(boundary, 5)
    found = find_instances(
        cam * (1 - boundary),
        [3],
        grouped(field),
        chances(affinity, HEIGHT, WIDTH, 5),
        256,
        (4 * HEIGHT, 4 * WIDTH),
        InstancesConfig(),
    )
    assert all(instance.label == 3 for instance in found)
    assert all(0.25 < instance.score <= 1 for instance in found)
    return [instance.mask for instance in found]


def test_two_touching_discs_are_separated() -> None:
    masks = find(true_field(), true_boundary())
    truth = [disc.repeat_interleave(4, 0).repeat_interleave(4, 1).numpy() for disc in discs()]
    assert len(masks) == 2
    for disc in truth:
        best = max((disc & mask).sum() / (disc | mask).sum() for mask in masks)
        assert best > 0.75  # edges are boundary


def test_without_centroids_they_are_one() -> None:
    open_boundary = true_boundary()
    open_boundary[8:17, 19:21] = 0
    assert len(find(torch.zeros(2, HEIGHT, WIDTH), open_boundary)) == 1


def test_candidates_are_the_parts_of_classes_that_count() -> None:
    groups = torch.tensor([[0, 0, 1], [2, 2, 1]])
    scores = torch.tensor([[[0.9, 0.1, 0.0], [0.0, 0.0, 0.3]], [[0.0, 0.0, 0.0], [0.1, 0.8, 0.0]]])
    parts, labels = candidates(scores, [4, 7], groups, 0.25)
    assert labels == [4, 4, 7]
    assert parts[0].tolist() == [[pytest.approx(0.9), pytest.approx(0.1), 0], [0, 0, 0]]
    assert parts[2].tolist() == [[0, 0, 0], [pytest.approx(0.1), pytest.approx(0.8), 0]]
    nothing, none = candidates(scores, [4, 7], groups, 0.95)
    assert nothing.shape == (0, 2, 3)
    assert none == []


def test_fragments_are_left_out() -> None:
    mask = np.zeros((10, 20), bool)
    mask[1:4, 1:5] = mask[8, 18] = True
    (kept,) = pieces(mask, 0.01)
    assert kept.sum() == 12
