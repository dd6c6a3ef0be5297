"""The published rules for points, each on a case that can be counted by hand."""

import pytest
import torch
from torch import Tensor

from ray_wssis.methods.point_wssis.published_prompt import (
    MAX_MASKS,
    cells_as_published,
    painted_cells,
    painted_over,
    survivors,
)

GRIDS = [80, 64, 32, 24, 12]


def test_a_cell_is_found_by_a_division_that_is_sometimes_one_low() -> None:
    middle = cells_as_published(torch.tensor([[0.5, 0.25]]), GRIDS)
    assert middle.tolist() == [[[19, 39], [16, 32], [8, 16], [6, 12], [3, 6]]]
    corner = cells_as_published(torch.tensor([[0.0, 1.0]]), GRIDS)
    assert corner.tolist() == [[[79, 0], [63, 0], [31, 0], [23, 0], [11, 0]]]


@pytest.mark.parametrize(("side", "num_low"), [(80, 65), (40, 30), (64, 0), (24, 0), (12, 0)])
def test_so_many_coordinates_land_one_cell_low(side: int, num_low: int) -> None:
    numbers = torch.arange(10_000)
    place = ((numbers.double() + 0.5) / 10_000).repeat(2, 1).T
    cells = cells_as_published(place, [side])[:, 0, 0]
    assert int((cells != numbers * side // 10_000).sum()) == num_low


@pytest.mark.parametrize(("side", "num_low"), [(80, 49), (24, 17), (12, 7), (40, 22), (36, 15)])
def test_so_many_boundaries_are_painted_one_cell_low(side: int, num_low: int) -> None:
    numbers = torch.arange(side)
    place = (numbers.float() / side).repeat(2, 1).T
    assert int((painted_cells(place, [side])[:, 0, 0] < numbers).sum()) == num_low


def test_a_point_is_painted_over_when_later_ones_take_its_cell_on_every_level() -> None:
    same, near, far = [[3, 4], [1, 2]], [[3, 5], [1, 2]], [[9, 9], [5, 5]]
    assert painted_over(torch.tensor([same, far, same])).tolist() == [True, False, False]
    assert painted_over(torch.tensor([same, near])).tolist() == [False, False]
    apart = [[3, 4], [7, 7]]  # takes one level, `near` the other
    assert painted_over(torch.tensor([same, near, apart])).tolist() == [True, False, False]


def masks_of(*spans: tuple[int, int]) -> Tensor:
    """Masks (P, 1, 1000) that are a span of pixels each."""
    masks = torch.zeros(len(spans), 1, 1000, dtype=torch.bool)
    for mask, (first, end) in zip(masks, spans, strict=True):
        mask[0, first:end] = True
    return masks


def apart(num: int) -> Tensor:
    """Cells (P, 5, 2) that nobody shares."""
    return torch.arange(num)[:, None, None].expand(num, 5, 2)


def survive(
    masks: Tensor, maskness: list[float], labels: list[int] | None = None, level: int = 0
) -> list[bool]:
    num = len(masks)
    levels, classes = torch.full((num,), level), torch.tensor(labels or [0] * num)
    return survivors(
        apart(num), apart(num), levels, classes, masks, torch.tensor(maskness)
    ).tolist()


def test_of_overlapping_masks_of_a_class_the_surer_one_stays() -> None:
    masks = masks_of((0, 100), (20, 120), (60, 160))
    assert survive(masks, [0.7, 0.9, 0.8]) == [False, True, True]  # IoU 0.67, 0.25, 0.43
    assert survive(masks, [0.7, 0.9, 0.8], [0, 1, 0]) == [True, True, True]


@pytest.mark.parametrize(("level", "stride"), [(0, 8), (1, 8), (2, 16), (3, 32), (4, 32)])
def test_a_mask_of_no_more_pixels_than_the_stride_is_dropped(level: int, stride: int) -> None:
    masks = masks_of((0, stride), (500, 501 + stride))
    assert survive(masks, [0.9, 0.9], level=level) == [False, True]


def test_points_that_pick_one_cell_for_one_class_are_one() -> None:
    cells = apart(3).clone()
    cells[1, 2] = cells[0, 2]  # shared on the chosen level only
    levels, labels = torch.full((3,), 2), torch.tensor([0, 0, 0])
    masks, maskness = masks_of((0, 50), (0, 50), (100, 150)), torch.full((3,), 0.9)
    assert survivors(apart(3), cells, levels, labels, masks, maskness).tolist() == [
        True,
        False,
        True,
    ]
    labels = torch.tensor([0, 1, 0])
    assert survivors(apart(3), cells, levels, labels, masks, maskness).tolist() == [
        True,
        True,
        True,
    ]


def test_the_best_hundred_stay_and_points_without_a_level_do_not() -> None:
    num = MAX_MASKS + 5
    masks = masks_of(*[(i * 9, i * 9 + 9) for i in range(num)])
    maskness = torch.linspace(0.5, 1, num)
    levels = torch.zeros(num, dtype=torch.int64)
    levels[-1] = -1
    kept = survivors(apart(num), apart(num), levels, torch.zeros_like(levels), masks, maskness)
    assert kept.tolist() == [False] * 4 + [True] * MAX_MASKS + [False]


def test_no_points_no_survivors() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert survivors(apart(0), apart(0), none, none, masks_of(), torch.zeros(0)).tolist() == []
