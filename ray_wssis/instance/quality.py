"""The expected IoU of a pseudo mask, from the signals that its labeller gives with it.

The labels of audit images, whose true masks no network has seen, teach a `QualityModel` how
signals and IoU are related, and every mask of a weak image gets an `expected_iou`.

Legend: N points of some rows of labels, F signals.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.records import Record
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.label_row import DUPLICATE, REFINED, ROUGH
from ray_wssis.instance.signal_prior import prior_of
from ray_wssis.metrics.calibration import Regression, cross_validated

NEAR_ZERO = 0.02  # scores closer to 0 (class) or 1 (refiner) count as equal
MOST_UNUSUAL = 4.0  # standard deviations; beyond it, a mask counts as no more unusual

Floats = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class QualityModel:
    """Expects an IoU of each pseudo mask; without audit images, none of any mask.

    It also knows which masks to use: the refined ones, unless they are worse than the rough ones
    that they were made from.
    """

    signals: tuple[str, ...]  # columns of the rows of labels
    prior: AreaPrior
    regression: Regression | None
    masks: str = REFINED  # the column of a row of labels

    @classmethod
    def fit(
        cls,
        rows: Sequence[Row],
        truth: Mapping[int, Record],
        taught: Iterable[Record],
        signals: tuple[str, ...],
    ) -> "QualityModel":
        """Learn from `rows` of labels of audit images and their true records, by image id.

        `taught` are records with true masks, which tell the usual sizes of objects.
        """
        prior = AreaPrior.of(taught)
        audit = Audit.of(rows, truth)
        usable = audit.is_judged
        if not usable.any():
            return cls(signals=signals, prior=prior, regression=None)
        masks = better_masks(audit)
        values = read_signals(rows, signals, prior)[usable]
        learnt = Regression.fit(
            values, audit.ious(masks)[usable], audit.image_id[usable], prior_of(signals, values)
        )
        return cls(signals=signals, prior=prior, regression=learnt, masks=masks)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row of labels that it looks at."""
        return tuple(dict.fromkeys(["label", "area", *map(column_of, self.signals)]))

    def read(self, rows: Sequence[Row]) -> Floats:
        """Return the signals of all points of the rows: (N, F)."""
        return read_signals(rows, self.signals, self.prior)

    def expected_iou(self, row: Row) -> list[float | None]:
        """Return one for each point of a row; None for a point without a mask."""
        return [None if np.isnan(iou) else float(iou) for iou in self.expected_ious([row])]

    def expected_ious(self, rows: Sequence[Row]) -> Floats:
        """Return one for each point of all rows, in order: (N,), NaN for those without a mask."""
        return self._of_masks(rows, Regression.predict)

    def highest_ious(self, rows: Sequence[Row]) -> Floats:
        """Return the upper ends of the 90 % intervals of what is expected: (N,)."""
        return self._of_masks(rows, Regression.highest)

    def _of_masks(self, rows: Sequence[Row], ask: Callable[[Regression, Floats], Floats]) -> Floats:
        has_mask = read_column(rows, "area") > 0
        answers = np.full(len(has_mask), np.nan)
        if self.regression is not None:
            answers[has_mask] = ask(self.regression, self.read(rows)[has_mask])
        return answers

    def to_json(self) -> dict[str, Any]:
        regression = None if self.regression is None else self.regression.to_json()
        return {
            "signals": self.signals,
            "regression": regression,
            "prior": self.prior.to_json(),
            "masks": self.masks,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "QualityModel":
        """Read what `to_json` gave."""
        regression = values["regression"]
        return cls(
            signals=tuple(values["signals"]),
            prior=AreaPrior.from_json(values["prior"]),
            regression=None if regression is None else Regression.from_json(regression),
            masks=values.get("masks", REFINED),  # older files lack it
        )


def held_out(
    model: QualityModel, rows: Sequence[Row], truth: Mapping[int, Record]
) -> tuple[Floats, Floats]:
    """Return the expected and the true IoU of every audited mask, expected by a model like this
    one that has not seen its image.  Both are empty if there are not two images to tell apart."""
    audit = Audit.of(rows, truth)
    usable = audit.is_judged
    true = audit.ious(model.masks)[usable]
    values = model.read(rows)[usable]
    if not usable.any():
        return np.zeros(0), np.zeros(0)
    prior = prior_of(model.signals, values)
    expected = cross_validated(values, true, audit.image_id[usable], prior)
    if expected is None:
        return np.zeros(0), np.zeros(0)
    return expected, true


def better_masks(audit: Audit) -> str:
    """Return the column of the masks that are closer to the truth, `refined` or `rough`."""
    known = audit.is_known
    return ROUGH if audit.rough[known].mean() > audit.refined[known].mean() else REFINED


def read_signals(rows: Sequence[Row], signals: Sequence[str], prior: AreaPrior) -> Floats:
    """Return the signals of all points of the rows, in order: (N, F).  A value that is null is 0.

    Raises ValueError if the rows lack the column of a signal.
    """
    if lacking := [name for name in signals if rows and column_of(name) not in rows[0]]:
        raise ValueError(
            f"the expected IoU is calibrated for the signals {list(signals)}, and these labels "
            f"have no {', '.join(lacking)}; pass --redo to calibrate again"
        )
    labels = read_column(rows, "label", np.int64)
    columns = [transformed(name, read_signal(rows, name), labels, prior) for name in signals]
    values: Floats = np.stack(columns, axis=1)
    return np.nan_to_num(values, posinf=1.0, neginf=-1.0, copy=False)


def column_of(signal: str) -> str:
    """Return the column of a row of labels that a signal is read from."""
    return "flags" if signal == DUPLICATE else signal


def read_signal(rows: Sequence[Row], name: str) -> Floats:
    """Return the values of a column, or for the flag `duplicate` 1 where it is: (N,)."""
    if name != DUPLICATE:
        return read_column(rows, name)
    flags = chain.from_iterable(row["flags"] or () for row in rows)
    return np.array([DUPLICATE in (own or ()) for own in flags], np.float64)


def transformed(signal: str, values: Floats, labels: NDArray[np.int64], prior: AreaPrior) -> Floats:
    """Bring a signal to a scale on which it is nearly linear in the IoU: (N,) -> (N,).

    Class scores matter by their ratio, a refiner's doubts by their distance from 1: on shapes and
    nuclei both logarithms predict the IoU better than the scores themselves.
    """
    match signal:
        case "class_score":
            return np.log(NEAR_ZERO + values.clip(0, 1))
        case "refined_score":
            return -np.log(1 + NEAR_ZERO - values.clip(0, 1))
        case "area":
            return np.abs(prior.deviation(labels, values)).clip(max=MOST_UNUSUAL)
    return values


def read_column(rows: Sequence[Row], name: str, dtype: Any = np.float64) -> NDArray[Any]:
    """Return the entries of a list column, one row after the other: (N,), NaN for null."""
    lists = (row[name] or () for row in rows)
    return np.array(list(chain.from_iterable(lists)), dtype)
