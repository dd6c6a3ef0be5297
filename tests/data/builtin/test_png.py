"""Tests of ray_wssis.data.builtin.png."""

import io

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.builtin.png import stored_png


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (200, 150)])  # the last needs two blocks
def test_others_read_the_same_pixels(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(stored_png(image)))) == image).all()
