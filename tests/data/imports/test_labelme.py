"""Tests of ray_wssis.data.imports.labelme.

golden/labelme/ came out of the LabelFile of LabelMe 6.3.1, without the pixels in it.
"""

import json
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from ray_wssis.data.imports.points import import_points
from tests.support.exports import findings, imported, labelme, points, shape

GOLDEN = Path(__file__).parent / "golden"


def test_files_of_labelme_itself(folder: Path) -> None:
    """turned.jpg is 400 x 300, and shown as 300 x 400: so does LabelMe."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    Image.new("L", (400, 300)).save(folder / "images/turned.jpg", exif=turned)
    Image.new("L", (40, 30)).save(folder / "images/sub/plain.png")
    found = import_points(
        str(GOLDEN / "labelme"),
        classes=str(folder / "classes.json"),
        images=str(folder / "images"),
    )
    assert points(found) == [
        ("sub/plain.png", "dog", 39.99, 29.9),
        ("turned.jpg", "cat", 250.5, 390.25),
        ("turned.jpg", "cat", 10, 20),
    ]
    assert [click[:2] for obj in found.records[1].objects for click in obj.clicks] == [(30, 20)]
    assert findings(found) == [
        ("point outside the image", "plain.json, shape 1"),
        ("unknown class 'Cat'", "turned.json, shape 3"),
    ]
    assert found.others == {"polygon": 1, "circle": 1}


def test_a_broken_file_of_labelme_does_not_lose_the_others(folder: Path) -> None:
    (folder / "labels").mkdir()
    (folder / "labels/0.json").write_text('{"shapes": [')
    (folder / "labels/1.json").write_text('{"images": []}')
    (folder / "labels/2.json").write_bytes(b"\xff\xfe")
    found = imported(folder, "labels/a.json", labelme(shape(1, 1), shape(2, 2, points=[])))
    assert points(found) == [("a.png", "cat", 1, 1)]
    assert findings(found) == [
        ("unreadable file", "0.json"),
        ("malformed entry", "1.json"),
        ("unreadable file", "2.json"),
        ("malformed entry", "a.json, shape 1"),
    ]


@pytest.mark.parametrize(
    "path", ["..\\images\\sub\\b.png", "b.png", "C:\\x\\sub\\b.png", "/sub/b.png"]
)
def test_labelme_names_are_relative_to_their_files(folder: Path, path: str) -> None:
    (folder / "labels/sub").mkdir(parents=True)
    content = labelme(shape(1, 1), path=path) | {"imageWidth": 30, "imageHeight": 40}
    (folder / "labels/sub/b.json").write_text(json.dumps(content))
    found = imported(folder, "labels/a.json", labelme())
    assert points(found) == [("sub/b.png", "cat", 1, 1)]


def test_lines_are_no_objects_and_are_counted(folder: Path) -> None:
    strip = {"label": "cat", "shape_type": "linestrip", "points": [[0, 0], [0, 2.5], [2, 2.5]]}
    found = imported(folder, "labels/a.json", labelme(strip, shape(1, 1)))
    assert points(found) == [("a.png", "cat", 1, 1)]
    assert found.others == {"linestrip": 1} and not found.problems
