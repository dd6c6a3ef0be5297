"""Two parts of the strong images that differ as in DMT."""

import pytest

from ray_wssis.data.records import Category, Record, Records
from ray_wssis.methods.self_training.halves import cut


def images(number: int) -> Records:
    rows = [Record(image_id=i, file=f"/a/{i}.png", width=8, height=8) for i in range(number)]
    return Records.from_rows(rows, [Category(id=0, name="background")])


@pytest.mark.parametrize(("number", "apart"), [(100, 40), (16, 6), (3, 2), (2, 2)])
def test_two_fifths_of_the_images_are_in_one_part_alone(number: int, apart: int) -> None:
    first, second = cut(images(number), seed=0)
    assert set(first) | set(second) == set(range(number))
    assert len(set(first) ^ set(second)) == apart
    assert abs(len(first) - len(second)) <= 1
    assert cut(images(number), seed=0) == (first, second)


def test_one_image_cannot_make_two_networks_differ() -> None:
    with pytest.raises(ValueError, match="of which there are 1; more are needed"):
        cut(images(1), seed=0)
