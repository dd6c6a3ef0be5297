"""Tests of ray_wssis.data.imports.cvat."""

from pathlib import Path

import numpy as np
import pytest

from ray_wssis import masks
from tests.support.exports import cvat, cvat_image, findings, imported, points


def test_cvat_points_of_a_shape_are_objects_and_those_of_a_group_are_one(folder: Path) -> None:
    shapes = (
        '<points label="cat" points="1,1;2,2"/>'
        '<points label="dog" points="3,3;4,4" group_id="1"/><points label="dog" points="5,5" '
        'group_id="1"/><skeleton label="dog"><points label="cat" points="6,6"/>'
        '<points label="cat" points="7,7"/></skeleton>'
    )
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert [point[2] for point in points(found)] == [1, 2, 3]
    assert [click.x for click in found.records[0].objects[2].clicks] == [4, 5]
    assert found.others == {"skeleton": 1}
    assert found.num_joined == (3, 1)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1,2;", "a,b"])
def test_a_cvat_shape_without_places_is_listed(folder: Path, text: str) -> None:
    shapes = f'<points label="cat" points="{text}"/><points label="cat" points="1,1"/>'
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert findings(found) == [("malformed point", "image a.png, shape 0")]
    assert len(points(found)) == 1


def test_a_skeleton_of_one_point_is_a_point_of_the_class_of_the_skeleton(folder: Path) -> None:
    point = '<points label="eye" occluded="0" outside="0" points="6,7"/>'
    for more in ("", '<attribute name="age">old</attribute>'):
        shapes = f'<skeleton label="dog" z_order="0">{more}{point}</skeleton>'
        found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
        assert points(found) == [("a.png", "dog", 6, 7)]


def test_shapes_marked_as_outside_are_left_out_and_counted(folder: Path) -> None:
    shapes = (
        '<points label="cat" occluded="0" outside="1" points="1,1"/>'
        '<points label="cat" occluded="1" outside="0" points="2,2"/>'
        '<skeleton label="dog"><points label="eye" outside="1" points="6,7"/></skeleton>'
        '<mask label="cat" outside="1" rle="0, 1" left="1" top="1" width="1" height="1"/>'
    )
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert points(found) == [("a.png", "cat", 2, 2)]
    assert found.others == {
        "points marked as outside": 1,
        "skeleton marked as outside": 1,
        "mask marked as outside": 1,
    }


def pixels(folder: Path, shapes: str) -> list[list[tuple[int, int]]]:
    """Column and row of each pixel of each object."""
    (record,) = imported(folder, "a.xml", cvat(cvat_image(shapes))).records
    decoded = [masks.decode(obj.mask or b"", 30, 40) for obj in record.objects]
    assert not any(obj.crowd for obj in record.objects)
    return [[(int(x), int(y)) for y, x in np.argwhere(mask)] for mask in decoded]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (("1, 2, 2, 1", 3, 4), [(4, 4), (5, 4), (5, 5)]),
        (("0, 3, 1, 2", 3, 4), [(3, 4), (4, 4), (5, 4), (4, 5), (5, 5)]),
        (("0, 6", 37, 28), [(37, 28), (38, 28), (39, 28), (37, 29), (38, 29), (39, 29)]),
        (("5, 1", 0, 0), [(2, 1)]),
        (("0, 1, 5", 0, 0), [(0, 0)]),
    ],
)
def test_a_mask_of_cvat_is_an_object(
    folder: Path, box: tuple[str, int, int], expected: list[tuple[int, int]]
) -> None:
    rle, left, top = box
    shape = f'<mask label="cat" rle="{rle}" left="{left}" top="{top}" width="3" height="2"/>'
    assert pixels(folder, shape) == [expected]


def test_polygons_are_objects_and_those_of_a_group_are_one(folder: Path) -> None:
    shapes = (
        '<polygon label="cat" points="1,1;3,1;3,3;1,3"/>'
        '<polygon label="dog" points="5,1;6,1;6,2;5,2" group_id="2"/>'
        '<mask label="dog" rle="0, 1" left="9" top="9" width="1" height="1" group_id="2"/>'
    )
    assert pixels(folder, shapes) == [[(1, 1), (2, 1), (1, 2), (2, 2)], [(5, 1), (9, 9)]]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ('<mask label="cat" rle="1, 2" left="1" top="1" width="2" height="2"/>', "malformed mask"),
        ('<mask label="cat" rle="0, 4" left="39" top="1" width="2" height="2"/>', "malformed mask"),
        ('<mask label="cat" rle="4" left="1" top="1" width="2" height="2"/>', "empty mask"),
        ('<mask label="cat" rle="x" left="1" top="1" width="2" height="2"/>', "malformed mask"),
        ('<mask label="cat" left="1" top="1" width="2" height="2"/>', "malformed entry"),
        ('<polygon label="cat" points="1,1;2,2"/>', "malformed mask"),
        ('<polygon label="cat" points="1,1;2"/>', "malformed point"),
        ('<polygon label="wolf" points="1,1;3,1;3,3"/>', "unknown class 'wolf'"),
    ],
)
def test_a_mask_that_cannot_be_used_is_listed(folder: Path, shape: str, kind: str) -> None:
    found = imported(
        folder, "a.xml", cvat(cvat_image(shape + '<points label="cat" points="1,1"/>'))
    )
    assert findings(found) == [(kind, "image a.png, shape 0")]
    assert len(points(found)) == 1


@pytest.mark.parametrize("size", ['width="-4" height="30"', 'width="40" height="9999999"'])
def test_an_impossible_size_is_listed(folder: Path, size: str) -> None:
    shapes = '<polygon label="cat" points="1,1;3,1;3,3"/>'
    found = imported(folder, "a.xml", cvat(cvat_image(shapes, size=size)))
    assert findings(found) == [("malformed entry", "image a.png")]


def test_an_unknown_encoding_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="unknown encoding"):
        imported(folder, "a.xml", cvat().replace("utf-8", "utf-9"))
