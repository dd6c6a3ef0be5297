import json
from collections.abc import Sequence

import numpy as np
import pytest

from ray_wssis.metrics.calibration import (
    FEWEST,
    FEWEST_IN_BIN,
    MOST_BINS,
    RIDGE,
    Bin,
    Floats,
    Regression,
    calibration_error,
    chance_error,
    cross_validated,
    reliability_bins,
)


def sample(num: int, num_signals: int = 3) -> tuple[Floats, Floats]:
    """Signals of which only the first one tells anything."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(num, num_signals))
    return signals, np.clip(0.6 + 0.2 * signals[:, 0] + 0.05 * rng.normal(size=num), 0, 1)


def fit(signals: Floats, truth: Floats, images: Sequence[int] | None = None) -> Regression:
    """A fit; unless `images` are given, every object is on an image of its own."""
    alone = range(len(truth))
    return Regression.fit(signals, truth, np.array(images or alone, np.int64))


def a_bin(count: int, expected: float, true: float) -> Bin:
    return Bin(count=count, expected=expected, true=true, spread=0.2)


def test_the_fit_is_ridge_regression_on_standardised_signals() -> None:
    signals, truth = sample(40)
    standard = (signals - signals.mean(axis=0)) / signals.std(axis=0)
    centred = truth - truth.mean()
    best = np.array(fit(signals, truth).weights)

    def cost(weights: Floats) -> float:
        return float(((standard @ weights - centred) ** 2).sum() + RIDGE * (weights**2).sum())

    for direction in np.eye(3):
        assert cost(best) < cost(best + 1e-3 * direction)
        assert cost(best) < cost(best - 1e-3 * direction)


def test_what_is_expected_lies_between_0_and_1() -> None:
    fitted = fit(*sample(40))
    far = np.array([[100.0, 0, 0], [-100.0, 0, 0]])
    assert fitted.predict(far).tolist() == [1, 0]


def test_on_average_the_fit_is_right() -> None:
    signals, truth = sample(200)
    assert fit(signals, truth).predict(signals).mean() == pytest.approx(truth.mean(), abs=0.01)


def test_too_few_objects_teach_only_their_mean() -> None:
    signals, truth = sample(FEWEST - 1)
    fitted = fit(signals, truth)
    np.testing.assert_allclose(fitted.predict(sample(5)[0]), truth.mean())
    assert any(fit(*sample(FEWEST)).weights)


def test_a_crowded_image_counts_by_the_root_of_its_objects() -> None:
    truth = np.array([0.2] * 9 + [0.8])
    fitted = fit(np.zeros((10, 1)), truth, [7] * 9 + [8])
    assert fitted.intercept == pytest.approx((3 * 0.2 + 1 * 0.8) / 4)


def test_objects_of_equal_images_count_alike() -> None:
    signals, truth = sample(40)
    assert fit(signals, truth, [i // 4 for i in range(40)]) == fit(signals, truth)


def test_a_signal_that_never_changes_tells_nothing() -> None:
    signals, truth = sample(40)
    signals[:, 1] = 0.3
    fitted = fit(signals, truth)
    assert fitted.weights[1] == pytest.approx(0, abs=1e-12)
    signals[:, 1] = 0.9
    np.testing.assert_allclose(fitted.predict(signals).mean(), truth.mean(), atol=0.01)


def test_json_brings_a_fit_back() -> None:
    fitted = fit(*sample(40))
    assert Regression.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted


def test_no_object_is_predicted_by_a_fit_that_saw_its_image() -> None:
    signals, truth = sample(60)
    images = np.repeat(np.arange(4), 15)
    before = cross_validated(signals, truth, images)
    truth[images == 2] = 0
    after = cross_validated(signals, truth, images)
    assert before is not None and after is not None
    np.testing.assert_array_equal(before[images == 2], after[images == 2])
    assert (before[images != 2] != after[images != 2]).all()


def test_one_image_cannot_be_validated() -> None:
    assert cross_validated(*sample(30), np.zeros(30, np.int64)) is None


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
