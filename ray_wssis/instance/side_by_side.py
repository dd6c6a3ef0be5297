"""Labellers side by side: their masks on the same audit images, and what the difference is worth.

An object counts with the IoU of its mask, and with 0 without one.  Objects of an image are alike,
so what is drawn again and again to tell chance from difference are images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.records import Record, Records
from ray_wssis.instance.audit_figures import Audit
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.quality import QualityModel, column_of, held_out
from ray_wssis.metrics.calibration import calibration_error, reliability_bins
from ray_wssis.streaming.throughput import STEPS, Throughput

FEWEST = 5  # images that can tell chance from difference
DRAWS = 2000  # of the images, for an interval
SHARE = 90  # % of the draws that an interval holds
COLUMNS = ("image_id", "annotation_id", "rough", "refined", "label", "area")


def columns_of(by: InstanceLabeller) -> list[str]:
    """Name the columns of the rows of a labeller that are looked at."""
    return list(dict.fromkeys([*COLUMNS, *map(column_of, by.signals)]))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The masks of one labeller on the audit images."""

    ious: NDArray[np.float64]  # of the objects whose true mask is known
    image_ids: NDArray[np.int64]
    annotation_ids: NDArray[np.int64]
    num_without_mask: int
    calibration_error: float | None

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, Any]],
        truth: Mapping[int, Record],
        taught: Records,
        signals: tuple[str, ...],
    ) -> "Measured":
        """Compare rows of labels with the true records, by image id."""
        audit = Audit.of(rows, truth)
        known = audit.is_known
        model = QualityModel.fit(rows, truth, taught, signals)
        ids = [number for row in rows for number in row["annotation_id"] or ()]
        return cls(
            ious=audit.ious(model.masks)[known],
            image_ids=audit.image_id[known],
            annotation_ids=np.array(ids, np.int64)[known],
            num_without_mask=int((known & ~audit.has_mask).sum()),
            calibration_error=calibration_error(reliability_bins(*held_out(model, rows, truth))),
        )

    def by_object(self) -> dict[tuple[int, int], float]:
        """Return the IoUs by image id and annotation id."""
        keys = zip(self.image_ids.tolist(), self.annotation_ids.tolist(), strict=True)
        return dict(zip(keys, self.ious.tolist(), strict=True))

    @property
    def miou(self) -> float | None:
        return 100 * float(self.ious.mean()) if self.ious.size else None


Difference = tuple[float | None, float | None, float | None]


def difference(ours: Measured, other: Measured) -> Difference:
    """Return by how much the mIoU of another labeller is higher, in percent, and the interval that
    holds most draws of the images.

    None in place of all three if they have no object in common, of the interval for few images.
    """
    mine, theirs = ours.by_object(), other.by_object()
    common = [key for key in mine if key in theirs]
    if not common:
        return None, None, None
    gains = np.array([theirs[key] - mine[key] for key in common])
    _, image = np.unique([image_id for image_id, _ in common], return_inverse=True)
    sums, counts = np.bincount(image, gains), np.bincount(image)
    if len(sums) < FEWEST:
        return 100 * float(gains.mean()), None, None
    drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [(100 - SHARE) / 2, (100 + SHARE) / 2])
    return 100 * float(gains.mean()), 100 * float(low), 100 * float(high)


def pace(throughput: Throughput) -> float | None:
    """Return the seconds for 1,000 images when all processes are at work, those that it takes to
    start them left out; None if nothing was measured."""
    if not throughput.num_images or not throughput.places:
        return None
    slowest = max(throughput.busy[step] / throughput.places[step] for step in STEPS)
    return 1000 * slowest / throughput.num_images


def verdict(entries: Sequence[Mapping[str, Any]]) -> str:
    """Say in a sentence whether another labeller draws better masks than that of the run."""
    own = next(entry for entry in entries if entry["role"] == "own")
    others = [entry for entry in entries if entry["role"] != "own" and not entry["saw"]]
    fair = [entry for entry in others if entry["difference"] is not None]
    if not fair:
        return f"Nothing to compare {own['name']} with."
    best = max(fair, key=lambda entry: entry["difference"])
    figures = (
        f"mIoU {best['mIoU']:.1f} against {own['mIoU']:.1f}, a difference of "
        f"{best['difference']:+.1f}"
    )
    if best["low"] is None:
        return f"{best['name']} and {own['name']}: {figures}, on too few images to believe in it."
    figures += (
        f" ({SHARE} % interval {best['low']:+.1f} to {best['high']:+.1f}, {own['num_objects']} "
        "objects)"
    )
    if best["low"] > 0:
        return f"{best['name']} draws better masks than {own['name']}: {figures}."
    if best["high"] < 0:
        return f"{own['name']} draws the best masks; the next is {best['name']}: {figures}."
    return f"{best['name']} and {own['name']} cannot be told apart: {figures}."
