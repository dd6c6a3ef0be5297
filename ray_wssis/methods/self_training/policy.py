"""Policies of self-training: which pixels a student learns, and which stay unknown.

- threshold: those whose label has a certain probability, as in plain self-training;
- CBST (Zou et al., ECCV 2018, arXiv:1810.07911): of each predicted class the same share, the
  surest;
- DARS (He et al., ICCV 2021): a share of all pixels, divided among the classes as the pixels of the
  strong images are;
- small loss: those of which the first teacher is sure too.

Differs from the papers: thresholds come from 256 levels of certainty, not from sorted pixels, and
of pixels of equal certainty only as many are drawn as are wanted; DARS draws among all pixels above
a threshold, CBST takes them all.

Legend: K classes.
"""

from math import ceil, exp, log2

import numpy as np
from jaxtyping import Float64, UInt8
from numpy.typing import NDArray

from ray_wssis.methods.self_training.config import (
    CBST,
    DARS,
    Policy,
    SmallLoss,
    Threshold,
    of_round,
)
from ray_wssis.methods.self_training.histogram import LEVELS, Histogram, Kept
from ray_wssis.semantic.label_row import PER_HALVING


def choose(
    policy: Policy,
    number: int,
    seen: Histogram,
    prior: Float64[NDArray[np.float64], " K"],
) -> Kept:
    """Choose the pixels to learn in a round, counted from 1, of all that were labelled.

    `prior` is the share of each class among the pixels of the strong images.
    """
    match policy:
        case Threshold(confidence=confidence):
            return above(confidence, len(prior))
        case CBST(shares=shares):
            return seen.surest(of_round(shares, number) * seen.pixels().astype(np.float64))
        case DARS(shares=shares):
            return seen.surest(of_round(shares, number) * prior * seen.pixels().sum())
        case SmallLoss():
            return above(0, len(prior))


def costs_little(
    labels: UInt8[NDArray[np.uint8], "H W"],
    of_teacher: UInt8[NDArray[np.uint8], "H W"],
    certainty: UInt8[NDArray[np.uint8], "H W"],
    loss: float,
) -> NDArray[np.bool_]:
    """Mark the labels [H, W] whose cross entropy to a teacher is at most `loss`, below log 2.

    The teacher's probabilities of other classes than its own label `of_teacher`, which has this
    `certainty`, are below a half, and so their losses are larger.
    """
    (level, *_) = above(exp(-loss), 1).levels
    marks: NDArray[np.bool_] = (labels == of_teacher) & (certainty >= level)
    return marks


def above(confidence: float, num_classes: int) -> Kept:
    """Choose every pixel whose label has this probability, rounded to a level."""
    level = ceil(-PER_HALVING * log2(1 - confidence) - 0.5)
    levels = np.full(num_classes, min(level, LEVELS - 1), np.int64)
    return Kept(levels, np.ones(num_classes))


def probability(level: int) -> float | None:
    """Return the probability of a level of certainty; None if it is beyond them."""
    return None if level >= LEVELS else float(1 - 2.0 ** (-level / PER_HALVING))
