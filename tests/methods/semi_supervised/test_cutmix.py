"""Tests of ray_wssis.methods.semi_supervised.cutmix."""

import numpy as np
import pytest
import torch

from ray_wssis.methods.semi_supervised.cutmix import draw_boxes, mix


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_boxes_have_the_areas_and_aspects_asked_for() -> None:
    boxes = draw_boxes(400, 64, 64, area=(0.02, 0.4), aspect=(0.3, 1 / 0.3))
    for marks in boxes.numpy():
        rows, columns = np.flatnonzero(marks.any(1)), np.flatnonzero(marks.any(0))
        tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert marks.sum() == tall * wide  # a full rectangle
        assert 0.3 * 0.8 < tall / wide < 1 / 0.3 / 0.8  # sides are whole pixels
    share = boxes.float().mean((1, 2))
    assert share.min() > 0.015 and share.max() < 0.41
    assert share.mean().item() == pytest.approx(0.21, abs=0.02)


def test_boxes_lie_everywhere() -> None:
    covered = draw_boxes(600, 16, 24, area=(0.1, 0.2), aspect=(0.5, 2)).float().mean(0)
    assert covered.min() > 0 and covered[4:12, 6:18].min() > 0.1


def test_where_two_boxes_overlap_the_image_stays() -> None:
    whole = draw_boxes(1, 8, 8, area=(1, 1), aspect=(1, 1), number=2)
    assert not whole.any()
    assert draw_boxes(1, 8, 8, area=(1, 1), aspect=(1, 1), number=3).all()


def test_only_a_share_of_the_images_gets_a_box() -> None:
    boxes = draw_boxes(1000, 8, 8, area=(0.2, 0.3), aspect=(1, 1), chance=0.3)
    assert boxes.any(2).any(1).float().mean().item() == pytest.approx(0.3, abs=0.05)


def test_marked_pixels_come_from_the_image_at_the_other_end() -> None:
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(4, 3, 5, 6)
    boxes = torch.zeros(4, 5, 6, dtype=torch.bool)
    boxes[0, 1:3, 2:5] = True
    boxes[2, 0, 0] = True
    mixed = mix(images, boxes)
    for image, partner in ((0, 3), (1, 2), (2, 1), (3, 0)):
        for y, x in np.ndindex(5, 6):
            expected = partner if boxes[image, y, x] else image
            assert (mixed[image, :, y, x] == expected).all()
    assert torch.equal(mix(images[:, 0], boxes), mixed[:, 0])
