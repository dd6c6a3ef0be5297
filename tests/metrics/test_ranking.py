"""Average precision against a loop, with equal scores."""

import numpy as np
import pytest

from ray_wssis.metrics.ranking import average_precision, mean_average_precision


def precision_by_loop(scores: np.ndarray, shown: np.ndarray) -> float:
    shares = [shown[scores >= score].mean() for score in scores[shown]]
    return float(np.mean(shares))


def test_equal_to_a_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores, shown = rng.integers(0, 6, 15).astype(float), rng.random(15) < 0.4
        shown[0] = True
        assert average_precision(scores, shown) == pytest.approx(precision_by_loop(scores, shown))


def test_a_perfect_order_is_one_and_a_class_that_nothing_shows_does_not_count() -> None:
    scores, shown = np.array([[3.0, 9], [2, 8], [1, 7]]), np.array([[1, 0], [1, 0], [0, 0]], bool)
    assert mean_average_precision(scores, shown) == 1
    assert np.isnan(mean_average_precision(scores, np.zeros((3, 2), bool)))
