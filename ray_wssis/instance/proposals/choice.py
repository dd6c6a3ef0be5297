"""The choice among proposals: learnt, ignored, or background.

A proposal is learnt where both its class and its mask can be believed in, each by a threshold of
its class.  Any other one may hide an object, so its region is ignored: neither object nor
background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.instance.quality import QualityModel, read_column

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Choice:
    class_scores: tuple[float | None, ...]  # thresholds by label; None: the class is never learnt
    expected_ious: tuple[float | None, ...]
    least_score: float  # class score below which a proposal is not even ignored
    model: QualityModel  # expects the IoU of masks of the right class

    def decide(self, rows: Sequence[Row]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Tell which proposals of all rows, in order, are learnt, and which of the others have
        regions that are ignored: (N,) each."""
        labels, expected = read_column(rows, "label", np.int64), self.model.expected_ious(rows)
        drawn = read_column(rows, "area") > 0
        score = read_column(rows, "class_score")
        sure = score >= limits(self.class_scores)[labels]
        good = np.isnan(expected) | (expected >= limits(self.expected_ious)[labels])
        learnt = np.asarray(drawn & sure & good)
        return learnt, np.asarray(drawn & (score >= self.least_score) & ~learnt)

    def to_json(self) -> dict[str, Any]:
        return {
            "class_scores": self.class_scores,
            "expected_ious": self.expected_ious,
            "least_score": self.least_score,
            "model": self.model.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Choice":
        """Read what `to_json` gave."""
        return cls(
            class_scores=tuple(values["class_scores"]),
            expected_ious=tuple(values["expected_ious"]),
            least_score=values["least_score"],
            model=QualityModel.from_json(values["model"]),
        )


def limits(thresholds: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.inf if limit is None else limit for limit in thresholds])
