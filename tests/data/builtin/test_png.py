"""Tests of ray_wssis.data.builtin.png."""

import io

import numpy as np
import pytest
from PIL import Image

from ray_wssis.data.builtin.png import stored_png


@pytest.mark.parametrize(  # the third needs two blocks
    "shape", [(1, 1, 3), (3, 5, 3), (200, 150, 3), (1, 1), (3, 5)]
)
def test_others_read_the_same_pixels(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(stored_png(image)))) == image).all()
