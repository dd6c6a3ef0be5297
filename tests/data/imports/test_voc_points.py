"""Tests of ray_wssis.data.imports.voc_points."""

import json
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.data.imports.export import Notes
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.imports.formats import read_export, recognise
from ray_wssis.data.imports.voc_points import read_voc_points

CLICKS = {
    "2007_000032": [],
    "2007_000039": [
        {"y": 20, "x": 10, "cls": 20, "rank": 1},
        {"y": 3, "x": 4, "cls": 0, "rank": 2},
        {"y": 3, "x": 4, "cls": 21},
        {"y": 3, "cls": 2},
    ],
}


def test_points_have_the_middles_of_their_pixels_and_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "points.json").write_text(json.dumps(CLICKS))
    notes = Notes()
    empty, marked = read_voc_points(UPath(tmp_path / "points.json"), notes)
    assert (empty.name, empty.marks) == ("2007_000032", [])
    assert [(mark.class_name, mark.x, mark.y) for mark in marked.marks] == [
        ("tvmonitor", 10.5, 20.5),
        ("background", 4.5, 3.5),
    ]
    assert [(problem.kind, problem.where) for problem in notes.problems.found] == [
        ("malformed entry", "image 2007_000039, point 2"),
        ("malformed entry", "image 2007_000039, point 3"),
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CLICKS, ExportFormat.VOC_POINTS),
        ({"2007_000039": [{"cls": 1, "x": 1, "y": 2}]}, ExportFormat.VOC_POINTS),
        ([{"id": 1, "data": {}}], ExportFormat.LABEL_STUDIO),
        ({"images": [{"id": 1}]}, ExportFormat.LABEL_STUDIO),
    ],
)
def test_files_are_recognised_by_their_beginning(
    tmp_path: Path, content: object, found: ExportFormat
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content, indent=1))
    assert recognise(UPath(tmp_path / "a.json")) is found


def test_another_json_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="voc-points: no object with a list of points for each"):
        read_export(UPath(tmp_path / "a.json"), ExportFormat.VOC_POINTS, Notes())
