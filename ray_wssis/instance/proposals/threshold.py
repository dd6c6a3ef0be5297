"""Thresholds above which what is proposed is good enough, chosen on images whose truth is known.

Legend: N proposals, C classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 10  # proposals of a class; below, all classes together decide for it

Floats = NDArray[np.float64]


def lowest_threshold(scores: Floats, values: Floats, wanted: float) -> float | None:
    """Return the lowest score (N,) from which on the mean of `values` (N,) is as high as `wanted`.

    One value of 0 is added to each mean, so that a few good ones by chance are not enough.  None if
    there is no such score.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    means = np.cumsum(values[order]) / np.arange(2, len(order) + 2)
    is_last = np.append(falling[1:] < falling[:-1], True)[: len(order)]  # of equal scores
    able = np.flatnonzero((means >= wanted) & is_last)
    return float(falling[able[-1]]) if len(able) else None


def class_thresholds(
    labels: NDArray[Any],
    scores: Floats,
    values: Floats,
    wanted: float,
    num_classes: int,
    default: float,
) -> list[float | None]:
    """Return the threshold of each class (C,); None: no score of it is good enough.

    A class with too few proposals has that of all classes, and all have `default` where there are
    too few altogether.
    """
    if len(labels) < FEWEST:
        return [default] * num_classes
    of_all = lowest_threshold(scores, values, wanted)
    return [
        lowest_threshold(scores[own], values[own], wanted) if own.sum() >= FEWEST else of_all
        for own in (labels == label for label in range(num_classes))
    ]
