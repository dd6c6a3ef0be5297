"""The relation of the signals of masks to their IoU, as other data sets told it.

Learnt on shapes, nuclei and animals, which count alike; `benchmarks/calibration_draws.py` says how
much two of them help the third, and prints the constants below.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ray_wssis.metrics.calibration import LEAST_SPREAD, Prior

INTERCEPT = 0.77
DOUBT = 0.3  # standard deviation of a weight; this and the next calibrated other data sets best
INTERCEPT_DOUBT = 0.3
DOUBT_OF_UNKNOWN = 1.0  # of the intercept, if there are other signals
UNTOLD = ("maskness",)  # its weight differs too much between data sets to believe in one


class Known(NamedTuple):
    """One signal, as `quality.transformed` gives it."""

    mean: float
    spread: float  # standard deviation
    weight: float


SIGNALS = {
    "class_score": Known(-1.35, 0.65, 0.27),
    "maskness": Known(0.81, 0.13, 0.0),
    "refined_score": Known(2.66, 0.73, 0.85),
    "level_margin": Known(0.09, 0.12, 0.29),
    "agreement": Known(0.66, 0.27, 0.34),
    "point_inside": Known(0.84, 0.37, 0.21),
    "area": Known(0.98, 0.73, 0.05),
    "duplicate": Known(0.05, 0.21, -0.39),
}


def prior_of(names: Sequence[str], values: NDArray[np.float64]) -> Prior:
    """Compose the prior of some signals.

    One that is not known here is measured by its `values` (N, F) on audited masks, and believed to
    tell nothing.
    """
    means, spreads = values.mean(axis=0), np.maximum(values.std(axis=0), LEAST_SPREAD)
    known = [
        SIGNALS.get(name, Known(float(mean), float(spread), 0.0))
        for name, mean, spread in zip(names, means, spreads, strict=True)
    ]
    return Prior(
        means=[signal.mean for signal in known],
        spreads=[signal.spread for signal in known],
        weights=[signal.weight for signal in known],
        intercept=INTERCEPT,
        doubt=DOUBT,
        intercept_doubt=INTERCEPT_DOUBT if set(names) <= set(SIGNALS) else DOUBT_OF_UNKNOWN,
    )
