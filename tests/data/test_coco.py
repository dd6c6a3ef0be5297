"""Tests of ray_wssis.data.coco."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_wssis import masks
from ray_wssis.data.coco import (
    Rejected,
    picture_uri,
    read_box_centre,
    read_coco,
    records_from_coco,
    write_coco,
)
from ray_wssis.data.records import Click

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    """One 6 x 4 picture with these annotations, which need not repeat the ids."""
    return {
        "images": [{"id": 5, "file_name": "a.png", "width": 6, "height": 4}],
        "annotations": [
            {"id": i + 1, "image_id": 5, "category_id": 9} | entry
            for i, entry in enumerate(annotations)
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
    }


def test_every_kind_of_mask_is_read() -> None:
    plain = {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}
    counts = masks.from_polygons(SQUARE, 4, 6).decode()
    data = coco(
        {"segmentation": SQUARE},
        {"segmentation": plain, "iscrowd": 1},
        {"segmentation": {"size": [4, 6], "counts": counts}, "category_id": 2},
        {"point": [5.5, 0]},
    )
    (record,) = records_from_coco(data, "pictures")
    expected = np.zeros((4, 6), bool)
    expected[1:3, 1:3] = True
    for obj in record.objects[:3]:
        assert obj.mask is not None
        assert (masks.decode(obj.mask, 4, 6) == expected).all()
    assert record.objects[3].mask is None
    assert [obj.point for obj in record.objects] == [None, None, None, (5.5, 0.0)]
    assert [obj.label for obj in record.objects] == [1, 1, 0, 1]
    assert [obj.crowd for obj in record.objects] == [False, True, False, False]
    assert record.file == "pictures/a.png"


def test_an_image_without_annotations_is_kept() -> None:
    (record,) = records_from_coco(coco(), "")
    assert record.objects == ()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    records = records_from_coco(
        coco({"segmentation": SQUARE, "point": [2, 2]}, {"point": [0, 0]}), "/p"
    )
    file = str(tmp_path / "new" / "a.json")
    write_coco(records, file, images="/p", info={"description": "ours"})
    assert list(read_coco(file, "/p")) == list(records)


def test_a_written_mask_has_box_and_area_and_a_weak_annotation_has_neither(tmp_path: Path) -> None:
    records = records_from_coco(coco({"segmentation": SQUARE}, {"point": [0, 0.5]}), "/p")
    file = tmp_path / "a.json"
    write_coco(records, str(file), images="/p")
    data = json.loads(file.read_text())
    strong, weak = data["annotations"]
    assert strong["bbox"] == [1, 1, 2, 2]
    assert strong["area"] == 4
    assert strong["segmentation"]["size"] == [4, 6]
    assert weak == {"id": 2, "image_id": 5, "category_id": 9, "iscrowd": 0, "point": [0.0, 0.5]}
    assert data["images"] == [{"id": 5, "file_name": "a.png", "width": 6, "height": 4}]
    assert data["categories"] == [{"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}]


@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [
        ({}, "annotation 1 .image 5.: neither"),
        ({"segmentation": []}, "neither"),
        ({"segmentation": [[1, 2, 3]]}, "3 numbers"),
        ({"segmentation": "abc"}, "polygons or an RLE"),
        ({"segmentation": {"size": [6, 4], "counts": "04"}}, r"\[6, 4\], the image is \[4, 6\]"),
        ({"segmentation": {"size": [4, 6], "counts": "04"}}, "cover 4 pixels"),
        ({"segmentation": {"size": [4, 6], "counts": "\N{SNOWMAN}"}}, "not a compressed"),
        ({"segmentation": {"size": [4, 6], "counts": 3}}, "text or a list"),
        ({"segmentation": {"size": [4, 6], "counts": [24]}}, "the mask is empty"),
        ({"point": [6, 1]}, r"\(6, 1\) is outside the 6 x 4 picture"),
        ({"point": [1, -0.5]}, "outside"),
        ({"point": [float("nan"), 1]}, "outside"),
        ({"point": 3}, r"\[x, y\]"),
        ({"point": [1, 1], "category_id": 4}, "annotation 1: there is no category 4"),
        ({"point": [1, 1], "image_id": 4}, "annotation 1: there is no image 4"),
        ({"point": [1, 1], "id": "x"}, "`id` is 'x', a whole number"),
    ],
)
def test_a_fatal_annotation_is_named(annotation: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        records_from_coco(coco(annotation), "")


GOOD = {"point": [5, 3]}
BAD: list[tuple[Any, Rejected]] = [
    (
        {"point": [6, 1]},
        Rejected(image_id=5, annotation_id=2, reason="the point (6, 1) is outside"),
    ),
    ({"point": 3}, Rejected(image_id=5, annotation_id=2, reason="a point is [x, y]")),
    ({"bbox": [1]}, Rejected(image_id=5, annotation_id=2, reason="a bbox is [x, y,")),
    ({}, Rejected(image_id=5, annotation_id=2, reason="neither")),
    (
        {"segmentation": "abc", "point": [1, 1]},
        Rejected(image_id=5, annotation_id=2, reason="a segmentation is polygons"),
    ),
    (GOOD | {"id": 1}, Rejected(image_id=5, annotation_id=1, reason="the id occurs twice")),
    (
        GOOD | {"image_id": 6},
        Rejected(image_id=None, annotation_id=2, reason="there is no image 6"),
    ),
    (GOOD | {"image_id": []}, Rejected(image_id=None, annotation_id=2, reason="`image_id` is []")),
    (GOOD | {"id": None}, Rejected(image_id=5, annotation_id=None, reason="`id` is missing")),
    (GOOD | {"id": 2**63}, Rejected(image_id=5, annotation_id=None, reason="`id` is 922337")),
    (
        GOOD | {"category_id": 4},
        Rejected(image_id=5, annotation_id=2, reason="there is no category 4"),
    ),
]


@pytest.mark.parametrize(("annotation", "wanted"), BAD)
def test_a_bad_annotation_can_be_left_out(annotation: dict[str, Any], wanted: Rejected) -> None:
    rejected: list[Rejected] = []
    data = coco(GOOD, annotation, GOOD)
    (record,) = records_from_coco(data, "", boxes_as_points=True, rejected=rejected)
    assert [obj.annotation_id for obj in record.objects] == [1, 3]
    (entry,) = rejected
    assert entry.reason.startswith(wanted.reason)
    assert replace(entry, reason=wanted.reason) == wanted


def test_what_is_no_annotation_can_be_left_out() -> None:
    rejected: list[Rejected] = []
    data = coco(GOOD)
    data["annotations"] += [3, None, []]
    (record,) = records_from_coco(data, "", rejected=rejected)
    assert [obj.annotation_id for obj in record.objects] == [1]
    assert {entry.annotation_id for entry in rejected} == {None}
    assert [entry.reason[-7:] for entry in rejected] == ["found 3", "nd None", "ound []"]


def test_masks_need_not_be_rejected() -> None:
    rejected: list[Rejected] = []
    data = coco({"segmentation": SQUARE}, {"point": [9, 9]})
    (record,) = records_from_coco(data, "", rejected=rejected, reject_masks=False)
    assert [obj.annotation_id for obj in record.objects] == [1] and len(rejected) == 1
    data = coco({"segmentation": SQUARE, "point": [9, 9]})
    with pytest.raises(ValueError, match=r"annotation 1 .image 5.: the point"):
        records_from_coco(data, "", rejected=rejected, reject_masks=False)


NUMBER = st.floats() | st.integers(-10, 30)
TEXT = st.text("08`é", max_size=4)
PLAIN = st.none() | st.booleans() | NUMBER | TEXT
LISTED = st.lists(PLAIN | st.lists(NUMBER, max_size=8), max_size=4)
RLE = st.fixed_dictionaries({"size": st.just([4, 6]), "counts": TEXT | LISTED})
KEYS = ["id", "image_id", "category_id", "point", "more_points", "segmentation", "bbox", "iscrowd"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), PLAIN | LISTED | RLE), max_size=3))
def test_no_annotation_whatever_aborts_the_reading(annotations: list[dict[str, Any]]) -> None:
    rejected: list[Rejected] = []
    data = coco(*annotations)
    (record,) = records_from_coco(data, "", boxes_as_points=True, rejected=rejected)
    assert len(record.objects) + len(rejected) == len(annotations)


@pytest.mark.parametrize("key", ["images", "categories"])
def test_a_bad_image_or_category_is_fatal_all_the_same(key: str) -> None:
    data = coco(GOOD)
    data[key].append({"id": 7, "width": 0, "height": 1, "file_name": "b"} if key == "images" else 3)
    with pytest.raises(ValueError, match=r"image 7: width 0|a category: a JSON object"):
        records_from_coco(data, "", rejected=[])


def test_further_and_negative_points_are_read_and_written(tmp_path: Path) -> None:
    clicks = {"more_points": [[4, 0.5], [5.5, 3]], "negative_points": [[0, 0]]}
    data = coco({"point": [1, 1]} | clicks, {"segmentation": SQUARE}, {"point": [2, 3]})
    data["annotations"][1] |= {"more_points": [], "negative_points": [[5, 1]]}
    (record,) = records = records_from_coco(data, "")
    assert [obj.clicks for obj in record.objects] == [
        (Click(4, 0.5, True), Click(5.5, 3, True), Click(0, 0, False)),
        (Click(5, 1, False),),
        (),
    ]
    file = tmp_path / "a.json"
    write_coco(records, str(file))
    first, second, third = json.loads(file.read_text())["annotations"]
    assert {key: first[key] for key in clicks} == clicks
    assert second["negative_points"] == [[5, 1]] and "more_points" not in second
    assert not clicks.keys() & third.keys()
    assert list(read_coco(str(file), "")) == list(records)


@pytest.mark.parametrize("key", ["more_points", "negative_points"])
@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        ([[1, 1], [6, 1]], r"the point \(6, 1\) is outside the 6 x 4 picture"),
        ([1, 1], r"a point is \[x, y\] in pixels, found 1"),
        ([None], "a point is .* found null"),
        ({"x": 1}, "is a list of"),
        ("1 1", "is a list of"),
    ],
)
def test_a_bad_further_point_is_named(key: str, points: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"annotation 1 .image 5.: `{key}`:? {complaint}"):
        records_from_coco(coco({"point": [1, 1], key: points}), "")


@pytest.mark.parametrize("key", ["more_points", "negative_points"])
def test_a_further_point_is_no_place_by_itself(key: str) -> None:
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
        ([6, 1, 2, 2], r"\[6, 1, 2, 2\] is outside the 6 x 4 picture"),
        ([1, -2, 2, 2], "outside the 6 x 4 picture"),
    ],
)
def test_a_box_that_is_no_place_is_named(box: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"annotation 1 .image 5.: .*{complaint}"):
        records_from_coco(coco({"bbox": box}), "", boxes_as_points=True)


def test_a_box_alone_will_not_do_where_masks_are_wanted() -> None:
    with pytest.raises(ValueError, match=r'neither .* a "bbox" alone will do in a weak file'):
        records_from_coco(coco({"bbox": [1, 1, 2, 2]}), "")


NUMBERS = st.floats(-20, 20)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_the_centre_of_a_box_is_in_the_picture_or_there_is_none(box: tuple[float, ...]) -> None:
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
    ("key", "entry", "complaint"),
    [
        ("images", {"id": 5, "file_name": "b", "width": 1, "height": 1}, "image 5: the id occurs"),
        ("images", {"id": 6, "width": 1, "height": 1}, "image 6: no file_name"),
        ("images", {"id": 6, "file_name": "b", "width": 1}, "image 6: `height` is missing"),
        ("images", {"id": 6, "file_name": "b", "width": 0, "height": 1}, "must be positive"),
        ("images", 3, "a JSON object"),
        ("categories", {"id": 9}, "category 9: the id occurs twice"),
        ("annotations", {"id": 1, "image_id": 5, "category_id": 2}, "annotation 1: the id occurs"),
    ],
)
def test_a_fatal_entry_is_named(key: str, entry: Any, complaint: str) -> None:
    data = coco({"point": [1, 1]})
    data[key].append(entry)
    with pytest.raises(ValueError, match=complaint):
        records_from_coco(data, "")


def test_the_file_is_named_and_the_way_on(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco({})))
    with pytest.raises(ValueError, match=r"a\.json: annotation 1.*wssis data check"):
        read_coco(str(file), "")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no such"), ("{", "not a JSON"), ("[]", "lists `images`"), ("{}", "lists `images`")],
)
def test_a_file_that_is_no_coco_file_is_refused(
    tmp_path: Path, content: str | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=complaint):
        read_coco(str(tmp_path / "a.json"), "")


@pytest.mark.parametrize(
    ("images", "name", "uri"),
    [
        ("", "a.png", "a.png"),
        ("x/", "b/a.png", "x/b/a.png"),
        ("/", "a.png", "/a.png"),
        ("x", "/y/a.png", "/y/a.png"),
        ("x", "s3://y/a.png", "s3://y/a.png"),
        ("s3://x", "a.png", "s3://x/a.png"),
    ],
)
def test_pictures_lie_under_the_folder_unless_they_say_otherwise(
    images: str, name: str, uri: str
) -> None:
    assert picture_uri(images, name) == uri
