import math
from dataclasses import replace

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.instance.truth import compare, compare_row, iou_or_nan, true_masks
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
        Object(annotation_id=6, label=0, mask=stripe(5, 15), crowd=True),
        Object(annotation_id=7, label=2, mask=None, point=(3.0, 4.0)),
    ),
)


def test_crowds_and_objects_without_a_known_mask_have_no_truth() -> None:
    assert true_masks(TRUTH) == {4: stripe(0, 10), 5: stripe(10, 20)}


def test_objects_that_nobody_looked_at_have_no_truth() -> None:
    assert true_masks(replace(TRUTH, annotated=stripe(0, 12))) == {4: stripe(0, 10)}


def test_every_true_mask_is_compared_with_what_is_drawn_for_its_annotation() -> None:
    ious = compare({4: stripe(0, 8), 6: stripe(5, 15), 7: stripe(0, 3), 8: stripe(0, 1)}, TRUTH)
    assert ious == {4: pytest.approx(0.8), 5: None}


def test_a_row_is_compared_column_by_column() -> None:
    row = {
        "annotation_id": [5, 4],
        "rough": [stripe(10, 15), None],
        "refined": [stripe(10, 20), stripe(0, 5)],
    }
    assert compare_row(row, "rough", TRUTH) == {4: None, 5: pytest.approx(0.5)}
    assert compare_row(row, "refined", TRUTH) == {4: pytest.approx(0.5), 5: 1}
    assert compare_row(row, "rough", None) == {}


@pytest.mark.parametrize("row", [{}, {"annotation_id": None, "rough": None}])
def test_a_failed_image_has_no_masks(row: dict[str, None]) -> None:
    assert compare_row(row, "rough", TRUTH) == {4: None, 5: None}


def test_a_missing_mask_is_0_and_a_missing_truth_is_nan() -> None:
    assert (iou_or_nan({1: 0.25}, 1), iou_or_nan({1: None}, 1)) == (0.25, 0)
    assert math.isnan(iou_or_nan({1: 0.25}, 2))
