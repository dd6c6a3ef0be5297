"""Quality of pseudo masks on images whose true masks are known, by class and by size.

Figures are those of a run: mIoU and shares in percent; an object without a mask counts as 0.
Sizes are those of COCO, by the area of the true mask.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_wssis.data.records import Record
from ray_wssis.instance.label_row import REFINED, ROUGH
from ray_wssis.instance.truth import compare_row, iou_or_nan, true_masks
from ray_wssis.masks import area

POOR_IOU = 0.5
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}  # pixels


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Comparison of pseudo masks with the truth; entry i of every array is about the same point.

    Numbers are NaN where the true mask is not known.
    """

    image_id: NDArray[np.int64]
    label: NDArray[np.int64]
    has_mask: NDArray[np.bool_]
    true_area: NDArray[np.float64]  # pixels
    rough: NDArray[np.float64]  # IoU with the true mask, 0 without a mask
    refined: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], truth: Mapping[int, Record]) -> "Audit":
        """Compare every point of `rows` of labels, in order, with the records `truth` by image id.

        Ignored objects are no objects, so their masks count as not known.
        """
        lines = [line for row in rows for line in _lines(row, truth.get(row["image_id"]))]
        table = np.array(lines, dtype=np.float64).reshape(-1, 6)
        return cls(
            image_id=table[:, 0].astype(np.int64),
            label=table[:, 1].astype(np.int64),
            has_mask=table[:, 2] > 0,
            true_area=table[:, 3],
            rough=table[:, 4],
            refined=table[:, 5],
        )

    def ious(self, masks: str) -> NDArray[np.float64]:
        """Return the IoUs of the masks in the column `rough` or `refined` of the labels."""
        return {ROUGH: self.rough, REFINED: self.refined}[masks]

    @property
    def is_known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.refined)

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Points with a mask whose truth is known."""
        return self.is_known & self.has_mask

    def figures(self, names: Sequence[str]) -> dict[str, Any]:
        """Counts and figures of all objects, by class and by size; `names` are those of classes."""
        known = self.is_known
        return {
            "num_images": len(np.unique(self.image_id[known])),
            "num_objects": int(known.sum()),
            "num_without_mask": int((known & ~self.has_mask).sum()),
            "mIoU": percent(self.refined[known]),
            "rough_mIoU": percent(self.rough[known]),
            "share_below_half": percent(self.refined[known] < POOR_IOU),
            "by_class": self._parts(
                {name: self.label == label for label, name in enumerate(names)}
            ),
            "by_size": self._parts(
                {
                    name: (self.true_area >= least) & (self.true_area < most)
                    for name, (least, most) in SIZES.items()
                }
            ),
        }

    def _parts(self, parts: Mapping[str, NDArray[np.bool_]]) -> list[dict[str, Any]]:
        """Figures of each part that has any object."""
        mine = {name: part & self.is_known for name, part in parts.items()}
        return [
            {
                "name": name,
                "num_objects": int(part.sum()),
                "mIoU": percent(self.refined[part]),
                "share_below_half": percent(self.refined[part] < POOR_IOU),
            }
            for name, part in mine.items()
            if part.any()
        ]


def percent(values: NDArray[Any]) -> float | None:
    """Mean in percent; None without values."""
    return 100 * float(values.mean()) if values.size else None


def drift(counts: NDArray[np.int64], others: NDArray[np.int64]) -> float | None:
    """Total variation between two histograms of classes: the share that would have to change class.

    From 0 to 1; None when one of the histograms is empty.
    """
    if not counts.sum() or not others.sum():
        return None
    return 0.5 * float(np.abs(counts / counts.sum() - others / others.sum()).sum())


def _lines(row: Mapping[str, Any], truth: Record | None) -> Iterator[tuple[float, ...]]:
    """Columns of `Audit` for each point of a row."""
    areas = {}
    if truth is not None:
        masks = true_masks(truth)
        areas = {key: area(mask, truth.height, truth.width) for key, mask in masks.items()}
    rough, refined = (compare_row(row, column, truth) for column in (ROUGH, REFINED))
    for item, annotation in enumerate(row["annotation_id"] or []):
        yield (
            row["image_id"],
            row["label"][item],
            row["area"][item] > 0,
            areas.get(annotation, np.nan),
            iou_or_nan(rough, annotation),
            iou_or_nan(refined, annotation),
        )
