"""Tests of ray_wssis.data.coco.read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_wssis import masks
from ray_wssis.data.coco.read import Rejected, read_coco, records_from_coco
from ray_wssis.data.coco.write import coco_image
from tests.support.coco_files import SQUARE, coco


def test_an_image_without_annotations_is_kept() -> None:
    (record,) = records_from_coco(coco(), "")
    assert record.objects == ()


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
        ({"point": [6, 1]}, r"\(6, 1\) is outside the 6 x 4 image"),
        ({"point": [1, -0.5]}, "outside"),
        ({"point": [float("nan"), 1]}, "outside"),
        ({"point": 3}, r"\[x, y\]"),
        ({"point": [1, 1], "category_id": 4}, "annotation 1: there is no category 4"),
        ({"point": [1, 1], "image_id": 4}, "annotation 1: there is no image 4"),
        ({"point": [1, 1], "id": "x"}, "`id` is 'x', it must be a whole number"),
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
        {"segmentation": "abc", "bbox": [1, 1, 2, 2]},
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
KEYS = ["id", "image_id", "category_id", "point", "extra_points", "more_points"]
KEYS += ["segmentation", "bbox", "iscrowd", "keypoints"]


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
    with pytest.raises(ValueError, match=r"image 7: width 0|a category: expected a JSON object"):
        records_from_coco(data, "", rejected=[])


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


def test_tags_are_names_or_ids_and_become_labels() -> None:
    data = coco()
    data["images"] += [
        {"id": 6, "file_name": "b.png", "width": 6, "height": 4, "tags": ["dog", 2, "dog"]},
        {"id": 7, "file_name": "c.png", "width": 6, "height": 4, "tags": []},
    ]
    unknown, both, none = records_from_coco(data, "")
    assert (unknown.tags, both.tags, none.tags) == (None, (0, 1), ())


@pytest.mark.parametrize(
    "region",
    [SQUARE, {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}, masks.from_polygons(SQUARE, 4, 6)],
)
def test_the_annotated_part_is_polygons_or_an_rle(region: Any) -> None:
    data = coco()
    if isinstance(region, bytes):
        region = {"size": [4, 6], "counts": region.decode()}
    data["images"][0]["annotated"] = region
    (record,) = records_from_coco(data, "")
    assert record.annotated is not None
    expected = np.zeros((4, 6), bool)
    expected[1:3, 1:3] = True
    assert (masks.decode(record.annotated, 4, 6) == expected).all()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"tags": "dog"}, "`tags` is a list of category names or ids, found 'dog'"),
        ({"tags": ["cow"]}, "`tags`: there is no category 'cow'"),
        ({"tags": [3]}, "`tags`: there is no category 3"),
        ({"tags": [True]}, "`tags`: there is no category True"),
        ({"tags": [["dog"]]}, "`tags`: there is no category"),
        ({"annotated": []}, "`annotated` is empty; it is true if somebody looked at all"),
        ({"annotated": {"size": [4, 6], "counts": [24]}}, "`annotated` is empty"),
        ({"annotated": {"size": [6, 4], "counts": [24]}}, r"`annotated`: the mask is made for"),
        ({"annotated": [[1, 2, 3]]}, "`annotated`: a polygon of 3 numbers"),
    ],
)
def test_bad_tags_and_annotated_parts_are_named(entry: dict[str, Any], complaint: str) -> None:
    data = coco()
    data["images"][0] |= entry
    with pytest.raises(ValueError, match=f"image 5: {complaint}"):
        records_from_coco(data, "", rejected=[])


@pytest.mark.parametrize(
    ("value", "counts"), [(True, masks.everywhere(4, 6)), (False, masks.nowhere(4, 6))]
)
def test_an_image_may_say_that_somebody_or_nobody_looked_at_it(value: bool, counts: bytes) -> None:
    data = coco()
    data["images"][0]["annotated"] = value
    (record,) = records_from_coco(data, "")
    assert record.annotated == counts
    assert coco_image(record, [])["annotated"] is value
