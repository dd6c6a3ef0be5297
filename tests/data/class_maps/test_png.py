"""Tests of ray_wssis.data.class_maps.png."""

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN, decode, encode, present


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 7)])
def test_a_class_map_comes_back(shape: tuple[int, int]) -> None:
    class_map = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    again = decode(encode(class_map))
    assert again.dtype == np.uint8 and (again == class_map).all()


def test_unknown_pixels_show_no_class() -> None:
    assert present(np.array([[7, UNKNOWN], [0, 7]], np.uint8)) == (0, 7)
    assert present(np.full((2, 2), UNKNOWN, np.uint8)) == ()
