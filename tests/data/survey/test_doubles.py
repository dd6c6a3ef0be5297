"""Tests of ray_wssis.data.survey.doubles."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.read import read_coco
from tests.support.drawn_objects import HEIGHT, WIDTH, drawn, rectangle

Entry = dict[str, Any]


def with_doubles(change: Entry, places: range = range(8)) -> dict[str, Any]:
    """Add some of the annotations again."""
    data = drawn()
    again = [data["annotations"][i] | {"id": 101 + i} | change for i in places]
    return data | {"annotations": data["annotations"] + again}


def found(data: dict[str, Any]) -> list[str]:
    problems = [p for p in check_coco(data) if p.severity != "info"]
    problems = [p for p in problems if p.kind != "objects in a quarter"]
    assert all(problem.kind == "object twice" for problem in problems)
    return [problem.found for problem in problems]


def test_objects_that_are_there_twice_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = (
        "8 of 16 masks are those of another annotation of the same image and class, as in "
        "annotations 1 and 101 (image 1)"
    )
    assert found(with_doubles({})) == [wanted]
    (tmp_path / "a.json").write_text(json.dumps(with_doubles({})))
    read_coco(str(tmp_path / "a.json"), "")
    assert caplog.text.count(wanted) == 1


def test_nearly_the_same_outline_is_a_double() -> None:
    moved = {"segmentation": [rectangle(6, 9.4, 14.3, 20)], "bbox": None}
    assert len(found(with_doubles(moved, range(1)))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"category_id": 2},
        {"iscrowd": 1},
        {"segmentation": [rectangle(6, 9, 14, 17)], "bbox": None, "area": None},
        {"segmentation": [rectangle(8, 11, 14, 20)], "bbox": None},
    ],
)
def test_another_class_a_crowd_and_a_neighbour_are_no_doubles(change: Entry) -> None:
    assert found(with_doubles(change, range(1))) == []


def test_many_objects_in_an_image_are_compared_in_blocks() -> None:
    data = drawn()
    boxes = [(x, y, 2, 2) for x in range(0, 62, 2) for y in range(0, 46, 2)]
    entry = {"image_id": 1, "category_id": 1}
    data["annotations"] = [
        entry | {"id": i, "segmentation": [rectangle(*box)]}
        for i, box in enumerate([*boxes, boxes[0]])
    ]
    assert found(data) == [
        "1 of 714 masks are those of another annotation of the same image and class, as in "
        "annotations 0 and 713 (image 1)"
    ]


@pytest.mark.parametrize("seed", range(3))
def test_doubles_are_those_of_a_comparison_of_all_pairs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    data = drawn()
    boxes = [(x, y, w, h) for x, y, w, h in draw.integers(4, 24, (150, 4)).tolist()]
    boxes += [(x, y, w, h + 1) for x, y, w, h in boxes[:100]]
    data["annotations"] = [
        {"id": i, "image_id": 1, "category_id": 1 + i % 2, "segmentation": [rectangle(*box)]}
        for i, box in enumerate(boxes)
    ]
    counts = [masks.from_polygons([rectangle(*box)], HEIGHT, WIDTH) for box in boxes]
    iou = masks.pairwise_iou(counts, counts, HEIGHT, WIDTH)
    same_class = np.add.outer(np.arange(len(boxes)), np.arange(len(boxes))) % 2 == 0
    doubles = np.triu((iou >= 0.95) & same_class, 1).any(axis=0).sum()
    assert doubles > 10
    (text,) = found(data)
    assert text.startswith(f"{doubles} of {len(boxes)} masks are those of another annotation")
