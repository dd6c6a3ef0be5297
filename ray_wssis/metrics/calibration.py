"""Signals to an expected IoU, and how far such an expectation can be trusted.

An expected IoU is a mean, and least squares learn means.  There may be a few dozen objects to
learn from, so a ridge holds the weights back, and the expectation for an object is judged by a fit
that has not seen its image: objects of one image are alike.

Legend: N objects, F signals.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

RIDGE = 5.0  # objects that would have to speak against a weight of 0
FEWEST = 12  # objects from which weights are learnt; with fewer, the mean is expected of all
MOST_FOLDS = 10
MOST_BINS = 10
FEWEST_IN_BIN = 10  # objects; the mean of fewer says little

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Regression:
    """A weighted sum of standardised signals, cut to 0..1."""

    means: list[float]  # (F,)
    spreads: list[float]  # (F,) standard deviations; 1 for a signal that never changes
    weights: list[float]  # (F,)
    intercept: float

    @classmethod
    def fit(
        cls,
        signals: Float64[Floats, "N F"],
        truth: Float64[Floats, " N"],
        image_ids: Int64[Ints, " N"],
    ) -> "Regression":
        """Fit `signals` (N, F) to `truth` (N,) by least squares, N at least 1.

        `image_ids` (N,) tell which objects are of one image.
        """
        counted = shares(image_ids)
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

    def predict(self, signals: Float64[Floats, "N F"]) -> Float64[Floats, " N"]:
        """Predict the IoU for each row of `signals` (N, F): (N,), 0..1."""
        standard = (signals - np.array(self.means)) / np.array(self.spreads)
        expected: Floats = standard @ np.array(self.weights) + self.intercept
        return expected.clip(0, 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Regression":
        return cls(**values)


def shares(image_ids: Int64[Ints, " N"]) -> Float64[Floats, " N"]:
    """Weigh each object, 1 on average: an image counts by the root of the number of its objects.

    They are alike, so a crowded image does not tell as much as its objects would in many images.
    """
    _, place, counts = np.unique(image_ids, return_inverse=True, return_counts=True)
    counted: Floats = 1 / np.sqrt(counts[place])
    counted /= counted.mean()
    return counted


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Objects with about the same expected IoU."""

    count: int
    expected: float  # mean
    true: float  # mean
    spread: float  # standard deviation of true - expected


def cross_validated(
    signals: Float64[Floats, "N F"], truth: Float64[Floats, " N"], image_ids: Int64[Ints, " N"]
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
        fitted = Regression.fit(signals[~left_out], truth[~left_out], image_ids[~left_out])
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
