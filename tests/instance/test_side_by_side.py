import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ray_wssis.instance.label_row import complete
from ray_wssis.instance.side_by_side import Measured, columns_of, difference, pace, verdict
from ray_wssis.masks import encode
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.streaming.throughput import Throughput
from tests.support.squares import image_of, records_of

SQUARES = [(10, 10, 20), (50, 50, 40)]
IMAGES = [image_of(number, SQUARES) for number in range(1, 7)]
TRUTH = {record.image_id: record for record in IMAGES}


def row_of(image_id: int, cut: int, missing: bool = False) -> dict[str, Any]:
    """Masks of all squares without their first `cut` rows; the first one may have none."""
    masks: list[bytes | None] = []
    for left, top, side in SQUARES:
        mask = np.zeros((100, 100), bool)
        mask[top + cut : top + side, left : left + side] = True
        masks.append(encode(mask))
    if missing:
        masks[0] = None
    record = TRUTH[image_id]
    points = [obj.point for obj in record.objects if obj.point is not None]
    return complete(
        {
            "image_id": image_id,
            "height": 100,
            "width": 100,
            "annotation_id": [obj.annotation_id for obj in record.objects],
            "label": [0, 0],
            "x": [x for x, _ in points],
            "y": [y for _, y in points],
            "rough": masks,
            "refined": masks,
            "refined_score": [1.0, 1.0],
        }
    )


def measured(*rows: dict[str, Any]) -> Measured:
    return Measured.of(rows, TRUTH, records_of(*IMAGES), ("area",))


def test_an_object_without_a_mask_counts_as_zero() -> None:
    found = measured(*(row_of(number, 0, missing=number == 1) for number in TRUTH))
    assert found.miou == pytest.approx(100 * 11 / 12) and found.num_without_mask == 1


def test_a_difference_is_of_the_objects_that_both_drew() -> None:
    good, poor = (measured(*(row_of(number, cut) for number in TRUTH)) for cut in (0, 4))
    # 4 of 20 rows and 4 of 40 rows are cut, in every image alike: there is no chance in it.
    assert difference(poor, good) == pytest.approx((15.0, 15.0, 15.0))
    assert difference(good, poor) == pytest.approx((-15.0, -15.0, -15.0))
    gain, low, high = difference(good, measured(row_of(1, 4)))
    assert gain == pytest.approx(-15.0)
    assert low is None and high is None  # of one image
    assert difference(good, measured()) == (None, None, None)


def test_what_only_some_images_show_may_be_chance() -> None:
    same = measured(*(row_of(number, 0) for number in TRUTH))
    other = measured(row_of(1, 10), *(row_of(number, 0) for number in range(2, 7)))
    gain, _, high = difference(same, other)
    assert gain is not None and gain < 0 and high == 0


def test_the_pace_is_that_of_the_slowest_step() -> None:
    places = {"read": 4.0, "decode": 4.0, "model": 1.0, "encode": 4.0}
    busy = Counter({"read": 1.0, "decode": 16.0, "model": 6.0, "encode": 2.0})
    done = Throughput(num_images=10, busy=busy, places=places)
    assert pace(done) == pytest.approx(1000 * 6.0 / 10)
    assert pace(Throughput()) is None


def entry(name: str, role: str, miou: float, low: float = 0.0, high: float = 0.0) -> dict[str, Any]:
    gain = {"difference": miou - 70, "low": low, "high": high}
    return {
        "name": name,
        "role": role,
        "saw": name == "student",
        "mIoU": miou,
        "num_objects": 9,
    } | (dict.fromkeys(gain) if role == "own" else gain)


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (1.0, 9.0, "sam2 draws better masks than point_wssis: mIoU 75.0 against 70.0, a diff"),
        (-1.0, 9.0, "sam2 and point_wssis cannot be told apart: .*-1.0 to .9.0, 9 objects"),
    ],
)
def test_a_verdict_says_what_is_sure(low: float, high: float, sentence: str) -> None:
    own, student = entry("point_wssis", "own", 70.0), entry("student", "trained", 99.0)
    said = verdict([own, student, entry("sam2", "zero-shot", 75.0, low, high)])
    assert re.match(sentence, said), said
    worse = entry("sam2", "zero-shot", 60.0, -12.0, -8.0)
    assert verdict([own, worse]).startswith("point_wssis draws the best masks; the next is sam2")
    few = entry("sam2", "zero-shot", 60.0) | {"low": None, "high": None}
    assert verdict([own, few]).endswith("difference of -10.0, on too few images to believe in it.")
    assert verdict([own, student]) == "Nothing to compare point_wssis with."


def test_the_columns_of_all_signals_are_read() -> None:
    labeller = PointLabeller(
        teacher="", refiner=None, made_from="", lineage={}, network_size=(1, 1), canvas_multiple=1
    )
    assert {"image_id", "refined", "flags", "level_margin"} <= set(columns_of(labeller))
