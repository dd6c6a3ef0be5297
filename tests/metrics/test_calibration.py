import json
from collections.abc import Sequence

import numpy as np
import pytest

from ray_wssis.metrics.calibration import (
    ALIKE,
    DISPERSION,
    FEWEST_IN_BIN,
    MOST_BINS,
    Bin,
    Floats,
    Prior,
    Regression,
    calibration_error,
    chance_error,
    cross_validated,
    reliability_bins,
    shares,
    sigmoid,
)


def prior(weights: Sequence[float] = (0, 0, 0), doubt: float = 1, intercept: float = 0.5) -> Prior:
    return Prior(
        means=[0.0] * len(weights),
        spreads=[1.0] * len(weights),
        weights=list(weights),
        intercept=intercept,
        doubt=doubt,
        intercept_doubt=1,
    )


def sample(num: int, num_signals: int = 3, seed: int = 0) -> tuple[Floats, Floats]:
    """Signals of which only the first one tells anything."""
    rng = np.random.default_rng(seed)
    signals = rng.normal(size=(num, num_signals))
    noise = 0.3 * rng.normal(size=num)
    return signals, sigmoid(0.8 + signals[:, 0] + noise)


def fit(
    signals: Floats,
    truth: Floats,
    images: Sequence[int] | None = None,
    believed: Prior | None = None,
) -> Regression:
    """A fit; unless `images` are given, every object is on an image of its own."""
    alone = range(len(truth))
    return Regression.fit(signals, truth, np.array(images or alone, np.int64), believed or prior())


def a_bin(count: int, expected: float, true: float) -> Bin:
    return Bin(count=count, expected=expected, true=true, spread=0.2)


def test_the_fit_is_the_mode_of_the_posterior() -> None:
    signals, truth = sample(40)
    believed = prior(weights=(0.5, 0, 0.2), doubt=0.3)
    fitted = fit(signals, truth, believed=believed)

    def cost(found: Floats) -> float:
        expected = sigmoid(np.hstack([np.ones((40, 1)), signals]).clip(-3, 3) @ found)
        coins = truth * np.log(expected) + (1 - truth) * np.log(1 - expected)
        apart = (found - np.array([0.5, 0.5, 0, 0.2])) / np.array([1, 0.3, 0.3, 0.3])
        return float(-coins.sum() / DISPERSION + (apart**2).sum() / 2)

    best = np.array([fitted.intercept, *fitted.weights])
    for direction in np.eye(4):
        assert cost(best) < cost(best + 1e-3 * direction)
        assert cost(best) < cost(best - 1e-3 * direction)
    assert fitted.covariance is not None
    for i, direction in enumerate(1e-2 * np.eye(4)):
        bend = (cost(best + direction) + cost(best - direction) - 2 * cost(best)) / 1e-4
        assert bend == pytest.approx(np.linalg.inv(fitted.covariance)[i, i], rel=1e-2)


def test_without_objects_the_prior_is_all_there_is() -> None:
    believed = prior(weights=(1.0, 0, 0), intercept=0.2)
    fitted = fit(np.zeros((0, 3)), np.zeros(0), believed=believed)
    assert (fitted.weights, fitted.intercept) == ([1.0, 0, 0], 0.2)


def test_many_objects_overrule_the_prior() -> None:
    wrong = prior(weights=(-1.0, 1.0, 0), doubt=0.3, intercept=-1)
    signals, truth = sample(5000)
    expected = fit(signals, truth, believed=wrong).predict(signals)
    assert np.abs(expected - sigmoid(0.8 + signals[:, 0])).mean() < 0.02


def test_a_signal_counts_three_standard_deviations_at_most() -> None:
    fitted = fit(*sample(40))
    near, far, farther = fitted.predict(np.array([[2.0, 0, 0], [3.0, 0, 0], [100.0, 0, 0]]))
    assert near < far == farther < 1


def test_on_average_the_fit_is_right() -> None:
    signals, truth = sample(200)
    assert fit(signals, truth).predict(signals).mean() == pytest.approx(truth.mean(), abs=0.01)


def test_objects_of_one_image_are_worth_less_than_as_many_images() -> None:
    assert shares(np.array([7, 7, 7, 8])) == pytest.approx([1 / (1 + 2 * ALIKE)] * 3 + [1])
    signals, truth = sample(40)
    alone, together = fit(signals, truth), fit(signals, truth, [0] * 40)
    assert (together.highest(signals) > alone.highest(signals)).mean() > 0.9


def test_nine_intervals_of_ten_hold_the_expected_iou() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        found = rng.normal([0.5, 0, 0, 0], 1)  # as the prior believes
        signals = rng.normal(size=(20, 3)).clip(-3, 3)
        mean = sigmoid(found[0] + signals @ found[1:])
        spare = 1 / DISPERSION - 1  # beta distributions with the dispersion
        truth = rng.beta(spare * mean, spare * (1 - mean))
        inside.append(mean <= fit(signals, truth).highest(signals))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_json_brings_a_fit_back() -> None:
    fitted = fit(*sample(40))
    assert Regression.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_a_fit_of_an_earlier_version_is_a_weighted_sum() -> None:
    values = {"means": [0.5], "spreads": [0.1], "weights": [0.2], "intercept": 0.6}
    old = Regression.from_json(values)
    assert old.predict(np.array([[0.5], [0.6], [9.0]])).tolist() == pytest.approx([0.6, 0.8, 1])
    assert old.highest(np.array([[0.6]])) == pytest.approx(0.8)


def test_no_object_is_predicted_by_a_fit_that_saw_its_image() -> None:
    signals, truth = sample(60)
    images = np.repeat(np.arange(4), 15)
    before = cross_validated(signals, truth, images, prior())
    truth[images == 2] = 0
    after = cross_validated(signals, truth, images, prior())
    assert before is not None and after is not None
    np.testing.assert_array_equal(before[images == 2], after[images == 2])
    assert (before[images != 2] != after[images != 2]).all()


def test_one_image_cannot_be_validated() -> None:
    assert cross_validated(*sample(30), np.zeros(30, np.int64), prior()) is None


def test_bins_hold_equal_counts_in_the_order_of_what_is_expected() -> None:
    signals, truth = sample(207)
    bins = reliability_bins(signals[:, 0], truth)
    assert len(bins) == MOST_BINS
    assert {group.count for group in bins} == {20, 21}
    assert sum(group.count for group in bins) == 207
    means = [group.expected for group in bins]
    assert means == sorted(means)
    lowest = np.argsort(signals[:, 0])[: bins[0].count]
    assert bins[0].true == pytest.approx(truth[lowest].mean())


@pytest.mark.parametrize(("num", "num_bins"), [(0, 0), (1, 1), (2 * FEWEST_IN_BIN - 1, 1), (35, 3)])
def test_few_objects_share_few_bins(num: int, num_bins: int) -> None:
    values = np.linspace(0, 1, num)
    assert len(reliability_bins(values, values)) == num_bins


def test_the_calibration_error_is_the_gap_of_all_objects() -> None:
    bins = [a_bin(10, 0.2, 0.3), a_bin(30, 0.8, 0.6)]
    assert calibration_error(bins) == pytest.approx((10 * 0.1 + 30 * 0.2) / 40)
    assert calibration_error([]) is None


def test_chance_alone_shows_about_the_chance_error() -> None:
    """Expectations that are right by construction, many times."""
    rng = np.random.default_rng(0)
    errors, by_chance = [], []
    for _ in range(300):
        expected = rng.uniform(0.3, 0.7, size=60)
        bins = reliability_bins(expected, expected + 0.2 * rng.normal(size=60))
        errors.append(calibration_error(bins))
        by_chance.append(chance_error(bins))
    assert np.mean([x for x in by_chance if x is not None]) == pytest.approx(
        np.mean([x for x in errors if x is not None]), rel=0.1
    )
    assert chance_error([]) is None
