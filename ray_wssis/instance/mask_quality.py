"""How good are masks drawn for points, where the hidden truth is known?"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ray_wssis.data.records import Record
from ray_wssis.masks import iou

GOOD_IOU = 0.5


@dataclass
class MaskQuality:
    """Intersection over union of every object, a missing mask counting as 0."""

    ious: list[float] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    num_missing: int = 0

    def add(self, truth: Record, drawn: dict[int, bytes | None]) -> None:
        """Compare the masks `drawn`, by annotation id, with the truth of one picture."""
        for obj in truth.objects:
            if obj.mask is None or obj.crowd:
                continue
            found = drawn.get(obj.annotation_id)
            self.num_missing += found is None
            self.ious.append(
                0.0 if found is None else iou(found, obj.mask, truth.height, truth.width)
            )
            self.labels.append(obj.label)

    def figures(self, names: Iterable[str]) -> dict[str, float]:
        """mIoU and shares, in percent; mIoU of each class under its name."""
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
