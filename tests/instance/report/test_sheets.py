import numpy as np
from upath import UPath

from ray_wssis.instance.label_numbers import LabelNumbers
from ray_wssis.instance.sheets import pick


def numbers(quality: list[float], images: list[int]) -> LabelNumbers:
    """Points of that IoU; NaN for a point without a mask."""
    values = np.array(quality)
    return LabelNumbers(
        files=(UPath("/nowhere"),),
        file=np.zeros(len(quality), dtype=np.int64),
        image_id=np.array(images),
        item=np.zeros(len(quality), dtype=np.int64),
        has_mask=~np.isnan(values),
        level=np.where(np.isnan(values), -1, 2),
        score=values,
        rough_iou=np.nan_to_num(values),
        refined_iou=np.nan_to_num(values),
    )


def test_sheets_show_the_worst_the_middle_and_the_best() -> None:
    found = pick(numbers([0.5, 0.1, 0.9, 0.2, 0.8, 0.4, np.nan], [1, 2, 3, 4, 5, 6, 7]), 2)
    assert found == {"Worst": [1, 3], "Median": [5, 0], "Best": [2, 4], "Without a mask": [6]}


def test_a_sheet_shows_an_image_once() -> None:
    found = pick(numbers([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 1, 2, 2, 3, 3]), 2)
    assert found["Worst"] == [0, 2]
    assert found["Best"] == [5, 1]  # 3 and 4 are on the sheet of the middle


def test_one_mask_is_on_one_sheet() -> None:
    assert pick(numbers([0.7], [1]))["Worst"] == [0]
    assert not pick(numbers([0.7], [1]))["Best"]


def test_no_masks_give_empty_sheets() -> None:
    assert not any(pick(numbers([], [])).values())
