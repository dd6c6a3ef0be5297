"""Tests of ray_wssis.data.sparse.drawn: what is drawn in other tools, on images of 6 x 4 pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wssis_serve.label_studio.brush import to_brush

from ray_wssis import masks
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.problem import Problems
from ray_wssis.data.records import Category, Record, Records
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.data.sparse.drawn import read_drawn
from tests.support.exports import cvat, cvat_image, key_point, labelme, scribble_file, shape, task

NAMES = ("background", "cat", "aeroplane")
LETTERS = "bca"  # of labels
SIZE = 'width="6" height="4"'


@pytest.fixture
def records(tmp_path: Path) -> Records:
    images = [
        Record(image_id=place, file=f"{tmp_path}/images/{name}", width=6, height=4)
        for place, name in enumerate(("a.png", "sub/2007_000032.jpg"))
    ]
    return Records.from_rows(images, [Category(id=i, name=name) for i, name in enumerate(NAMES)])


def read(
    file: Path, records: Records, content: Any = None, **options: Any
) -> tuple[dict[int, list[str]], list[tuple[str, str]]]:
    """Rows of letters of each image, by place, and kinds and severities of the findings."""
    if content is not None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    problems, config = Problems(), SparseLabelsConfig(labels=("",), **options)
    export = file.parent if file.parent.name == "labels" else file
    maps = dict(read_drawn(str(export), records, config, problems))
    shown = {
        place: ["".join(LETTERS[x] if x != UNKNOWN else "." for x in row) for row in decode(png)]
        for place, png in maps.items()
    }
    return shown, [(problem.severity, problem.kind) for problem in problems.found]


def test_points_are_pixels(tmp_path: Path, records: Records) -> None:
    table = "image,x,y,class\na.png,1.5,0.5,cat\n2007_000032.jpg,5.9,3.9,background\n"
    shown, problems = read(tmp_path / "a.csv", records, table)
    assert shown == {0: [".c....", *["......"] * 3], 1: [*["......"] * 3, ".....b"]}
    assert not problems
    shown, _ = read(tmp_path / "a.csv", records, table, radius=1)
    assert shown[0] == ["ccc...", ".c....", "......", "......"]


def test_points_and_polylines_of_cvat(tmp_path: Path, records: Records) -> None:
    shapes = (
        '<polyline label="cat" points="0.5,1.5;3.5,1.5"/><points label="background" points="5,0"/>'
        '<box label="cat" xtl="0" ytl="0" xbr="1" ybr="1"/>'
    )
    export = cvat(cvat_image(shapes, size=SIZE))
    shown, problems = read(tmp_path / "a.xml", records, export, width=1)
    assert shown == {0: [".....b", "cccc..", "......", "......"]}
    assert problems == [("info", "not read")]
    shown, _ = read(tmp_path / "a.xml", records, export, width=3)
    assert shown == {0: ["cccccb", "ccccc.", "ccccc.", "......"]}


def test_points_and_linestrips_of_labelme(tmp_path: Path, records: Records) -> None:
    strip = {"label": "cat", "shape_type": "linestrip", "points": [[0, 0], [0, 2.5], [2, 2.5]]}
    content = labelme(strip, shape(4, 0.5)) | {"imageWidth": 6, "imageHeight": 4}
    shown, problems = read(tmp_path / "labels/a.json", records, content, width=1)
    assert shown == {0: ["c...c.", "c.....", "ccc...", "......"]} and not problems


def brush(rows: list[str], **extra: Any) -> dict[str, Any]:
    mask = masks.encode(np.array([[letter == "x" for letter in row] for row in rows]))
    value = {"format": "rle", "rle": to_brush(mask, 4, 6), "brushlabels": ["cat"]}
    size = {"original_width": 6, "original_height": 4, "image_rotation": 0}
    return {"id": "b", "type": "brushlabels", "value": value} | size | extra


def test_brush_strokes_and_key_points_of_label_studio(tmp_path: Path, records: Records) -> None:
    rows = ["......", ".xx...", "..xx..", "......"]
    value = {"x": 99, "y": 99, "keypointlabels": ["background"]}
    point = key_point(0, 0, value=value, original_width=6, original_height=4)
    broken = brush(rows, id="c", value={"rle": [1, 2, 3], "brushlabels": ["cat"]})
    export = [task(brush(rows), point, broken)]
    shown, problems = read(tmp_path / "a.json", records, export)
    assert shown == {0: ["......", ".cc...", "..cc..", ".....b"]}
    assert problems == [("warning", "malformed brush")]


def test_a_brush_may_have_its_label_in_another_region(tmp_path: Path, records: Records) -> None:
    bare = brush(["xx....", *["......"] * 3], type="brush")
    label = {"id": "b", "type": "labels", "value": {"labels": bare["value"].pop("brushlabels")}}
    shown, problems = read(tmp_path / "a.json", records, [task(bare, label)])
    assert shown == {0: ["cc....", *["......"] * 3]} and not problems


def test_points_and_scribbles_of_voc(tmp_path: Path, records: Records) -> None:
    clicks = {
        "2007_000032": [{"x": 1, "y": 0, "cls": 0}],
        "2007_000033": [{"x": 1, "y": 0, "cls": 1}],
    }
    shown, problems = read(tmp_path / "points.json", records, clicks)
    assert shown == {1: [".b....", *["......"] * 3]}
    assert problems == [("info", "no such image")]
    scribbles = scribble_file(("plane", [(0, 0), (2, 2)]), ("background", [(5, 3)]))
    file = tmp_path / "labels/2007_000032.xml"
    shown, problems = read(file, records, scribbles, width=1)
    assert shown == {1: ["a.....", ".a....", "..a...", ".....b"]} and not problems


def test_where_two_classes_meet_points_count_and_it_is_said(
    tmp_path: Path, records: Records
) -> None:
    shapes = (
        '<points label="aeroplane" points="2.5,1.5"/>'
        '<polyline label="cat" points="0.5,1.5;3.5,1.5"/>'
        '<polygon label="background" points="0,0;6,0;6,4;0,4"/>'
    )
    export = cvat(cvat_image(shapes, size=SIZE))
    shown, problems = read(tmp_path / "a.xml", records, export, width=1)
    assert shown == {0: ["bbbbbb", "ccacbb", "bbbbbb", "bbbbbb"]}
    assert problems == [("warning", "two classes")]


@pytest.mark.parametrize(
    ("table", "finding"),
    [
        ("a.png,6,1,cat", ("warning", "point outside the image")),
        ("a.png,1,1,cat s", ("error", "unknown class 'cat s'")),
        ("c.png,1,1,cat", ("info", "no such image")),
        ("a.png,one,1,cat", ("warning", "malformed entry")),
    ],
)
def test_what_cannot_be_used_is_a_finding_for_each_cause(
    tmp_path: Path, records: Records, table: str, finding: tuple[str, str]
) -> None:
    good = "image,x,y,class\na.png,2,1,cat\n"
    shown, problems = read(tmp_path / "a.csv", records, f"{good}{table}\n{table}\n")
    assert shown == {0: ["......", "..c...", "......", "......"]}
    assert problems == [finding]


def test_lines_outside_and_images_of_another_size_are_left_out(
    tmp_path: Path, records: Records
) -> None:
    line = '<polyline label="cat" points="9,1;20,1"/><polyline label="cat" points="5,1;20,1"/>'
    other = cvat_image(line, name="2007_000032.jpg", size='width="5" height="4"')
    export = cvat(cvat_image(line, size=SIZE), other)
    shown, problems = read(tmp_path / "a.xml", records, export, width=1)
    assert shown == {0: ["......", ".....c", "......", "......"]}
    assert problems == [("warning", "another size"), ("warning", "line outside the image")]


def test_labels_of_no_training_image_are_an_error(tmp_path: Path, records: Records) -> None:
    shown, problems = read(tmp_path / "a.csv", records, "image,x,y,class\nc.png,1,1,cat\n")
    assert not shown and problems == [("error", "no such image")]


def test_a_file_that_is_no_export_is_refused(tmp_path: Path, records: Records) -> None:
    with pytest.raises(ValueError, match="not an export of format csv"):
        read(tmp_path / "a.csv", records, "file;x\n")
