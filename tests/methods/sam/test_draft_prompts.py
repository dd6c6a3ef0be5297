"""Prompts out of rough masks, on small grids."""

import numpy as np
import pytest

from ray_wssis.methods.sam.draft_prompts import STRENGTH, draft_prompt, elastic_box, on_grid

SIDE = 16
FLAT = np.ones((3, 4, 4), np.float32)  # everything looks alike


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def stripes() -> np.ndarray:
    """Features whose columns of cells have nothing in common."""
    features = np.zeros((4, 4, 4), np.float32)
    for column in range(4):
        features[column, :, column] = 1
    return features


def test_places_are_deep_in_the_mask_and_far_from_it_in_its_box() -> None:
    mask = disc(6.5, 8.5, 4)
    prompt = draft_prompt(mask, FLAT)
    assert prompt.on == pytest.approx((6.5, 8.5), abs=1)
    assert prompt.off is not None
    x, y = int(prompt.off[0]), int(prompt.off[1])
    assert not mask[y, x]
    assert (x, y) in {(2, 4), (10, 4), (2, 12), (10, 12)}  # a corner of the box
    full = np.zeros((SIDE, SIDE), bool)
    full[2:6, 2:6] = True
    assert draft_prompt(full, FLAT).off is None


def test_a_box_grows_by_a_tenth_where_what_is_beyond_looks_the_same() -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2:12, 4:8] = True  # the second column of feature cells
    assert elastic_box(mask, (4, 2, 8, 12), stripes()) == (4, 1, 8, 13)
    assert elastic_box(mask, (4, 2, 8, 12), FLAT[:, :, :]) == pytest.approx((3.6, 1, 8.4, 13))
    edge = np.zeros((SIDE, SIDE), bool)
    edge[:, :8] = True
    assert elastic_box(edge, (0, 0, 8, 16), FLAT) == pytest.approx((0, 0, 8.8, 16))


def test_a_mask_prompt_is_sure_inside_and_says_nothing_where_the_box_has_grown() -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2:12, 4:8] = True
    logits = draft_prompt(mask, stripes()).logits
    assert logits[mask].min() > 0
    assert logits.max() == STRENGTH
    assert logits[7, 5] > logits[7, 4]  # less sure at the edge
    assert (logits[1, 4:8] == 0).all()  # in the box that has grown
    assert (logits[14] == -STRENGTH).all()
    square = np.zeros((SIDE, SIDE), bool)
    square[4:8, 4:8] = True
    kept = draft_prompt(square, np.eye(16, dtype=np.float32).reshape(16, 4, 4))
    assert kept.box == (4, 4, 8, 8)
    assert set(np.unique(kept.logits[~square])) == {-STRENGTH}


def test_a_mask_comes_to_the_grid_however_small_it_is() -> None:
    mask = np.zeros((90, 120), bool)
    mask[30:60, 40:80] = True
    grid = on_grid(mask, 12, SIDE, SIDE)
    assert np.argwhere(grid).min(axis=0).tolist() == [4, 5]
    assert np.argwhere(grid).max(axis=0).tolist() == [7, 10]
    assert not grid[12:].any()
    single = np.zeros((90, 120), bool)
    single[89, 119] = True
    assert np.argwhere(on_grid(single, 12, SIDE, SIDE)).tolist() == [[11, 15]]
