"""What IoU to expect of a pseudo mask, from what teacher and refiner say while they draw it.

Differs from the paper: there every pseudo mask is learnt from alike.  Here the labels of audit
pictures, whose true masks the teacher never saw, teach a `QualityModel` how signals and IoU go
together, and every mask of a weak picture gets an `expected_iou`.

Legend: N points of some rows of labels, F signals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ray_wssis.config import Config
from ray_wssis.data.records import Record
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.metrics.calibration import Regression, cross_validated

SIGNALS = (
    "class_score",
    "maskness",
    "refined_score",
    "level_margin",
    "agreement",
    "point_inside",
    "area",
)
COLUMNS = ("label", *SIGNALS)  # of a row of labels, all that is looked at
NEAR_ZERO = 0.02  # scores closer to 0 (class) or 1 (refiner) are not told apart
MOST_UNUSUAL = 4.0  # standard deviations; a mask that is stranger yet is not worse for it

Floats = NDArray[np.float64]
Row = Mapping[str, Any]


class QualityConfig(Config):
    """What becomes of pseudo masks that are not to be trusted."""

    threshold: float = Field(default=0.5, ge=0, le=1)  # expected IoU below which a mask is poor
    below: Literal["keep", "ignore", "drop"] = "ignore"  # ignore: neither object nor background
    review: int = Field(default=50, ge=0)  # how many of the worst masks are listed


@dataclass(frozen=True, kw_only=True)
class QualityModel:
    """Expected IoU of pseudo masks; without audit pictures it expects nothing of any mask."""

    prior: AreaPrior
    regression: Regression | None

    @classmethod
    def fit(
        cls, rows: Sequence[Row], truth: Mapping[int, Record], taught: Iterable[Record]
    ) -> "QualityModel":
        """Learn from `rows` of labels of audit pictures and their true records, by image id.

        `taught` are records with true masks: the usual sizes of objects.
        """
        prior = AreaPrior.of(taught)
        audit = Audit.of(rows, truth)
        usable = audit.is_judged
        if not usable.any():
            return cls(prior=prior, regression=None)
        signals = read_signals(rows, prior)[usable]
        learnt = Regression.fit(signals, audit.refined[usable], audit.image_id[usable])
        return cls(prior=prior, regression=learnt)

    def expected_iou(self, row: Row) -> list[float | None]:
        """One for each point of a row; None where there is no mask."""
        return [None if np.isnan(each) else float(each) for each in self.expected_ious([row])]

    def expected_ious(self, rows: Sequence[Row]) -> Floats:
        """One for each point of all rows, in order: (N,), NaN where there is no mask."""
        has_mask = read_column(rows, "area") > 0
        expected = np.full(len(has_mask), np.nan)
        if self.regression is not None:
            expected[has_mask] = self.regression.predict(read_signals(rows, self.prior)[has_mask])
        return expected

    def to_json(self) -> dict[str, Any]:
        regression = None if self.regression is None else self.regression.to_json()
        return {"signals": SIGNALS, "regression": regression, "prior": self.prior.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "QualityModel":
        """What `to_json` gave.  ValueError when it was calibrated for other signals."""
        if list(values["signals"]) != list(SIGNALS):
            raise ValueError(
                f"the calibration is for the signals {values['signals']}, now they are "
                f"{list(SIGNALS)}; pass --redo to calibrate again"
            )
        regression = values["regression"]
        return cls(
            prior=AreaPrior.from_json(values["prior"]),
            regression=None if regression is None else Regression.from_json(regression),
        )


def held_out(
    rows: Sequence[Row], truth: Mapping[int, Record], prior: AreaPrior
) -> tuple[Floats, Floats]:
    """Expected and true IoU of every audited mask, expected by a model that has not seen its
    picture.  Both are empty when there are not two pictures to tell apart."""
    audit = Audit.of(rows, truth)
    usable = audit.is_judged
    signals = read_signals(rows, prior)[usable]
    expected = cross_validated(signals, audit.refined[usable], audit.image_id[usable])
    if expected is None:
        return np.zeros(0), np.zeros(0)
    return expected, audit.refined[usable]


def read_signals(rows: Sequence[Row], prior: AreaPrior) -> Floats:
    """(N, F) of all points of the rows, in order.  A signal that is missing is 0.

    Class scores tell by their ratio, and what a refiner is unsure of by its distance from 1: on
    shapes and nuclei both logarithms predict the IoU better than the scores themselves do.
    """
    values = {name: read_column(rows, name) for name in SIGNALS}
    unusual = np.abs(prior.deviation(read_column(rows, "label", np.int64), values["area"]))
    values |= {
        "class_score": np.log(NEAR_ZERO + values["class_score"].clip(0, 1)),
        "refined_score": -np.log(1 + NEAR_ZERO - values["refined_score"].clip(0, 1)),
        "area": unusual.clip(max=MOST_UNUSUAL),
    }
    signals: Floats = np.stack(list(values.values()), axis=1)
    return np.nan_to_num(signals, posinf=1.0, neginf=-1.0, copy=False)


def read_column(rows: Sequence[Row], name: str, dtype: Any = np.float64) -> NDArray[Any]:
    """The entries of a list column, one row after the other: (N,), NaN for null."""
    lists = (row[name] or () for row in rows)
    return np.array(list(chain.from_iterable(lists)), dtype)
