"""Masks of one row: every run of # is a part."""

import numpy as np

from ray_wssis.methods.point_wssis.parts import foreign_parts


def found(pixels: list[int], *rows: str) -> list[str]:
    """Return the rows without their foreign parts."""
    inside = np.array([[[character == "#" for character in row]] for row in rows])
    kept = inside & ~foreign_parts(inside, np.array(pixels))
    return ["".join(".#"[pixel] for pixel in mask[0]) for mask in kept.astype(int)]


def test_a_part_that_another_mask_covers_goes() -> None:
    assert found([0, 5], "##..##", "....##") == ["##....", "....##"]
    assert found([1, 4], "##..##", "##..##") == ["##....", "....##"]


def test_a_part_that_nothing_covers_stays() -> None:
    assert found([0, 3], "##..##", "..##..") == ["##..##", "..##.."]
    assert found([0, 0], "##..####", "##.....#") == ["##..####", "##......"]


def test_half_a_part_is_enough() -> None:
    assert found([0, 7], "##..####", "......##") == ["##......", "......##"]
    assert found([0, 7], "##..####", ".......#") == ["##..####", ".......#"]


def test_a_part_that_holds_the_point_stays_however_covered() -> None:
    assert found([0, 2], "##.#", "####") == ["##..", "####"]


def test_of_a_mask_beside_its_point_the_largest_part_stays() -> None:
    assert found([2, 0], "#..##.#", "#######") == ["...##..", "#######"]


def test_parts_that_touch_at_a_corner_are_one() -> None:
    inside = np.array([[[1, 0], [0, 1]], [[0, 0], [0, 1]]], dtype=bool)
    assert not foreign_parts(inside, np.array([0, 3])).any()


def test_no_masks_no_parts() -> None:
    assert foreign_parts(np.zeros((0, 4, 4), dtype=bool), np.zeros(0, np.int64)).shape == (0, 4, 4)
