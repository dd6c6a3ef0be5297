"""Tests of ray_wssis.data.annotated."""

from dataclasses import replace

import numpy as np
import pytest

from ray_wssis import masks
from ray_wssis.data.annotated import is_ignored, unseen
from ray_wssis.data.records import Object, Record


def stripe(first: int, last: int) -> bytes:
    mask = np.zeros((4, 10), bool)
    mask[:, first:last] = True
    return masks.encode(mask)


WHOLE = Record(image_id=1, file="a.png", width=10, height=4)
HALF = replace(WHOLE, annotated=stripe(0, 5))


def test_the_rest_is_what_nobody_looked_at() -> None:
    assert unseen(HALF) == stripe(5, 10)
    assert unseen(WHOLE) is None
    assert unseen(replace(WHOLE, annotated=stripe(0, 10))) is None


@pytest.mark.parametrize(
    ("obj", "ignored"),
    [
        (Object(annotation_id=1, label=0, mask=stripe(0, 2)), False),
        (Object(annotation_id=1, label=0, mask=stripe(4, 6)), False),  # just half of it
        (Object(annotation_id=1, label=0, mask=stripe(4, 7)), True),
        (Object(annotation_id=1, label=0, mask=stripe(8, 9)), True),
        (Object(annotation_id=1, label=0, mask=stripe(0, 2), point=(9.5, 1)), False),
        (Object(annotation_id=1, label=0, point=(4.9, 1)), False),
        (Object(annotation_id=1, label=0, point=(5.0, 1)), True),
        (Object(annotation_id=1, label=0), False),  # nobody knows where it is
        (Object(annotation_id=1, label=0, mask=stripe(0, 2), crowd=True), True),
    ],
)
def test_objects_beyond_the_annotated_part_are_ignored(obj: Object, ignored: bool) -> None:
    assert is_ignored(HALF, obj) == ignored
    assert is_ignored(WHOLE, obj) == obj.crowd
