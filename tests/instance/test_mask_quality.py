import math
from dataclasses import replace

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.truth import compare
from ray_wssis.masks import encode


def stripe(first: int, last: int) -> bytes:
    mask = np.zeros((10, 20), bool)
    mask[:, first:last] = True
    return encode(mask)


TRUTH = Record(
    image_id=1,
    file="1.png",
    width=20,
    height=10,
    objects=(
        Object(annotation_id=4, label=0, mask=stripe(0, 10)),
        Object(annotation_id=5, label=1, mask=stripe(10, 20)),
        Object(annotation_id=6, label=0, mask=stripe(5, 15)),
        Object(annotation_id=7, label=2),
    ),
)


def test_a_missing_mask_counts_as_nothing_found() -> None:
    quality = MaskQuality()
    quality.add(TRUTH, compare({4: stripe(0, 8), 5: None, 7: stripe(0, 3)}, TRUTH))
    assert quality.ious == pytest.approx([0.8, 0, 0])
    assert quality.figures(["ring", "disc", "star"]) == pytest.approx(
        {
            "mIoU": 80 / 3,
            "share_good": 100 / 3,
            "num_missing": 2,
            "mIoU/ring": 40,
            "mIoU/disc": 0,
        }
    )


def test_images_add_up() -> None:
    quality = MaskQuality()
    for masks in (
        {4: stripe(0, 10), 5: stripe(10, 20), 6: stripe(5, 15)},
        {4: stripe(0, 5), 5: stripe(10, 16), 6: stripe(5, 15)},
    ):
        quality.add(TRUTH, compare(masks, TRUTH))
    assert quality.figures([])["mIoU"] == pytest.approx(100 * (1 + 1 + 1 + 0.5 + 0.6 + 1) / 6)
    assert quality.figures([])["share_good"] == pytest.approx(500 / 6)  # one half is not above it


def test_objects_that_nobody_looked_at_are_left_out() -> None:
    quality = MaskQuality()
    half = replace(TRUTH, annotated=stripe(0, 10))  # 5 lies beyond it, 6 by half
    drawn = {4: stripe(0, 8), 5: stripe(10, 20), 6: stripe(5, 15)}
    quality.add(half, compare(drawn, half))
    assert quality.ious == pytest.approx([0.8, 1])
    assert quality.labels == [0, 0]


def test_without_any_truth_there_is_no_figure() -> None:
    figures = MaskQuality().figures(["ring"])
    assert math.isnan(figures["mIoU"]) and figures["num_missing"] == 0
