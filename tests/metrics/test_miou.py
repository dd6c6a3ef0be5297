"""Counts against loops over pixels."""

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.metrics.miou import Counts, boundary

TRUTH = np.array([[0, 0, 1], [0, 2, 1], [UNKNOWN, 2, 2]], np.uint8)
PREDICTED = np.array([[0, 1, 1], [0, 2, 0], [1, 2, 2]], np.uint8)


def test_the_figures_of_nine_pixels() -> None:
    figures = Counts.of(TRUTH, PREDICTED, 4).figures(["ground", "disc", "square", "none"])
    assert figures["IoU/ground"] == pytest.approx(100 * 2 / 4)
    assert figures["IoU/disc"] == pytest.approx(100 * 1 / 3)
    assert figures["IoU/square"] == pytest.approx(100)
    assert np.isnan(figures["IoU/none"])  # nowhere, so no IoU
    assert figures["mIoU"] == pytest.approx(100 * (2 / 4 + 1 / 3 + 1) / 3)
    assert figures["pixel_accuracy"] == pytest.approx(100 * 6 / 8)


def test_pixels_are_counted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 1, 2, UNKNOWN], np.uint8), (13, 7))
    predicted = rng.integers(0, 3, (13, 7)).astype(np.uint8)
    slow = np.zeros((3, 3), np.int64)
    for true, guess in zip(truth.ravel(), predicted.ravel(), strict=True):
        if true != UNKNOWN:
            slow[true, guess] += 1
    assert (Counts.of(truth, predicted, 3).pixels == slow).all()


def test_counts_of_images_add_up() -> None:
    both = Counts.of(TRUTH, PREDICTED, 3) + Counts.of(PREDICTED, PREDICTED, 3)
    truth, predicted = np.concatenate([TRUTH, PREDICTED]), np.concatenate([PREDICTED, PREDICTED])
    assert (both.pixels == Counts.of(truth, predicted, 3).pixels).all()


def test_nothing_known_has_no_figures() -> None:
    unknown = np.full((4, 4), UNKNOWN, np.uint8)
    figures = Counts.of(unknown, np.zeros((4, 4), np.uint8), 2).figures()
    assert all(np.isnan(value) for value in figures.values())


def test_a_boundary_is_what_lies_near_the_edge() -> None:
    mask = np.zeros((12, 12), bool)
    mask[2:11, 3:12] = True  # touches the right border of the image
    slow = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        near = [
            (y + dy, x + dx) for dy in range(-2, 3) for dx in range(-2, 3)
        ]  # no further than 2 pixels
        slow[y, x] = any(not (0 <= v < 12 and 0 <= u < 12) or not mask[v, u] for v, u in near)
    assert (boundary(mask, 2) == slow).all()


def test_boundary_iou_sees_what_mean_iou_hardly_does() -> None:
    truth = np.zeros((100, 100), np.uint8)
    truth[10:90, 10:90] = 1
    ragged = truth.copy()
    ragged[10:90:2, 10:13] = 0
    figures = Counts.of(truth, ragged, 2).figures()
    assert figures["mIoU"] > 95
    assert figures["boundary_IoU"] < 90
