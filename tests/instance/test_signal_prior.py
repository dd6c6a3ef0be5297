import numpy as np

from ray_wssis.instance.signal_prior import SIGNALS, prior_of
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.metrics.calibration import LEAST_SPREAD, Regression


def test_all_signals_of_our_labeller_are_known() -> None:
    assert set(PointLabeller.signals) == set(SIGNALS)


def test_a_signal_of_another_labeller_is_measured_and_tells_nothing_yet() -> None:
    values = np.array([[0.5, 10.0], [0.7, 14.0]])
    prior = prior_of(("agreement", "colour"), values)
    known = SIGNALS["agreement"]
    assert prior.means == [known.mean, 12]
    assert prior.spreads == [known.spread, 2]
    assert prior.weights == [known.weight, 0]
    assert prior.intercept_doubt > prior_of(("agreement",), values[:, :1]).intercept_doubt


def test_a_signal_that_hardly_changes_moves_nothing() -> None:
    """Such as the scores of a refiner that learnt too little: their spread was 2.5e-4."""
    rng = np.random.default_rng(0)
    scores = 0.5 + 2.5e-4 * rng.normal(size=(20, 1))
    assert prior_of(("colour",), scores).spreads == [LEAST_SPREAD]
    for name in ("colour", "refined_score"):
        fitted = Regression.fit(
            scores, rng.uniform(size=20), np.arange(20), prior_of((name,), scores)
        )
        expected = fitted.predict(np.array([[0.498], [0.5], [0.502]]))
        assert np.ptp(expected) < 0.02
