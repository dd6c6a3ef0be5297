"""The way from scores to labels, in numbers."""

import numpy as np
import pytest

from ray_wssis.data.class_maps.png import UNKNOWN
from ray_wssis.methods.cam.config import Policy
from ray_wssis.methods.cam.policy import (
    confidence_of,
    confusion_at,
    count_levels,
    labels_of,
    power_threshold,
)
from ray_wssis.metrics.miou import Counts

POLICY = Policy(threshold=0.4, sure_background=0.2, sure_class=0.8)
SCORES = np.array([[0, 51, 102, 103, 204, 255]], np.uint8)  # 0, 0.2, 0.4, 0.404, 0.8, 1
CLASSES = np.array([[1, 2, 1, 2, 1, 2]], np.uint8)


def test_scores_above_the_threshold_are_of_a_class() -> None:
    assert labels_of(CLASSES, SCORES, POLICY, 0).tolist() == [[0, 0, 0, 2, 1, 2]]


def test_without_a_background_every_pixel_is_of_a_class() -> None:
    assert labels_of(CLASSES, SCORES, POLICY, None) is CLASSES


def test_half_the_confidence_is_at_the_sure_scores() -> None:
    assert confidence_of(SCORES, POLICY).tolist() == [[255, 128, 0, 1, 128, 255]]


@pytest.mark.parametrize("values", [(0.3, 0.2, 0.5), (0.1, 0.2, 0.15), (0, 0.2, 0.5)])
def test_values_out_of_order_are_refused(values: tuple[float, float, float]) -> None:
    background, threshold, sure = values
    with pytest.raises(ValueError, match="must hold"):
        Policy(sure_background=background, threshold=threshold, sure_class=sure)


def test_a_power_is_a_threshold() -> None:
    for power in (1, 4, 16, 32):
        threshold = power_threshold(power)
        scores = np.linspace(0, 1, 1000)
        assert ((scores > (1 - scores) ** power) == (scores > threshold)).all()


def test_counts_by_level_hold_the_confusion_at_every_threshold() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 2, UNKNOWN], (20, 30)).astype(np.uint8)
    classes = rng.integers(1, 3, (20, 30)).astype(np.uint8)
    scores = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    counts = count_levels(truth, classes, scores, 3)
    for level in (0, 100, 254, 255):
        drawn = np.where(scores > level, classes, 0).astype(np.uint8)
        assert (confusion_at(counts, level, 0) == Counts.of(truth, drawn, 3).pixels).all()
