from dataclasses import replace

import numpy as np

from ray_wssis.data.records import Object, Record
from ray_wssis.masks import encode
from ray_wssis.methods.point_wssis.practice import drawable


def bar(x0: int, x1: int) -> bytes:
    mask = np.zeros((10, 20), dtype=bool)
    mask[:, x0:x1] = True
    return encode(mask)


def test_rough_masks_are_drawn_for_objects_with_mask_and_point_that_somebody_looked_at() -> None:
    objects = (
        Object(annotation_id=1, label=0, mask=bar(0, 5), point=(2, 2)),
        Object(annotation_id=2, label=0, mask=bar(0, 5)),
        Object(annotation_id=3, label=0, point=(2, 2)),
        Object(annotation_id=4, label=0, mask=bar(5, 9), point=(7, 2), crowd=True),
        Object(annotation_id=5, label=0, mask=bar(12, 20), point=(15, 2)),
    )
    whole = Record(image_id=1, file="a.png", width=20, height=10, objects=objects)
    assert [obj.annotation_id for obj in drawable(whole)] == [1, 5]
    assert [obj.annotation_id for obj in drawable(replace(whole, annotated=bar(0, 10)))] == [1]
