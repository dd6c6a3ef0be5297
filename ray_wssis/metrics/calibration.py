"""Signals to an expected IoU, and how far such an expectation can be trusted.

An expected IoU is a mean, and least squares learn means.  There may be a few dozen objects to
learn from, so the weights are held back by a ridge, and what is expected of an object is judged
by a fit that has not seen its picture: objects of one picture are alike.

Legend: N objects, F signals.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RIDGE = 5.0  # objects that would have to speak against a weight of 0
FEWEST = 12  # objects from which weights are learnt; below, the mean is expected of everything
MOST_FOLDS = 10
MOST_BINS = 10
FEWEST_IN_BIN = 10  # objects; the mean of fewer says little

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A weighted sum of standardised signals, cut to 0..1."""

    means: list[float]  # (F,)
    spreads: list[float]  # (F,) standard deviations; 1 for a signal that never changes
    weights: list[float]  # (F,)
    intercept: float

    @classmethod
    def fit(cls, signals: Floats, truth: Floats, pictures: NDArray[np.int64]) -> "Regression":
        """Least squares from `signals` (N, F) to `truth` (N,), N at least 1.

        `pictures` (N,) are image ids.
        """
        counted = shares(pictures)
        means = np.average(signals, axis=0, weights=counted)
        variances = np.average((signals - means) ** 2, axis=0, weights=counted)
        spreads = np.sqrt(np.where(variances > 1e-12, variances, 1.0))
        mean = float(np.average(truth, weights=counted))
        weights: Floats = np.zeros(signals.shape[1])
        if len(truth) >= FEWEST:
            standard = (signals - means) / spreads  # (N, F)
            seen = standard.T * counted  # (F, N)
            held_back = seen @ standard + RIDGE * np.eye(len(weights))  # (F, F)
            weights = np.asarray(np.linalg.solve(held_back, seen @ (truth - mean)), np.float64)
        return cls(
            means=means.tolist(),
            spreads=spreads.tolist(),
            weights=weights.tolist(),
            intercept=mean,
        )

    def predict(self, signals: Floats) -> Floats:
        """What is expected of each row of `signals` (N, F): (N,), 0..1."""
        standard = (signals - np.array(self.means)) / np.array(self.spreads)
        expected: Floats = standard @ np.array(self.weights) + self.intercept
        return expected.clip(0, 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Regression":
        return cls(**values)


def shares(pictures: NDArray[np.int64]) -> Floats:
    """How much each object counts, 1 on average: a picture by the root of the number of its
    objects.  They are alike, so a crowded picture does not tell as much as they would in many."""
    _, place, counts = np.unique(pictures, return_inverse=True, return_counts=True)
    counted: Floats = 1 / np.sqrt(counts[place])
    counted /= counted.mean()
    return counted


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Objects of which about the same is expected."""

    count: int
    expected: float  # mean
    true: float  # mean
    spread: float  # standard deviation of true - expected


def cross_validated(signals: Floats, truth: Floats, pictures: NDArray[np.int64]) -> Floats | None:
    """What is expected of each object by a fit to other pictures: (N,).

    `pictures` (N,) are image ids; neighbours by id, which may be frames of one film, are left out
    together.  None when all objects are of one picture.
    """
    ids = np.unique(pictures)
    if len(ids) < 2:
        return None
    expected = np.zeros(len(truth))
    for fold in np.array_split(ids, min(MOST_FOLDS, len(ids))):
        left_out = np.isin(pictures, fold)
        fitted = Regression.fit(signals[~left_out], truth[~left_out], pictures[~left_out])
        expected[left_out] = fitted.predict(signals[left_out])
    return expected


def reliability_bins(expected: Floats, truth: Floats) -> list[Bin]:
    """Objects from the least to the most expected, in up to ten bins of equal count.

    Bins of equal width would leave some with a handful of objects, whose mean is chance; so there
    are fewer than ten where ten would hold less than FEWEST_IN_BIN each.
    """
    if not len(truth):
        return []
    num_bins = min(MOST_BINS, max(1, len(truth) // FEWEST_IN_BIN))
    order = np.argsort(expected, kind="stable")
    return [
        Bin(
            count=len(some),
            expected=float(expected[some].mean()),
            true=float(truth[some].mean()),
            spread=float((truth[some] - expected[some]).std()),
        )
        for some in np.array_split(order, num_bins)
    ]


def calibration_error(bins: list[Bin]) -> float | None:
    """Expected calibration error: the mean gap between expected and true, over all objects."""
    total = sum(each.count for each in bins)
    if not total:
        return None
    return sum(each.count * abs(each.expected - each.true) for each in bins) / total


def chance_error(bins: list[Bin]) -> float | None:
    """The error that bins of these sizes would show though nothing were wrong.

    The mean of n objects is off by its standard error; the mean size of a normal deviation is
    sqrt(2 / pi) of that.
    """
    total = sum(each.count for each in bins)
    if not total:
        return None
    gaps = [each.count * each.spread * np.sqrt(2 / (np.pi * each.count)) for each in bins]
    return float(sum(gaps) / total)
