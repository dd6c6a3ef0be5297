"""Tests of ray_wssis.data.check.coco."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.builtin.shapes import write_shapes
from ray_wssis.data.check.coco import check_coco, check_file
from tests.support.coco_files import one_class

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def coco(*annotations: dict[str, Any]) -> dict[str, Any]:
    """One 6 x 4 image of one class with these annotations."""
    return one_class(*annotations, width=6, height=4)


def findings(data: dict[str, Any], images: str | None = None) -> list[tuple[str, str, str]]:
    return [(p.severity, p.kind, p.where) for p in check_coco(data, images)]


def test_nothing_is_wrong_with_the_shapes(tmp_path: Path) -> None:
    annotations = write_shapes(str(tmp_path), 20, seed=0, size=64)
    problems = check_file(annotations, str(tmp_path / "images"))
    assert [p for p in problems if p.severity != "info"] == []


def test_a_good_file_with_masks_and_points_has_no_finding() -> None:
    clicks = {"extra_points": [[1, 1], [5.2, 3.2]], "negative_points": [[5, 3]]}
    assert findings(coco({"segmentation": SQUARE}, {"point": [5.9, 3.9]} | clicks)) == []


def test_suggestions_are_counted_and_not_checked() -> None:
    data = coco({"segmentation": SQUARE}, {"suggested": True}, {"suggested": True, "point": "x"})
    assert findings(data) == [("warning", "suggestions", "annotations")]


def test_every_bad_extra_point_is_found() -> None:
    clicks = {"extra_points": [[9, 9], [1, 1], "x"], "negative_points": [[6, 0]]}
    found = check_coco(coco({"segmentation": SQUARE, "point": [2, 2]} | clicks))
    assert [problem.found.partition(":")[0] for problem in found] == [
        "`extra_points`",
        "`extra_points`",
        "`negative_points`",
    ]
    (alone,) = check_coco(coco({"segmentation": SQUARE}, {"negative_points": [[1, 1]]}))
    assert "only negative_points" in alone.found


def test_a_extra_point_on_the_pixel_of_another_object_is_a_warning() -> None:
    data = coco({"point": [1, 1], "extra_points": [[4, 2]]}, {"point": [4.5, 2.5]})
    assert findings(data) == [("warning", "two points on one pixel", "image 5")]


@pytest.mark.parametrize(
    ("annotation", "severity", "kind"),
    [
        ({}, "error", "no mask, no point"),
        ({"segmentation": [[1, 2, 3]]}, "error", "malformed mask"),
        ({"segmentation": {"size": [6, 4], "counts": "04"}}, "error", "malformed mask"),
        ({"segmentation": {"size": [4, 6], "counts": "!"}}, "error", "malformed mask"),
        ({"segmentation": {"size": [4, 6], "counts": [24]}}, "error", "empty mask"),
        ({"point": [6, 1]}, "error", "point outside the image"),
        ({"point": "x"}, "error", "malformed point"),
        ({"point": [1, 1], "extra_points": [[1, 4]]}, "error", "point outside the image"),
        ({"point": [1, 1], "negative_points": [[-1, 1]]}, "error", "point outside the image"),
        ({"point": [1, 1], "extra_points": [None]}, "error", "malformed point"),
        ({"point": [1, 1], "negative_points": 3}, "error", "malformed point"),
        ({"negative_points": [[1, 1]]}, "error", "no mask, no point"),
        ({"extra_points": [[1, 1]]}, "error", "no mask, no point"),
        ({"point": [1, 1], "iscrowd": 2}, "error", "malformed entry"),
        ({"bbox": [1, 1, -2, 2]}, "error", "malformed box"),
        ({"bbox": [1, 1]}, "error", "malformed box"),
        ({"bbox": [6, 1, 2, 2]}, "error", "box outside the image"),
        ({"bbox": [], "segmentation": []}, "error", "no mask, no point"),
        ({"segmentation": SQUARE, "iscrowd": 1}, "info", "crowd"),
    ],
)
def test_what_is_wrong_with_an_annotation(
    annotation: dict[str, Any], severity: str, kind: str
) -> None:
    good = {"segmentation": SQUARE}
    assert findings(coco(good, annotation)) == [(severity, kind, "annotation 2 (image 5)")]


def test_everything_is_said_at_once_errors_first() -> None:
    data = coco(
        {"segmentation": [[1, 2, 3]], "point": [9, 9]},  # both, not only the first
        {"point": [1.2, 1.2]},
        {"point": [1.8, 1.8]},
        {"point": [1, 1], "category_id": 4},
        {"point": [1, 1], "image_id": 4},
        {"point": [1, 1], "id": 2, "category_id": "x"},
        {"point": [1, 1], "id": None},
    )
    data["images"] += [
        {"id": 5, "file_name": "a.png", "width": 6, "height": 4},
        {"id": 6, "file_name": "a.png", "width": 6, "height": 4},
        {"id": 7, "width": "6", "height": 4},
        {"id": 8, "file_name": "c.png", "width": 0, "height": 4},
    ]
    data["categories"] += [{"id": 9, "name": "cat"}, {"id": 10, "name": "dog"}, {"id": 11}]
    found = findings(data)
    assert [severity for severity, _, _ in found] == sorted(
        (severity for severity, _, _ in found), key=["error", "warning", "info"].index
    )
    assert {entry for entry in found if entry[0] != "info"} == {
        ("error", "malformed mask", "annotation 1 (image 5)"),
        ("error", "point outside the image", "annotation 1 (image 5)"),
        ("error", "unknown category", "annotation 4"),
        ("error", "unknown image", "annotation 5"),
        ("error", "duplicate id", "annotation 2"),
        ("error", "malformed entry", "annotation 2"),
        ("error", "no id", "entry 6 of annotations"),
        ("error", "duplicate id", "image 5"),
        ("error", "malformed entry", "image 7"),
        ("error", "malformed entry", "image 8"),
        ("error", "duplicate id", "category 9"),
        ("warning", "file used twice", "image 6"),
        ("warning", "duplicate name", "category 'dog'"),
        ("warning", "category without name", "category 11"),
        ("warning", "two points on one pixel", "image 5"),
    }
    assert ("info", "empty image", "image 6") in found
    assert ("info", "unused category", "category 11 (11)") in found


def test_tags_and_the_annotated_part_of_an_image_are_checked() -> None:
    data = coco({"segmentation": SQUARE}, {"point": [5, 1]}, {"point": [0.5, 0.5]})
    data["images"][0] |= {"tags": ["dog", "cow"], "annotated": [[0, 0, 5, 0, 5, 4, 0, 4]]}
    assert findings(data) == [
        ("error", "malformed tags", "image 5"),
        ("warning", "ignored point", "annotation 2 (image 5)"),
    ]
    data["images"][0] |= {"tags": [9], "annotated": []}
    assert findings(data) == [("error", "malformed annotated part", "image 5")]


def test_the_old_name_of_extra_points_is_checked_too() -> None:
    found = findings(coco({"point": [1, 1], "more_points": [[1, 4]]}))
    assert found == [("error", "point outside the image", "annotation 1 (image 5)")]


def test_a_class_with_points_only_is_a_warning_where_others_have_masks() -> None:
    data = coco({"segmentation": SQUARE}, {"point": [1, 1], "category_id": 2})
    data["categories"].append({"id": 2, "name": "cat"})
    assert findings(data) == [("warning", "class without masks", "category 2 (cat)")]


def test_a_file_of_points_only_is_fine() -> None:
    assert findings(coco({"point": [1, 1]})) == []


def test_boxes_of_a_weak_file_are_counted_once() -> None:
    data = coco(
        {"bbox": [0, 0, 2, 2]}, {"bbox": [3, 1, 9, 1]}, {"bbox": [1, 1, 2, 2], "iscrowd": 1}
    )
    crowd, first = check_coco(data)
    assert (first.severity, first.kind) == ("info", "boxes become points")
    assert first.found == "2 boxes without mask and point"
    assert (crowd.severity, crowd.kind) == ("info", "crowd")


def test_boxes_beside_masks_are_a_warning() -> None:
    data = coco({"segmentation": SQUARE, "bbox": [1, 1, 2, 2]}, {"bbox": [1, 1, 2, 2]})
    assert findings(data) == [("warning", "boxes become points", "annotations")]


def test_two_boxes_around_one_pixel_point_at_it_twice() -> None:
    data = coco({"bbox": [1, 1, 2, 2]}, {"bbox": [0, 0, 4, 4]})
    assert ("warning", "two points on one pixel", "image 5") in findings(data)


def test_an_empty_file_is_an_error() -> None:
    found = findings({"images": [], "annotations": [], "categories": []})
    assert {kind for _, kind, _ in found} == {"no image", "no category"}


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_file_that_is_no_coco_file_is_one_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.json"
    if content is not None:
        file.write_text(content)
    (problem,) = check_file(str(file))
    assert (problem.severity, problem.where) == ("error", str(file))


def test_every_bad_image_file_is_found(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    for name in "abcd":
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    data = coco({"segmentation": SQUARE})
    data["images"] = [
        {"id": i, "file_name": f"{name}.png", "width": width, "height": 4}
        for i, (name, width) in enumerate([("a", 6), ("b", 6), ("c", 7), ("d", 6), ("e", 6)])
    ]
    data["annotations"][0]["image_id"] = 0
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    (tmp_path / "d.png").write_bytes(b"")
    file = tmp_path / "a.json"
    file.write_text(json.dumps(data))
    errors = [p for p in check_file(str(file), str(tmp_path)) if p.severity == "error"]
    assert [(p.where.split(" (")[0], p.found.split(" (")[0]) for p in errors] == [
        ("image 1", "the image is cut short or damaged"),
        ("image 2", "the image is 6 x 4 pixels"),
        ("image 3", "the file has zero bytes"),
        ("image 4", "there is no such file"),
    ]
