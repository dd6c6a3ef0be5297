"""Tests of ray_wssis.data.coco.place: read_place, the reader of files and the check agree."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.read import Rejected, read_coco, records_from_coco
from ray_wssis.data.records import Object
from tests.support.coco_files import one_class

TRIANGLE = [[1, 1, 20, 1, 20, 20]]
BOX = [0, 0, 20, 20]
NOTHING = [0, 0, 0]
CLICK = [8, 12, 2]


def read(*annotations: dict[str, Any], weak: bool = True) -> tuple[list[Object], list[Rejected]]:
    rejected: list[Rejected] = []
    (record,) = records_from_coco(
        one_class(*annotations),
        "",
        boxes_as_points=weak,
        rejected=rejected if weak else None,
        point_suffices=weak,
    )
    return list(record.objects), rejected


def kinds(*annotations: dict[str, Any]) -> list[tuple[str, str]]:
    found = check_coco(one_class(*annotations))
    return [(p.severity, p.kind) for p in found if p.kind != "unused category"]


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize(
    "annotation",
    [
        {"keypoints": CLICK, "bbox": BOX, "segmentation": [], "num_keypoints": 1},
        {"keypoints": [8.0, 12.0, 2], "bbox": [8, 12, 0.0, 0.0], "segmentation": []},
        {"keypoints": [8, 12, 1], "bbox": BOX},  # labelled, though hidden
        {"keypoints": [CLICK]},
        {"keypoints": [8, 12]},
        {"keypoints": NOTHING * 16 + CLICK, "bbox": BOX},
        {"keypoints": CLICK, "segmentation": [[9, 13]]},
        {"segmentation": [[8, 12]], "bbox": [8, 12, 1, 1], "area": 280},
        {"segmentation": [8, 12], "bbox": BOX},
        {"segmentation": [[[8, 12]]]},
        {"segmentation": [["8", "12"]]},
        {"segmentation": [[8, 12], [8, 12]]},
        {"segmentation": [[8, 12, 8, 12, 8, 12]], "bbox": [8, 12, 0, 0]},
        {"segmentation": [[8, 12]], "point": [8, 12], "keypoints": [1, 1, 2]},
        {"segmentation": [[]], "point": [8, 12]},
        {"segmentation": "", "point": [8, 12], "bbox": BOX},
    ],
)
def test_a_point_is_read_however_it_was_written(annotation: dict[str, Any], weak: bool) -> None:
    (obj,), rejected = read(annotation, weak=weak)
    assert (obj.mask, obj.point, rejected) == (None, (8, 12), [])
    assert kinds(annotation) == []


@pytest.mark.parametrize(
    "annotation",
    [
        {"keypoints": NOTHING * 17},
        {"keypoints": []},
        {"keypoints": None, "segmentation": None},
        {"keypoints": [1, 1, 2, 8, 12, 2]},
    ],
)
def test_without_a_single_labelled_keypoint_the_box_stands_in(annotation: dict[str, Any]) -> None:
    (obj,), rejected = read(annotation | {"bbox": BOX})
    assert (obj.point, rejected) == ((10, 10), [])


def test_several_keypoints_are_no_point_and_that_is_said() -> None:
    several = {"keypoints": [1, 1, 2, 8, 12, 2]}
    objects, (rejected,) = read(several)
    assert objects == []
    assert rejected.reason.startswith('neither a "segmentation" nor a "point"; of 2 labelled')
    assert kinds(several) == [("error", "no mask, no point")]
    assert kinds(several | {"bbox": BOX}, several | {"bbox": BOX}) == [
        ("warning", "several keypoints"),
        ("warning", "two points on one pixel"),
        ("info", "boxes become points"),
    ]


def test_keypoints_beside_a_mask_count_only_as_a_single_click() -> None:
    click, skeleton = {"keypoints": CLICK}, {"keypoints": CLICK + NOTHING}
    objects, _ = read({"segmentation": TRIANGLE} | click, {"segmentation": TRIANGLE} | skeleton)
    assert [(obj.mask is not None, obj.point) for obj in objects] == [(True, (8, 12)), (True, None)]


@pytest.mark.parametrize(
    ("annotation", "complaint", "kind"),
    [
        ({"keypoints": [99, 12, 2]}, "the point (99, 12) is outside", "point outside the image"),
        ({"segmentation": [[99, 12]]}, "the point (99, 12) is outside", "point outside the image"),
        ({"keypoints": "x", "bbox": BOX}, "`keypoints` is a list x, y, v", "malformed point"),
        ({"keypoints": [8, 12, 2, 4]}, "`keypoints` is a list x, y, v", "malformed point"),
        ({"keypoints": ["8", "12", "2"]}, "`keypoints` is a list x, y, v", "malformed point"),
        ({"keypoints": {"x": 8}}, "`keypoints` is a list x, y, v", "malformed point"),
        ({"bbox": [0.1, 0.2, 0.3, 0.3]}, "the bbox [0.1, 0.2, 0.3, 0.3] lies", "malformed box"),
    ],
)
def test_a_bad_point_is_named(annotation: dict[str, Any], complaint: str, kind: str) -> None:
    objects, (rejected,) = read(annotation)
    assert objects == [] and rejected.reason.startswith(complaint)
    assert kinds(annotation) == [("error", kind)]


UNREADABLE: list[Any] = [
    "abc",
    [[1, 2, 3]],
    [[1, 2, 3, 4, None, 6]],
    {"size": [64, 48], "counts": "04"},
    {"size": [48, 64], "counts": [3072]},  # empty
    [[0.1, 0.1, 0.5, 0.1, 0.5, 0.5]],
    [[1, 1, 9, 9, 5, 5]],
]


@pytest.mark.parametrize("segmentation", UNREADABLE)
def test_a_valid_point_is_used_beside_a_mask_that_cannot_be_read(segmentation: Any) -> None:
    annotation = {"segmentation": segmentation, "point": [8, 12]}
    (obj,), rejected = read(annotation)
    assert (obj.mask, obj.point, rejected) == (None, (8, 12), [])
    assert kinds(annotation) == [("warning", "unreadable mask beside a point")]
    objects, (rejected_alone,) = read({"segmentation": segmentation})
    assert objects == [] and rejected_alone.annotation_id == 1


def test_a_strong_file_needs_masks_that_can_be_read_also_beside_a_point() -> None:
    with pytest.raises(ValueError, match=r"annotation 1 .image 5.: a segmentation is polygons"):
        read({"segmentation": "abc", "point": [8, 12]}, weak=False)


def test_unreadable_masks_beside_points_are_counted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.json"
    bad = [{"segmentation": "abc", "point": [8 + i, 12]} for i in range(5)]
    file.write_text(json.dumps(one_class(*bad)))
    (record,) = read_coco(str(file), "", rejected=[], point_suffices=True)
    assert len(record.objects) == 5
    assert len(caplog.records) == 1
    assert "5 masks beside a point (annotations 1, 2, 3, ...) cannot be read" in caplog.text
