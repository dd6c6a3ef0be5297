"""Tests of ray_wssis.data.survey.borders."""

from collections.abc import Callable
from typing import Any

import pytest

from ray_wssis.data.check.coco import check_coco
from tests.support.drawn_objects import drawn, rectangle

Entry = dict[str, Any]


def warned(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(p.severity, p.kind, p.found) for p in check_coco(data) if p.severity != "info"]


def enlarged(factor: float) -> Callable[[Entry], Entry]:
    """Draw the outlines on a larger image."""
    return lambda entry: {
        "segmentation": [[factor * value for value in entry["segmentation"][0]]],
        "bbox": [factor * value for value in entry["bbox"]],
        "area": factor**2 * entry["area"],
    }


def test_outlines_of_a_larger_image_are_cut_off_and_named() -> None:
    found = warned(drawn(enlarged(1.6)))
    ((severity, _, text),) = [entry for entry in found if entry[1] == "outlines beyond the image"]
    assert severity == "error"
    assert text.startswith("5 of 8 outlines (annotations 2, 4, 6, ...) reach beyond their image")
    assert "annotation 2 reaches to (76.8, 43.2) in an image of 64 x 48" in text


def test_outlines_outside_the_image_are_one_line() -> None:
    found = warned(drawn(enlarged(2.2)))
    assert [entry[:2] for entry in found if "outside" in entry[1]] == [
        ("error", "outlines outside the image")
    ]


@pytest.mark.parametrize("beyond", [0, 1, 2, 3])
def test_corners_a_little_off_the_image_are_no_finding(beyond: float) -> None:
    outline = {"segmentation": [rectangle(-beyond, 5, 14, 20)], "bbox": [0, 5, 14 - beyond, 20]}
    assert warned(drawn(lambda entry: outline if entry["id"] == 1 else {})) == []


def test_a_single_bad_outline_among_many_is_no_finding() -> None:
    data = drawn()
    good = data["annotations"][0]
    image = data["images"][0]
    data["images"] = [image | {"id": i, "file_name": f"{i}.png"} for i in range(200)]
    data["annotations"] = [good | {"id": i, "image_id": i} for i in range(200)]
    data["annotations"][7]["segmentation"] = [[6, 9, 20, 9, 20, 29, 6, 29, 6, 60, 5.9, 29]]
    assert warned(data) == []


def test_boxes_that_are_corners_reach_beyond_the_image() -> None:
    def corners(entry: Entry) -> Entry:
        x, y, across, down = entry["bbox"]
        return {"segmentation": [], "bbox": [x, y, x + across, y + down]}

    ((severity, kind, text),) = warned(drawn(corners))
    assert (severity, kind) == ("warning", "boxes beyond the image")
    assert text.startswith("4 of 8 boxes (annotations 2, 4, 6, ...) reach beyond their image")
    wanted = [p.wanted for p in check_coco(drawn(corners)) if p.kind == kind]
    assert wanted == ["[x, y, width, height]; are these [x0, y0, x1, y1]?"]
