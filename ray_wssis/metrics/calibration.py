"""Signals to an expected IoU, and how far such an expectation can be trusted.

**Model.**  The expected IoU is sigmoid(b + w . z), where z are the signals in standard deviations,
at most 3.  It bends where a straight line would leave 0..1, and a signal out of the ordinary
cannot move it without bound.

**Few objects.**  Five images tell little, and the relation is much the same on all data.  So b and
w start from what other data sets told (`Prior`), and objects move them as far as they are worth:
those of one image are alike, and count as fewer.  What is found is the maximum of the posterior.

**Doubt.**  The curvature there gives the covariance of b and w, and so an interval of every
expected IoU, and of their mean.

Legend: N objects, F signals.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

FARTHEST = 3.0  # standard deviations; a signal further from its mean counts as that far
LEAST_SPREAD = 0.02  # of a signal, in its unit; less is noise
DISPERSION = 0.2  # variance of an IoU over that of a coin of the same mean
ALIKE = 0.05  # correlation of what is left of two objects of one image
NINETY = 1.645  # standard deviations to either side that hold 90 %
MOST_STEPS = 50  # of Newton's method; about five are taken
MOST_FOLDS = 10
MOST_BINS = 10
FEWEST_IN_BIN = 10  # objects; the mean of fewer says little

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Beliefs about the relation before the first object is seen."""

    means: list[float]  # (F,) of the signals
    spreads: list[float]  # (F,) standard deviations
    weights: list[float]  # (F,)
    intercept: float
    doubt: float  # standard deviation of each weight
    intercept_doubt: float


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A logistic regression on standardised signals.

    Without a covariance it is what version 0.1 fitted: a weighted sum, cut to 0..1.
    """

    means: list[float]  # (F,)
    spreads: list[float]  # (F,) standard deviations
    weights: list[float]  # (F,)
    intercept: float
    covariance: list[list[float]] | None = None  # (1 + F, 1 + F), intercept first

    @classmethod
    def fit(
        cls,
        signals: Float64[Floats, "N F"],
        truth: Float64[Floats, " N"],
        image_ids: Int64[Ints, " N"],
        prior: Prior,
    ) -> "Regression":
        """Fit `signals` (N, F) to `truth` (N,), IoUs, starting from the prior.

        `image_ids` (N,) tell which objects are of one image.
        """
        z = with_one(standardised(signals, prior.means, prior.spreads))  # (N, 1 + F)
        believed = np.array([prior.intercept, *prior.weights])
        doubts = np.array([prior.intercept_doubt, *[prior.doubt] * len(prior.weights)])
        held = np.diag(doubts**-2.0)
        counted = shares(image_ids) / DISPERSION
        found = believed
        for _ in range(MOST_STEPS):
            expected = sigmoid(z @ found)
            curvature = (z.T * (counted * expected * (1 - expected))) @ z + held
            slope = z.T @ (counted * (truth - expected)) - held @ (found - believed)
            step = np.linalg.solve(curvature, slope)
            found = found + step / max(1.0, np.abs(step).max())  # no step is longer than 1
            if np.abs(step).max() < 1e-9:
                break
        return cls(
            means=prior.means,
            spreads=prior.spreads,
            weights=found[1:].tolist(),
            intercept=float(found[0]),
            covariance=np.linalg.inv(curvature).tolist(),
        )

    def predict(self, signals: Float64[Floats, "N F"]) -> Float64[Floats, " N"]:
        """Predict the IoU for each row of `signals` (N, F): (N,), 0..1."""
        if self.covariance is None:
            straight = (signals - np.array(self.means)) / np.array(self.spreads)
            return np.asarray((straight @ np.array(self.weights) + self.intercept).clip(0, 1))
        return sigmoid(self.inputs(signals) @ np.array([self.intercept, *self.weights]))

    def highest(self, signals: Float64[Floats, "N F"]) -> Float64[Floats, " N"]:
        """Return the upper end of the 90 % interval of what `predict` returns: (N,)."""
        if self.covariance is None:
            return self.predict(signals)
        inputs = self.inputs(signals)
        doubts = np.sqrt(np.einsum("nf,fg,ng->n", inputs, np.array(self.covariance), inputs))
        return sigmoid(inputs @ np.array([self.intercept, *self.weights]) + NINETY * doubts)

    def slopes(self, signals: Float64[Floats, "N F"]) -> Float64[Floats, "N G"]:
        """Return how each prediction moves with intercept and weights: (N, 1 + F)."""
        expected = self.predict(signals)
        return (expected * (1 - expected))[:, None] * self.inputs(signals)

    def doubt_of_mean(self, slope: Float64[Floats, " G"]) -> float:
        """Return half the 90 % interval of the mean prediction of masks with this mean slope."""
        if self.covariance is None:
            return 0.0
        return NINETY * float(np.sqrt(slope @ np.array(self.covariance) @ slope))

    def inputs(self, signals: Float64[Floats, "N F"]) -> Float64[Floats, "N G"]:
        return with_one(standardised(signals, self.means, self.spreads))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Regression":
        return cls(**values)


def standardised(signals: Floats, means: Sequence[float], spreads: Sequence[float]) -> Floats:
    distances: Floats = (signals - np.array(means)) / np.array(spreads)
    return distances.clip(-FARTHEST, FARTHEST)


def with_one(z: Floats) -> Floats:
    """Put a column of ones in front, the input of the intercept."""
    return np.hstack([np.ones((len(z), 1)), z])


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def shares(image_ids: Int64[Ints, " N"]) -> Float64[Floats, " N"]:
    """Return what each object is worth (N,), 1 if it is alone on its image.

    n objects with correlation r have a mean as uncertain as that of n / (1 + (n - 1) r) others.
    """
    _, place, counts = np.unique(image_ids, return_inverse=True, return_counts=True)
    return np.asarray(1 / (1 + (counts[place] - 1) * ALIKE))


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Objects with about the same expected IoU."""

    count: int
    expected: float  # mean
    true: float  # mean
    spread: float  # standard deviation of true - expected


def cross_validated(
    signals: Float64[Floats, "N F"],
    truth: Float64[Floats, " N"],
    image_ids: Int64[Ints, " N"],
    prior: Prior,
) -> Float64[Floats, " N"] | None:
    """Predict the IoU of each object by a fit to other images: (N,).

    Neighbours by id (N,), which may be frames of one film, are left out together.  None if all
    objects are of one image.
    """
    ids = np.unique(image_ids)
    if len(ids) < 2:
        return None
    expected = np.zeros(len(truth))
    for fold in np.array_split(ids, min(MOST_FOLDS, len(ids))):
        left_out = np.isin(image_ids, fold)
        fitted = Regression.fit(signals[~left_out], truth[~left_out], image_ids[~left_out], prior)
        expected[left_out] = fitted.predict(signals[left_out])
    return expected


def reliability_bins(expected: Float64[Floats, " N"], truth: Float64[Floats, " N"]) -> list[Bin]:
    """Sort objects by expected IoU, lowest first, into up to ten bins of equal count.

    Bins of equal width would leave some with a handful of objects, whose mean is chance; so there
    are fewer than ten where ten would hold less than FEWEST_IN_BIN each.
    """
    if not len(truth):
        return []
    num_bins = min(MOST_BINS, max(1, len(truth) // FEWEST_IN_BIN))
    order = np.argsort(expected, kind="stable")
    return [
        Bin(
            count=len(places),
            expected=float(expected[places].mean()),
            true=float(truth[places].mean()),
            spread=float((truth[places] - expected[places]).std()),
        )
        for places in np.array_split(order, num_bins)
    ]


def calibration_error(bins: list[Bin]) -> float | None:
    """Return the mean gap between expected and true over all objects; None without any."""
    total = sum(group.count for group in bins)
    if not total:
        return None
    return sum(group.count * abs(group.expected - group.true) for group in bins) / total


def chance_error(bins: list[Bin]) -> float | None:
    """Return the error that bins of these sizes would show if nothing were wrong.

    The mean of n objects is off by its standard error; the mean size of a normal deviation is
    sqrt(2 / pi) of that.
    """
    total = sum(group.count for group in bins)
    if not total:
        return None
    gaps = [group.count * group.spread * np.sqrt(2 / (np.pi * group.count)) for group in bins]
    return float(sum(gaps) / total)
