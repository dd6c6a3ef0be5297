"""Tests of ray_wssis.data.imports.formats."""

from pathlib import Path
from typing import Any

import pytest

from ray_wssis.data.imports.points import import_points
from tests.support.exports import TWO, imported, points


@pytest.mark.parametrize("name", TWO)
def test_every_format_is_recognised_and_read(folder: Path, name: str) -> None:
    found = imported(folder, name, TWO[name])
    assert found.problems == [] and found.num_left_out == 0
    assert points(found) == [
        ("a.png", "cat", 10.5, 20.25),
        ("a.png", "dog", 31, pytest.approx(2)),
    ]
    (record,) = found.records
    assert (record.width, record.height) == (40, 30)
    assert [obj.annotation_id for obj in record.objects] == [1, 2]
    assert [category.id for category in found.records.categories] == [7, 9]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "image;x;y;class\n", "no column class, image, x, y"),
        ("a.csv", "", "no column"),
        ("a.xml", "<annotations>", "no element found"),
        ("a.xml", "<annotations><track/></annotations>", "CVAT for images 1.1"),
        ("a.json", "[", "Expecting value"),
        ("a.json", {"shapes": []}, "export `JSON`"),
        ("a.json", [{"id": 1, "kp": []}, 3], "not `JSON-MIN`"),
        ("a.zip", "PK", "Unpack an archive"),
        ("labels/a.txt", "", "no JSON file in the folder"),
    ],
)
def test_an_export_that_cannot_be_understood_is_an_error(
    folder: Path, name: str, content: Any, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        imported(folder, name, content)


def test_the_format_can_be_given(folder: Path) -> None:
    found = imported(folder, "points.txt", TWO["points.csv"], export_format="csv")
    assert len(points(found)) == 2
    with pytest.raises(ValueError, match="no such file or folder"):
        import_points(str(folder / "none.csv"), classes="", images="")
    (folder / "points.csv").write_text("image,x,y,class\na.png,1,2,cat\n")
    classes, images = str(folder / "classes.json"), str(folder / "none")
    with pytest.raises(ValueError, match="no such folder of images"):
        import_points(str(folder / "points.csv"), classes=classes, images=images)
