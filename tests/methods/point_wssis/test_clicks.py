import torch

from ray_wssis.data.records import Click
from ray_wssis.methods.point_wssis.clicks import ClickTable, further_points

XY = torch.tensor([[2.0, 2.0], [30.0, 10.0], [9.0, 1.0]])
CLICKS = [
    [],
    [Click(6.5, 2.5, False), Click(38.0, 14.0, True), Click(17.0, 2.0, False)],
    [Click(5.0, 6.0, True)],
]


def test_positive_clicks_stand_behind_the_points() -> None:
    points, owner = further_points(CLICKS, XY)
    assert points.tolist() == [[2, 2], [30, 10], [9, 1], [38, 14], [5, 6]]
    assert owner.tolist() == [0, 1, 2, 1, 2]
    points, owner = further_points([[], [], []], XY)
    assert points.tolist() == XY.tolist() and owner.tolist() == [0, 1, 2]


def test_agreement_is_the_share_of_held_times_the_share_of_left_out() -> None:
    """A canvas of 40 x 16 pixels, so masks of 10 x 4; each mask is a list of (row, column)."""
    table = ClickTable.of(CLICKS, XY, (4, 10))
    masks = [[], [(2, 7)], [(2, 7), (3, 9)], [(2, 7), (3, 9), (0, 1)], [(3, 9), (0, 1), (0, 4)]]
    inside = torch.zeros(1, len(masks), 4, 10, dtype=torch.bool)
    for level, pixels in enumerate(masks):
        for row, column in pixels:
            inside[0, level, row, column] = True
    found = table.agreement(inside, torch.tensor([1]))
    torch.testing.assert_close(found, torch.tensor([[0, 0.5, 1, 0.5, 0]]).clamp(min=1e-3))


def test_an_object_with_its_point_alone_agrees_with_every_mask() -> None:
    table = ClickTable.of(CLICKS, XY, (4, 10))
    inside = torch.zeros(2, 3, 4, 10, dtype=torch.bool)
    inside[:, 1] = True
    found = table.agreement(inside, torch.tensor([0, 2]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1, 1], [1e-3, 1, 1e-3]]))


def test_a_click_on_the_far_edge_is_in_the_last_pixel() -> None:
    table = ClickTable.of([[Click(40.0, 16.0, True)]], torch.tensor([[0.0, 0.0]]), (4, 10))
    assert table.pixel.tolist() == [[[0, 0], [3, 9]]]
