"""Policy: scores of classes become labels, and how sure those are.

A pixel is of the class with the highest score if that is above a threshold, otherwise background.
Where a score lies between two more values, neither is sure: such pixels are left out by a merge
with `min_confidence: 0.5`, as confident pixels are chosen in PSA (arXiv:1803.10464) and IRNet
(arXiv:1904.05044).

Differs from the papers: PSA compares a score s with (1 - s)^a.  That holds above one value of s, so
it is a threshold too (`power_threshold`).
"""

import numpy as np
from jaxtyping import Int, UInt8
from numpy.typing import NDArray

from ray_wssis.methods.cam.config import Policy

LEVELS = 256  # of a score or a confidence
Map = UInt8[NDArray[np.uint8], "H W"]


def labels_of(classes: Map, scores: Map, policy: Policy, background: int | None) -> Map:
    """Choose between the best class of each pixel and background, by the score times 255.

    A data set without background has a class everywhere.
    """
    if background is None:
        return classes
    above = scores > policy.threshold * (LEVELS - 1)
    return np.where(above, classes, background).astype(np.uint8)


def confidence_of(scores: Map, policy: Policy) -> Map:
    """Return 0 at the threshold, half at the sure values, all at the ends; times 255."""
    table = np.interp(
        np.arange(LEVELS) / (LEVELS - 1),
        (0, policy.sure_background, policy.threshold, policy.sure_class, 1),
        (1, 0.5, 0, 0.5, 1),
    )
    return (255 * table).round().astype(np.uint8)[scores]


def power_threshold(power: float) -> float:
    """Return the score s that equals (1 - s)^power."""
    low, high = 0.0, 1.0
    for _ in range(52):
        middle = (low + high) / 2
        low, high = (middle, high) if middle < (1 - middle) ** power else (low, middle)
    return low


def count_levels(
    truth: Map, classes: Map, scores: Map, num_classes: int
) -> Int[NDArray[np.int64], "K K L"]:
    """Count pixels by true label, best class and level of its score; unknown ones do not count.

    Counts add up over images, and hold the confusion at every threshold.
    """
    known = truth < num_classes
    places = truth[known].astype(np.int64) * num_classes + classes[known]
    places = places * LEVELS + scores[known]
    counts = np.bincount(places, minlength=num_classes**2 * LEVELS)
    return counts.reshape(num_classes, num_classes, LEVELS)


def confusion_at(
    counts: Int[NDArray[np.int64], "K K L"], level: int, background: int
) -> Int[NDArray[np.int64], "K K"]:
    """Return pixels by true and drawn label, where scores above `level` are of a class."""
    pixels: NDArray[np.int64] = counts[..., level + 1 :].sum(axis=2)  # (K, K)
    pixels[:, background] += counts[..., : level + 1].sum(axis=(1, 2))
    return pixels
