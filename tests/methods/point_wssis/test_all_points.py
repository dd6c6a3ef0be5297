"""Masks of 4 x 10 pixels, on a canvas of 40 x 16."""

import torch
from torch import Tensor

from ray_wssis.methods.point_wssis.all_points import FOREIGN, OUTSIDE, AllPoints
from ray_wssis.methods.point_wssis.parts import WHOLE

XY = torch.tensor([[2.0, 2.0], [30.0, 10.0], [9.0, 1.0], [2.9, 2.9]])  # the last beside the first
PIXELS = [(0, 0), (2, 7), (0, 2), (0, 0)]  # rows and columns of the points in a mask


def mask(*pixels: tuple[int, int]) -> Tensor:
    made = torch.zeros(4, 10, dtype=torch.bool)
    for row, column in pixels:
        made[row, column] = True
    return made


def test_a_mask_should_hold_its_point_and_no_other() -> None:
    masks = [mask(PIXELS[1]), mask(), mask(*PIXELS[:2]), mask(*PIXELS[:3]), mask(PIXELS[2])]
    found = AllPoints.of(XY, (4, 10)).agreement(torch.stack(masks)[None], torch.tensor([1]))
    expected = [1, OUTSIDE, FOREIGN**2, FOREIGN**3, OUTSIDE * FOREIGN]  # pixel 0 has two points
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_points_on_one_pixel_say_nothing_about_each_other() -> None:
    masks = torch.stack([mask(PIXELS[0]), mask(PIXELS[0], PIXELS[2])]).expand(2, 2, 4, 10)
    found = AllPoints.of(XY, (4, 10)).agreement(masks, torch.tensor([0, 3]))
    torch.testing.assert_close(found, torch.tensor([[1, FOREIGN], [1, FOREIGN]]))


def test_a_mask_that_holds_every_point_is_better_than_none() -> None:
    xy = torch.rand(500, 2) * torch.tensor([40, 16])
    everywhere = torch.ones(1, 1, 4, 10, dtype=torch.bool)
    assert AllPoints.of(xy, (4, 10)).agreement(everywhere, torch.tensor([3])).item() > 0


def test_points_on_the_far_edges_are_in_the_last_pixels() -> None:
    assert AllPoints.of(torch.tensor([[40.0, 16.0]]), (4, 10)).pixel.tolist() == [39]


def test_an_object_with_several_points_may_have_several_parts() -> None:
    points = AllPoints.of(XY[:3], (4, 10))
    assert points.of_owners(torch.tensor([0, 1, 2, 1])).tolist() == [0, WHOLE, 2, WHOLE]
