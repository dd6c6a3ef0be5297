"""Tests of ray_wssis.data.coco.fields."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_wssis import masks
from ray_wssis.data.coco.fields import read_box_centre
from ray_wssis.data.coco.read import records_from_coco
from tests.support.coco_files import SQUARE, coco


def test_every_kind_of_mask_is_read() -> None:
    plain = {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}
    counts = masks.from_polygons(SQUARE, 4, 6).decode()
    data = coco(
        {"segmentation": SQUARE},
        {"segmentation": plain, "iscrowd": 1},
        {"segmentation": {"size": [4, 6], "counts": counts}, "category_id": 2},
        {"point": [5.5, 0]},
    )
    (record,) = records_from_coco(data, "images")
    expected = np.zeros((4, 6), bool)
    expected[1:3, 1:3] = True
    for obj in record.objects[:3]:
        assert obj.mask is not None
        assert (masks.decode(obj.mask, 4, 6) == expected).all()
    assert record.objects[3].mask is None
    assert [obj.point for obj in record.objects] == [None, None, None, (5.5, 0.0)]
    assert [obj.label for obj in record.objects] == [1, 1, 0, 1]
    assert [obj.crowd for obj in record.objects] == [False, True, False, False]
    assert record.file == "images/a.png"


@pytest.mark.parametrize("key", ["extra_points", "more_points", "negative_points"])
@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        ([[1, 1], [6, 1]], r"the point \(6, 1\) is outside the 6 x 4 image"),
        ([1, 1], r"a point is \[x, y\] in pixels, found 1"),
        ([None], "a point is .* found null"),
        ({"x": 1}, "is a list of"),
        ("1 1", "is a list of"),
    ],
)
def test_a_bad_extra_point_is_named(key: str, points: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"annotation 1 .image 5.: `{key}`:? {complaint}"):
        records_from_coco(coco({"point": [1, 1], key: points}), "")


@pytest.mark.parametrize("key", ["extra_points", "more_points", "negative_points"])
def test_a_extra_point_is_no_place_by_itself(key: str) -> None:
    with pytest.raises(ValueError, match='neither a "segmentation" nor a "point"'):
        records_from_coco(coco({key: [[1, 1]]}), "")


@pytest.mark.parametrize(
    ("box", "centre"),
    [
        ([1, 1, 2, 2], (2, 2)),
        ([0.5, 0.25, 1, 0.5], (1, 0.5)),
        ([-4, 1, 6, 2], (1, 2)),  # sticks out on the left: the part from 0 to 2
        ([5, 3, 10, 10], (5.5, 3.5)),  # and at the lower right corner
        ([-9, -9, 99, 99], (3, 2)),
    ],
)
def test_the_centre_of_a_box_in_a_weak_file_is_a_point(
    box: list[float], centre: tuple[float, float]
) -> None:
    data = coco({"bbox": box}, {"bbox": box, "segmentation": []})
    (record,) = records_from_coco(data, "", boxes_as_points=True)
    assert [obj.point for obj in record.objects] == [centre, centre]
    assert [obj.mask for obj in record.objects] == [None, None]


def test_a_mask_and_a_point_are_worth_more_than_a_box() -> None:
    data = coco({"bbox": [0, 0, 2, 2], "segmentation": SQUARE}, {"bbox": [0] * 4, "point": [5, 3]})
    (record,) = records_from_coco(data, "", boxes_as_points=True)
    assert [obj.point for obj in record.objects] == [None, (5, 3)]
    assert record.objects[0].mask is not None


@pytest.mark.parametrize(
    ("box", "complaint"),
    [
        (None, "neither"),
        ([], "neither"),
        ([1, 1, 2], r"\[x, y, width, height\] in pixels, found \[1, 1, 2\]"),
        ([1, 1, 2, "3"], "in pixels"),
        ([1, 1, 2, float("inf")], "in pixels"),
        ("1 1 2 3", "in pixels"),
        ([1, 1, -2, 3], "-2 wide and 3 high, both must be positive"),
        ([1, 1, 2, 0], "both must be positive"),
        ([6, 1, 2, 2], r"\[6, 1, 2, 2\] is outside the 6 x 4 image"),
        ([1, -2, 2, 2], "outside the 6 x 4 image"),
    ],
)
def test_a_box_that_is_no_place_is_named(box: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"annotation 1 .image 5.: .*{complaint}"):
        records_from_coco(coco({"bbox": box}), "", boxes_as_points=True)


def test_a_box_alone_is_not_enough_where_masks_are_wanted() -> None:
    with pytest.raises(ValueError, match=r'neither .* a "bbox" alone is enough in a weak file'):
        records_from_coco(coco({"bbox": [1, 1, 2, 2]}), "")


NUMBERS = st.floats(-20, 20)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_the_centre_of_a_box_is_in_the_image_or_raises(box: tuple[float, ...]) -> None:
    x, y, across, down = box
    covers = across > 0 and down > 0 and max(x, 0) < min(x + across, 6)
    if covers and max(y, 0) < min(y + down, 4):
        centre = read_box_centre(box, 4, 6)
        assert centre is not None
        assert 0 <= centre[0] < 6 and 0 <= centre[1] < 4
        assert x <= centre[0] <= x + across and y <= centre[1] <= y + down
    else:
        with pytest.raises(ValueError, match="the bbox"):
            read_box_centre(box, 4, 6)


@pytest.mark.parametrize(
    ("value", "crowd"),
    [(v, False) for v in (0, False, 0.0, "0", "false", None)]
    + [(v, True) for v in (1, True, 1.0, "1", "true", "True")],
)
def test_a_crowd_is_a_number_a_boolean_or_a_text(value: Any, crowd: bool) -> None:
    data = coco({"segmentation": SQUARE, "iscrowd": value}, {"segmentation": SQUARE})
    (record,) = records_from_coco(data, "")
    assert [obj.crowd for obj in record.objects] == [crowd, False]


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan"), "", "no", "2", [], [1], {}])
def test_another_crowd_is_refused_with_its_value(value: Any) -> None:
    data = coco({"segmentation": SQUARE, "iscrowd": value})
    with pytest.raises(ValueError, match=r"annotation 1 .image 5.: `iscrowd` is ") as raised:
        records_from_coco(data, "")
    assert f"`iscrowd` is {value!r}, it must be 0" in str(raised.value)
