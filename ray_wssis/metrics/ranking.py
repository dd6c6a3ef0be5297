"""Average precision of scores that should be higher where a class is shown.

Legend: N images, K classes.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray


def mean_average_precision(
    scores: Float[NDArray[np.floating], "N K"], shown: Bool[NDArray[np.bool_], "N K"]
) -> float:
    """Return the mean over the classes that some image shows; NaN if none does."""
    wanted = np.flatnonzero(shown.any(axis=0))
    each = [average_precision(scores[:, label], shown[:, label]) for label in wanted]
    return float(np.mean(each)) if each else float("nan")


def average_precision(
    scores: Float[NDArray[np.floating], " N"], shown: Bool[NDArray[np.bool_], " N"]
) -> float:
    """Return the mean, over the images that show a class, of the share of images like them among
    those with at least their score."""
    order = np.argsort(-scores, kind="stable")
    _, group = np.unique(-scores[order], return_inverse=True)  # equal scores share a place
    last = np.searchsorted(group, group, side="right")  # images with at least that score
    hits = shown[order].cumsum()
    return float((hits[last - 1] / last)[shown[order]].mean())
