"""What more labels are worth: planted curves are found, and intervals hold what they say."""

import numpy as np
import pytest

from ray_wssis.metrics.learning_curve import LearningCurve, t95

MASKS = [400, 100, 200, 400, 400]
POINTS = [2000, 2000, 2000, 500, 1000]


def planted(masks: float, points: float) -> float:
    return 30 + 4 * float(np.log2(masks / 400)) + 1.5 * float(np.log2(points / 2000))


def test_a_planted_curve_is_found() -> None:
    ap = [planted(*amounts) for amounts in zip(MASKS, POINTS, strict=True)]
    curve = LearningCurve.fit(MASKS, POINTS, ap)
    assert (curve.num_masks, curve.num_points) == (400, 2000)
    assert curve.level == pytest.approx(30)
    assert curve.per_doubling == pytest.approx((4, 1.5))
    gain = curve.gain(400, 0)
    assert (gain.ap, gain.low, gain.high) == pytest.approx((4, 4, 4))
    assert gain.is_sure
    assert curve.gain(100, 2000).ap == pytest.approx(planted(500, 4000) - 30)
    assert curve.gain(0, 0).ap == 0


def test_nine_in_ten_intervals_hold_the_true_gain() -> None:
    rng = np.random.default_rng(0)
    true = planted(800, 2000) - 30
    hits = 0
    for _ in range(1000):
        pairs = zip(MASKS, POINTS, strict=True)
        ap = [planted(*amounts) + rng.normal(scale=2) for amounts in pairs]
        gain = LearningCurve.fit(MASKS, POINTS, ap).gain(400, 0)
        hits += gain.low <= true <= gain.high
    assert 870 <= hits <= 930


def test_trainings_that_tell_no_curve_are_refused() -> None:
    with pytest.raises(ValueError, match="5 trainings with 1 numbers of masks and 3 of points"):
        LearningCurve.fit([400] * 5, POINTS, [1.0] * 5)
    with pytest.raises(ValueError, match="wanted: 4 of them"):
        LearningCurve.fit(MASKS[:3], POINTS[:3], [1.0] * 3)


def test_quantiles_of_student_s_t() -> None:
    assert t95(2) == 2.920
    assert t95(12) == pytest.approx(1.782, abs=0.001)
    assert t95(30) == pytest.approx(1.697, abs=0.001)
    assert t95(10_000) == pytest.approx(1.645, abs=0.001)
