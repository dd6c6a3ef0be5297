import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from ray_wssis.masks import encode
from ray_wssis.report.drawing import draw_pixels, outline, whole_image, window_around


def corners(path: str) -> np.ndarray:
    """[N, 2] absolute corners of a path with one part."""
    numbers = np.array([float(x) for x in re.findall(r"-?[\d.]+", path)]).reshape(-1, 2)
    return np.cumsum(numbers, axis=0)


def box_mask(height: int, width: int, x0: int, y0: int, x1: int, y1: int) -> bytes:
    mask = np.zeros((height, width), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return encode(mask)


def test_an_outline_runs_along_the_edge_of_the_mask() -> None:
    window = whole_image(20, 40, longest=400)
    found = corners(outline(box_mask(20, 40, 10, 5, 30, 15), 20, 40, window))
    np.testing.assert_allclose(found.min(axis=0), [100, 50], atol=1)
    np.testing.assert_allclose(found.max(axis=0), [300, 150], atol=1)


def test_a_hole_has_an_outline_of_its_own() -> None:
    mask = np.ones((20, 20), dtype=bool)
    mask[8:12, 8:12] = False
    assert outline(encode(mask), 20, 20, whole_image(20, 20, longest=200)).count("M") == 2


@pytest.mark.parametrize("longest", [20, 200])
def test_one_pixel_of_a_large_image_has_an_outline(longest: int) -> None:
    window = whole_image(400, 400, longest=longest)
    assert outline(box_mask(400, 400, 100, 100, 101, 101), 400, 400, window).startswith("M")


@pytest.mark.parametrize("counts", [None, encode(np.zeros((9, 9), dtype=bool))])
def test_no_mask_has_no_outline(counts: bytes | None) -> None:
    assert outline(counts, 9, 9, whole_image(9, 9, longest=90)) == ""


def test_a_window_stays_within_an_image_that_is_large_enough() -> None:
    window = window_around([(0, 50, 10, 60)], 100, 200, margin=0.2, smallest=32, longest=200)
    assert (window.left, window.top, window.width, window.height) == (0, 39, 32, 32)


def test_a_window_around_a_long_object_sticks_out_of_a_flat_image() -> None:
    window = window_around([(10, 0, 170, 20)], 20, 200, margin=0.1, smallest=32, longest=200)
    assert window.width == window.height == 200
    assert (window.left, window.top) == (0, -90)
    pixels = draw_pixels(np.zeros((20, 200, 3), dtype=np.uint8), window)
    assert (pixels.x, pixels.y, pixels.width, pixels.height) == (0, 90, 200, 20)


def test_a_window_is_not_larger_than_the_image() -> None:
    window = window_around([(0, 0, 20, 20)], 20, 20, margin=0.2, smallest=32, longest=200)
    assert (window.left, window.top, window.width, window.height) == (0, 0, 20, 20)


def test_large_images_are_made_small() -> None:
    image = np.full((900, 1200, 3), 200, dtype=np.uint8)
    pixels = draw_pixels(image, whole_image(900, 1200, longest=100))
    data = base64.b64decode(pixels.href.partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (150, 113)
