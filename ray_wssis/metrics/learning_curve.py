"""A learning curve: what more masks and more points are worth, from a few short trainings.

**Model.**  AP = b + w . log2(amount / today's amount), with one weight for masks and one for
points: each doubling is worth as much as the one before.  Curves bend below that in the end, so a
gain beyond a doubling is a guess.

**Doubt.**  Two trainings of one data set differ, and a handful of them tells by how much only
roughly.  So the interval is that of Student's t, with as many degrees of freedom as there are
trainings beyond the three numbers of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 4  # trainings: one more than the model has numbers
T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)  # by freedom, from 1

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A change of AP in percent, with its 90 % interval."""

    ap: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    num_masks: int  # today
    num_points: int
    level: float  # AP with them, of the short training
    per_doubling: tuple[float, float]  # AP for twice as many masks, and points
    covariance: Floats  # (2, 2) of the two
    freedom: int  # degrees of it

    @classmethod
    def fit(
        cls, num_masks: Sequence[int], num_points: Sequence[int], ap: Sequence[float]
    ) -> "LearningCurve":
        """Fit the trainings with these numbers of masks and points, which reached these APs.

        Today's amounts are the largest ones.  Raises ValueError for fewer than four trainings, or
        if either amount is always the same.
        """
        masks, points = max(num_masks), max(num_points)
        inputs = np.stack(
            [
                np.ones(len(ap)),
                np.log2(np.array(num_masks, np.float64) / masks),
                np.log2(np.array(num_points, np.float64) / points),
            ],
            axis=1,
        )
        if len(ap) < FEWEST or np.linalg.matrix_rank(inputs) < inputs.shape[1]:
            raise ValueError(
                f"{len(ap)} trainings with {len({*num_masks})} numbers of masks and "
                f"{len({*num_points})} of points tell no curve; wanted: {FEWEST} of them, with "
                "two numbers of each"
            )
        measured = np.array(ap, np.float64)
        curvature = np.linalg.inv(inputs.T @ inputs)
        found = curvature @ inputs.T @ measured
        freedom = len(ap) - len(found)
        noise = float(((measured - inputs @ found) ** 2).sum()) / freedom
        return cls(
            num_masks=masks,
            num_points=points,
            level=float(found[0]),
            per_doubling=(float(found[1]), float(found[2])),
            covariance=noise * curvature[1:, 1:],
            freedom=freedom,
        )

    def gain(self, more_masks: int, more_points: int) -> Gain:
        """Expect a gain from more masks, more points or both."""
        doublings = np.array(
            [
                np.log2(1 + more_masks / self.num_masks),
                np.log2(1 + more_points / self.num_points),
            ]
        )
        ap = float(doublings @ np.array(self.per_doubling))
        doubt = t95(self.freedom) * float(np.sqrt(doublings @ self.covariance @ doublings))
        return Gain(ap=ap, low=ap - doubt, high=ap + doubt)


def t95(freedom: int) -> float:
    """Return the 95 % quantile of Student's t, which 5 % lie above."""
    if freedom <= len(T95):
        return T95[freedom - 1]
    return 1.645 + 1.52 / freedom + 1.5 / freedom**2  # within 0.001
