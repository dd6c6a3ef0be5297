"""Crops: image, class map and mark of what is image stay together."""

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.semantic.augment_config import SemanticAugment
from ray_wssis.semantic.crop import draw_crop

PLAIN = SemanticAugment(crop=32, scale=(1.0, 1.0), flip=False)


def numbered(height: int, width: int) -> np.ndarray:
    """A class map whose labels differ from pixel to pixel."""
    return (np.arange(height * width) % 251).astype(np.uint8).reshape(height, width)


def test_an_image_of_the_crops_size_stays_as_it_is() -> None:
    crop = draw_crop(32, 32, PLAIN, np.random.default_rng(0))
    labels = numbered(32, 32)
    assert (crop.class_map(labels) == labels).all()
    assert crop.inside(32, 32).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_of_a_larger_image_is_a_part_of_it(seed: int) -> None:
    crop = draw_crop(50, 70, PLAIN, np.random.default_rng(seed))
    assert crop.inside(50, 70).mean() > 0.93  # a shift by a part of a pixel may show the border
    assert UNKNOWN not in crop.class_map(numbered(50, 70))[1:-1, 1:-1]


@pytest.mark.parametrize("seed", range(5))
def test_beyond_a_smaller_image_nothing_is_known(seed: int) -> None:
    crop = draw_crop(20, 25, PLAIN, np.random.default_rng(seed))
    inside = crop.inside(20, 25)
    assert inside.sum() == pytest.approx(20 * 25, abs=50)
    assert (crop.class_map(numbered(20, 25))[~inside] == UNKNOWN).all()


@pytest.mark.parametrize("seed", range(20))
def test_image_and_class_map_move_alike(seed: int) -> None:
    config = SemanticAugment(crop=64, scale=(0.5, 2.0), flip=True, turn=True, rotate=30, shear=0.2)
    labels = np.zeros((60, 80), np.uint8)
    labels[20:50, 10:40] = 1
    image = np.repeat(200 * labels[:, :, None], 3, axis=2)
    crop = draw_crop(60, 80, config, np.random.default_rng(seed))
    seen, drawn = crop.image(image)[:, :, 0], crop.class_map(labels)
    known = drawn != UNKNOWN
    agree = (seen[known] > 100) == (drawn[known] == 1)
    assert agree.mean() > 0.97


def test_a_flip_mirrors_left_and_right() -> None:
    always = PLAIN.model_copy(update={"flip": True})
    crops = [draw_crop(32, 32, always, np.random.default_rng(seed)) for seed in range(10)]
    assert {crop.flip for crop in crops} == {True, False}
    labels = numbered(32, 32)
    for crop in crops:
        wanted = labels[:, ::-1] if crop.flip else labels
        assert (crop.class_map(labels) == wanted).all()


@pytest.mark.parametrize("seed", range(10))
def test_no_click_is_lost_where_an_image_becomes_smaller(seed: int) -> None:
    rng = np.random.default_rng(seed)
    crop = draw_crop(64, 64, SemanticAugment(crop=64, scale=(0.5, 0.5), rotate=20), rng)
    labels = np.full((64, 64), UNKNOWN, np.uint8)
    for label in range(20):
        labels[rng.integers(3, 61), rng.integers(3, 61)] = label
    given = {label for label in np.unique(labels).tolist() if label != UNKNOWN}
    kept = set(np.unique(crop.sparse_class_map(labels)).tolist()) - {UNKNOWN}
    assert len(set(np.unique(crop.class_map(labels)).tolist()) & given) < len(given)
    assert len(given - kept) <= 2  # two clicks may meet in a pixel
    assert (crop.sparse_class_map(labels)[~crop.inside(64, 64)] == UNKNOWN).all()


def test_a_full_map_has_nothing_to_add() -> None:
    crop = draw_crop(64, 64, SemanticAugment(crop=32, rotate=20), np.random.default_rng(0))
    labels = numbered(64, 64)
    assert (crop.sparse_class_map(labels) == crop.class_map(labels)).mean() > 0.99
