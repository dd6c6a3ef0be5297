"""Confusion between classes: what the objects of each class were taken for.

The instances found in an image are matched as COCO matches them, but regardless of class: best
score first, each takes the object, of those not yet taken, that its mask fits best, by an IoU of
at least 0.5.  An object that none takes is missed.  An instance that takes none is invented, which
a second one of the same object is too; half in an ignore region (a crowd, or what nobody looked
at), it counts as nothing.

Because a match depends only on instances of higher score, counting once, by hundredths of the
score, gives the confusion at every threshold.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ray_wssis.data.annotated import is_ignored, unseen
from ray_wssis.data.records import Object, Record
from ray_wssis.masks import area, overlap, pairwise_iou
from ray_wssis.metrics.coco_ap import Prediction

SAME_IOU = 0.5  # masks that overlap at least this much show one object
FALLBACK = 0.3  # score threshold where no instance is right

Pair = tuple[int | None, int | None]  # label of the object, label it was taken for; None: none


@dataclass(kw_only=True)
class Confusion:
    """Counts over images that were added; those of two sets of images can be added up."""

    objects: Counter[int] = field(default_factory=Counter)  # by label
    # Instances by hundredth of the score, label of their object and their own label.
    instances: Counter[tuple[int, int | None, int]] = field(default_factory=Counter)

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(
            objects=self.objects + other.objects, instances=self.instances + other.instances
        )

    def add(self, truth: Record, found: Prediction) -> None:
        """Add one image; `found` is about the same one."""
        self.objects.update(
            obj.label
            for obj in truth.objects
            if obj.mask is not None and not is_ignored(truth, obj)
        )
        for place, obj, _ in matches(truth, found):
            true_label = None if obj is None else obj.label
            self.instances[int(100 * found.scores[place]), true_label, found.labels[place]] += 1

    def best_threshold(self) -> float:
        """Return the score, in hundredths, from which on instances agree best with the objects:
        with the highest F1, where class and mask must be right."""
        right, drawn = np.zeros(101), np.zeros(101)
        for (score, true_label, label), number in self.instances.items():
            drawn[score] += number
            right[score] += number * (true_label == label)
        if not right.any():
            return FALLBACK
        right, drawn = right[::-1].cumsum()[::-1], drawn[::-1].cumsum()[::-1]
        f1 = 2 * right / (drawn + self.objects.total())
        return float(100 - f1[::-1].argmax()) / 100

    def pairs(self, threshold: float) -> dict[Pair, int]:
        """Count pairs of what was there and what it was taken for, among the instances with a
        score of at least `threshold`, in hundredths."""
        counts: Counter[Pair] = Counter()
        for (score, true_label, label), number in self.instances.items():
            if score >= round(100 * threshold):
                counts[true_label, label] += number
        taken: Counter[int] = Counter()
        for (true_label, _), number in counts.items():
            if true_label is not None:
                taken[true_label] += number
        for label, number in (self.objects - taken).items():
            counts[label, None] = number
        return dict(counts)


class Match(NamedTuple):
    """One instance that was found."""

    place: int  # among all that were found in the image
    obj: Object | None  # what it took; None: it is invented
    iou: float  # with that object; 0 without one


def matches(truth: Record, found: Prediction, least_iou: float = SAME_IOU) -> Iterator[Match]:
    """Yield the instances of one image, best score first, without those in ignore regions; each
    takes an object that it overlaps by at least `least_iou`."""
    height, width = truth.height, truth.width
    objects = [obj for obj in truth.objects if obj.mask is not None]
    real = [obj for obj in objects if not is_ignored(truth, obj)]
    ignored = [obj.mask for obj in objects if is_ignored(truth, obj)] + [unseen(truth)]
    regions = [mask for mask in ignored if mask is not None]
    ious = pairwise_iou(found.masks, [obj.mask or b"" for obj in real], height, width)
    for i in np.argsort(-np.asarray(found.scores), kind="stable").tolist():
        best = int(ious[i].argmax()) if real else 0
        if real and ious[i, best] >= least_iou:
            yield Match(i, real[best], float(ious[i, best]))
            ious[:, best] = -1
        elif not lies_in(found.masks[i], regions, height, width):
            yield Match(i, None, 0.0)


def lies_in(mask: bytes, regions: list[bytes], height: int, width: int) -> bool:
    """Tell whether at least half of a mask lies in one of the regions."""
    needed = SAME_IOU * area(mask, height, width)
    return any(overlap(mask, region, height, width) >= needed for region in regions)
