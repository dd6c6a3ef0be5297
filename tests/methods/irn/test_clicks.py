"""Clicks that choose among the instances of an image."""

from typing import Any

import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.masks import decode, encode
from ray_wssis.methods.irn.clicks import only_points, pick


def mask(*columns: int) -> bytes:
    """Encode whole columns of an image of 4 x 12 pixels."""
    pixels = np.zeros((4, 12), bool)
    pixels[:, list(columns)] = True
    return encode(pixels)


def click(x: float, label: int) -> Object:
    return Object(annotation_id=1, label=label, point=(x, 2.0))


def row(**changes: Any) -> dict[str, Any]:
    found = {
        "instance_label": [1, 2],
        "instance_score": [0.9, 0.5],
        "instance_mask": [mask(0, 1, 2, 3), mask(6, 7)],
    }
    return {"height": 4, "width": 12, "error": None, **found, **changes}


def test_the_instance_under_a_click_takes_its_class_and_others_are_dropped() -> None:
    picked = pick(row(), [click(6.5, 3), click(10.5, 1)])
    assert picked["instance_label"] == [3]
    assert picked["instance_score"] == [0.5]
    assert picked["instance_mask"] == [mask(6, 7)]
    counts = [picked[name] for name in ("clicks", "lost_clicks", "dropped_instances")]
    assert counts == [2, 1, 1]


def test_an_instance_under_two_clicks_is_shared_out() -> None:
    picked = pick(row(), [click(3.5, 1), click(0.5, 2)])
    assert picked["instance_label"] == [1, 2]
    assert picked["instance_mask"] == [mask(2, 3), mask(0, 1)]
    assert picked["lost_clicks"] == 0


def test_two_clicks_on_a_pixel_are_one() -> None:
    picked = pick(row(), [click(0.5, 1), click(0.5, 1)])
    assert picked["instance_mask"] == [mask(0, 1, 2, 3)]


@pytest.mark.parametrize("clicks", [(), [click(-3.0, 1)], [click(5.0, 1)]])
def test_only_images_without_a_click_keep_what_nobody_hit(clicks: list[Object]) -> None:
    assert len(pick(row(), clicks)["instance_mask"]) == (0 if clicks else 2)


def test_an_image_that_failed_stays_as_it_is() -> None:
    assert pick(row(error="broken"), [click(0.5, 1)]) == row(error="broken")


def test_of_an_object_its_point_stays_and_one_is_drawn_in_its_mask() -> None:
    objects = (
        Object(annotation_id=1, label=1, mask=mask(0, 1), point=(9.0, 1.0)),
        Object(annotation_id=2, label=2, mask=mask(6, 7, 8)),
        Object(annotation_id=3, label=2, mask=mask(6, 7, 8), crowd=True),
        Object(annotation_id=4, label=2),
    )
    record = Record(image_id=1, file="1.png", width=12, height=4, objects=objects, tags=(0, 1))
    first, second = only_points(record).objects
    assert first.point == (9.0, 1.0) and first.mask is None
    x, y = second.point or (0.0, 0.0)
    assert decode(mask(6, 7, 8), 4, 12)[int(y), int(x)] and second.mask is None
