"""Mean IoU, pixel accuracy and boundary IoU from counts that add up over images.

A class that neither truth nor prediction shows has no IoU and is left out of the mean; unknown
pixels count nowhere.

Legend: K classes, H W pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from ray_wssis.data.class_maps.png import UNKNOWN

BOUNDARY = 0.02  # width of a boundary, as a share of the image's diagonal (arXiv:2103.16562)
Labels = UInt8[NDArray[np.uint8], "H W"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Comparison of the labels of some pixels with the truth."""

    pixels: Int64[NDArray[np.int64], "K K"]  # by true label, then by predicted label
    boundary: Int64[NDArray[np.int64], "K 2"]  # of each class: pixels in both boundaries, in any

    @classmethod
    def none(cls, num_classes: int) -> "Counts":
        return cls(
            pixels=np.zeros((num_classes, num_classes), np.int64),
            boundary=np.zeros((num_classes, 2), np.int64),
        )

    @classmethod
    def of(cls, truth: Labels, predicted: Labels, num_classes: int) -> "Counts":
        """Count the pixels of one image; `predicted` must know a label for each."""
        known = truth != UNKNOWN
        pairs = truth[known].astype(np.int64) * num_classes + predicted[known]
        pixels = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
        return cls(pixels=pixels, boundary=count_boundaries(truth, predicted, num_classes))

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(pixels=self.pixels + other.pixels, boundary=self.boundary + other.boundary)

    def figures(self, names: Iterable[str] = ()) -> dict[str, float]:
        """Return mIoU, pixel accuracy and mean boundary IoU, then the IoU of each of the classes
        `names`; in percent, NaN without a value."""
        ious = 100 * self.ious()
        right, total = int(self.pixels.trace()), int(self.pixels.sum())
        inner, outer = self.boundary.T
        edges = 100 * divided(inner, outer)
        return {
            "mIoU": mean(ious),
            "pixel_accuracy": 100 * right / total if total else float("nan"),
            "boundary_IoU": mean(edges),
        } | {f"IoU/{name}": float(iou) for name, iou in zip(names, ious, strict=False)}

    def ious(self) -> NDArray[np.float64]:
        """Return the IoU of each class, 0..1: (K,), NaN for a class that is nowhere."""
        both = self.pixels.diagonal()
        return divided(both, self.pixels.sum(axis=0) + self.pixels.sum(axis=1) - both)


def count_boundaries(
    truth: Labels, predicted: Labels, num_classes: int
) -> Int64[NDArray[np.int64], "K 2"]:
    """Count, for each class, the pixels that lie in both boundaries and those in any: inside the
    class, and not further from its edge than the width of a boundary."""
    width = max(1, round(BOUNDARY * float(np.hypot(*truth.shape))))
    known = truth != UNKNOWN
    counts = np.zeros((num_classes, 2), np.int64)
    for label in np.union1d(truth[known], predicted[known]):
        own = [boundary(labels == label, width) & known for labels in (truth, predicted)]
        counts[label] = (own[0] & own[1]).sum(), (own[0] | own[1]).sum()
    return counts


def boundary(mask: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Mark the pixels of a mask, [H, W], that are `width` pixels from its edge or less; the border
    of the image is an edge."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    edge: NDArray[np.bool_] = mask & (inner == 0)
    return edge


def divided(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
