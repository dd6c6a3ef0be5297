"""Quality of masks drawn for points, where the hidden truth is known."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ray_wssis.data.records import Record
from ray_wssis.instance.truth import Ious

GOOD_IOU = 0.5


@dataclass
class MaskQuality:
    """IoU of every object; a missing mask counts as 0."""

    ious: list[float] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    num_missing: int = 0

    def add(self, truth: Record, ious: Ious) -> None:
        """Add the objects of one image, compared with its `truth`."""
        labels = {obj.annotation_id: obj.label for obj in truth.objects}
        self.num_missing += sum(iou is None for iou in ious.values())
        self.ious += [iou or 0.0 for iou in ious.values()]
        self.labels += [labels[annotation] for annotation in ious]

    def figures(self, names: Iterable[str]) -> dict[str, float]:
        """mIoU and shares in percent, and the mIoU of each class under its name."""
        if not self.ious:
            return {"mIoU": float("nan"), "share_good": float("nan"), "num_missing": 0}
        figures = {
            "mIoU": mean(self.ious),
            "share_good": mean([value > GOOD_IOU for value in self.ious]),
            "num_missing": float(self.num_missing),
        }
        for label, name in enumerate(names):
            own = [x for x, other in zip(self.ious, self.labels, strict=True) if other == label]
            if own:
                figures[f"mIoU/{name}"] = mean(own)
        return figures


def mean(values: list[float] | list[bool]) -> float:
    return 100 * sum(values) / len(values)
