"""Thresholds against a slow and obvious search."""

import numpy as np
import pytest

from ray_wssis.instance.proposals.threshold import FEWEST, class_thresholds, lowest_threshold


def slowly(scores: np.ndarray, values: np.ndarray, wanted: float) -> float | None:
    able = []
    for threshold in scores.tolist():
        passed = values[scores >= threshold]
        if passed.sum() / (len(passed) + 1) >= wanted:
            able.append(threshold)
    return min(able, default=None)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.8])
def test_it_is_the_lowest_that_is_good_enough(seed: int, wanted: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, 30) / 12  # many are equal
    values = (rng.random(30) < scores).astype(float)
    assert lowest_threshold(scores, values, wanted) == slowly(scores, values, wanted)


def test_three_good_ones_by_chance_are_not_enough() -> None:
    for number, found in ((3, None), (4, 0.5)):
        assert lowest_threshold(np.full(number, 0.5), np.ones(number), 0.8) == found


def test_nothing_has_no_threshold() -> None:
    assert lowest_threshold(np.zeros(0), np.zeros(0), 0.8) is None


def test_each_class_has_its_own_if_it_is_often_enough_proposed() -> None:
    labels = np.array([0] * 20 + [1] * (FEWEST - 1) + [2] * 20)
    scores = np.concatenate([np.linspace(0.1, 1, 20), np.full(9, 0.3), np.linspace(0.1, 1, 20)])
    values = np.array([1.0] * 20 + [1.0] * 9 + [0.0] * 20)
    first, second, third, absent = class_thresholds(labels, scores, values, 0.8, 4, 0.5)
    assert first == pytest.approx(0.1) and third is None
    assert second == absent == lowest_threshold(scores, values, 0.8)


def test_too_few_altogether_leave_the_default() -> None:
    few = np.ones(FEWEST - 1)
    assert class_thresholds(few.astype(int), few, few, 0.8, 2, 0.4) == [0.4, 0.4]
