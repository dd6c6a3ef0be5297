"""Tests of ray_wssis.data.imports.cvat."""

from pathlib import Path

import pytest

from tests.support.exports import cvat, cvat_image, findings, imported, points


def test_cvat_points_of_a_shape_are_objects_and_those_of_a_group_are_one(folder: Path) -> None:
    shapes = (
        '<points label="cat" points="1,1;2,2"/>'
        '<points label="dog" points="3,3;4,4" group_id="1"/><points label="dog" points="5,5" '
        'group_id="1"/><skeleton label="dog"><points label="cat" points="6,6"/></skeleton>'
    )
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert [point[2] for point in points(found)] == [1, 2, 3]
    assert [click.x for click in found.records[0].objects[2].clicks] == [4, 5]
    assert found.others == {"skeleton": 1}


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1,2;", "a,b"])
def test_a_cvat_shape_without_places_is_listed(folder: Path, text: str) -> None:
    shapes = f'<points label="cat" points="{text}"/><points label="cat" points="1,1"/>'
    found = imported(folder, "a.xml", cvat(cvat_image(shapes)))
    assert findings(found) == [("malformed point", "image a.png, shape 0")]
    assert len(points(found)) == 1
