import numpy as np
import pytest

from ray_wssis.data.records import Object, Record
from ray_wssis.data.split.sizes import Sizes
from ray_wssis.masks import encode


def image(*areas: int) -> Record:
    """An image with objects of these areas, and a crowd."""
    objects = [
        Object(annotation_id=k, label=0, mask=encode(np.arange(100).reshape(10, 10) < pixels))
        for k, pixels in enumerate(areas)
    ]
    crowd = Object(annotation_id=99, label=0, mask=encode(np.ones((10, 10), bool)), crowd=True)
    return Record(image_id=1, file="a.png", width=10, height=10, objects=(*objects, crowd))


def test_groups_have_equal_counts() -> None:
    usual = Sizes.of([image(1, 2, 3, 4, 5), image(6, 7, 8, 9, 10)])
    assert usual.bounds == [3, 5, 7, 9]
    assert usual.counts == [2, 2, 2, 2, 2]


def test_images_like_the_others_are_at_no_distance() -> None:
    usual = Sizes.of([image(1, 2, 3, 4, 5), image(6, 7, 8, 9, 10)])
    assert usual.distance([image(2, 4, 6, 8, 10)]) == pytest.approx(0)


def test_other_sizes_and_other_counts_are_further_away() -> None:
    usual = Sizes.of([image(1, 2, 3, 4, 5), image(6, 7, 8, 9, 10)])
    assert usual.distance([image(1, 1, 1, 1, 1)]) == pytest.approx(0.8)  # 4 of 5 are elsewhere
    assert usual.distance([image(2, 2, 4, 4, 6, 6, 8, 8, 10, 10)]) == pytest.approx(1)  # twice 5
    assert usual.distance([]) == float("inf")
