"""Tests of ray_wssis.data.survey.boxes and .box_causes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.check.coco import check_coco
from ray_wssis.data.coco.read import read_coco
from ray_wssis.data.problem import Problem
from tests.support.drawn_objects import HEIGHT, WIDTH, drawn, rectangle

Entry = dict[str, Any]


def warned(data: dict[str, Any]) -> list[Problem]:
    problems = [problem for problem in check_coco(data) if problem.severity != "info"]
    return [problem for problem in problems if problem.kind != "objects in a quarter"]


def outline_of(change: Callable[[float, float], tuple[float, float]]) -> Callable[[Entry], Entry]:
    """Move the corners of an outline."""

    def changed(entry: Entry) -> Entry:
        (flat,) = entry["segmentation"]
        corners = [change(*flat[i : i + 2]) for i in range(0, len(flat), 2)]
        return {"segmentation": [[value for corner in corners for value in corner]]}

    return changed


def box_of(change: Callable[..., list[float]]) -> Callable[[Entry], Entry]:
    return lambda entry: {"bbox": change(*entry["bbox"])}


def row_major(entry: Entry) -> Entry:
    """Write the mask as an RLE along the rows."""
    mask = masks.decode(masks.from_polygons(entry["segmentation"], HEIGHT, WIDTH), HEIGHT, WIDTH)
    flat = mask.reshape(-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(int))) + 0
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return {"segmentation": {"size": [HEIGHT, WIDTH], "counts": runs.tolist()}}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (outline_of(lambda x, y: (y, x)), "x and y are swapped"),
        (row_major, "along the rows"),
        (outline_of(lambda x, y: (x / 2.5, y / 2.5)), "about 0.4 times as large"),
        (outline_of(lambda x, y: (x, HEIGHT - y)), "y is counted from the bottom"),
        (outline_of(lambda x, y: (WIDTH - x, y)), "mirrored"),
        (outline_of(lambda x, y: (x + 10, y + 10)), "are moved"),
        (box_of(lambda x, y, w, h: [y, x, h, w]), "x and y are swapped"),
        (box_of(lambda x, y, w, h: [x, y, x + w, y + h]), "a `bbox` is [x0, y0, x1, y1]"),
        (box_of(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h]), "begins with its centre"),
        (box_of(lambda x, y, w, h: [x / 64, y / 48, w / 64, h / 48]), "in fractions"),
        (box_of(lambda x, y, w, h: [x / 0.64, y / 0.48, w / 0.64, h / 0.48]), "in percent"),
        (box_of(lambda x, y, w, h: [2 * x, 2 * y, 2 * w, 2 * h]), "about 0.5 times as large"),
        (box_of(lambda x, y, w, h: [40 - x, y + 20, w, h]), ""),
    ],
)
def test_masks_beside_their_boxes_are_one_error_with_the_cause(
    change: Callable[[Entry], Entry], cause: str
) -> None:
    (problem,) = warned(drawn(change))
    assert problem.kind == "mask and box apart"
    assert problem.severity == ("warning" if problem.found.startswith("4") else "error")
    assert re.match(
        r"[4-8] of 8 masks \(annotations \d, \d, \d, ...\) do not lie on", problem.found
    )
    assert cause in problem.wanted


def test_a_few_masks_beside_their_boxes_are_a_warning_that_reading_gives_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = drawn(lambda entry: {"bbox": [9, 6, 20, 14]} if entry["id"] == 5 else {})
    (problem,) = warned(data)
    assert (problem.severity, problem.kind) == ("warning", "mask and box apart")
    assert problem.found == (
        "1 of 8 masks (annotation 5) do not lie on the `bbox` of the same annotation: "
        "[9, 6, 20, 14], the mask is at [6, 11, 14, 20]"
    )
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert len(read_coco(str(tmp_path / "a.json"), "")) == 4
    assert caplog.text.count("1 of 8 masks (annotation 5) do not lie on") == 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"bbox": None, "area": None},
        {"bbox": [], "area": 0},
        {"bbox": [0, 0, 0, 0]},
        {"bbox": "6 9 14 20", "area": "280"},
        {"bbox": [1, 2, None, 4]},
        {
            "segmentation": [rectangle(6.2, 9.1, 0.3, 0.2)],
            "bbox": [6.2, 9.1, 0.3, 0.2],
            "area": 0.06,
        },
        {"segmentation": [[6, 9, 20, 9, 6, 29]], "bbox": [6, 9, 14, 20], "area": 280},
    ],
)
def test_boxes_and_areas_as_tools_write_them_are_no_finding(values: Entry) -> None:
    data = drawn(lambda entry: values if entry["id"] == 1 else {})
    assert warned(data) == []


@pytest.mark.parametrize("factor", [0.01, 0.3, 5])
def test_areas_of_masks_of_another_size_are_one_line(factor: float) -> None:
    (problem,) = warned(drawn(lambda entry: {"area": entry["area"] * factor}))
    assert (problem.severity, problem.kind) == ("error", "mask and area apart")
    assert problem.found.startswith("8 of 8 areas (annotations 1, 2, 3, ...) cannot be those of")
