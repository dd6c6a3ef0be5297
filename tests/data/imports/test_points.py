"""Tests of ray_wssis.data.imports.points."""

import json
from pathlib import Path

from upath import UPath

from ray_wssis.data.imports.points import import_points
from tests.support.exports import TWO, cvat, cvat_image, findings, imported, points


def test_points_for_an_image_of_another_size_are_not_taken(folder: Path) -> None:
    shapes = '<points label="cat" points="1,1"/>'
    sizes = ['width="30" height="40"', 'width="80" height="60"', 'width="40" height="30"']
    for size in sizes[:2]:
        found = imported(folder, "a.xml", cvat(cvat_image(shapes, size=size)))
        assert findings(found) == [("image file", "image a.png")] and not points(found)
        assert "its annotations are for" in found.problems[0].found
    assert points(imported(folder, "a.xml", cvat(cvat_image(shapes, size=sizes[2]))))


def test_no_image_is_taken_twice(folder: Path) -> None:
    shapes = '<points label="cat" points="1,1"/>'
    subsets = [f'subset="{name}" width="40" height="30"' for name in ("train", "val")]
    found = imported(folder, "a.xml", cvat(*(cvat_image(shapes, size=each) for each in subsets)))
    assert points(found) == [("a.png", "cat", 1, 1)]
    assert findings(found) == [("file used twice", "image val/a.png")]
    assert found.num_left_out == 1


def test_images_without_points_are_kept_out_and_counted(folder: Path) -> None:
    box = '<box label="cat" xtl="1.00" ytl="1.00" xbr="2.00" ybr="2.00"/>'
    shapes = '<points label="cat" points="1,1"/>'
    images = cvat_image(shapes), cvat_image(box, name="sub/b.png"), cvat_image("", name="gone.png")
    found = imported(folder, "a.xml", cvat(*images))
    assert [record.file for record in found.records] == ["a.png"]
    assert (found.num_left_out, found.others, found.problems) == (2, {"box": 1}, [])


def test_pixel_indices_are_moved_to_the_middle(folder: Path) -> None:
    found = imported(
        folder, "p.csv", "image,x,y,class\na.png,0,29,cat\na.png,40,0,cat\n", pixel_indices=True
    )
    assert points(found) == [("a.png", "cat", 0.5, 29.5)]
    assert len(found.problems) == 1


def test_everything_may_be_on_a_bucket(folder: Path) -> None:
    bucket = UPath("memory://import")
    for file in folder.rglob("*.*"):
        (bucket / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())
    (bucket / "labels/a.json").write_text(json.dumps(TWO["labels/a.json"]))
    found = import_points(
        "memory://import/labels",
        classes="memory://import/classes.json",
        images="memory://import/images",
    )
    assert [point[0] for point in points(found)] == ["a.png", "a.png"]
