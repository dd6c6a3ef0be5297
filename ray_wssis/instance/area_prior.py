"""The usual size of the objects of each class, learnt from true masks.

Sizes of things spread by factors, not by differences, so areas are compared by their logarithm.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ray_wssis.data.annotated import is_ignored
from ray_wssis.data.records import Record
from ray_wssis.masks import area

FEWEST = 5  # masks of a class; below, all classes stand in for it
LEAST_SPREAD = 0.1  # of log area: no class is so uniform that 10 % more or less would be odd


@dataclass(frozen=True, kw_only=True)
class AreaPrior:
    """Mean and spread of log area in pixels, of each class with enough masks, and of all."""

    mean: float
    spread: float  # standard deviation
    means: dict[int, float]  # by label
    spreads: dict[int, float]

    @classmethod
    def of(cls, records: Iterable[Record]) -> "AreaPrior":
        """Learn from the masks in `records`.  Raises ValueError if there is none."""
        labels: list[int] = []
        areas: list[int] = []
        for record in records:
            for obj in record.objects:
                if obj.mask is not None and not is_ignored(record, obj):
                    labels.append(obj.label)
                    areas.append(area(obj.mask, record.height, record.width))
        if not areas:
            raise ValueError("no true mask is known, so nothing says how large objects are")
        logs, classes = np.log(np.maximum(areas, 1)), np.array(labels)
        found, counts = np.unique(classes, return_counts=True)
        known = found[counts >= FEWEST].tolist()
        return cls(
            mean=float(logs.mean()),
            spread=spread(logs),
            means={label: float(logs[classes == label].mean()) for label in known},
            spreads={label: spread(logs[classes == label]) for label in known},
        )

    def deviation(self, label: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
        """Measure in standard deviations how unusual areas are for their classes.

        Below 0 is small, above 0 large.  Both arguments may be arrays; an area of 0 counts as one
        pixel.
        """
        labels, logs = np.asarray(label), np.log(np.maximum(np.asarray(pixels), 1))
        means, spreads = self._of(labels)
        return np.asarray((logs - means) / spreads)

    def typical(self, label: int) -> float:
        """Pixels of a usual object of the class."""
        means, _ = self._of(np.array(label))
        return float(np.exp(means))

    def _of(self, labels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and spread of each of `labels`."""
        classes = np.unique(labels)
        place = np.searchsorted(classes, labels)
        known = classes.tolist()
        means = np.array([self.means.get(label, self.mean) for label in known])
        spreads = np.array([self.spreads.get(label, self.spread) for label in known])
        return means[place], spreads[place]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "AreaPrior":
        by_label = {
            key: {int(label): value for label, value in values[key].items()}
            for key in ("means", "spreads")
        }
        return cls(**(values | by_label))


def spread(logs: NDArray[np.float64]) -> float:
    return max(LEAST_SPREAD, float(logs.std()))
