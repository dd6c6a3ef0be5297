"""Tests of ray_wssis.data.survey.crowds."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.coco.read import read_coco

SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def coco(crowds: dict[int, list[tuple[int, int]]]) -> dict[str, Any]:
    """Images of 6 x 4 pixels by id, with the category and the `iscrowd` of each annotation."""
    rows = [(image, *annotation) for image, rows in crowds.items() for annotation in rows]
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 6, "height": 4} for i in crowds],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "iscrowd": crowd}
            | {"segmentation": [[x + n % 3 for x in SQUARE[0]]]}
            for n, (image, category, crowd) in enumerate(rows)
        ],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
    }


def only_crowds(data: dict[str, Any]) -> list[tuple[str, str]]:
    found = check_coco(data)
    assert {problem.severity for problem in found} <= {"warning", "info"}
    return [(p.where, p.found) for p in found if p.kind == "only crowds"]


def test_a_file_of_nothing_but_crowds_is_one_warning() -> None:
    data = coco({1: [(1, 1)], 2: [(1, 1), (2, 1)], 3: []})
    found = "all 3 annotations are crowd regions (iscrowd 1), which are ignored"
    assert only_crowds(data) == [("annotations", found)]


def test_a_class_of_nothing_but_crowds_is_named() -> None:
    data = coco({1: [(1, 0), (2, 1)], 2: [(1, 0), (1, 1)], 3: [(2, 1)]})
    found = "all 2 annotations of cat are crowd regions (iscrowd 1), which are ignored"
    assert only_crowds(data) == [("categories", found)]


def test_images_of_nothing_but_crowds_are_one_line() -> None:
    data = coco({1: [(1, 0), (2, 0)], 2: [(1, 1), (1, 1)], 3: [(2, 1)]})
    found = "all annotations of 2 images (image 2, for example) are crowd regions (iscrowd 1), "
    assert only_crowds(data) == [("images", found + "which are ignored")]


@pytest.mark.parametrize("num_objects", [0, 1])
def test_crowds_beside_objects_are_no_warning(num_objects: int) -> None:
    others: dict[int, list[tuple[int, int]]] = {i: [(1, 0), (2, 0)] for i in range(2, 120)}
    assert only_crowds(coco({1: [(1, 1), (2, 1)] + [(1, 0)] * num_objects} | others)) == []


def test_reading_says_it_and_how_to_read_them_as_objects(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco({1: [(1, 1)], 2: [(1, 1), (2, 1)]})))
    assert all(obj.crowd for record in read_coco(str(file), "") for obj in record.objects)
    assert len(caplog.records) == 1
    assert "a.json: all 3 annotations are crowd regions" in caplog.text
    assert "`data.crowds: objects`" in caplog.text
    caplog.clear()
    records = read_coco(str(file), "", crowds=Crowds.OBJECTS)
    assert [obj.crowd for record in records for obj in record.objects] == [False] * 3
    assert caplog.text == ""
