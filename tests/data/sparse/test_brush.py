"""Tests of ray_wssis.data.sparse.brush."""

import numpy as np
import pytest

from ray_wssis.data.sparse.brush import brushed, disc, thin


def test_a_path_is_a_line_one_pixel_wide() -> None:
    lines = thin([[(0.5, 0.5), (3.5, 0.5), (3.5, 2.5)], [(0.9, 2.1)]], (3, 5))
    assert lines.tolist() == [
        [1, 1, 1, 1, 0],
        [0, 0, 0, 1, 0],
        [1, 0, 0, 1, 0],
    ]


def test_what_lies_beyond_the_image_is_left_out() -> None:
    assert thin([[(-3.5, 1.5), (1.5, 1.5)], [(9.0, 9.0)]], (2, 3)).tolist() == [
        [0, 0, 0],
        [1, 1, 0],
    ]


def test_brushes_are_round() -> None:
    assert disc(0).tolist() == disc(0.5).tolist() == [[1]]
    assert disc(1).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert disc(1.5).tolist() == [[1] * 3] * 3


@pytest.mark.parametrize("radius", [0, 0.5, 1.5, 2, 3.5])
def test_a_brush_reaches_what_is_near_a_line(radius: float) -> None:
    lines = (np.random.default_rng(0).random((9, 12)) < 0.05).astype(np.uint8)
    slow = [
        [
            any((y - b) ** 2 + (x - a) ** 2 <= radius**2 for b, a in np.argwhere(lines).tolist())
            for x in range(12)
        ]
        for y in range(9)
    ]
    assert brushed(lines, radius).tolist() == slow
