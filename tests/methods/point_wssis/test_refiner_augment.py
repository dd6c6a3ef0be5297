import numpy as np
import pytest

from ray_wssis.masks import decode, encode, iou
from ray_wssis.methods.point_wssis.refiner_augment import (
    augment_input,
    draw_point,
    jitter_point,
    perturb_mask,
    turn_input,
)
from ray_wssis.methods.point_wssis.refiner_augment_config import RefinerAugmentConfig
from ray_wssis.methods.point_wssis.refiner_input import RefinerInput


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def marked(size: int, row: int, column: int) -> tuple[RefinerInput, np.ndarray]:
    """Rough mask, truth, and point all at one pixel."""
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[row, column] = 1
    sample = RefinerInput(
        rgb=np.repeat(mask[:, :, None] * 200, 3, axis=2),
        rough=mask,
        point=(column + 0.5, row + 0.5),
        label=0,
        box=(0, 0, size, size),
    )
    return sample, mask


def disc(x: float, y: float, radius: float) -> bytes:
    rows, columns = np.mgrid[:80, :100] + 0.5
    return encode((rows - y) ** 2 + (columns - x) ** 2 < radius**2)


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_pixels_masks_and_point_turn_together(quarter_turns: int, flip: bool) -> None:
    sample, truth = turn_input(*marked(8, row=1, column=2), quarter_turns, flip)
    ((row, column),) = np.argwhere(truth)
    assert sample.point == (column + 0.5, row + 0.5)
    np.testing.assert_array_equal(sample.rough, truth)
    np.testing.assert_array_equal(sample.rgb[:, :, 0], truth * 200)


def test_a_flip_moves_left_to_right() -> None:
    sample, _ = turn_input(*marked(8, row=1, column=2), 0, True)
    assert sample.point == (5.5, 1.5)


def test_nothing_varies_when_all_is_off() -> None:
    config = RefinerAugmentConfig(flip=False, point_jitter=0)
    sample, truth = marked(8, 1, 2)
    same, same_truth = augment_input(sample, truth, config, [0, 1], rng())
    assert same.point == sample.point
    np.testing.assert_array_equal(same.rgb, sample.rgb)
    np.testing.assert_array_equal(same_truth, truth)


def test_a_flip_gives_a_crop_the_label_of_the_other_side() -> None:
    config = RefinerAugmentConfig(flip=True, point_jitter=0)
    sample, truth = marked(8, 1, 2)
    found = set()
    for seed in range(8):
        varied, _ = augment_input(sample, truth, config, [1, 0], rng(seed))
        found.add((varied.point, varied.label))
    assert found == {((2.5, 1.5), 0), ((5.5, 1.5), 1)}


def test_the_annotated_point_is_used_unless_points_are_drawn_anew() -> None:
    truth = disc(40, 30, 9)
    assert draw_point((3.0, 4.0), truth, 80, 0.0, rng()) == (3.0, 4.0)
    for seed in range(5):
        for x, y in (
            draw_point((3.0, 4.0), truth, 80, 1.0, rng(seed)),
            draw_point(None, truth, 80, 0.0, rng(seed)),
        ):
            assert decode(truth, 80, 100)[int(y), int(x)]


def test_a_jittered_point_stays_near_and_in_the_crop() -> None:
    for seed in range(20):
        x, y = jitter_point((63.9, 30.0), 64, 0.1, rng(seed))
        assert 57.5 <= x < 64 and 23.6 <= y <= 36.4


def test_a_perturbed_mask_is_another_one_of_the_same_object() -> None:
    truth = disc(40, 30, 20)
    scores = [iou(truth, perturb_mask(truth, 80, 100, rng(seed)), 80, 100) for seed in range(30)]
    assert min(scores) > 0.4
    assert max(scores) < 1
    assert 0.6 < np.mean(scores) < 0.95


@pytest.mark.parametrize("mask", [np.ones((20, 20), bool), np.eye(20, dtype=bool)[::-1]])
def test_a_perturbed_mask_is_never_empty(mask: np.ndarray) -> None:
    mask = mask.copy()
    one_pixel = np.zeros((20, 20), bool)
    one_pixel[19, 0] = True
    for seed in range(10):
        assert decode(perturb_mask(encode(mask), 20, 20, rng(seed)), 20, 20).any()
        assert decode(perturb_mask(encode(one_pixel), 20, 20, rng(seed)), 20, 20).any()


def test_the_same_seed_gives_the_same_mask() -> None:
    truth = disc(40, 30, 20)
    assert perturb_mask(truth, 80, 100, rng(3)) == perturb_mask(truth, 80, 100, rng(3))
