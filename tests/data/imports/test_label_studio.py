"""Tests of ray_wssis.data.imports.label_studio.

golden/label_studio_export.json came out of Label Studio 1.23.2, its export `JSON`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from wssis_serve.label_studio.brush import to_brush

from ray_wssis import masks
from ray_wssis.data.coco.write import write_coco
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


def two_images(*tags: str, **extra: Any) -> dict[str, Any]:
    """A task with a 40 x 30 and a 30 x 40 image, and a key point on each tag."""
    sizes = [{}, {"original_width": 30, "original_height": 40}]
    regions = [
        key_point(50, 50, to_name=tag, **size) for tag, size in zip(tags, sizes, strict=False)
    ]
    return task(*regions, data={"image": "/data/upload/1/a.png", "image2": "sub/b.png"} | extra)


@pytest.mark.parametrize(
    ("tags", "data"),
    [
        (("img1", "img2"), {}),
        (("img", "img2"), {}),
        (("image", "image2"), {}),
        (("view_1", "view_2"), {"text": "x"}),
        (
            ("left", "right"),
            {"image": "", "image2": "", "l": "", "left": "a.png", "right_image": "sub/b.png"},
        ),
        (("1", "2"), {"image": "", "image2": "", "first1": "a.png", "first2": "sub/b.png"}),
    ],
)
def test_each_point_is_on_the_image_of_its_tag(
    folder: Path, tags: tuple[str, str], data: dict[str, Any]
) -> None:
    found = imported(folder, "a.json", [two_images(*tags, **data)])
    assert points(found) == [("a.png", "cat", 20, 15), ("sub/b.png", "cat", 15, 20)]
    said = [problem.found for problem in found.problems if problem.kind == "image tags"]
    assert len(said) == len(found.problems) == (tags != ("image", "image2"))


def test_tags_with_another_name_than_their_images_are_said_aloud(folder: Path) -> None:
    found = imported(folder, "a.json", [two_images("img1", "img2"), two_images("img1", "img2")])
    assert "'img1' is `image`, 'img2' is `image2`" in [problem.found for problem in found.problems]


def test_a_tag_that_resembles_no_key_is_listed(folder: Path) -> None:
    found = imported(folder, "a.json", [two_images("photo", "scan", other="c.png")])
    assert not points(found)
    assert findings(found) == [("unknown image of the task", "task 1, region k")] * 2
    assert (
        found.problems[0].found
        == "it is on 'photo', the images of the task are image, image2, other"
    )


def test_pages_of_a_task_are_images(folder: Path) -> None:
    regions = [
        key_point(50, 50, to_name="pdf", item_index=0),
        key_point(50, 50, to_name="pdf", item_index=1, original_width=30, original_height=40),
    ]
    found = imported(folder, "a.json", [task(*regions, data={"pages": ["a.png", "sub/b.png"]})])
    assert points(found) == [("a.png", "cat", 20, 15), ("sub/b.png", "cat", 15, 20)]


def test_a_label_may_be_chosen_with_a_tag_of_its_own(folder: Path) -> None:
    place = {"x": 50, "y": 50, "width": 1}
    point = key_point(50, 50, id="q", type="keypoint", value=place)
    label = point | {"type": "labels", "value": place | {"labels": ["cat"]}}
    box = {"id": "r", "type": "rectangle", "value": {}}
    other = {"id": "r", "type": "labels", "value": {"labels": ["dog"]}}
    alone = {"id": "s", "type": "labels", "value": {"labels": ["dog"]}}
    whole = point | {"value": place | {"labels": ["cat"]}}
    for result in ([point, label], [label, point], [whole]):
        found = imported(folder, "a.json", [task(*result, box, other, alone)])
        assert points(found) == [("a.png", "cat", 20, 15)]
        assert found.others == {"rectangle": 1, "labels": 1} and not found.problems


def test_a_task_that_was_submitted_without_a_mark_is_empty(folder: Path) -> None:
    empty, never = task(data={"image": "sub/b.png"}), task(data={"image": "c.png"}, annotations=[])
    skipped = task(data={"image": "d.png"})
    skipped["annotations"][0]["was_cancelled"] = True
    boxes = task({"id": "r", "type": "rectangle", "value": {}}, data={"image": "e.png"})
    found = imported(folder, "a.json", [task(key_point(50, 50)), empty, never, skipped, boxes])
    assert [(record.file, len(record.objects)) for record in found.records] == [
        ("a.png", 1),
        ("sub/b.png", 0),
    ]
    assert (found.num_left_out, found.num_empty) == (3, 1)
    write_coco(found.records, str(folder / "o.json"))
    images = json.loads((folder / "o.json").read_text())["images"]
    assert [image.get("annotated") for image in images] == [None, True]


@pytest.mark.parametrize("number", [{}, [], None, 3])
def test_a_region_may_have_any_id(folder: Path, number: Any) -> None:
    found = imported(folder, "a.json", [task(key_point(50, 50, id=number))])
    assert points(found) == [("a.png", "cat", 20, 15)]


def test_brush_strokes_are_no_objects_and_are_counted(folder: Path) -> None:
    code = to_brush(masks.encode(np.ones((30, 40), bool)), 30, 40)
    brush = key_point(0, 0, id="b", type="brushlabels", value={"rle": code, "brushlabels": ["cat"]})
    found = imported(folder, "a.json", [task(brush, key_point(50, 50))])
    assert points(found) == [("a.png", "cat", 20, 15)]
    assert found.others == {"brushlabels": 1} and not found.problems
