import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ray_wssis.data.records import Category, Click
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.masks import decode
from ray_wssis.methods.point_wssis.point_prompt import SAME_MASK_IOU, decode_points
from ray_wssis.methods.point_wssis.point_segmenter import draw_points, encode_visible
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.solov2 import SOLOv2
from tests.support.tiny import TINY

CONFIG = SegmenterConfig(network=TINY, shorter=64, longest=100)
CATEGORIES = (Category(id=4, name="a"), Category(id=9, name="b"), Category(id=11, name="c"))


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    network = SOLOv2(CONFIG.network, num_classes=3)
    for parameter in network.instance_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # masks that differ from each other
    return Segmenter(network, CONFIG, CATEGORIES)


def random_image(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_rough_masks_are_rows_of_the_points_in_original_pixels(segmenter: Segmenter) -> None:
    image = random_image(64, 80)
    output = segmenter.forward([random_image(60, 70, 2), image])
    points, labels = [(10.0, 20.0), (159.0, 100.0), (10.0, 20.0)], [2, 0, 1]
    found = draw_points(segmenter, output, 1, (64, 80), (128, 160), points, labels)
    decoded = decode_points(
        output,
        1,
        torch.tensor(points) / 2,
        torch.tensor(labels),
        max_iou=SAME_MASK_IOU,
        heed_points=True,
    )
    expected = encode_visible(decoded.masks, (64, 80), (128, 160), 0.5)
    assert found.masks == [
        mask if level >= 0 else None
        for mask, level in zip(expected, decoded.level.tolist(), strict=True)
    ]
    assert found.class_scores == decoded.class_score.tolist()
    assert found.maskness == decoded.maskness.tolist()
    assert found.margins == decoded.margin.tolist()
    for mask, level in zip(found.masks, found.levels, strict=True):
        assert (mask is None) == (level == -1)
        assert mask is None or decode(mask, 128, 160).any()


def test_the_size_of_an_object_restricts_its_levels(segmenter: Segmenter) -> None:
    config = segmenter.config.model_copy(
        update={"scale_ranges": ((1, 20), (20, 30), (30, 40), (40, 50), (50, 2048))}
    )
    sized = Segmenter(segmenter.network, config, CATEGORIES)
    output = sized.forward([random_image(64, 80)])
    points, labels = [(10.0 * i, 60.0) for i in range(1, 15)], [1] * 14
    small, large = (
        draw_points(
            sized, output, 0, (64, 80), (128, 160), points, labels, box_sizes=[(side, side)] * 14
        )
        for side in (20.0, 90.0)  # original pixels: 10 and 45 in the network
    )
    assert set(small.levels) <= {0, -1} and set(large.levels) <= {3, -1}
    assert 0 in small.levels and 3 in large.levels


def test_no_points_no_masks(segmenter: Segmenter) -> None:
    output = segmenter.forward([random_image(64, 80)])
    found = draw_points(segmenter, output, 0, (64, 80), (128, 160), [], [])
    assert vars(found) == {
        "masks": [],
        "levels": [],
        "class_scores": [],
        "maskness": [],
        "margins": [],
    }


def test_two_points_do_not_keep_the_same_mask(segmenter: Segmenter) -> None:
    output = segmenter.forward([random_image(64, 80)])
    points, labels = [(70.0, 60.0), (70.0, 60.0)], [1, 1]
    alone = draw_points(segmenter, output, 0, (64, 80), (128, 160), points[:1], labels[:1])
    pair = draw_points(segmenter, output, 0, (64, 80), (128, 160), points, labels)
    assert (pair.masks[0], pair.levels[0]) == (alone.masks[0], alone.levels[0])
    assert pair.levels[1] != pair.levels[0]
    assert pair.masks[1] != pair.masks[0]


def test_clicks_are_in_original_pixels_like_points(segmenter: Segmenter) -> None:
    output = segmenter.forward([random_image(64, 80)])
    points, clicks = [(70.0, 60.0)], [[Click(150, 120, True), Click(20, 20, False)]]
    found = draw_points(segmenter, output, 0, (64, 80), (128, 160), points, [1], clicks=clicks)
    decoded = decode_points(
        output,
        0,
        torch.tensor(points) / 2,
        torch.tensor([1]),
        clicks=[[Click(75, 60, True), Click(10, 10, False)]],
    )
    assert found.levels == decoded.level.tolist()
    assert found.margins == decoded.margin.tolist()
    plain = draw_points(segmenter, output, 0, (64, 80), (128, 160), points, [1])
    assert found.margins != plain.margins


def test_a_mask_of_one_pixel_survives_resizing() -> None:
    masks = torch.full((2, 16, 20), 0.1)
    masks[0, 3, 4] = 0.55
    masks[1, 3:9, 4:9] = 0.9
    assert encode_full_size(masks, (64, 80), (128, 160), 0.5)[0] is None
    small, large = encode_visible(masks, (64, 80), (128, 160), 0.5)
    assert small is not None
    rows, columns = decode(small, 128, 160).nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (24, 31, 32, 39)
    assert large == encode_full_size(masks, (64, 80), (128, 160), 0.5)[1]


def test_a_mask_that_is_nowhere_stays_none() -> None:
    assert encode_visible(torch.zeros(1, 16, 20), (64, 80), (128, 160), 0.5) == [None]
