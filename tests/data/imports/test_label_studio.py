"""Tests of ray_wssis.data.imports.label_studio.

golden/label_studio_export.json came out of Label Studio 1.23.2, its export `JSON`.
"""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.exports import findings, imported, key_point, points, task

GOLDEN = Path(__file__).parent / "golden"


def test_an_export_of_label_studio_itself(folder: Path) -> None:
    for name in ("p/a.png", "p/b.png", "p/c.png", "upload/1/a8f2fd64-d_e.png"):
        file = folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", {"a": (40, 30), "b": (30, 40)}.get(file.stem, (64, 64))).save(file)
    export = (GOLDEN / "label_studio_export.json").read_text()
    found = imported(folder, "export.json", export)
    assert points(found) == [
        ("p/a.png", "cat", 10.5, 20.25),
        ("p/a.png", "dog", 31, pytest.approx(2)),
        ("p/b.png", "cat", 15, 20),
        ("upload/1/a8f2fd64-d_e.png", "dog", pytest.approx(0.995 * 64), 32),
    ]
    assert findings(found) == [
        ("no point on it", "task 2, region k5"),  # a click off an object that nobody names
        ("cancelled annotation", "task 2, annotation 2"),
        ("older annotation", "task 4, annotation 6"),
    ]
    assert (found.num_left_out, found.others) == (1, {"polygonlabels": 2})


@pytest.mark.parametrize(
    ("region", "kind"),
    [
        (key_point(1, 1, value={"x": 1, "keypointlabels": ["cat"]}), "malformed entry"),
        (key_point(1, 1, type="keypoint", value={"x": 1, "y": 1}), "malformed entry"),
        (
            key_point(1, 1, value={"x": 1, "y": 1, "keypointlabels": ["cat", "dog"]}),
            "malformed entry",
        ),
        (key_point(1, 1, image_rotation=90), "turned image"),
        (key_point(100, 1), "point outside the image"),
    ],
)
def test_a_key_point_that_cannot_be_used_is_listed(
    folder: Path, region: dict[str, Any], kind: str
) -> None:
    found = imported(folder, "a.json", [task(key_point(50, 50), region | {"id": "bad"})])
    assert findings(found) == [(kind, "task 1, region bad")]
    assert points(found) == [("a.png", "cat", 20, 15)]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"image": "/data/local-files/?d=sub/b.png"}, "sub/b.png"),
        ({"image": "s3://bucket/some/sub/b.png", "text": "x"}, "sub/b.png"),
        ({"photo": "https://host/sub%2Fb.png?token=1&x=2", "number": 3}, "sub/b.png"),
        ({"photo": "sub/b.png", "text": "x"}, None),
        ({}, None),
    ],
)
def test_names_of_label_studio(folder: Path, data: dict[str, Any], name: str | None) -> None:
    region = key_point(50, 50, original_width=30, original_height=40)
    found = imported(folder, "a.json", [task(region, data=data)])
    assert [point[0] for point in points(found)] == ([name] if name else [])
    assert findings(found) == ([] if name else [("task without image", "task 1")])
