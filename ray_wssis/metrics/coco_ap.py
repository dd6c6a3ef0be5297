"""Average precision of masks, as COCO defines it, for predictions against records."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ray_wssis.data.annotated import is_ignored, unseen
from ray_wssis.data.records import Record, Records
from ray_wssis.masks import area

NAMES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Objects found in one image; row i of every list is the same object."""

    image_id: int
    labels: list[int]
    scores: list[float]
    masks: list[bytes]  # run-length counts at the image's size


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Average precision of one model, in percent; NaN for what no object decides."""

    figures: dict[str, float]  # the six of NAMES, over all classes
    by_class: dict[str, list[float]]  # AP and AP50 of each class, in the order of the labels


def average_precision(truth: Records, predictions: Iterable[Prediction]) -> dict[str, float]:
    """Compute the six standard figures, in percent; NaN for a size that no object has.

    Every image counts, also without a prediction.  A prediction in an ignore region is neither
    right nor wrong: in a crowd, or outside the part of the image that somebody looked at.
    """
    return measure_precision(truth, predictions).figures


def measure_precision(truth: Records, predictions: Iterable[Prediction]) -> Precision:
    """Compute the figures of `average_precision`, and those of each class."""
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its steps
        ground = COCO()
        ground.dataset = ground_truth(truth)
        ground.createIndex()
        sizes = {image["id"]: image for image in ground.dataset["images"]}
        found = [row for image in predictions for row in result_rows(image, sizes[image.image_id])]
        evaluation = COCOeval(ground, ground.loadRes(found) if found else COCO(), iouType="segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [float(x) for x in evaluation.stats[: len(NAMES)]]
    # Thresholds of IoU from 0.5, recalls, classes; objects of all sizes, 100 instances an image.
    precisions = evaluation.eval["precision"][:, :, :, 0, -1]
    return Precision(
        figures={name: percent(x) for name, x in zip(NAMES, stats, strict=True)},
        by_class={
            "AP": [percent(mean(precisions[:, :, k])) for k in range(precisions.shape[2])],
            "AP50": [percent(mean(precisions[0, :, k])) for k in range(precisions.shape[2])],
        },
    )


def mean(precisions: NDArray[np.float64]) -> float:
    """Average the precisions that are known; -1, as in pycocotools, if none is."""
    known = precisions[precisions > -1]
    return float(known.mean()) if known.size else -1.0


def percent(value: float) -> float:
    """Turn a figure of pycocotools into percent; it writes -1 for one without a value."""
    return 100 * value if value >= 0 else float("nan")


def count_objects(truth: Records) -> list[int]:
    """Count the objects of each class that average precision is measured on, by label."""
    counts = [0] * len(truth.categories)
    for record in truth:
        for obj in record.objects:
            if obj.mask is not None and not is_ignored(record, obj):
                counts[obj.label] += 1
    return counts


def ground_truth(records: Records) -> dict[str, list[dict[str, object]]]:
    """Build a COCO data set in memory, with class numbers (plus one) as category ids."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for record in records:
        height, width = record.height, record.width
        images.append({"id": record.image_id, "height": height, "width": width})
        for label, mask, ignored in regions(record, len(records.categories)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": record.image_id,
                    "category_id": label + 1,
                    "segmentation": {"size": [height, width], "counts": mask},
                    "bbox": [0, 0, 0, 0],
                    "area": area(mask, height, width),
                    "iscrowd": int(ignored),
                }
            )
    categories: list[dict[str, object]] = [
        {"id": index + 1, "name": category.name}
        for index, category in enumerate(records.categories)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def regions(record: Record, num_classes: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield label, mask, and whether it is ignored, of each object and each ignore region.

    The part of the image that nobody looked at is a crowd of every class.
    """
    for obj in record.objects:
        if obj.mask is not None:
            yield obj.label, obj.mask, is_ignored(record, obj)
    rest = unseen(record)
    if rest is not None:
        yield from ((label, rest, True) for label in range(num_classes))


def result_rows(prediction: Prediction, image: dict[str, int]) -> list[dict[str, object]]:
    size = [image["height"], image["width"]]
    return [
        {
            "image_id": prediction.image_id,
            "category_id": label + 1,
            "score": score,
            "segmentation": {"size": size, "counts": mask},
        }
        for label, score, mask in zip(
            prediction.labels, prediction.scores, prediction.masks, strict=True
        )
    ]
