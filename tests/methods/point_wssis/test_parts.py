"""Masks of one row: every run of # is a part."""

import numpy as np

from ray_wssis.methods.point_wssis.parts import WHOLE, own_parts


def own(pixels: list[int], *rows: str) -> list[str]:
    inside = np.array([[[character == "#" for character in row]] for row in rows])
    return [
        "".join(".#"[pixel] for pixel in mask[0])
        for mask in own_parts(inside, pixels_of(pixels)).astype(int)
    ]


def pixels_of(pixels: list[int]) -> np.ndarray:
    return np.array(pixels, dtype=np.int64)


def test_the_part_with_the_point_stays() -> None:
    assert own([0, 4, 5], "##..##", "##..##", ".....#") == ["##....", "....##", ".....#"]


def test_a_mask_beside_its_point_stays_whole() -> None:
    assert own([2, 0], "##..##", ".#.#.#") == ["##..##", ".#.#.#"]
    assert own([WHOLE], "##..##") == ["##..##"]


def test_an_empty_mask_stays_empty() -> None:
    assert own([1, 0], "......", "##....") == ["......", "##...."]


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    inside = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]]], dtype=bool)
    assert own_parts(inside, pixels_of([0])).astype(int).tolist() == [
        [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    ]


def test_no_masks_no_parts() -> None:
    assert own_parts(np.zeros((0, 4, 4), dtype=bool), pixels_of([])).shape == (0, 4, 4)
