"""Tests of ray_wssis.data.survey.quarter."""

from typing import Any

import pytest

from ray_wssis.data.check.coco import check_coco
from tests.support.drawn_objects import drawn

KIND = "objects in a quarter"


def larger(factor: int, **values: Any) -> dict[str, Any]:
    """The drawn file for images that are larger than those that were drawn on."""
    data = drawn(lambda entry: values)
    for image in data["images"]:
        image |= {"width": factor * image["width"], "height": factor * image["height"]}
    return data


def found(data: dict[str, Any]) -> list[str]:
    return [problem.found for problem in check_coco(data) if problem.kind == KIND]


@pytest.mark.parametrize("values", [{}, {"segmentation": [], "bbox": None, "point": [30, 20]}])
def test_objects_of_smaller_images_are_a_warning(values: dict[str, Any]) -> None:
    (text,) = found(larger(2, **values))
    assert text.startswith("all 8 objects lie in the top left quarter of their images")


def test_objects_anywhere_are_no_finding() -> None:
    assert found(larger(1)) == []


def test_few_objects_may_well_lie_there() -> None:
    data = larger(3)
    data["annotations"].pop()
    assert found(data) == []
    one_image = larger(3)
    for entry in one_image["annotations"]:
        entry["image_id"] = 1
    assert found(one_image) == []


def test_one_object_elsewhere_is_enough() -> None:
    data = larger(2)
    data["annotations"][3] |= {"segmentation": [[70, 10, 80, 10, 80, 20]], "bbox": None}
    assert found(data) == []
