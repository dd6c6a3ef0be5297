"""Clicks change a mask where they contradict it, and nowhere else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ray_wssis import masks
from ray_wssis.data.records import Click
from ray_wssis.methods.walker.obey import obeyed

HEIGHT, WIDTH = 90, 120
LEFT, MIDDLE, RIGHT = np.s_[20:60, 10:40], np.s_[30:50, 40:56], np.s_[20:60, 70:100]


def image() -> NDArray[np.uint8]:
    """Three rectangles side by side, red, green and blue, on gray."""
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for number, place in enumerate((LEFT, MIDDLE, RIGHT)):
        pixels[place] = 0
        pixels[place][..., number] = 220
    return pixels


def mask_of(*places: tuple[slice, slice]) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for place in places:
        mask[place] = True
    return masks.encode(mask)


def after(mask: bytes, *clicks: Click) -> bytes:
    changed = obeyed(image(), mask, (25.0, 40.0), clicks)
    assert changed is not None
    return changed


def iou(one: bytes, other: bytes) -> float:
    return masks.iou(one, other, HEIGHT, WIDTH)


def test_a_mask_that_obeys_stays_as_it_is() -> None:
    mask = mask_of(LEFT)
    assert after(mask, Click(15.0, 25.0, True), Click(48.0, 40.0, False)) is mask


def test_a_click_off_the_object_takes_its_region_away() -> None:
    assert iou(after(mask_of(LEFT, MIDDLE), Click(48.0, 40.0, False)), mask_of(LEFT)) > 0.9


def test_a_click_on_the_object_adds_its_region() -> None:
    assert iou(after(mask_of(LEFT), Click(48.0, 40.0, True)), mask_of(LEFT, MIDDLE)) > 0.9


def test_clicks_of_both_kinds_are_obeyed_at_once() -> None:
    clicks = Click(48.0, 40.0, True), Click(85.0, 40.0, False)
    assert iou(after(mask_of(LEFT, RIGHT), *clicks), mask_of(LEFT, MIDDLE)) > 0.85


def test_nothing_changes_where_no_click_is() -> None:
    far = np.s_[70:85, 60:110]
    changed = masks.decode(after(mask_of(LEFT, MIDDLE, far), Click(48.0, 40.0, False)), 90, 120)
    assert (changed[62:] == masks.decode(mask_of(far), 90, 120)[62:]).all()


def test_nothing_may_be_left() -> None:
    clicks = [Click(25.0, 40.0, False)]
    assert obeyed(image(), mask_of(LEFT), (110.0, 80.0), clicks) is not None  # the point is held
    assert obeyed(image(), mask_of(np.s_[40:41, 25:26]), (25.0, 40.0), clicks) is None


@pytest.mark.parametrize("seed", range(20))
def test_every_click_is_obeyed(seed: int) -> None:
    dice = np.random.default_rng(seed)
    pixels = dice.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    x0, y0 = dice.integers(0, 60), dice.integers(0, 50)
    mask = mask_of(np.s_[y0 : y0 + 30, x0 : x0 + 50])
    places = [(x + 0.5, y + 0.5) for x in range(4, WIDTH, 14) for y in range(4, HEIGHT, 14)]
    chosen = [places[i] for i in dice.choice(len(places), 6, replace=False)]
    clicks = [Click(x, y, bool(dice.random() < 0.5)) for x, y in chosen[1:]]
    changed = obeyed(pixels, mask, chosen[0], clicks)
    assert changed is not None
    assert masks.contains(changed, HEIGHT, WIDTH, chosen[0])
    for x, y, positive in clicks:
        assert masks.contains(changed, HEIGHT, WIDTH, (x, y)) == positive
